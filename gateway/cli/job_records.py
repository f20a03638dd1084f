"""Names of the records that jobs are about, for operators."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    union_all,
)

from domains.discovery.tables import signals
from domains.kernel.core.ids import parse_id
from domains.kernel.db.database import Read
from domains.kernel.db.statements import row, statement
from domains.kernel.jobs.job_admin import JobItem
from domains.revenue.tables import conversations, documents

# Fields of payloads that hold the id of a record.
_ID_FIELDS: Final = ("document_id", "conversation_id", "signal")

_keys = (
    func.unnest(
        bindparam("workspaces", type_=ARRAY(Uuid)),
        bindparam("ids", type_=ARRAY(Uuid)),
    )
    .table_valued(column("workspace_id", Uuid), column("id", Uuid))
    .render_derived(name="keys")
)


def _names(table: Table, name: Any) -> Any:
    is_key = and_(table.c.workspace_id == _keys.c.workspace_id, table.c.id == _keys.c.id)
    return select(table.c.workspace_id, table.c.id, name).select_from(_keys.join(table, is_key))


def _remote_name(noun: str, table: Table) -> Any:
    remote_id = func.coalesce(table.c.remote_id, cast(table.c.id, Text))
    return literal_column(f"'{noun} '", type_=Text) + remote_id


_NAMES: Final = statement(
    union_all(
        _names(documents, _remote_name("document", documents)),
        _names(conversations, _remote_name("conversation", conversations)),
        _names(signals, literal_column("'SIGNAL-'", type_=Text) + cast(signals.c.number, Text)),
    ),
    row,
    cross_tenant_reason="operators administer every workspace",
)


async def record_names(read: Read, jobs: Sequence[JobItem]) -> dict[UUID, str]:
    """Return the name of each job's record, by job id, for jobs about an existing record.

    A name is the public id of a signal, `document` or `conversation` with its remote id (its own
    id if it was imported), or `deal` with its id.
    """
    names: dict[UUID, str] = {}
    keys: dict[UUID, tuple[UUID, UUID]] = {}
    for job in jobs:
        payload = msgspec.json.decode(job.payload)
        ids = [parse_id(str(payload[field])) for field in _ID_FIELDS if field in payload]
        if ids and ids[0] is not None:
            keys[job.id] = (job.workspace_id, ids[0])
        elif "deal_id" in payload:
            names[job.id] = f"deal {payload['deal_id']}"
    workspaces, records = zip(*keys.values(), strict=True) if keys else ((), ())
    rows = await read.all(_NAMES, workspaces=list(workspaces), ids=list(records))
    found = {(workspace, record): name for workspace, record, name in rows}
    return names | {job: found[key] for job, key in keys.items() if key in found}
