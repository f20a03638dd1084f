"""Sequence numbers of records, counted per workspace and kind in insertion order.

A transaction that takes a number holds a row lock until it ends. So numbers become visible in
ascending order: a list in that order never gains a record before one that was already returned.
"""

from typing import Any

from sqlalchemy import CTE, Text, bindparam, literal
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, scalar, statement
from domains.kernel.db.tables import public_ids


def _increment(kind: Any, count: Any) -> Any:
    return (
        insert(public_ids)
        .values(workspace_id=WORKSPACE, kind=kind, last=count)
        .on_conflict_do_update(
            index_elements=[public_ids.c.workspace_id, public_ids.c.kind],
            set_={"last": public_ids.c.last + count},
        )
        .returning(public_ids.c.last)
    )


_TAKE = statement(
    _increment(bindparam("kind"), bindparam("count", type_=public_ids.c.last.type)), scalar
)


def next_number_cte(kind: str) -> CTE[Any]:
    """Return a CTE `counter` for an INSERT. It takes one number, which is its column `last`."""
    counter: CTE[Any] = _increment(literal(kind, Text), literal(1, public_ids.c.last.type)).cte(
        "counter"
    )
    return counter


async def take_numbers(tx: Tx, workspace: WorkspaceId, kind: str, count: int) -> range:
    """Take the next `count` numbers."""
    if not count:
        return range(0)
    last: int = await tx.one(_TAKE, workspace=workspace, kind=kind, count=count)
    return range(last - count + 1, last + 1)
