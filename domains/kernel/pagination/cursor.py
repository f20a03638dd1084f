"""Cursor pagination: pages in list order, each continued by a signed cursor.

A page takes the same time at any depth. Records that are inserted, changed or deleted between two
pages neither repeat nor hide other records.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, days, parameters, row, scalar, statement
from domains.kernel.db.tables import cursor_queries
from domains.kernel.pagination.cursor_statements import CursorStatements
from domains.kernel.tenancy.signing import Signer

T = TypeVar("T")

# Maximum characters of a cursor.
CURSOR_LENGTH: Final = 512
# Maximum bytes of a query within a cursor; longer ones are stored and referred to by digest. With
# an id of 128 bytes, the time and the MAC, the cursor is at most CURSOR_LENGTH long.
_INLINE_QUERY_BYTES: Final = 180
# Days after which an unused stored query is deleted, and its cursors become invalid.
_STORED_QUERY_RETENTION: Final = 30

_INVALID_CURSOR: Final = (
    "is not a cursor of this list: take nextCursor as it was given, or leave it out"
)
_LIMIT_DESCRIPTION: Final = (
    "Number of records per page. With a cursor, the default is the limit of the first page."
)
_Limit = Annotated[int, Meta(ge=1, le=50)] | UnsetType


class CursorQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Query parameters of a list with cursors. Subclasses add filters and override `filters`."""

    default_limit: ClassVar[int] = 50

    limit: Annotated[_Limit, doc(_LIMIT_DESCRIPTION, extra_json_schema={"default": 50})] = UNSET
    cursor: Annotated[
        Annotated[str, Meta(max_length=CURSOR_LENGTH)] | UnsetType,
        doc("`nextCursor` of the previous page. Filters need not be repeated."),
    ] = UNSET

    def filters(self) -> dict[str, Any]:
        """Return the SQL parameters of the given filters, by filter name. Raises Invalid."""
        return {}


class CursorQuery20(CursorQuery, frozen=True, kw_only=True):
    """Query parameters of a list whose pages contain 20 records by default."""

    default_limit = 20

    limit: Annotated[_Limit, doc(_LIMIT_DESCRIPTION, extra_json_schema={"default": 20})] = UNSET


class PaginationInfo(msgspec.Struct, rename="camel"):
    """Continuation of a list after a page."""

    next_cursor: Annotated[
        str | None,
        doc("`cursor` of the next page; null on the last page", "k5MUzwAAAZmzBF1uf3CBgpOk"),
    ]
    has_more: Annotated[bool, doc("True if there is a next page")]


