"""Create, read, update and delete the records of a discovery resource, including their links."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from domains.discovery.links import Link
from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, new_id, parse_id, parse_public_id
from domains.kernel.core.problems import NotFound, PreconditionFailed
from domains.kernel.db import full_text
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.sequences import next_number_cte
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.pagination.offset import OffsetList, OffsetPage, OffsetQuery
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor
from domains.kernel.untrusted import raw_json

T = TypeVar("T")
V = TypeVar("V")

# In characters. PostgreSQL refuses a word of more than 2 KB in a search query.
_MAX_SEARCH_LENGTH: Final = 400


class SearchQuery(OffsetQuery, frozen=True, kw_only=True, rename="camel"):
    """Query parameters of a list with product and full text filters."""

    product_id: Annotated[UUID | UnsetType, doc("Only records about this product")] = UNSET
    q: Annotated[
        Annotated[str, Meta(min_length=1, max_length=_MAX_SEARCH_LENGTH, pattern=r"\S")]
        | UnsetType,
        doc(
            'Full text search in name and description. Supports words, "a phrase", or, -not, and '
            "parts of words in Chinese, Japanese, Korean, Thai, Lao and Khmer"
        ),
    ] = UNSET

    @property
    def web_search(self) -> str | UnsetType:
        """The full text query as the parameter of `matches`."""
        return UNSET if self.q is UNSET else full_text.web_search(self.q)


class SearchQuery100(SearchQuery, frozen=True, kw_only=True, rename="camel"):
    """A search query with a default limit of 100."""

    limit: Annotated[
        int, doc("Number of records per page. Maximum 100; larger values are clamped.", ge=1)
    ] = 100


# True if the record is in the state that the caller of a write expects.
Precondition = Callable[[Any], Awaitable[bool]]

_id = bindparam("id", type_=Uuid)


class Records(Generic[T]):
    """The records of a table, by workspace.

    `kind`: name of the counter that numbers the records, and prefix of public ids if `public`.
    `columns`: arguments of `row_factory`, in order. Each is a column, or a Link (a list of ids).
    `query`, `create_struct`, `update_struct`: structs of a list, a POST and a PATCH. The fields of
    the latter two have the names of columns or links.
    `filters`: conditions by the names of attributes of `query`; see `OffsetList`.
    `update_values`: further values of an UPDATE, by column.
    `edited_at`: column for the time of the last update that changed a value.
    `returning`: column whose value `remove` returns.
    """

    def __init__(
        self,
        table: Table,
        kind: str,
        columns: Sequence[Any],
        row_factory: Callable[..., T],
        *,
        query: type[OffsetQuery] = OffsetQuery,
        filters: Mapping[str, ColumnElement[bool]] | None = None,
        create_struct: type[msgspec.Struct] | None = None,
        update_struct: type[msgspec.Struct] | None = None,
        update_values: Mapping[str, Any] | None = None,
        edited_at: Column[Any] | None = None,
        returning: Column[Any] | None = None,
        public: bool = False,
    ) -> None:
        self._table = table
        self._kind = kind
        links = (column for column in columns if isinstance(column, Link))
        self._links = sorted(links, key=lambda link: link.lock_rank)
        selected = [
            column.ids_column() if isinstance(column, Link) else column for column in columns
        ]
        # Links are stored after the INSERT, so it returns the link ids from its parameters.
        self.insert_returning: Final = [
            bindparam(column.name, type_=ARRAY(Uuid)) if isinstance(column, Link) else column
            for column in columns
        ]
        by_id = (table.c.workspace_id == WORKSPACE, table.c.id == _id)
        self._list = OffsetList(
            table, selected, (table.c.number,), row_factory, query, filters or {}
        )
        self._get = statement(select(*selected).where(*by_id), row_factory)
        # The lock that an UPDATE takes. A stronger one could deadlock with writes of links.
        self._lock = statement(
            select(table.c.id).where(*by_id).with_for_update(key_share=True), scalar
        )
        self._get_many = statement(
            select(*selected)
            .where(
                table.c.workspace_id == WORKSPACE,
                table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            )
            .order_by(table.c.number),
            row_factory,
        )
        self._public = public
        by_number = (table.c.workspace_id == WORKSPACE, table.c.number == bindparam("number"))
        self._get_by_number = statement(select(*selected).where(*by_number), row_factory)
        self._id_by_number = statement(select(table.c.id).where(*by_number), scalar)
        noun = kind.lower()
        self._delete = statement(
            audit.with_entry(
                delete(table)
                .where(*by_id)
                .returning(table.c.id, *(() if returning is None else (returning,))),
                f"{noun}.delete",
                noun,
            ),
            row,
        )
        if create_struct is not None:
            self._create_columns = _columns_of(table, create_struct)
            self._create = statement(self._insert(), row_factory)
        if update_struct is not None:
            self._update_columns = _columns_of(table, update_struct)
            values = {column.name: _updated(column) for column in self._update_columns}
            values |= {"updated_at": func.now(), **(update_values or {})}
            if edited_at is not None:
                values[edited_at.name] = self._edited_at(edited_at)
            self._change = statement(
                update(table)
                .where(*by_id)
                .values(values)
                .returning(*(self._update_returning(column) for column in columns)),
                row_factory,
            )

    async def page(self, read: Read, workspace: WorkspaceId, query: OffsetQuery) -> OffsetPage[T]:
        """Get a page in order of creation, with links and a capped total, in one statement."""
        return await self._list.page(read, workspace, query)

    async def get(self, read: Read, workspace: WorkspaceId, reference: str) -> T:
        """Get a record by UUID or public id. Raises NotFound."""
        record: T | None = None
        if (record_id := parse_id(reference)) is not None:
            record = await read.first(self._get, workspace=workspace, id=record_id)
        elif (number := self._number(reference)) is not None:
            record = await read.first(self._get_by_number, workspace=workspace, number=number)
        return self.require(record, reference)

    async def get_many(self, read: Read, workspace: WorkspaceId, ids: Sequence[UUID]) -> list[T]:
        """Get the records with these ids in order of creation. Ids without a record are skipped."""
        return await read.all(self._get_many, workspace=workspace, ids=ids)

    async def create(
        self, tx: Tx, workspace: WorkspaceId, new: msgspec.Struct, **overrides: Any
    ) -> T:
        """Create a record. Raises Invalid with the linked ids that are not in the workspace.

        `overrides` replace values of the struct, or the generated `id`.
        """
        linked_ids = {
            link.name: await link.check(tx, workspace, getattr(new, link.name))
            for link in self._links
        }
        record_id = overrides.pop("id", None) or new_id()
        values = {column.name: _to_sql(column, new) for column in self._create_columns}
        created = await tx.one(
            self._create, workspace=workspace, id=record_id, **values | overrides, **linked_ids
        )
        for link in self._links:
            if linked_ids[link.name]:
                await link.replace(tx, workspace, record_id, linked_ids[link.name])
        return created

    async def change(
        self,
        tx: Tx,
        workspace: WorkspaceId,
        reference: str,
        changes: msgspec.Struct,
        precondition: Precondition | None = None,
    ) -> T:
        """Update the fields that are not UNSET. Lists of links are replaced as a whole.

        Raises NotFound, PreconditionFailed, or Invalid with the linked ids that are not in the
        workspace.
        """
        linked_ids = {
            link: await link.check(tx, workspace, ids)
            for link in self._links
            if (ids := getattr(changes, link.name)) is not UNSET
        }
        record_id = await self.resolve(tx, workspace, reference)
        await self._require_match(tx, workspace, record_id, reference, precondition)
        params: dict[str, Any] = {}
        for column in self._update_columns:
            params[f"has_{column.name}"] = getattr(changes, column.name) is not UNSET
            params[column.name] = _to_sql(column, changes)
        for link in self._links:
            params[f"has_{link.name}"] = link in linked_ids
            params[link.name] = linked_ids.get(link, [])
        updated = await tx.first(self._change, workspace=workspace, id=record_id, **params)
        record = self.require(updated, reference)
        for link, ids in linked_ids.items():
            await link.replace(tx, workspace, record_id, ids)
        return record

    async def remove(
        self,
        tx: Tx,
        workspace: WorkspaceId,
        reference: str,
        actor: Actor,
        precondition: Precondition | None = None,
    ) -> Any:
        """Delete a record and its links. Returns its `returning` column, or None without one.

        Raises NotFound or PreconditionFailed.
        """
        record_id = await self.resolve(tx, workspace, reference)
        await self._require_match(tx, workspace, record_id, reference, precondition)
        deleted = await tx.first(
            self._delete, workspace=workspace, id=record_id, **actor.parameters()
        )
        _, *values = self.require(deleted, reference)
        return values[0] if values else None

    async def _require_match(
        self,
        tx: Tx,
        workspace: WorkspaceId,
        record_id: UUID,
        reference: str,
        precondition: Precondition | None,
    ) -> None:
        """Lock the record and check the precondition, if there is one.

        Raises NotFound or PreconditionFailed.
        """
        if precondition is None:
            return
        self.require(await tx.first(self._lock, workspace=workspace, id=record_id), reference)
        # A statement after the lock, so that it sees what the transaction before has committed.
        if not await precondition(await tx.one(self._get, workspace=workspace, id=record_id)):
            raise PreconditionFailed(
                "The record has changed since it was read. Read it again and send the change with "
                "the new ETag."
            )

    async def resolve(self, read: Read, workspace: WorkspaceId, reference: str) -> UUID:
        """Resolve a public id to a UUID. A UUID is returned unchecked. Raises NotFound."""
        record_id = parse_id(reference)
        if record_id is None and (number := self._number(reference)) is not None:
            record_id = await read.first(self._id_by_number, workspace=workspace, number=number)
        return self.require(record_id, reference)

    def _number(self, reference: str) -> int | None:
        """Number in a public id; None for any other text, or if the records have no public ids."""
        return parse_public_id(self._kind, reference) if self._public else None

    def require(self, value: V | None, reference: str) -> V:
        """Return the value. Raises NotFound with the reference if it is None."""
        if value is None:
            raise NotFound(
                f"There is no {self._kind.lower()} {reference[:64]!r} in this workspace."
            )
        return value

    def _insert(self) -> Any:
        counter = next_number_cte(self._kind)
        values = {
            "id": _id,
            "workspace_id": WORKSPACE,
            "number": counter.c.last,
            **{column.name: _param(column) for column in self._create_columns},
        }
        return (
            insert(self._table)
            .from_select(list(values), select(*values.values()))
            .returning(*self.insert_returning)
        )

    def _edited_at(self, edited_at: Column[Any]) -> Any:
        """Expression for the current time if the UPDATE changes a value, else the stored time."""
        changed = (
            and_(
                _has(column),
                # Compared as text: the type json has no equality.
                cast(_param(column), Text).is_distinct_from(cast(column, Text)),
            )
            for column in self._update_columns
        )
        return case((or_(*changed), func.now()), else_=edited_at)

    def _update_returning(self, column: Any) -> Any:
        """Column to return; for a link, the ids in the request or, if absent, the stored ids."""
        if not isinstance(column, Link):
            return column
        return case(
            (_has(column), bindparam(column.name, type_=ARRAY(Uuid))), else_=column.ids_column()
        )


def columns_for(
    struct: type[msgspec.Struct], table: Table, *links: Link, **expressions: ColumnElement[Any]
) -> list[Any]:
    """Columns to select for the fields of a struct, in order.

    A field is read from the link or expression with its name, otherwise from the table's column.
    """
    named: dict[str, Any] = {link.name: link for link in links} | expressions
    return [named[name] if name in named else table.c[name] for name in struct.__struct_fields__]


def public_id_column(kind: str, number: Column[Any]) -> ColumnElement[str]:
    """Expression for the public id of a record with this number, such as `IDEA-12`."""
    return literal_column(f"'{kind}-'", Text) + cast(number, Text)


def matches(search: ColumnElement[Any]) -> ColumnElement[bool]:
    """The filter `web_search`: full text search by English word stems."""
    words = func.websearch_to_tsquery(
        literal_column("'english'::regconfig"), bindparam("web_search", type_=Text)
    )
    # A single character of a script without spaces is a word, or begins a pair.
    query = func.regexp_replace(
        cast(words, Text),
        literal_column(f"'{full_text.SINGLE_CHARACTER_SQL}'"),
        literal_column(r"E'\'\\1\':*'"),
        literal_column("'g'"),
    )
    return search.bool_op("@@")(cast(query, TSQUERY))


def equals(**columns: Column[Any]) -> dict[str, ColumnElement[bool]]:
    """Build equality filters. Each keyword maps a query parameter to the column it must equal."""
    return {name: column == bindparam(name, type_=column.type) for name, column in columns.items()}


def _columns_of(table: Table, struct: type[msgspec.Struct]) -> list[Column[Any]]:
    """Columns of the table with the names of the struct's fields, except `id`."""
    names = [field.name for field in msgspec.structs.fields(struct)]
    return [table.c[name] for name in names if name in table.c and name != "id"]


def _param(column: Column[Any]) -> Any:
    return bindparam(column.name, type_=column.type)


def _has(column: Column[Any] | Link) -> Any:
    """The parameter of an UPDATE that is true if the request sets the column."""
    return bindparam(f"has_{column.name}", type_=Boolean)


def _updated(column: Column[Any]) -> Any:
    return case((_has(column), _param(column)), else_=column)


def _to_sql(column: Column[Any], struct: msgspec.Struct) -> Any:
    """The struct's value for a column: NULL for UNSET, bytes for JSON."""
    value = getattr(struct, column.name)
    if value is UNSET or value is None or value == raw_json.NULL:
        return None
    if isinstance(column.type, JSON) and not isinstance(value, msgspec.Raw):
        return msgspec.json.encode(value)
    return value
