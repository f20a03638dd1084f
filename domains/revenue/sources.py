"""Sources: the systems that push records, each under a name of its own."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Text, Uuid, bindparam, func, insert, select, update

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import Conflict, FieldError
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, scalar, statement
from domains.revenue import example_ids
from domains.revenue.filters import matches, pattern
from domains.revenue.records import DisplayLabel, Version, not_found
from domains.revenue.tables import sources


class CreateSourceRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A new source."""

    version: Version = 1
    name: Annotated[
        DisplayLabel,
        Meta(description="Unique in the organization; cannot change", examples=["helpdesk"]),
    ]
    display_name: Annotated[
        DisplayLabel, Meta(description="What people call it", examples=["Helpdesk"])
    ]


class UpdateSourceRequest(msgspec.Struct, rename="camel", kw_only=True):
    """What can change of a source."""

    version: Version = 1
    display_name: Annotated[
        DisplayLabel,
        Meta(description="What people call it from now on", examples=["Helpdesk (Nordic)"]),
    ]


class SourceQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The query of the list of sources."""

    name: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType,
        Meta(description="Part of the name, in any letter case"),
    ] = UNSET


class SourceResponse(msgspec.Struct, rename="camel"):
    """A source."""

    id: Annotated[
        UUID, Meta(description="The `sourceId` of its records", examples=[example_ids.SOURCE])
    ]
    name: Annotated[str, Meta(description="Unique in the organization", examples=["helpdesk"])]
    display_name: Annotated[str, Meta(description="What people call it", examples=["Helpdesk"])]
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class ListSourcesResponse(msgspec.Struct, rename="camel"):
    """All sources, newest first."""

    sources: Annotated[list[SourceResponse], Meta(description="All of them")]


class DeletedSourceResponse(msgspec.Struct, rename="camel"):
    """A source that is gone; its records stay readable."""

    status: Annotated[Literal["deleted"], Meta(description="Always `deleted`")]
    id: Annotated[UUID, Meta(description="The source's id", examples=[example_ids.SOURCE])]


def _name_taken() -> Conflict:
    message = "name: a source of this name exists already"
    return Conflict(message, FieldError("name", message))


CONSTRAINT_PROBLEMS["uq_sources_name"] = _name_taken

_c = sources.c
_columns = (_c.id, _c.name, _c.display_name, _c.created_at, _c.updated_at)
_living: tuple[Any, ...] = (_c.workspace_id == WORKSPACE, _c.deleted_at.is_(None))
_one: tuple[Any, ...] = (*_living, _c.id == bindparam("id", type_=Uuid))

_CREATE = statement(
    insert(sources)
    .values(
        workspace_id=WORKSPACE,
        id=bindparam("id"),
        name=bindparam("name"),
        display_name=bindparam("display_name"),
    )
    .returning(*_columns),
    SourceResponse,
)
_ALL = statement(select(*_columns).where(*_living).order_by(_c.id.desc()), SourceResponse)
_SOME = statement(
    select(*_columns).where(*_living, matches("name", _c.name)).order_by(_c.id.desc()),
    SourceResponse,
)
_GET = statement(select(*_columns).where(*_one), SourceResponse)
_UPDATE = statement(
    update(sources)
    .where(*_one)
    .values(display_name=bindparam("display_name", type_=Text), updated_at=func.now())
    .returning(*_columns),
    SourceResponse,
)
_DELETE: Final = statement(
    update(sources).where(*_one).values(deleted_at=func.now()).returning(_c.id), scalar
)


async def create(tx: Tx, workspace: WorkspaceId, new: CreateSourceRequest) -> SourceResponse:
    """Store a source; Conflict where one of this name lives."""
    return await tx.one(
        _CREATE, workspace=workspace, id=new_id(), name=new.name, display_name=new.display_name
    )


async def every(read: Read, workspace: WorkspaceId, wanted: SourceQuery) -> ListSourcesResponse:
    """The sources whose name holds the wanted part, newest first."""
    if wanted.name is UNSET or not wanted.name:
        return ListSourcesResponse(await read.all(_ALL, workspace=workspace))
    name = pattern(wanted.name)
    return ListSourcesResponse(await read.all(_SOME, workspace=workspace, name=name))


async def get(read: Read, workspace: WorkspaceId, source: UUID) -> SourceResponse:
    """A source; NotFound."""
    found = await read.first(_GET, workspace=workspace, id=source)
    if found is None:
        raise not_found("source", source)
    return found


async def change(
    tx: Tx, workspace: WorkspaceId, source: UUID, changes: UpdateSourceRequest
) -> SourceResponse:
    """Give a source another display name; NotFound."""
    changed = await tx.first(
        _UPDATE, workspace=workspace, id=source, display_name=changes.display_name
    )
    if changed is None:
        raise not_found("source", source)
    return changed


async def remove(tx: Tx, workspace: WorkspaceId, source: UUID) -> DeletedSourceResponse:
    """End all writes through a source; what it brought stays, its name is free. NotFound."""
    if await tx.first(_DELETE, workspace=workspace, id=source) is None:
        raise not_found("source", source)
    return DeletedSourceResponse("deleted", source)
