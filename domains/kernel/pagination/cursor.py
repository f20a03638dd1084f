"""Keyset pages: lists that are continued by a signed cursor, at any depth at the first page's cost.

A cursor says where its page ended and which query it belongs to. Records that others insert, change
or delete meanwhile neither repeat nor hide an older one.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Interval,
    LargeBinary,
    Select,
    Table,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.db.statements import Statement, row, scalar, statement
from domains.kernel.db.tables import cursor_queries
from domains.kernel.tenancy.signing import Signer

T = TypeVar("T")
Q = TypeVar("Q", bound="CursorQuery")

# The longest cursor that is given, and taken.
CURSOR_LENGTH: Final = 512
# Bytes of a query that stand in the cursor itself; longer ones are kept by their digest. With an
# id of 128 bytes, the position and the MAC, this fits into CURSOR_LENGTH.
_INLINE: Final = 180
# A list that is not continued for so long has to be started again, if its filters are that long.
_KEPT: Final = timedelta(days=30)

# Records at which a search looks in the order of the list, for each that is wanted, before it asks
# the index for all that match.
_LOOKED_AT: Final = 100

# Combinations of filters whose statements are remembered, for each list.
_REMEMBERED: Final = 500

_WRONG: Final = "is not a cursor of this list: take nextCursor as it was given, or leave it out"


_LIMIT: Final = bindparam("limit", type_=BigInteger)
_AFTER_AT: Final = bindparam("after_at", type_=DateTime(timezone=True))


class CursorQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The query of a list; a subclass adds its filters and says what they compare."""

    default_limit: ClassVar[int] = 50

    limit: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | UnsetType,
        Meta(
            description="Records a page; with a cursor the first page's limit stays in force",
            extra_json_schema={"default": 50},
        ),
    ] = UNSET
    cursor: Annotated[
        Annotated[str, Meta(max_length=CURSOR_LENGTH)] | UnsetType,
        Meta(description="`nextCursor` of the page before; its filters need not be repeated"),
    ] = UNSET

    def filters(self) -> dict[str, Any]:
        """The values that the list's filters compare with, by filter; Invalid names the field."""
        return {}


class CursorQuery20(CursorQuery, frozen=True, kw_only=True):
    """The query of a list whose pages hold 20 records unless said otherwise."""

    default_limit = 20

    limit: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | UnsetType,
        Meta(
            description="Records a page; with a cursor the first page's limit stays in force",
            extra_json_schema={"default": 20},
        ),
    ] = UNSET


class PaginationInfo(msgspec.Struct, rename="camel"):
    """How a list goes on."""

    next_cursor: Annotated[
        str | None,
        Meta(
            description="The next page's `cursor`; null: none",
            examples=["k5MUzwAAAZmzBF1uf3CBgpOktcbX6MQA4Q8vXw"],
        ),
    ]
    has_more: Annotated[bool, Meta(description="Whether there is a next page")]


class CursorPage(msgspec.Struct, Generic[T], frozen=True):
    """Some records of a list and how it goes on."""

    items: list[T]
    pagination: PaginationInfo


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """What a cursor holds: the limit, the last record's place, and the query or its digest."""

    limit: int
    at: datetime
    id: str
    query: bytes = b""
    digest: bytes = b""


def spans_sql(column: str) -> str:
    """The SQL of the spans, short ones and long ones, in which a column's value lies."""
    return f"spans({column})"


def at_least_hint(column: str, least: ColumnElement[Any]) -> ColumnElement[bool]:
    """That an indexed value lies in one of the few spans that make up everything from `least` on.

    So do some values that are a little less.
    """
    return _spanned(column).bool_op("&&")(_spans_from(least))


def at_most_hint(column: str, most: ColumnElement[Any]) -> ColumnElement[bool]:
    """The same of everything up to `most`."""
    return _spanned(column).bool_op("&&")(func.spans_to(most, type_=ARRAY(BigInteger)))


