"""Offset pagination: pages by limit and offset, with a capped total count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET
from sqlalchemy import (
    ARRAY,
    CTE,
    Column,
    ColumnElement,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    func,
    select,
    true,
    union_all,
)

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, Statement, row, statement

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
    # At most COUNT_CAP + 1.
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

    `order_by`: a column that is never null. `row_factory`: makes a record of `columns`.
    `filters`: conditions by the name of their SQL parameter, an attribute of `query_type`.
    """

    table: Table
    columns: Sequence[Any]
    order_by: Column[Any]
    row_factory: Callable[..., T]
    query_type: type[OffsetQuery] = OffsetQuery
    filters: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    _statements: dict[tuple[Order, frozenset[str]], Statement[tuple[Any, ...]]] = field(
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
        rows = await read.all(
            self.statement(query.order, frozenset(params)),
            workspace=workspace,
            limit=query.size,
            offset=query.offset,
            **params,
        )
        items = [
            self.row_factory(*columns) for _, position, *columns in rows if position is not None
        ]
        return OffsetPage(items, rows[0][0])

    def statement(self, order: Order, filters: frozenset[str]) -> Statement[tuple[Any, ...]]:
        """Return the statement for a combination of filters, compiled on first use."""
        compiled = self._statements.get((order, filters))
        if compiled is None:
            compiled = self._statements[order, filters] = self._compile(order, filters)
        return compiled

    def _compile(self, order: Order, filters: frozenset[str]) -> Statement[tuple[Any, ...]]:
        def in_order(column: ColumnElement[Any]) -> ColumnElement[Any]:
            return column.asc() if order == "asc" else column.desc()

        table = self.table
        tenant = table.c.workspace_id == WORKSPACE
        conditions = (tenant, *(self.filters[name] for name in sorted(filters)))
        # Ids and positions of all matches, if they are few enough to be counted.
        matches = _materialized(
            select(table.c.id, self.order_by.label("position"))
            .where(*conditions)
            .limit(COUNT_CAP + 1),
            "matches",
        )
        counted = _materialized(
            select(func.count().label("counted")).select_from(matches), "counted"
        )
        number = select(counted.c.counted).scalar_subquery()
        # Select the page's ids first, so that computed columns, such as links, are evaluated for
        # these rows only. A second scan is needed only if there are more matches.
        page_ids = union_all(
            *(
                select(source.c.id).select_from(source)
                for source in (
                    select(matches.c.id)
                    .where(number <= COUNT_CAP)
                    .order_by(in_order(matches.c.position))
                    .limit(bindparam("limit"))
                    .offset(bindparam("offset"))
                    .subquery("few"),
                    select(table.c.id)
                    .where(*conditions, number > COUNT_CAP)
                    .order_by(in_order(self.order_by))
                    .limit(bindparam("limit"))
                    .offset(bindparam("offset"))
                    .subquery("many"),
                )
            )
        )
        page = (
            select(self.order_by.label("position"), *self.columns)
            .where(
                tenant,
                table.c.id == any_(func.array(page_ids.scalar_subquery(), type_=ARRAY(Uuid))),
            )
            .subquery()
        )
        # The count is on the left of the outer join: a page beyond the end has a count too.
        return statement(
            select(counted, page)
            .outerjoin_from(counted, page, true())
            .order_by(in_order(page.c.position)),
            row,
        )


def _materialized(query: Select[Any], name: str) -> CTE:
    """A CTE that is planned separately and evaluated at most once."""
    return query.cte(name).prefix_with("MATERIALIZED")


# All lists, for the test that proves their statements bound to the workspace.
OFFSET_LISTS: Final[list[OffsetList[Any]]] = []
