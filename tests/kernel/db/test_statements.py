"""Every statement of the product is bound to the workspace: the second lock on the tenant."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Delete, Insert, Select, Table, Update, Uuid, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import BinaryExpression, BindParameter
from sqlalchemy.sql.operators import eq
from sqlalchemy.sql.schema import Column

import domains
from domains.discovery.tables import insights, signal_insights, signals
from domains.kernel.db.statements import REGISTRY, Statement
from domains.kernel.db.tables import metadata
from domains.kernel.pagination.cursor import CURSOR_LISTS
from domains.kernel.pagination.offset import OFFSET_LISTS

for _found in pkgutil.walk_packages(domains.__path__, "domains."):
    import_module(_found.name)

# Lists compile a statement for each combination of filters when it is first used.
for _list in OFFSET_LISTS:
    _list.statement("desc", frozenset())
    _list.statement("asc", frozenset(_list.filters))
OF_KEYSETS = [
    each.statement(filters, after=after)
    for each in CURSOR_LISTS
    for filters in (frozenset[str](), frozenset(each.filters))
    for after in (False, True)
]

TENANT_TABLES = {table for table in metadata.tables.values() if "workspace_id" in table.c}

# The only modules whose statements may touch several workspaces, and why, is in the statements.
ACROSS = {
    "the job engine serves every workspace",
    "the key determines the workspace",
    "operators administer every workspace",
    "operators see queue lengths, never contents",
    "expired data is deleted in every workspace",
}


def unbound(core: Any) -> set[str]:
    """The tenant tables of a statement that are not tied to the parameter `workspace`."""
    tied: set[Any] = set()
    equalities: list[tuple[Any, Any]] = []
    used: set[Any] = set()
    for element in _elements(core):
        if isinstance(element, BinaryExpression) and element.operator is eq:
            equalities.append((element.left, element.right))
        if isinstance(element, Select):
            used |= {each for each in element.get_final_froms() for each in _tables(each)}
        if isinstance(element, UpdateBase):
            used |= set(_tables(element.table))
        if isinstance(element, Insert):
            equalities += _inserted(element)
    used = {each for each in used if _origin(each) in TENANT_TABLES}
    # Equality spreads: a table joined on workspace_id to a bound one is bound.
    while True:
        more = {
            column.table
            for pair in equalities
            for column, other in (pair, pair[::-1])
            if _is_workspace(column) and column.table not in tied and _binds(other, tied)
        }
        if not more:
            return {_origin(each).name for each in used - tied}
        tied |= more


def _elements(core: Any) -> Iterator[Any]:
    seen: set[int] = set()
    waiting = [core]
    while waiting:
        root = waiting.pop()
        for element in visitors.iterate(root):
            if id(element) in seen:
                continue
            seen.add(id(element))
            yield element
            # What a visitor does not reach by itself.
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


def _binds(other: Any, tied: set[Any]) -> bool:
    if isinstance(other, BindParameter):
        return other.key == "workspace"
    return _is_workspace(other) and other.table in tied


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
    faulty = {
        each.sql: unbound(each.core)
        for each in [*REGISTRY, *OF_KEYSETS]
        if each.cross_tenant_reason is None and unbound(each.core)
    }
    assert faulty == {}
    tenant_statements = [each for each in REGISTRY if each.cross_tenant_reason is None]
    assert len(tenant_statements) > 30


def test_statements_across_workspaces_are_few_and_say_why() -> None:
    assert {
        each.cross_tenant_reason for each in REGISTRY if each.cross_tenant_reason is not None
    } == ACROSS


_ws = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)


@pytest.mark.parametrize(
    ("core", "faulty"),
    [
        (select(signals.c.id).where(signals.c.id == _id), {"signals"}),
        (select(signals.c.id).where(signals.c.workspace_id == _ws), set()),
        (select(signals.c.id).where(signals.c.workspace_id == bindparam("other")), {"signals"}),
        (update(signals).where(signals.c.id == _id).values(name="x"), {"signals"}),
        (
            select(signals.c.id, insights.c.id)
            .join(insights, insights.c.made_by_signal_id == signals.c.id)
            .where(signals.c.workspace_id == _ws),
            {"insights"},
        ),
        (
            select(signals.c.id, insights.c.id)
            .join(insights, insights.c.workspace_id == signals.c.workspace_id)
            .where(signals.c.workspace_id == _ws),
            set(),
        ),
        (
            select(signals.c.id).where(
                signals.c.workspace_id == _ws,
                signals.c.id.in_(select(signal_insights.c.signal_id)),
            ),
            {"signal_insights"},
        ),
        (insert(signals).values(id=_id, name="x"), {"signals"}),
        (insert(signals).values(id=_id, workspace_id=bindparam("elsewhere")), {"signals"}),
        (insert(signals).values(id=_id, workspace_id=_ws), set()),
        (
            insert(signals).from_select(["id", "workspace_id"], select(_id, bindparam("other"))),
            {"signals"},
        ),
        (insert(signals).from_select(["id", "workspace_id"], select(_id, _ws)), set()),
        (
            select(select(signals.c.id).where(signals.c.id == _id).subquery()),
            {"signals"},
        ),
        (
            select(insights.c.id).where(
                insights.c.workspace_id == _ws,
                select(signals.c.id).where(signals.c.id == _id).cte("c").c.id == insights.c.id,
            ),
            {"signals"},
        ),
    ],
)
def test_planted_violations_are_seen(core: Any, faulty: set[str]) -> None:
    assert unbound(core) == faulty


def test_arguments_that_do_not_fit_are_refused() -> None:
    asked = Statement(select(signals.c.id).where(signals.c.workspace_id == _ws), lambda each: each)
    with pytest.raises(TypeError, match="workspace"):
        asked.arguments({})
    with pytest.raises(TypeError, match="other"):
        asked.arguments({"workspace": 1, "other": 2})


def test_deletes_and_updates_are_among_them() -> None:
    kinds = {type(each.core) for each in REGISTRY}
    assert any(issubclass(kind, Delete) for kind in kinds)
    assert any(issubclass(kind, Update) for kind in kinds)
