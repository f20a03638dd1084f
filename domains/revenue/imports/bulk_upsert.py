"""Statements that insert or replace many records of a table at once, one array per column."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db.statements import WORKSPACE, Statement, row, statement
from domains.revenue.tables import conversations


class BulkUpsert:
    """Statements for the columns `names` of a table. Each takes one array per column, by its name.

    With `native`, the records are native, and existing pushed records are left unchanged.
    """

    def __init__(self, table: Table, names: Sequence[str], native: bool) -> None:
        self._table = table
        self._names = names
        # Values that a native record gets whatever the import contains.
        self._fixed: dict[str, Any] = (
            {"native": literal_column("true"), "deleted_at": null()} if native else {}
        )
        if "state" in table.c:
            self._fixed |= {"error": null()}
        # Findings in a replaced record are void, and a conversation is processed again.
        self._reset: dict[str, Any] = {}
        if native:
            results = [each.name for each in table.c if each.name.startswith("found_")]
            self._reset = dict.fromkeys(results, null())
        if table is conversations:
            self._reset["version"] = table.c.version + 1
        if "changed_at" in table.c:
            self._reset["changed_at"] = func.now()
        self._is_pushed = ~table.c.native if native else literal_column("false")
        types = {name: _parameter_type(table.c[name]) for name in names}
        self._input = (
            func.unnest(*(bindparam(name, type_=ARRAY(types[name])) for name in names))
            .table_valued(*(column(name, types[name]) for name in names))
            .render_derived(name="imported")
        )

    def store(self) -> Statement[tuple[Any, bool]]:
        """Statement that inserts new records and replaces those that differ.

        Returns (id, False) for each stored record, and (id, True) for each id that was refused
        because it belongs to a pushed record. Unchanged records are not returned.
        """
        table = self._table
        values = {"workspace_id": WORKSPACE, **self._input_values(), **self._fixed}
        if "state" in table.c:
            values["state"] = self._initial_state(values)
        adding = insert(table).from_select(list(values), select(*values.values()))
        changes = self._changes(adding.excluded)
        # Not compared: an unchanged record that is still being processed is not stored again.
        state = {"state": adding.excluded.state} if "state" in table.c else {}
        stored = (
            adding.on_conflict_do_update(
                index_elements=["workspace_id", "id"],
                set_=changes | self._reset | state,
                where=and_(~self._is_pushed, self._differs(changes)),
            )
            .returning(table.c.id)
            .cte("stored")
        )
        pushed = select(table.c.id, literal_column("true")).where(
            table.c.workspace_id == WORKSPACE,
            table.c.id == any_(bindparam("id", type_=ARRAY(_parameter_type(table.c.id)))),
            self._is_pushed,
        )
        return statement(union_all(select(stored.c.id, literal_column("false")), pushed), row)

    def preview(self) -> Statement[tuple[Any, bool]]:
        """Statement that returns what `store` would return, and changes nothing."""
        table, records = self._table, self._input
        existing = and_(table.c.workspace_id == WORKSPACE, table.c.id == records.c.id)
        is_pushed = func.coalesce(self._is_pushed, literal_column("false"))
        differs = self._differs(self._changes(self._input_values()))
        return statement(
            select(records.c.id, is_pushed)
            .select_from(records.outerjoin(table, existing))
            .where(or_(table.c.id.is_(None), self._is_pushed, differs)),
            row,
        )

    def _input_values(self) -> dict[str, ColumnElement[Any]]:
        """The parameters as expressions of the table's types."""
        return {
            name: cast(self._input.c[name], self._table.c[name].type)
            if isinstance(self._table.c[name].type, JSON | ARRAY)
            else self._input.c[name]
            for name in self._names
        }

    def _initial_state(self, new: Mapping[str, Any]) -> ColumnElement[Any]:
        """State of a stored record: `pending` if it lacks values that a job will compute."""
        processed: ColumnElement[Any] = literal_column("'processed'")
        if self._table is not conversations:
            return processed
        return case(
            (
                and_(
                    new["transcript"].is_not(None),
                    or_(new["summary"].is_(None), new["category"].is_(None)),
                ),
                literal_column("'pending'"),
            ),
            else_=processed,
        )

    def _changes(self, new: Any) -> dict[str, Any]:
        """Values that a replaced record gets. `new` has the imported values by column name."""
        table = self._table
        changes = {name: new[name] for name in self._names if name != "id"} | self._fixed
        if table is conversations:
            # A computed link stays until the relinking. An imported link is replaced.
            is_imported = or_(new["crm_given"], table.c.crm_given)
            for name in ("crm_id", "crm_name", "crm_type"):
                changes[name] = case((is_imported, new[name]), else_=table.c[name])
        return changes

    def _differs(self, changes: Mapping[str, Any]) -> ColumnElement[bool]:
        return or_(
            *(
                _comparable(self._table.c[name]).is_distinct_from(_comparable(value))
                for name, value in changes.items()
            )
        )


def _parameter_type(of: Column[Any]) -> Any:
    # JSON and arrays are sent as text: the elements of an array of arrays must have one length.
    return Text() if isinstance(of.type, JSON | ARRAY | Text) else of.type


def _comparable(value: ColumnElement[Any]) -> ColumnElement[Any]:
    # The type json has no equality operator.
    return cast(value, Text) if isinstance(value.type, JSON) else value