def _spans_from(least: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.spans_from(least, type_=ARRAY(BigInteger))


def _spanned(column: str) -> ColumnElement[Any]:
    return literal_column(spans_sql(column), type_=ARRAY(BigInteger))


# The SQL that is 0 for one of so many records, whichever that is.
_ONE_OF: Final = 32
SAMPLE_SQL: Final = f"hashtext(id::text) & {_ONE_OF - 1}"


class CursorList(Generic[T]):
    """A table's records of one workspace, newest first, ties by id; a page is one statement.

    `order_by` is never null and `order_id` unique within the workspace; `into` makes a record of
    the columns. `filters` are conditions by name: each compares with the parameter of its name, or
    with none. `where` holds for every record of the list.

    Indexes in the list's order serve the filters of `bounds`, all at once, and with them one of
    `alone`. Everything else is looked up in an index that knows no order: one GIN index over the
    workspace, SAMPLE_SQL, the `spans` of the order and whatever filters compare. `hints` are what that
    index understands of filters by more and less: conditions that follow from theirs.
    """

    def __init__(
        self,
        name: str,
        table: Table,
        columns: Sequence[Any],
        into: Callable[..., T],
        query: type[CursorQuery],
        *,
        order_by: ColumnElement[Any],
        order_id: ColumnElement[Any],
        filters: Mapping[str, ColumnElement[bool]],
        where: Sequence[ColumnElement[bool]] = (),
        bounds: Collection[str] = (),
        alone: Collection[str] = (),
        hints: Mapping[str, ColumnElement[bool]] = MappingProxyType({}),
    ) -> None:
        self._name = name
        self._table = table
        self._columns = columns
        self._into = into
        self._query = query
        self._order_by = order_by
        self._order_id = order_id
        self._mine = (table.c.workspace_id == bindparam("workspace", type_=Uuid), *where)
        self._bounds = frozenset(bounds)
        self._alone = frozenset(alone)
        self._hints = hints
        self.filters: Final = dict(filters)
        self._pages: dict[tuple[frozenset[str], bool], Statement[tuple[Any, ...]]] = {}
        CURSOR_LISTS.append(self)

    async def page(
        self,
        read: Read,
        signer: Signer,
        workspace: WorkspaceId,
        wanted: CursorQuery,
        *,
        only: frozenset[str] = frozenset(),
    ) -> CursorPage[T]:
        """The wanted page; `only` names filters without parameters, besides those of the query.

        Invalid for a cursor that is not this list's and workspace's, or for other filters than its.
        """
        if wanted.cursor:
            wanted, given, position = await self._continued(read, signer, workspace, wanted)
        else:
            given, position = wanted.filters(), None
        limit = wanted.default_limit if wanted.limit is UNSET else wanted.limit
        asked = self.statement(only.union(given), after=position is not None)
        if position is not None:
            given |= {"after_at": position.at, "after_id": self._id(position.id)}
        rows = await read.all(asked, workspace=workspace, limit=limit + 1, **given)
        items = [self._into(*columns) for _, _, *columns in rows[:limit]]
        if len(rows) <= limit:
            return CursorPage(items, PaginationInfo(None, False))
        at, last, *_ = rows[limit - 1]
        cursor = await self._cursor(read, signer, workspace, wanted, limit, at, str(last))
        return CursorPage(items, PaginationInfo(cursor, True))

    def statement(self, filters: frozenset[str], *, after: bool) -> Statement[tuple[Any, ...]]:
        """The statement for these filters, compiled when they are first used together."""
        made = self._pages.get((filters, after))
        if made is None:
            if len(self._pages) >= _REMEMBERED:
                self._pages.clear()
            made = self._pages[filters, after] = Statement(self._page(filters, after), row)
        return made

    def _page(self, filters: frozenset[str], after: bool) -> Select[Any]:
        unbounded = filters - self._bounds
        if len(unbounded) > 1 or not unbounded <= self._alone:
            return self._search(filters, after)
        return (
            select(self._order_by, self._order_id, *self._columns)
            .where(*self._mine, *self._conditions(filters), *self._before(after))
            .order_by(self._order_by.desc(), self._order_id.desc())
            .limit(_LIMIT)
        )

    def _search(self, filters: frozenset[str], after: bool) -> Select[Any]:
        """What is not rare is soon met in the list's order; what is rare is soon read as a whole.

        So look at the newest first. If they do not fill the page, ask the index for those that
        match in a sample, and then for all that are as new as those that would fill the page with
        records of the sample alone: few enough, however many there are and wherever they lie. Which
        way is shorter nobody has to guess.
        """
        at, key = self._order_by.label("at"), self._order_id.label("id")
        within = [*self._conditions(filters & self._bounds), *self._before(after)]
        wanted = self._conditions(filters - self._bounds)
        in_order = (self._order_by.desc(), self._order_id.desc())
        full = _LIMIT * literal_column(str(_LOOKED_AT))
        newest = _once(
            select(at, key, and_(*wanted).label("hit"))
            .where(*self._mine, *within)
            .order_by(*in_order)
            .limit(full),
            "newest",
        )
        near = _once(
            select(newest.c.at, newest.c.id)
            .where(newest.c.hit)
            .order_by(newest.c.at.desc(), newest.c.id.desc())
            .limit(_LIMIT),
            "near",
        )
        looked_at = select(func.count()).select_from(newest).scalar_subquery()
        met = select(func.count()).select_from(near).scalar_subquery()
        more = _once(select(and_(met < _LIMIT, looked_at == full).label("needed")), "more")
        needed = select(more.c.needed).scalar_subquery()
        hints = [self._hints[name] for name in sorted(filters & self._hints.keys())]
        if after:
            hints.append(at_most_hint(self._order_by.name, _AFTER_AT))
        every = (*self._mine, *within, *wanted, *hints, needed)
        sample = _once(
            select(at).where(*every, literal_column(SAMPLE_SQL) == literal_column("0")), "sample"
        )
        enough = (
            select(sample.c.at)
            .order_by(sample.c.at.desc())
            .offset(_LIMIT - literal_column("1"))
            .limit(literal_column("1"))
            .scalar_subquery()
        )
        ever: ColumnElement[Any] = literal_column("'-infinity'::timestamptz")
        least = func.coalesce(enough, ever)
        # Once for all: neither is constant to the planner.
        since = _once(select(least.label("at"), _spans_from(least).label("spans")), "since")
        found = _once(
            select(at, key).where(
                *every,
                self._order_by >= select(since.c.at).scalar_subquery(),
                _spanned(self._order_by.name).bool_op("&&")(
                    select(since.c.spans).scalar_subquery()
                ),
            ),
            "found",
        )
        either = union_all(
            select(near.c.at, near.c.id).where(~needed), select(found.c.at, found.c.id)
        ).subquery("either")
        chosen = _once(
            select(either.c.at, either.c.id)
            .order_by(either.c.at.desc(), either.c.id.desc())
            .limit(_LIMIT),
            "chosen",
        )
        return (
            select(self._order_by, self._order_id, *self._columns)
            .join_from(chosen, self._table, self._order_id == chosen.c.id)
            .where(*self._mine)
            .order_by(chosen.c.at.desc(), chosen.c.id.desc())
        )

    def _conditions(self, filters: frozenset[str]) -> list[ColumnElement[bool]]:
        return [self.filters[name] for name in sorted(filters)]

    def _before(self, after: bool) -> list[ColumnElement[bool]]:
        """That a record's place in the list is behind that of the cursor."""
        place = tuple_(_AFTER_AT, bindparam("after_id", type_=self._order_id.type))
        return [tuple_(self._order_by, self._order_id) < place] if after else []

    def _id(self, text: str) -> Any:
        return msgspec.convert(text, self._order_id.type.python_type)

    def purpose(self, workspace: WorkspaceId) -> str:
        """For what the cursors of this list are sealed."""
        return f"cursor/{self._name}/{workspace}"

    async def _cursor(
        self,
        read: Read,
        signer: Signer,
        workspace: WorkspaceId,
        query: CursorQuery,
        limit: int,
        at: datetime,
        last: str,
    ) -> str:
        filters = msgspec.msgpack.encode(
            msgspec.structs.replace(query, cursor=UNSET, limit=UNSET), order="deterministic"
        )
        if len(filters) <= _INLINE:
            position = _Position(limit, at, last, query=filters)
        else:
            digest = hashlib.sha256(filters).digest()
            await read.first(_KEEP_QUERY, workspace=workspace, digest=digest, query=filters)
            position = _Position(limit, at, last, digest=digest)
        return signer.issue_token(self.purpose(workspace), msgspec.msgpack.encode(position))

    async def _continued(
        self, read: Read, signer: Signer, workspace: WorkspaceId, wanted: CursorQuery
    ) -> tuple[CursorQuery, dict[str, Any], _Position | None]:
        """The query of the cursor's first page with the limit in force, its filters, its place."""
        purpose = self.purpose(workspace)
        sealed = signer.verify_token(purpose, str(wanted.cursor))
        # Base64 has more than one spelling of the same bytes.
        if sealed is None or signer.issue_token(purpose, sealed) != wanted.cursor:
            raise invalid("cursor", _WRONG)
        position = msgspec.msgpack.decode(sealed, type=_Position)
        filters: bytes | None = position.query
        if position.digest:
            filters = await read.first(_KEPT_QUERY, workspace=workspace, digest=position.digest)
        if filters is None:
            raise invalid("cursor", "is too old: start again without it")
        first = msgspec.msgpack.decode(filters, type=self._query)
        before, now = first.filters(), wanted.filters()
        if any(name not in before or before[name] != value for name, value in now.items()):
            raise Invalid(
                "The cursor belongs to a list with other filters: repeat those of its first page, "
                "or leave them out."
            )
        limit = position.limit if wanted.limit is UNSET else wanted.limit
        return msgspec.structs.replace(first, limit=limit), before, position


def _once(asked: Select[Any], name: str) -> CTE:
    """A part of a statement that is planned for itself, and run at most once."""
    return asked.cte(name).prefix_with("MATERIALIZED")


_KEEP_QUERY = statement(
    insert(cursor_queries)
    .values(
        workspace_id=bindparam("workspace"),
        digest=bindparam("digest"),
        query=bindparam("query", type_=LargeBinary),
    )
    .on_conflict_do_update(
        index_elements=[cursor_queries.c.workspace_id, cursor_queries.c.digest],
        set_={"used_at": func.now()},
    ),
    row,
)
_KEPT_QUERY = statement(
    select(cursor_queries.c.query).where(
        cursor_queries.c.workspace_id == bindparam("workspace"),
        cursor_queries.c.digest == bindparam("digest"),
    ),
    scalar,
)
_FORGET = statement(
    delete(cursor_queries).where(cursor_queries.c.used_at < func.now() - literal(_KEPT, Interval)),
    row,
    cross_tenant_reason="expired data is deleted in every workspace",
)


async def delete_expired(read: Read) -> None:
    """Delete the filters of lists that nobody has continued for long."""
    await read.first(_FORGET)


# Every list of the product, for the test that proves its statements bound to the workspace.
CURSOR_LISTS: Final[list[CursorList[Any]]] = []
