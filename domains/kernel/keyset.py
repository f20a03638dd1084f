"""Keyset pages: lists that are continued by a signed cursor, at any depth at the first page's cost.

A cursor says where its page ended and which query it belongs to. Records that others insert, change
or delete meanwhile neither repeat nor hide an older one.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Interval,
    LargeBinary,
    Table,
    Uuid,
    bindparam,
    delete,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db import Read
from domains.kernel.keys import WorkspaceId
from domains.kernel.problems import Invalid, invalid
from domains.kernel.signing import Signer
from domains.kernel.statements import Statement, row, scalar, statement
from domains.kernel.tables import cursor_queries

T = TypeVar("T")
Q = TypeVar("Q", bound="CursorQuery")

# The longest cursor that is given, and taken.
CURSOR_LENGTH: Final = 512
# Bytes of a query that stand in the cursor itself; longer ones are kept by their digest. With an
# id of 128 bytes, the position and the MAC, this fits into CURSOR_LENGTH.
_INLINE: Final = 180
# A list that is not continued for so long has to be started again, if its filters are that long.
_KEPT: Final = timedelta(days=30)

# Combinations of filters whose statements are remembered, for each list.
_REMEMBERED: Final = 500

_WRONG: Final = "is not a cursor of this list: take nextCursor as it was given, or leave it out"


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


class PageOf20(CursorQuery, frozen=True, kw_only=True):
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

    next_cursor: Annotated[str | None, Meta(description="The next page's `cursor`; null: none")]
    has_more: Annotated[bool, Meta(description="Whether there is a next page")]


class KeysetPage(msgspec.Struct, Generic[T], frozen=True):
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


class KeysetList(Generic[T]):
    """A table's records of one workspace, newest first, ties by id; a page is one statement.

    `order_by` is never null and `order_id` unique within the workspace; `into` makes a record of
    the columns. `filters` are conditions by name: each compares with the parameter of its name, or
    with none. `where` holds for every record of the list.
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
    ) -> None:
        self._name = name
        self._table = table
        self._columns = columns
        self._into = into
        self._query = query
        self._order_by = order_by
        self._order_id = order_id
        self._where = where
        self.filters: Final = dict(filters)
        self._pages: dict[tuple[frozenset[str], bool], Statement[tuple[Any, ...]]] = {}
        KEYSETS.append(self)

    async def page(
        self,
        read: Read,
        signer: Signer,
        workspace: WorkspaceId,
        wanted: CursorQuery,
        *,
        only: frozenset[str] = frozenset(),
    ) -> KeysetPage[T]:
        """The wanted page; `only` names filters without parameters, besides those of the query.

        Invalid for a cursor that is not this list's and workspace's, or for other filters than its.
        """
        position = None
        if wanted.cursor:
            wanted, position = await self._continued(read, signer, workspace, wanted)
        limit = wanted.default_limit if wanted.limit is UNSET else wanted.limit
        given = wanted.filters()
        asked = self.statement(only.union(given), after=position is not None)
        if position is not None:
            given |= {"after_at": position.at, "after_id": self._id(position.id)}
        rows = await read.all(asked, workspace=workspace, limit=limit + 1, **given)
        items = [self._into(*columns) for _, _, *columns in rows[:limit]]
        if len(rows) <= limit:
            return KeysetPage(items, PaginationInfo(None, False))
        at, last, *_ = rows[limit - 1]
        cursor = await self._cursor(read, signer, workspace, wanted, limit, at, str(last))
        return KeysetPage(items, PaginationInfo(cursor, True))

    def statement(self, filters: frozenset[str], *, after: bool) -> Statement[tuple[Any, ...]]:
        """The statement for these filters, compiled when they are first used together."""
        made = self._pages.get((filters, after))
        if made is None:
            if len(self._pages) >= _REMEMBERED:
                self._pages.clear()
            made = self._pages[filters, after] = Statement(self._page(filters, after), row)
        return made

    def _page(self, filters: frozenset[str], after: bool) -> Any:
        asked = (
            select(self._order_by, self._order_id, *self._columns)
            .where(
                self._table.c.workspace_id == bindparam("workspace", type_=Uuid),
                *self._where,
                *(self.filters[name] for name in sorted(filters)),
            )
            .order_by(self._order_by.desc(), self._order_id.desc())
            .limit(bindparam("limit"))
        )
        if after:
            place = tuple_(
                bindparam("after_at", type_=DateTime(timezone=True)),
                bindparam("after_id", type_=self._order_id.type),
            )
            asked = asked.where(tuple_(self._order_by, self._order_id) < place)
        return asked

    def _id(self, text: str) -> Any:
        return msgspec.convert(text, self._order_id.type.python_type)

    def _purpose(self, workspace: WorkspaceId) -> str:
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
        return signer.seal(self._purpose(workspace), msgspec.msgpack.encode(position))

    async def _continued(
        self, read: Read, signer: Signer, workspace: WorkspaceId, wanted: CursorQuery
    ) -> tuple[CursorQuery, _Position]:
        """The query that the cursor belongs to, with the limit that is in force, and its place."""
        sealed = signer.unseal(self._purpose(workspace), str(wanted.cursor))
        if sealed is None:
            raise invalid("cursor", _WRONG)
        position = msgspec.msgpack.decode(sealed, type=_Position)
        filters: bytes | None = position.query
        if position.digest:
            filters = await read.first(_KEPT_QUERY, workspace=workspace, digest=position.digest)
        if filters is None:
            raise invalid("cursor", "is too old: start again without it")
        first = msgspec.msgpack.decode(filters, type=self._query)
        self._compare(first, wanted)
        limit = position.limit if wanted.limit is UNSET else wanted.limit
        return msgspec.structs.replace(first, limit=limit), position

    def _compare(self, first: CursorQuery, wanted: CursorQuery) -> None:
        before, now = first.filters(), wanted.filters()
        if any(name not in before or before[name] != value for name, value in now.items()):
            raise Invalid(
                "The cursor belongs to a list with other filters: repeat those of its first page, "
                "or leave them out."
            )


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
    across="what is over is over in every workspace",
)


async def forget_old(read: Read) -> None:
    """Delete the filters of lists that nobody has continued for long."""
    await read.first(_FORGET)


# Every list of the product, for the test that proves its statements bound to the workspace.
KEYSETS: Final[list[KeysetList[Any]]] = []