class CursorPage(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list."""

    items: list[T]
    pagination: PaginationInfo


class _CursorContent(msgspec.Struct, frozen=True, array_like=True):
    """Content of a cursor: the limit, the last record's order, and the query or its digest."""

    limit: int
    at: datetime
    id: str
    query: bytes = b""
    digest: bytes = b""


# PostgreSQL sends a timestamp as microseconds since this time. Its infinities are the first and the
# last time of Python, as in asyncpg.
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_INFINITIES: Final = {
    -(2**63): datetime.min.replace(tzinfo=UTC),
    2**63 - 1: datetime.max.replace(tzinfo=UTC),
}


def _timestamp(sent: bytes) -> datetime:
    """Decode a timestamp in PostgreSQL's binary format.

    asyncpg would decode that of every row, of which one is needed.
    """
    microseconds = int.from_bytes(sent, "big", signed=True)
    return _INFINITIES.get(microseconds) or _EPOCH + timedelta(microseconds=microseconds)


@dataclass(kw_only=True, eq=False)
class CursorList(CursorStatements, Generic[T]):
    """A list of a table's records in one workspace, newest first.

    A page takes one statement, or two for filters with few matches among the newest records.

    `row_factory`: makes a record of `columns`.
    """

    row_factory: Callable[..., T]
    query_type: type[CursorQuery]

    def __post_init__(self) -> None:
        CURSOR_LISTS.append(self)

    async def page(
        self,
        read: Read,
        signer: Signer,
        workspace: WorkspaceId,
        query: CursorQuery,
        *,
        extra_filters: frozenset[str] = frozenset(),
    ) -> CursorPage[T]:
        """Return a page of the records that match the query.

        `extra_filters`: filters without parameters to apply as well. Raises Invalid for a cursor of
        another list or workspace, and for filters that differ from those of the cursor.
        """
        if query.cursor:
            query, params, position = await self._continue(read, signer, workspace, query)
        else:
            params, position = query.filters(), None
        limit = query.default_limit if query.limit is UNSET else query.limit
        filters = extra_filters.union(params)
        if position is not None:
            params |= {"after_at": position.at, "after_id": self._parse_id(position.id)}
        params |= {"workspace": workspace, "limit": limit + 1}
        rows = await self._rows(read, filters, position is not None, params)
        row_factory = self.row_factory
        # The last column is the time of the position, the first one its id.
        items = [row_factory(*row[:-1]) for row in rows[:limit]]
        if len(rows) <= limit:
            return CursorPage(items, PaginationInfo(None, False))
        last = rows[limit - 1]
        at, last_id = _timestamp(last[-1]), str(last[0])
        cursor = await self._cursor(read, signer, workspace, query, limit, at, last_id)
        return CursorPage(items, PaginationInfo(cursor, True))

    async def _rows(
        self, read: Read, filters: frozenset[str], after: bool, params: Mapping[str, Any]
    ) -> list[Any]:
        """Return the rows of a page: columns and time of the position."""
        if not self.scans(filters):
            statement = self.statement(filters, after=after, newest=True)
            # Parameters of hints are for the indexes only.
            needed = {name: params[name] for name in statement.parameter_names}
            newest = await read.records(statement, **needed)
            *_, is_incomplete = newest[-1] if newest else (True,)
            if not is_incomplete:
                return [row[:-1] for row in newest]
        return await read.records(self.statement(filters, after=after), **params)

    def cursor_purpose(self, workspace: WorkspaceId) -> str:
        """Return the purpose that this list's cursors are signed for."""
        return f"cursor/{self.table.name}/{workspace}"

    def _parse_id(self, text: str) -> Any:
        return msgspec.convert(text, self.table.c.id.type.python_type)

    async def _cursor(
        self,
        read: Read,
        signer: Signer,
        workspace: WorkspaceId,
        query: CursorQuery,
        limit: int,
        at: datetime,
        last_id: str,
    ) -> str:
        encoded_query = msgspec.msgpack.encode(
            msgspec.structs.replace(query, cursor=UNSET, limit=UNSET), order="deterministic"
        )
        if len(encoded_query) <= _INLINE_QUERY_BYTES:
            content = _CursorContent(limit, at, last_id, query=encoded_query)
        else:
            digest = hashlib.sha256(encoded_query).digest()
            await read.first(_STORE_QUERY, workspace=workspace, digest=digest, query=encoded_query)
            content = _CursorContent(limit, at, last_id, digest=digest)
        return signer.issue_token(self.cursor_purpose(workspace), msgspec.msgpack.encode(content))

    async def _continue(
        self, read: Read, signer: Signer, workspace: WorkspaceId, query: CursorQuery
    ) -> tuple[CursorQuery, dict[str, Any], _CursorContent | None]:
        """Verify the cursor. Return the first page's query, its filters and the cursor's content.

        The returned query has the limit of this request or else of the cursor.
        """
        purpose = self.cursor_purpose(workspace)
        payload = signer.verify_token(purpose, str(query.cursor))
        # Base64 has several spellings of the same bytes; accept only ours.
        if payload is None or signer.issue_token(purpose, payload) != query.cursor:
            raise invalid("cursor", _INVALID_CURSOR)
        content = msgspec.msgpack.decode(payload, type=_CursorContent)
        encoded_query: bytes | None = content.query
        if content.digest:
            encoded_query = await read.first(
                _STORED_QUERY, workspace=workspace, digest=content.digest
            )
        if encoded_query is None:
            raise invalid("cursor", "is too old: start again without it")
        first_query = msgspec.msgpack.decode(encoded_query, type=self.query_type)
        first_params = first_query.filters()
        if any(
            name not in first_params or first_params[name] != value
            for name, value in query.filters().items()
        ):
            raise Invalid(
                "The cursor belongs to a list with other filters: repeat those of its first page, "
                "or leave them out."
            )
        limit = content.limit if query.limit is UNSET else query.limit
        return msgspec.structs.replace(first_query, limit=limit), first_params, content


# All lists, for the test that proves their statements bound to the workspace.
CURSOR_LISTS: Final[list[CursorList[Any]]] = []

_STORE_QUERY = statement(
    insert(cursor_queries)
    .values(workspace_id=WORKSPACE, **parameters("digest", "query"))
    .on_conflict_do_update(
        index_elements=[cursor_queries.c.workspace_id, cursor_queries.c.digest],
        set_={"used_at": func.now()},
    ),
    row,
)
_STORED_QUERY = statement(
    select(cursor_queries.c.query).where(
        cursor_queries.c.workspace_id == WORKSPACE, cursor_queries.c.digest == bindparam("digest")
    ),
    scalar,
)
_DELETE_EXPIRED = statement(
    delete(cursor_queries).where(
        cursor_queries.c.used_at < func.now() - days(_STORED_QUERY_RETENTION)
    ),
    row,
    cross_tenant_reason="retention is the same for every workspace",
)


async def delete_expired(read: Read) -> None:
    """Delete the stored queries whose retention has ended."""
    await read.first(_DELETE_EXPIRED)
