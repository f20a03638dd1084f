"""Retention of stored objects: discarded objects are deleted when the retention time has passed."""

from collections.abc import Iterable
from typing import ClassVar, Final
from uuid import UUID

from sqlalchemy import Text, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database, Tx
from domains.kernel.db.statements import WORKSPACE, days, row, statement
from domains.kernel.db.tables import deleted_blobs
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job, Queue

_BATCH: Final = 200

_c = deleted_blobs.c
_KEY: Final = bindparam("key", type_=Text)
_DISCARD = statement(
    insert(deleted_blobs).values(workspace_id=WORKSPACE, key=_KEY).on_conflict_do_nothing(), row
)
_KEEP = statement(delete(deleted_blobs).where(_c.workspace_id == WORKSPACE, _c.key == _KEY), row)
_TAKE_EXPIRED = statement(
    delete(deleted_blobs)
    .where(
        tuple_(_c.workspace_id, _c.key).in_(
            select(_c.workspace_id, _c.key)
            .where(_c.deleted_at <= func.now() - days("days"))
            .order_by(_c.deleted_at)
            .limit(bindparam("batch", value=_BATCH))
            .with_for_update(skip_locked=True)
        )
    )
    .returning(_c.workspace_id, _c.key),
    row,
    cross_tenant_reason="retention is the same for every workspace",
)


class DeleteBlob(Job, frozen=True, tag="kernel.delete_blob"):
    """Delete an object whose retention time has passed."""

    queue: ClassVar[Queue] = "housekeeping"
    key: str


async def discard(tx: Tx, workspace: WorkspaceId, keys: Iterable[str | None]) -> None:
    """Delete objects when this transaction has committed and the retention time has passed.

    Keys that are None are skipped.
    """
    for key in keys:
        if key is not None:
            await tx.first(_DISCARD, workspace=workspace, key=key)


async def keep(tx: Tx, workspace: WorkspaceId, key: str) -> None:
    """Cancel the discarding of an object, because a record refers to it again."""
    await tx.first(_KEEP, workspace=workspace, key=key)


async def enqueue_deletions(database: Database, retention_days: float) -> int:
    """Enqueue the deletion of objects discarded at least `retention_days` ago.

    Returns the number of objects.
    """
    total = 0
    while True:
        async with database.transaction() as tx:
            expired = await tx.all(_TAKE_EXPIRED, days=retention_days)
            for workspace, key in expired:
                await enqueue(tx, workspace, DeleteBlob(key))
        total += len(expired)
        if len(expired) < _BATCH:
            return total


async def deletion_failed(
    tx: Tx, workspace: WorkspaceId, job: DeleteBlob, _job_id: UUID, _reason: str
) -> None:
    """Discard the object again, so that its deletion is retried after an outage of the store."""
    await discard(tx, workspace, [job.key])
