"""Offset pagination: pages by limit and offset, with a capped total count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import (
    WORKSPACE,
    Statement,
    materialized,
    row,
    statement,
)
from domains.kernel.db.tables import record_counts

T = TypeVar("T")

MAX_LIMIT: Final = 100

# Totals are counted up to this number: an exact count takes longer the larger the workspace is.
COUNT_CAP: Final = 10_000

Order = Annotated[
    Literal["asc", "desc"], named("Order", "`desc`: newest first, `asc`: oldest first")
]


class OffsetQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of a list with offset pages."""

    limit: Annotated[
        int, doc("Number of records per page. Maximum 100; larger values are clamped.", ge=1)
    ] = 20
    offset: Annotated[int, doc("Number of records to skip", ge=0, le=2**31 - 1)] = 0
    order: Annotated[Order, doc("Order by creation")] = "desc"

    @property
    def size(self) -> int:
        """The effective limit."""
        return min(self.limit, MAX_LIMIT)


class OffsetPage(msgspec.Struct, Generic[T], frozen=True):
    """A page and the number of records in the whole list."""

    items: list[T]
    # Exact for an unfiltered list, else at most COUNT_CAP + 1.
    counted: int

    @property
    def total(self) -> int:
        """The number of records, at most COUNT_CAP."""
        return min(self.counted, COUNT_CAP)

    @property
    def capped(self) -> bool:
        """True if the list has more records than `total`."""
        return self.counted > COUNT_CAP


@dataclass(eq=False)
class OffsetList(Generic[T]):
    """A list of a table's records in one workspace, paged by offset. A page takes one statement.

    `table`: one whose records are counted in `record_counts`. `order_by`: a column that is never
    null, indexed after the workspace. `row_factory`: makes a record of `columns`.
    `filters`: conditions by the name of their SQL parameter, an attribute of `query_type`.
    """

    table: Table
    columns: Sequence[Any]
    order_by: Column[Any]
    row_factory: Callable[..., T]
    query_type: type[OffsetQuery] = OffsetQuery
    filters: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    _statements: dict[tuple[Order, frozenset[str], bool], Statement[tuple[Any, ...]]] = field(
        default_factory=dict, init=False
    )

    def __post_init__(self) -> None:
        for name in self.filters:
            getattr(self.query_type, name)  # fail at import if the name is misspelt
        OFFSET_LISTS.append(self)

    async def page(self, read: Read, workspace: WorkspaceId, query: OffsetQuery) -> OffsetPage[T]:
        """Return a page of the records that match the query, and their number."""
        params = {name: getattr(query, name) for name in self.filters}
        params = {name: value for name, value in params.items() if value is not UNSET}
        filters = frozenset(params)
        if query.offset:
            params["offset"] = query.offset
        rows = await read.records(
            self.statement(query.order, filters, skips=query.offset > 0),
            workspace=workspace,
            limit=query.size,
            **params,
        )
        row_factory = self.row_factory
        # The last column is the count. Only the first page of an empty list has no row.
        counted = rows[0][-1] if rows else 0
        if filters or query.offset:
            # The column before it is null for a row that has the count only.
            items = [row_factory(*row[:-2]) for row in rows if row[-2] is not None]
        else:
            items = [row_factory(*row[:-1]) for row in rows]
        return OffsetPage(items, counted)

    def statement(
        self, order: Order, filters: frozenset[str], *, skips: bool
    ) -> Statement[tuple[Any, ...]]:
        """Return the statement for a combination of filters, compiled on first use.

        With `skips`, it takes an offset.
        """
        key = (order, filters, skips)
        compiled = self._statements.get(key)
        if compiled is None:
            if filters:
                page = self._search(order, filters, skips)
            else:
                page = self._skip(order) if skips else self._scan(order)
            # Registered, so that the test of all statements sees those that were compiled.
            compiled = statement(page, row, reuses_plan=not filters and not skips)
            self._statements[key] = compiled
        return compiled

    def _scan(self, order: Order) -> Select[Any]:
        """Select the first page of the whole list with one index scan."""
        return (
            select(*self.columns, self._count_of_all().scalar_subquery())
            .where(self.table.c.workspace_id == WORKSPACE)
            .order_by(_in_order(self.order_by, order))
            .limit(bindparam("limit"))
        )

    def _skip(self, order: Order) -> Select[Any]:
        """Select a later page of the whole list."""
        page_ids = (
            select(self.table.c.id)
            .where(self.table.c.workspace_id == WORKSPACE)
            .order_by(_in_order(self.order_by, order))
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
        )
        return self._records(order, page_ids, self._count_of_all().subquery())

    def _search(self, order: Order, filters: frozenset[str], skips: bool) -> Select[Any]:
        """Select a page of the matches, which are counted up to COUNT_CAP + 1."""
        table = self.table
        conditions = (self.filters[name] for name in sorted(filters))
        is_match = and_(table.c.workspace_id == WORKSPACE, *conditions)
        offset: BindParameter[int] | None = bindparam("offset") if skips else None
        # Ids and positions of all matches, if they are few enough to be counted.
        matches = materialized(
            select(table.c.id, self.order_by.label("position"))
            .where(is_match)
            .limit(COUNT_CAP + 1),
            "matches",
        )
        counted = materialized(
            select(func.count().label("counted")).select_from(matches), "counted"
        )
        number = select(counted.c.counted).scalar_subquery()
        few = (
            select(matches.c.id)
            .where(number <= COUNT_CAP)
            .order_by(_in_order(matches.c.position, order))
            .limit(bindparam("limit"))
            .offset(offset)
            .subquery("few")
        )
        # A second scan is needed only if there are more matches.
        many = (
            select(table.c.id)
            .where(is_match, number > COUNT_CAP)
            .order_by(_in_order(self.order_by, order))
            .limit(bindparam("limit"))
            .offset(offset)
            .subquery("many")
        )
        page_ids = union_all(select(few.c.id), select(many.c.id))
        return self._records(order, page_ids, counted)

    def _records(
        self, order: Order, page_ids: Select[Any] | CompoundSelect[Any], counted: FromClause
    ) -> Select[Any]:
        """Select the records with these ids, and the count also for a page beyond the end."""
        # The ids first, so that computed columns, such as links, are evaluated for these records
        # only.
        page = (
            select(*self.columns, self.order_by.label("position"))
            .where(
                self.table.c.workspace_id == WORKSPACE,
                self.table.c.id == any_(func.array(page_ids.scalar_subquery(), type_=ARRAY(Uuid))),
            )
            .subquery()
        )
        return (
            select(page, counted)
            .select_from(counted.outerjoin(page, true()))
            .order_by(_in_order(page.c.position, order))
        )

    def _count_of_all(self) -> Select[Any]:
        # The aggregate is a row even if nothing was ever counted.
        return select(func.coalesce(func.max(record_counts.c.count), 0).label("counted")).where(
            record_counts.c.workspace_id == WORKSPACE,
            record_counts.c.kind == literal_column(f"'{self.table.name}'"),
        )


def _in_order(column: ColumnElement[Any], order: Order) -> ColumnElement[Any]:
    return column.asc() if order == "asc" else column.desc()


# All lists, for the test that proves their statements bound to the workspace.
OFFSET_LISTS: Final[list[OffsetList[Any]]] = []
