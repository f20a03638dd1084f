"""Offset pages. (Keyset pages with signed cursors come with the surface that uses them.)"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Table,
    Uuid,
    any_,
    asc,
    bindparam,
    desc,
    func,
    select,
    true,
)

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import Statement, row, statement

T = TypeVar("T")

MAX_LIMIT: Final = 100

# Counting stops here: an exact count costs time that grows with the workspace.
COUNT_CAP: Final = 10_000

Order = Literal["asc", "desc"]


class OffsetQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a list: which part of it is wanted."""

    limit: Annotated[
        int, Meta(ge=1, description="Records a page; more than 100 are cut to 100")
    ] = 20
    offset: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="Records to leave out before the page")
    ] = 0
    order: Annotated[Order, Meta(description="`desc`: newest first, `asc`: oldest first")] = "desc"

    @property
    def size(self) -> int:
        """The limit that is in force."""
        return min(self.limit, MAX_LIMIT)


class OffsetPage(msgspec.Struct, Generic[T], frozen=True):
    """One page and how many records the whole list has, counted to COUNT_CAP + 1 at the most."""

    items: list[T]
    counted: int

    @property
    def total(self) -> int:
        return min(self.counted, COUNT_CAP)

    @property
    def capped(self) -> bool:
        """True where there are more records than `total` says."""
        return self.counted > COUNT_CAP


class OffsetList(Generic[T]):
    """A table's records of one workspace in the order of a column; a page is one statement.

    `order_by` is never null; `into` makes a record of the columns. `filters` are conditions by the
    name of the parameter that each compares with; `query` has a field or property of each name.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[Any],
        order_by: Column[Any],
        into: Callable[..., T],
        query: type[OffsetQuery] = OffsetQuery,
        filters: Mapping[str, ColumnElement[bool]] | None = None,
    ) -> None:
        for name in filters or {}:
            getattr(query, name)  # a misspelt one ends the import
        self._table = table
        self._columns = columns
        self._order_by = order_by
        self._into = into
        self.filters: Final = dict(filters or {})
        self._pages: dict[tuple[Order, frozenset[str]], Statement[tuple[Any, ...]]] = {}
        OFFSET_LISTS.append(self)

    async def page(self, read: Read, workspace: WorkspaceId, wanted: OffsetQuery) -> OffsetPage[T]:
        """The wanted page and the capped count of what the filters of the query leave."""
        given = {name: getattr(wanted, name) for name in self.filters}
        given = {name: value for name, value in given.items() if value is not UNSET}
        rows = await read.all(
            self.statement(wanted.order, frozenset(given)),
            workspace=workspace,
            limit=wanted.size,
            offset=wanted.offset,
            **given,
        )
        items = [self._into(*columns) for _, position, *columns in rows if position is not None]
        return OffsetPage(items, rows[0][0])

    def statement(self, order: Order, filters: frozenset[str]) -> Statement[tuple[Any, ...]]:
        """The statement for these filters, compiled when they are first used together."""
        made = self._pages.get((order, filters))
        if made is None:
            made = self._pages[order, filters] = self._page(order, filters)
        return made

    def _page(self, order: Order, filters: frozenset[str]) -> Statement[tuple[Any, ...]]:
        table, direction = self._table, {"asc": asc, "desc": desc}[order]
        mine = table.c.workspace_id == bindparam("workspace", type_=Uuid)
        wanted = [self.filters[name] for name in sorted(filters)]
        counted = (
            select(func.count().label("counted"))
            .select_from(select(table.c.id).where(mine, *wanted).limit(COUNT_CAP + 1).subquery())
            .subquery()
        )
        # The page's ids first: what a row shows, such as its links, is asked for these alone.
        chosen = (
            select(table.c.id)
            .where(mine, *wanted)
            .order_by(direction(self._order_by))
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
        )
        page = (
            select(self._order_by.label("position"), *self._columns)
            .where(
                mine, table.c.id == any_(func.array(chosen.scalar_subquery(), type_=ARRAY(Uuid)))
            )
            .subquery()
        )
        # The count stands on the left, so that it comes back for a page beyond the end, too.
        return statement(
            select(counted, page)
            .outerjoin_from(counted, page, true())
            .order_by(direction(page.c.position)),
            row,
        )


# Every list of the product, for the test that proves its statements bound to the workspace.
OFFSET_LISTS: Final[list[OffsetList[Any]]] = []
