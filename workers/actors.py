"""What each kind of job does: one table."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from domains.discovery import analysis
from domains.discovery.analysis import AnalyseSignal
from domains.kernel.blobs import Blobs, DeleteBlob
from domains.kernel.compute import Compute
from domains.kernel.db import Read, Tx
from domains.kernel.jobs import Job
from domains.kernel.keys import WorkspaceId
from domains.revenue import relinking
from domains.revenue.relinking import LinkCrm
from workers.runner import Actor, Write


class Tools(msgspec.Struct, frozen=True):
    """What jobs are done with."""

    read: Read
    blobs: Blobs
    compute: Compute


async def _analyse(tools: Tools, workspace: WorkspaceId, job: AnalyseSignal) -> Write:
    return await analysis.analyse(tools.read, tools.blobs, tools.compute, workspace, job)


async def _delete_blob(tools: Tools, _workspace: WorkspaceId, job: DeleteBlob) -> None:
    await tools.blobs.delete(job.key)


async def _link_crm(_tools: Tools, workspace: WorkspaceId, _job: LinkCrm) -> Write:
    # The database alone has work here, so all of it belongs to the transaction that ends the job.
    return lambda tx: relinking.link_some(tx, workspace)


async def _link_crm_failed(
    tx: Tx, workspace: WorkspaceId, _job: LinkCrm, _id: UUID, _reason: str
) -> None:
    await relinking.linking_failed(tx, workspace)


ACTORS: Final[Mapping[type[Job], Actor[Tools, Any]]] = {
    AnalyseSignal: Actor(run=_analyse, failed=analysis.analysis_failed),
    DeleteBlob: Actor(run=_delete_blob),
    LinkCrm: Actor(run=_link_crm, failed=_link_crm_failed),
}
