"""Sources: the systems that push records, each with a unique name."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Text, Uuid, bindparam, func, insert, select, update

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import Conflict, FieldError
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, parameters, scalar, statement
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor
from domains.revenue import example_ids
from domains.revenue.filters import matches, pattern
from domains.revenue.people import Version
from domains.revenue.records import DisplayLabel, not_found
from domains.revenue.tables import sources


class CreateSourceRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A new source."""

    version: Version = 1
    name: Annotated[
        DisplayLabel,
        Meta(pattern=r"\S"),
        doc("Unique in the organization; cannot change", "helpdesk"),
    ]
    display_name: Annotated[
        DisplayLabel | UnsetType, doc("Name to show. Default: `name`", "Helpdesk")
    ] = UNSET


class UpdateSourceRequest(msgspec.Struct, rename="camel", kw_only=True):
    """Changes of a source."""

    version: Version = 1
    display_name: Annotated[DisplayLabel, doc("New name to show", "Helpdesk (Nordic)")]


class SourceQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The query of the list of sources."""

    name: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType, doc("Part of the name, case-insensitive")
    ] = UNSET


class SourceResponse(msgspec.Struct, rename="camel"):
    """A source."""

    id: Annotated[UUID, doc("The `sourceId` of its records", example_ids.SOURCE)]
    name: Annotated[str, doc("Unique in the organization", "helpdesk")]
    display_name: Annotated[str, doc("Name to show", "Helpdesk")]
    created_at: Annotated[datetime, doc("Creation time")]
    updated_at: Annotated[datetime, doc("Time of the last change")]


class ListSourcesResponse(msgspec.Struct, rename="camel"):
    """All sources, newest first."""

    sources: Annotated[list[SourceResponse], doc("All sources")]


class DeletedSourceResponse(msgspec.Struct, rename="camel"):
    """A deleted source. Its records stay readable."""

    status: Annotated[Literal["deleted"], doc("Always `deleted`")]
    id: Annotated[UUID, doc("Id of the source", example_ids.SOURCE)]


def _name_taken() -> Conflict:
    message = "name: a source of this name exists already"
    return Conflict(message, FieldError("name", message))


CONSTRAINT_PROBLEMS["uq_sources_name"] = _name_taken

_c = sources.c
_columns = (_c.id, _c.name, _c.display_name, _c.created_at, _c.updated_at)
_is_active: tuple[Any, ...] = (_c.workspace_id == WORKSPACE, _c.deleted_at.is_(None))
_has_id: tuple[Any, ...] = (*_is_active, _c.id == bindparam("id", type_=Uuid))

_CREATE = statement(
    insert(sources)
    .values(workspace_id=WORKSPACE, **parameters("id", "name", "display_name"))
    .returning(*_columns),
    SourceResponse,
)
_ALL = statement(select(*_columns).where(*_is_active).order_by(_c.id.desc()), SourceResponse)
_BY_NAME = statement(
    select(*_columns).where(*_is_active, matches("name", _c.name)).order_by(_c.id.desc()),
    SourceResponse,
)
_GET = statement(select(*_columns).where(*_has_id), SourceResponse)
_UPDATE = statement(
    update(sources)
    .where(*_has_id)
    .values(display_name=bindparam("display_name", type_=Text), updated_at=func.now())
    .returning(*_columns),
    SourceResponse,
)
_DELETE: Final = statement(
    audit.with_entry(
        update(sources).where(*_has_id).values(deleted_at=func.now()).returning(_c.id),
        "source.delete",
        "source",
    ),
    scalar,
)


async def create(tx: Tx, workspace: WorkspaceId, new: CreateSourceRequest) -> SourceResponse:
    """Create a source. Raises Conflict if there is one of this name."""
    display_name = new.name if new.display_name is UNSET else new.display_name
    return await tx.one(
        _CREATE, workspace=workspace, id=new_id(), name=new.name, display_name=display_name
    )


async def list_all(read: Read, workspace: WorkspaceId, query: SourceQuery) -> ListSourcesResponse:
    """List all sources, or those whose name contains a text, newest first."""
    if query.name is UNSET:
        return ListSourcesResponse(await read.all(_ALL, workspace=workspace))
    name = pattern(query.name)
    return ListSourcesResponse(await read.all(_BY_NAME, workspace=workspace, name=name))


async def get(read: Read, workspace: WorkspaceId, source: UUID) -> SourceResponse:
    """Get a source. Raises NotFound."""
    stored = await read.first(_GET, workspace=workspace, id=source)
    if stored is None:
        raise not_found("source", source)
    return stored


async def change(
    tx: Tx, workspace: WorkspaceId, source: UUID, changes: UpdateSourceRequest
) -> SourceResponse:
    """Change the display name of a source. Raises NotFound."""
    changed = await tx.first(
        _UPDATE, workspace=workspace, id=source, display_name=changes.display_name
    )
    if changed is None:
        raise not_found("source", source)
    return changed


async def remove(
    tx: Tx, workspace: WorkspaceId, source: UUID, actor: Actor
) -> DeletedSourceResponse:
    """Delete a source. Raises NotFound.

    Its records stay readable but cannot change. Its name can be used again.
    """
    deleted = await tx.first(_DELETE, workspace=workspace, id=source, **actor.parameters())
    if deleted is None:
        raise not_found("source", source)
    return DeletedSourceResponse("deleted", source)
