"""What every resource of discovery is: records of a workspace with links, read and changed."""

from collections.abc import Callable, Mapping, Sequence
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
    null,
    or_,
    select,
    update,
)

from domains.discovery import example_ids
from domains.discovery.links import Link
from domains.kernel.core.ids import new_id, parse_id, parse_public_id
from domains.kernel.core.problems import NotFound
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.sequences import next_number_cte
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.pagination.offset import OffsetList, OffsetPage, OffsetQuery

T = TypeVar("T")
V = TypeVar("V")

NonEmpty = Annotated[str, Meta(min_length=1, pattern=r"\S")]

# Links of a record, as answers show them.
ProductId = Annotated[
    UUID, Meta(description="The product it is about", examples=[example_ids.PRODUCT])
]
InsightIds = Annotated[
    list[UUID], Meta(description="Insights it is linked to", examples=[[example_ids.INSIGHT]])
]
OpportunityIds = Annotated[
    list[UUID],
    Meta(description="Opportunities it is linked to", examples=[[example_ids.OPPORTUNITY]]),
]
IdeaIds = Annotated[
    list[UUID], Meta(description="Ideas it is linked to", examples=[[example_ids.IDEA]])
]

# In characters; longer ones may exceed what Postgres takes as one word.
_LONGEST_WORD: Final = 400


class SearchQuery(OffsetQuery, frozen=True, kw_only=True, rename="camel"):
    """The query of a list whose records are about a product and have a full text."""

    product_id: Annotated[UUID | UnsetType, Meta(description="Those about this product")] = UNSET
    q: Annotated[
        Annotated[str, Meta(min_length=1, max_length=_LONGEST_WORD, pattern=r"\S")] | UnsetType,
        Meta(description='Full text of name and description: words, "a phrase", or, -not'),
    ] = UNSET


_workspace = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)
_ids = bindparam("ids", type_=ARRAY(Uuid))


