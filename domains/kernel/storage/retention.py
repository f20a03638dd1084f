"""Bytes that no record names any more: kept for the time of retention, then deleted."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import Float, Interval, Text, bindparam, delete, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database, Tx
from domains.kernel.db.statements import row, statement
from domains.kernel.db.tables import deleted_blobs
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.storage.blobs import DeleteBlob

_BATCH: Final = 200

_c = deleted_blobs.c
_DISCARD = statement(
    insert(deleted_blobs)
    .values(workspace_id=bindparam("workspace"), key=bindparam("key", type_=Text))
    .on_conflict_do_nothing(),
    row,
)
_KEEP = statement(
    delete(deleted_blobs).where(
        _c.workspace_id == bindparam("workspace"), _c.key == bindparam("key", type_=Text)
    ),
    row,
)
_RELEASE = statement(
    delete(deleted_blobs)
    .where(
        tuple_(_c.workspace_id, _c.key).in_(
            select(_c.workspace_id, _c.key)
            .where(
                _c.deleted_at
                <= func.now()
                - bindparam("days", type_=Float) * literal(timedelta(days=1), Interval)
            )
            .order_by(_c.deleted_at)
            .limit(bindparam("batch", value=_BATCH))
            .with_for_update(skip_locked=True)
        )
    )
    .returning(_c.workspace_id, _c.key),
    row,
    across="what is over is over in every workspace",
)


async def discard(tx: Tx, workspace: WorkspaceId, keys: Iterable[str | None]) -> None:
    """Have stored objects deleted when this change has been committed and the time of retention is
    over; None stands for no object.
    """
    for key in keys:
        if key is not None:
            await tx.first(_DISCARD, workspace=workspace, key=key)


async def keep(tx: Tx, workspace: WorkspaceId, key: str) -> None:
    """A record names this object from now on, whatever an earlier attempt thought of it."""
    await tx.first(_KEEP, workspace=workspace, key=key)


async def release(database: Database, days: float) -> int:
    """Queue the deletion of all objects that were discarded so many days ago; how many."""
    total = 0
    while True:
        async with database.transaction() as tx:
            found = await tx.all(_RELEASE, days=days)
            for workspace, key in found:
                await enqueue(tx, workspace, DeleteBlob(key))
        total += len(found)
        if len(found) < _BATCH:
            return total
