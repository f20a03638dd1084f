"""Names of the records that jobs are about, for operators. The domains declare their tables."""

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
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
)

from domains.kernel.db.database import Read
from domains.kernel.db.statements import Statement, row, statement

# Workspace and id of a record.
RecordKey = tuple[UUID, UUID]

_keys: Final = (
    func.unnest(bindparam("workspaces", type_=ARRAY(Uuid)), bindparam("ids", type_=ARRAY(Uuid)))
    .table_valued(column("workspace_id", Uuid), column("id", Uuid))
    .render_derived(name="keys")
)


def names_in(table: Table, prefix: str, column: ColumnElement[Any]) -> Statement[Any]:
    """Statement that names records of a table: the prefix, a constant, and a column."""
    is_key = and_(table.c.workspace_id == _keys.c.workspace_id, table.c.id == _keys.c.id)
    name = literal_column(f"'{prefix}'", type_=Text) + cast(column, Text)
    return statement(
        select(table.c.workspace_id, table.c.id, name).select_from(_keys.join(table, is_key)),
        row,
        cross_tenant_reason="operators administer every workspace",
    )


async def find_names(
    read: Read, statements: Iterable[Statement[Any]], keys: Collection[RecordKey]
) -> dict[RecordKey, str]:
    """Return the names of the records that exist."""
    names: dict[RecordKey, str] = {}
    workspaces, ids = [key[0] for key in keys], [key[1] for key in keys]
    for named in statements:
        rows = await read.all(named, workspaces=workspaces, ids=ids)
        names |= {(workspace, record): name for workspace, record, name in rows}
    return names