class Records(Generic[T]):
    """A table's records as callers see them: pages, one by one, created, changed, removed.

    `columns` are what `into` makes a record of, in its order: columns of the table, or links, which
    become lists of ids. `query`, `creates` and `changes` are the structs of a list, a POST and a
    PATCH; fields of the latter two are columns or links by name. `filters`: what the fields of
    `query` ask for. `also`: what a change sets besides. `edited`: the column for the time of the
    last change that changed anything. `returning`: the column that names what a removed record leaves
    behind elsewhere. `kind` names the counter of the records and, if they are `public`, begins
    their public ids.
    """

    def __init__(
        self,
        table: Table,
        kind: str,
        columns: Sequence[Any],
        into: Callable[..., T],
        *,
        query: type[OffsetQuery] = OffsetQuery,
        filters: Mapping[str, ColumnElement[bool]] | None = None,
        creates: type[msgspec.Struct] | None = None,
        changes: type[msgspec.Struct] | None = None,
        also: Mapping[str, Any] | None = None,
        edited: Column[Any] | None = None,
        returning: Column[Any] | None = None,
        public: bool = False,
    ) -> None:
        self._table = table
        self._kind = kind
        # In the order in which their records are locked.
        self._links = sorted(
            (each for each in columns if isinstance(each, Link)), key=lambda link: link.rank
        )
        shown = [each.ids() if isinstance(each, Link) else each for each in columns]
        # What an INSERT returns: the links are made afterwards, and are those that were given.
        self.returned: Final = [
            bindparam(each.name, type_=ARRAY(Uuid)) if isinstance(each, Link) else each
            for each in columns
        ]
        mine = (table.c.workspace_id == _workspace, table.c.id == _id)
        self._list = OffsetList(table, shown, table.c.number, into, query, filters)
        self._get = statement(select(*shown).where(*mine), into)
        self._several = statement(
            select(*shown)
            .where(table.c.workspace_id == _workspace, table.c.id == any_(_ids))
            .order_by(table.c.number),
            into,
        )
        self._by_number = (
            statement(
                select(table.c.id).where(
                    table.c.workspace_id == _workspace,
                    table.c.number == bindparam("number"),
                ),
                scalar,
            )
            if public
            else None
        )
        self._delete = statement(
            delete(table)
            .where(*mine)
            .returning(table.c.id, null() if returning is None else returning),
            row,
        )
        if creates is not None:
            self._creatable = _columns_in(table, creates)
            self._create = statement(self._creation(), into)
        if changes is not None:
            self._changeable = _columns_in(table, changes)
            values = {each.name: _given_or_kept(each) for each in self._changeable}
            values |= {"updated_at": func.now(), **(also or {})}
            if edited is not None:
                values[edited.name] = self._edited(edited)
            self._change = statement(
                update(table)
                .where(*mine)
                .values(values)
                .returning(*(self._changed(each) for each in columns)),
                into,
            )

    async def page(self, read: Read, workspace: WorkspaceId, wanted: OffsetQuery) -> OffsetPage[T]:
        """Records in the order of insertion with all their links and the capped count.

        One statement, whatever the page's size.
        """
        return await self._list.page(read, workspace, wanted)

    async def get(self, read: Read, workspace: WorkspaceId, reference: str) -> T:
        """By what stands in a path; NotFound."""
        record = await self.resolve(read, workspace, reference)
        found = await read.first(self._get, workspace=workspace, id=record)
        return self.found(found, reference)

    async def several(self, read: Read, workspace: WorkspaceId, ids: Sequence[UUID]) -> list[T]:
        """Those that are there, in the order of insertion."""
        return await read.all(self._several, workspace=workspace, ids=ids)

    async def create(
        self, tx: Tx, workspace: WorkspaceId, new: msgspec.Struct, **instead: Any
    ) -> T:
        """Store a new record; Invalid names linked records that the workspace has not.

        `instead` are values that replace those of the struct, such as defaults made of others.
        """
        linked = {
            each.name: await each.known(tx, workspace, getattr(new, each.name))
            for each in self._links
        }
        record = instead.pop("id", None) or new_id()
        values = {each.name: _value(each, getattr(new, each.name)) for each in self._creatable}
        created = await tx.one(
            self._create, workspace=workspace, id=record, **values | instead, **linked
        )
        for link in self._links:
            if linked[link.name]:
                await link.replace(tx, workspace, record, linked[link.name])
        return created

    async def change(
        self, tx: Tx, workspace: WorkspaceId, reference: str, changes: msgspec.Struct
    ) -> T:
        """Change the fields that are not UNSET; lists of links are replaced whole.

        NotFound, or Invalid naming linked records that the workspace has not.
        """
        linked = {
            link: await link.known(tx, workspace, given)
            for link in self._links
            if (given := getattr(changes, link.name)) is not UNSET
        }
        record = await self.resolve(tx, workspace, reference)
        arguments: dict[str, Any] = {}
        for column in self._changeable:
            given = getattr(changes, column.name)
            arguments[f"has_{column.name}"] = given is not UNSET
            arguments[column.name] = _value(column, given)
        for link in self._links:
            arguments[f"has_{link.name}"] = link in linked
            arguments[link.name] = linked.get(link, [])
        changed = await tx.first(self._change, workspace=workspace, id=record, **arguments)
        made = self.found(changed, reference)
        for link, ids in linked.items():
            await link.replace(tx, workspace, record, ids)
        return made

    async def remove(self, tx: Tx, workspace: WorkspaceId, reference: str) -> Any:
        """Delete a record and its links, return its `returning` column; NotFound."""
        record = await self.resolve(tx, workspace, reference)
        removed = await tx.first(self._delete, workspace=workspace, id=record)
        _, left = self.found(removed, reference)
        return left

    async def resolve(self, read: Read, workspace: WorkspaceId, reference: str) -> UUID:
        """The uuid that a path's id stands for; NotFound where it can be none."""
        number = None if self._by_number is None else parse_public_id(self._kind, reference)
        if number is None or self._by_number is None:
            return self.found(parse_id(reference), reference)
        numbered: UUID | None = await read.first(
            self._by_number, workspace=workspace, number=number
        )
        return self.found(numbered, reference)

    def found(self, found: V | None, reference: str) -> V:
        """What was found; NotFound naming the reference for None."""
        if found is None:
            raise NotFound(
                f"There is no {self._kind.lower()} {reference[:64]!r} in this workspace."
            )
        return found

    def _creation(self) -> Any:
        counter = next_number_cte(self._kind)
        values = {
            "id": _id,
            "workspace_id": _workspace,
            "number": counter.c.last,
            **{each.name: bindparam(each.name, type_=each.type) for each in self._creatable},
        }
        return (
            insert(self._table)
            .from_select(list(values), select(*values.values()))
            .returning(*self.returned)
        )

    def _edited(self, edited: Column[Any]) -> Any:
        different = (
            and_(
                bindparam(f"has_{each.name}", type_=Boolean),
                # json has no equality of its own.
                cast(bindparam(each.name, type_=each.type), Text).is_distinct_from(
                    cast(each, Text)
                ),
            )
            for each in self._changeable
        )
        return case((or_(*different), func.now()), else_=edited)

    def _changed(self, shown: Any) -> Any:
        """A column of the answer to a change: lists of links as they are given, or as they are."""
        if not isinstance(shown, Link):
            return shown
        return case(
            (
                bindparam(f"has_{shown.name}", type_=Boolean),
                bindparam(shown.name, type_=ARRAY(Uuid)),
            ),
            else_=shown.ids(),
        )


def _given_or_kept(column: Column[Any]) -> Any:
    """In an UPDATE: the parameter where `has_` it says that one is given, else what is there."""
    return case(
        (bindparam(f"has_{column.name}", type_=Boolean), bindparam(column.name, type_=column.type)),
        else_=column,
    )


def matches(search: Column[Any]) -> ColumnElement[bool]:
    """The filter `q`: words, "phrases", or, -not, by the English stems of name and description."""
    # Postgres takes at most 32 signs of negation in a row; several mean nothing anyway.
    wanted = func.regexp_replace(
        bindparam("q", type_=Text),
        literal_column("'-([^[:alnum:]]*-)+'"),
        literal_column("' '"),
        literal_column("'g'"),
    )
    words = func.websearch_to_tsquery(literal_column("'english'::regconfig"), wanted)
    return search.bool_op("@@")(words)


def equals(**columns: Column[Any]) -> dict[str, ColumnElement[bool]]:
    """Filters by the parameter of the same name: its column has this value."""
    return {name: column == bindparam(name, type_=column.type) for name, column in columns.items()}


def _columns_in(table: Table, struct: type[msgspec.Struct]) -> list[Column[Any]]:
    names = [field.name for field in msgspec.structs.fields(struct)]
    return [table.c[name] for name in names if name in table.c and name != "id"]


def _value(column: Column[Any], given: Any) -> Any:
    """What the database is given for a field: null for an absent one, JSON as bytes."""
    if given is UNSET or given is None:
        return None
    return msgspec.json.encode(given) if isinstance(column.type, JSON) else given
