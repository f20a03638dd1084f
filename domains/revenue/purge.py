"""Purge of deleted records: rows marked as deleted are removed after the retention period."""

from typing import Any, Final

from sqlalchemy import Table, delete, func, literal_column, select, tuple_

from domains.kernel.db.database import Read
from domains.kernel.db.statements import Statement, days, scalar, statement
from domains.revenue.tables import conversations, documents, messages, rows

_BATCH: Final = 1_000


def _purge(table: Table) -> Statement[Any]:
    c = table.c
    expired = (
        select(c.workspace_id, c.id)
        .where(c.deleted_at.is_not(None), c.deleted_at <= func.now() - days("days"))
        .limit(literal_column(str(_BATCH)))
        # Skip a row that an import is restoring right now.
        .with_for_update(skip_locked=True)
    )
    return statement(
        delete(table).where(tuple_(c.workspace_id, c.id).in_(expired)).returning(c.id),
        scalar,
        cross_tenant_reason="retention is the same for every workspace",
    )


_PURGE: Final = tuple(map(_purge, (rows, messages, conversations, documents)))


async def purge_deleted(read: Read, retention_days: float) -> int:
    """Remove records that were deleted at least `retention_days` ago. Returns how many.

    Their bytes were discarded at the deletion and are purged by the object store's own retention.
    """
    total = 0
    for purge in _PURGE:
        while purged := await read.all(purge, days=retention_days):
            total += len(purged)
    return total
