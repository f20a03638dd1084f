"""Every statement in the registry restricts its tenant tables to one workspace.

This is the second protection of tenants, after authorization.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Delete, Insert, Select, Table, Update, Uuid, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import BinaryExpression, BindParameter
from sqlalchemy.sql.operators import eq
from sqlalchemy.sql.schema import Column

import domains
from domains.discovery.tables import insights, signal_insights, signals
from domains.kernel.db.statements import REGISTRY, WORKSPACE, Statement, scalar
from domains.kernel.db.tables import metadata
from domains.kernel.pagination.cursor import CURSOR_LISTS
from domains.kernel.pagination.offset import OFFSET_LISTS

for _module in pkgutil.walk_packages(domains.__path__, "domains."):
    import_module(_module.name)

# Lists compile the statement for a combination of filters on first use.
for _list in OFFSET_LISTS:
    _list.statement("desc", frozenset(), skips=False)
    _list.statement("desc", frozenset(), skips=True)
    _list.statement("asc", frozenset(_list.filters), skips=True)
CURSOR_STATEMENTS = [
    cursor_list.statement(filters, after=after, newest=newest)
    for cursor_list in CURSOR_LISTS
    for filters, newest in (
        (frozenset[str](), False),
        (frozenset(cursor_list.filters), False),
        (frozenset(cursor_list.filters), True),
    )
    for after in (False, True)
]

TENANT_TABLES = {table for table in metadata.tables.values() if "workspace_id" in table.c}

# The only reasons for which a statement may touch rows of several workspaces.
CROSS_TENANT_REASONS = {
    "the job engine serves every workspace",
    "the key determines the workspace",
    "operators administer every workspace",
    "facts about the server, no records",
    "operators see queue lengths, never contents",
    "retention is the same for every workspace",
}


def unbound(core: Any) -> set[str]:
    """Return the tenant tables of a statement that are not bound to the parameter `workspace`."""
    bound: set[Any] = set()
    equalities: list[tuple[Any, Any]] = []
    used: set[Any] = set()
    for element in _elements(core):
        if isinstance(element, BinaryExpression) and element.operator is eq:
            equalities.append((element.left, element.right))
        if isinstance(element, Select):
            used |= {table for source in element.get_final_froms() for table in _tables(source)}
        if isinstance(element, UpdateBase):
            used |= set(_tables(element.table))
        if isinstance(element, Insert):
            equalities += _inserted(element)
    used = {table for table in used if _origin(table) in TENANT_TABLES}
    # Equality is transitive: a table joined on workspace_id to a bound table is bound.
    while True:
        newly_bound = {
            column.table
            for pair in equalities
            for column, other in (pair, pair[::-1])
            if _is_workspace(column) and column.table not in bound and _binds(other, bound)
        }
        if not newly_bound:
            return {_origin(table).name for table in used - bound}
        bound |= newly_bound


def _elements(core: Any) -> Iterator[Any]:
    """All elements of a statement, each once: CTEs that several others read would multiply."""
    # Keeps the elements alive, so that no id is used twice.
    seen: dict[int, Any] = {}
    waiting = [core]
    while waiting:
        element = waiting.pop()
        if id(element) in seen:
            continue
        seen[id(element)] = element
        yield element
        waiting += element.get_children()
        # `get_children` leaves these out.
        if isinstance(element, Insert) and element.select is not None:
            waiting.append(element.select)
        if isinstance(element, UpdateBase):
            waiting += list(getattr(element, "_independent_ctes", ()))


def _tables(source: Any) -> Iterator[Any]:
    if hasattr(source, "left"):
        yield from _tables(source.left)
        yield from _tables(source.right)
    elif isinstance(_origin(source), Table):
        yield source


def _origin(source: Any) -> Any:
    return getattr(source, "element", source)


def _is_workspace(column: Any) -> bool:
    return isinstance(column, Column) and column.name == "workspace_id"


def _binds(other: Any, bound: set[Any]) -> bool:
    if isinstance(other, BindParameter):
        return other.key == "workspace"
    return _is_workspace(other) and other.table in bound


def _inserted(element: Insert) -> list[tuple[Any, Any]]:
    table = element.table
    if element.select is not None:
        names = [str(getattr(name, "name", name)) for name in element._select_names or ()]
        position = names.index("workspace_id") if "workspace_id" in names else None
        if position is None:
            return []
        return [(table.c.workspace_id, list(element.select.selected_columns)[position])]
    values: dict[Any, Any] = dict(element._values or {})
    return [
        (table.c.workspace_id, value)
        for column, value in values.items()
        if getattr(column, "name", column) == "workspace_id"
    ]


def test_every_statement_is_bound_to_the_workspace() -> None:
    tenant_statements = [each for each in REGISTRY if each.cross_tenant_reason is None]
    for kind in (Select, Insert, Update, Delete):
        assert sum(isinstance(each.core, kind) for each in tenant_statements) >= 5
    faulty = {
        each.sql: tables
        for each in [*tenant_statements, *CURSOR_STATEMENTS]
        if (tables := unbound(each.core))
    }
    assert faulty == {}


def test_every_statement_compiles() -> None:
    # Statements compile on first use, so that a faulty one would pass unnoticed at import.
    assert all(each.sql for each in REGISTRY)


def test_every_reason_for_a_cross_tenant_statement_is_listed() -> None:
    reasons = {each.cross_tenant_reason for each in REGISTRY}
    assert reasons - {None} == CROSS_TENANT_REASONS


_id = bindparam("id", type_=Uuid)


@pytest.mark.parametrize(
    ("core", "faulty"),
    [
        (select(signals.c.id).where(signals.c.id == _id), {"signals"}),
        (select(signals.c.id).where(signals.c.workspace_id == WORKSPACE), set()),
        (select(signals.c.id).where(signals.c.workspace_id == bindparam("other")), {"signals"}),
        (update(signals).where(signals.c.id == _id).values(name="x"), {"signals"}),
        (
            select(signals.c.id, insights.c.id)
            .join(insights, insights.c.made_by_signal_id == signals.c.id)
            .where(signals.c.workspace_id == WORKSPACE),
            {"insights"},
        ),
        (
            select(signals.c.id, insights.c.id)
            .join(insights, insights.c.workspace_id == signals.c.workspace_id)
            .where(signals.c.workspace_id == WORKSPACE),
            set(),
        ),
        (
            select(signals.c.id).where(
                signals.c.workspace_id == WORKSPACE,
                signals.c.id.in_(select(signal_insights.c.signal_id)),
            ),
            {"signal_insights"},
        ),
        (insert(signals).values(id=_id, name="x"), {"signals"}),
        (insert(signals).values(id=_id, workspace_id=bindparam("elsewhere")), {"signals"}),
        (insert(signals).values(id=_id, workspace_id=WORKSPACE), set()),
        (
            insert(signals).from_select(["id", "workspace_id"], select(_id, bindparam("other"))),
            {"signals"},
        ),
        (insert(signals).from_select(["id", "workspace_id"], select(_id, WORKSPACE)), set()),
        (select(select(signals.c.id).where(signals.c.id == _id).subquery()), {"signals"}),
        (
            select(insights.c.id).where(
                insights.c.workspace_id == WORKSPACE,
                select(signals.c.id).where(signals.c.id == _id).cte("c").c.id == insights.c.id,
            ),
            {"signals"},
        ),
    ],
)
def test_planted_violations_are_found(core: Any, faulty: set[str]) -> None:
    assert unbound(core) == faulty


def test_missing_and_unknown_parameters_are_type_errors() -> None:
    statement = Statement(select(signals.c.id).where(signals.c.workspace_id == WORKSPACE), scalar)
    with pytest.raises(TypeError, match="workspace"):
        statement.arguments({})
    with pytest.raises(TypeError, match="other"):
        statement.arguments({"workspace": 1, "other": 2})
