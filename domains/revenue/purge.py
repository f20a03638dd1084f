"""Records that were deleted: marked at first, gone for good when the time of retention is over."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    Float,
    Interval,
    Table,
    bindparam,
    delete,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)

from domains.kernel.db.database import Read
from domains.kernel.db.statements import Statement, scalar, statement
from domains.revenue.tables import conversations, documents, messages, rows

_BATCH: Final = 1_000


def _forget(table: Table) -> Statement[Any]:
    c = table.c
    over = (
        select(c.workspace_id, c.id)
        .where(
            c.deleted_at.is_not(None),
            c.deleted_at
            <= func.now() - bindparam("days", type_=Float) * literal(timedelta(days=1), Interval),
        )
        .limit(literal_column(str(_BATCH)))
        # An import may bring one of them back at this moment.
        .with_for_update(skip_locked=True)
    )
    return statement(
        delete(table).where(tuple_(c.workspace_id, c.id).in_(over)).returning(c.id),
        scalar,
        cross_tenant_reason="expired data is deleted in every workspace",
    )


_FORGET: Final = tuple(map(_forget, (rows, messages, conversations, documents)))


async def forget_old(read: Read, days: float) -> int:
    """Remove the records that were deleted so many days ago; how many.

    Their bytes were discarded when they were deleted, for the same time.
    """
    total = 0
    for forget in _FORGET:
        while forgotten := await read.all(forget, days=days):
            total += len(forgotten)
    return total
