"""Names of the records that jobs are about."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from domains.discovery.analysis import SIGNAL_NAMES
from domains.kernel.core.ids import parse_id
from domains.kernel.db.database import Read
from domains.kernel.jobs.job_admin import JobItem
from domains.kernel.jobs.record_names import RecordKey, find_names
from domains.revenue.enrichment.versions import CONVERSATION_NAMES, DOCUMENT_NAMES

# Fields of payloads that hold the id of a record.
_ID_FIELDS: Final = ("document_id", "conversation_id", "signal")


async def record_names(read: Read, jobs: Sequence[JobItem]) -> dict[UUID, str]:
    """Return the name of each job's record, by job id, for jobs about an existing record.

    A name is the public id of a signal, `document` or `conversation` with its remote id (its own
    id if it was imported), or `deal` with its id.
    """
    names: dict[UUID, str] = {}
    keys: dict[UUID, RecordKey] = {}
    for job in jobs:
        payload = msgspec.json.decode(job.payload)
        ids = [parse_id(str(payload[field])) for field in _ID_FIELDS if field in payload]
        if ids and ids[0] is not None:
            keys[job.id] = (job.workspace_id, ids[0])
        elif "deal_id" in payload:
            names[job.id] = f"deal {payload['deal_id']}"
    statements = (SIGNAL_NAMES, DOCUMENT_NAMES, CONVERSATION_NAMES)
    found = await find_names(read, statements, set(keys.values()))
    return names | {job: found[key] for job, key in keys.items() if key in found}
