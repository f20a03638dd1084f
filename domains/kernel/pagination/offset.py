"""Offset pagination: pages by limit and offset, with a capped total count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, Statement, row, statement
from domains.kernel.db.tables import record_counts

T = TypeVar("T")

MAX_LIMIT: Final = 100

# Totals are counted up to this number: an exact count takes longer the larger the workspace is.
COUNT_CAP: Final = 10_000

Order = Literal["asc", "desc"]


class OffsetQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of a list with offset pages."""

    limit: Annotated[
        int, doc("Number of records per page. Maximum 100; larger values are clamped.", ge=1)
    ] = 20
    offset: Annotated[int, doc("Number of records to skip", ge=0, le=2**31 - 1)] = 0
    order: Annotated[Order, doc("`desc`: newest first, `asc`: oldest first")] = "desc"

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
        # The last two columns are the position, null for a row that has the count only, and the
        # count.
        items = [row_factory(*row[:-2]) for row in rows if row[-2] is not None]
        # Only the first page of an empty list has no row.
        return OffsetPage(items, rows[0][-1] if rows else 0)

    def statement(
        self, order: Order, filters: frozenset[str], *, skips: bool
    ) -> Statement[tuple[Any, ...]]:
        """Return the statement for a combination of filters, compiled on first use.

        With `skips`, it takes an offset.
        """
        key = (order, filters, skips)
        compiled = self._statements.get(key)
        if compiled is None:
            select_page = self._search if filters or skips else self._scan
            # Registered, so that the test of all statements sees those that were compiled.
            compiled = self._statements[key] = statement(
                select_page(order, filters, skips), row, reuses_plan=not filters and not skips
            )
        return compiled

    def _scan(self, order: Order, _filters: frozenset[str], _skips: bool) -> Select[Any]:
        """Select the first page of the whole list with one index scan."""
        return (
            select(*self.columns, self.order_by, self._count(frozenset()).scalar_subquery())
            .where(self.table.c.workspace_id == WORKSPACE)
            .order_by(_in_order(self.order_by, order))
            .limit(bindparam("limit"))
        )

    def _search(self, order: Order, filters: frozenset[str], skips: bool) -> Select[Any]:
        """Select a page of matches, with their count also beyond the end of the list."""
        table = self.table
        # Select the page's ids first, so that computed columns, such as links, are evaluated for
        # these rows only.
        page_ids = (
            select(table.c.id)
            .where(*self._matches(filters))
            .order_by(_in_order(self.order_by, order))
            .limit(bindparam("limit"))
            .offset(bindparam("offset") if skips else None)
        )
        page = (
            select(*self.columns, self.order_by.label("position"))
            .where(
                table.c.workspace_id == WORKSPACE,
                table.c.id == any_(func.array(page_ids.scalar_subquery(), type_=ARRAY(Uuid))),
            )
            .subquery()
        )
        counted = self._count(filters).subquery()
        # The count is on the left of the outer join: a page beyond the end has a count too.
        return (
            select(page, counted)
            .select_from(counted.outerjoin(page, true()))
            .order_by(_in_order(page.c.position, order))
        )

    def _count(self, filters: frozenset[str]) -> Select[Any]:
        """Select the number of matches, of which filtered ones are counted up to COUNT_CAP + 1."""
        if filters:
            matches = select(self.table.c.id).where(*self._matches(filters)).limit(COUNT_CAP + 1)
            return select(func.count().label("counted")).select_from(matches.subquery())
        # The aggregate is a row even if nothing was ever counted.
        return select(func.coalesce(func.max(record_counts.c.count), 0).label("counted")).where(
            record_counts.c.workspace_id == WORKSPACE,
            record_counts.c.kind == literal_column(f"'{self.table.name}'"),
        )

    def _matches(self, filters: frozenset[str]) -> list[ColumnElement[bool]]:
        conditions = (self.filters[name] for name in sorted(filters))
        return [self.table.c.workspace_id == WORKSPACE, *conditions]


def _in_order(column: ColumnElement[Any], order: Order) -> ColumnElement[Any]:
    return column.asc() if order == "asc" else column.desc()


# All lists, for the test that proves their statements bound to the workspace.
OFFSET_LISTS: Final[list[OffsetList[Any]]] = []
