"""Object types: which typed fields the rows of a source have."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import JSON, Uuid, bindparam, func, insert, select, update

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import Conflict, FieldError, invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.revenue import example_ids
from domains.revenue.records import (
    ACTIVE_SOURCE,
    DisplayLabel,
    Version,
    forbidden,
    new_or_current,
    not_found,
)
from domains.revenue.tables import object_types, sources

FieldType = Literal["textarea", "string", "boolean", "int", "double", "datetime", "date", "list"]


class FieldDefinitionRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A field that rows of this type may, or must, have."""

    version: Version = 1
    name: Annotated[
        DisplayLabel, Meta(description="The key in a row's `fields`; unique", examples=["priority"])
    ]
    field_type: Annotated[FieldType, Meta(description="What its values are", examples=["string"])]
    label: Annotated[str | None, Meta(description="What people call it", examples=["Priority"])] = (
        None
    )
    required: Annotated[bool, Meta(description="Whether every row needs it", examples=[False])] = (
        False
    )


class FieldDefinitionResponse(msgspec.Struct, rename="camel"):
    """A field of an object type."""

    name: Annotated[str, Meta(description="The key in a row's `fields`", examples=["priority"])]
    field_type: Annotated[FieldType, Meta(description="What its values are", examples=["string"])]
    label: Annotated[str | None, Meta(description="What people call it", examples=["Priority"])]
    required: Annotated[bool, Meta(description="Whether every row needs it", examples=[False])]


FieldDefinitions = Annotated[list[FieldDefinitionRequest], Meta(min_length=1, max_length=50)]


class CreateObjectTypeRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A new object type."""

    version: Version = 1
    source_id: Annotated[
        UUID, Meta(description="One of your sources", examples=[example_ids.SOURCE])
    ]
    name: Annotated[
        DisplayLabel, Meta(description="Unique in the source; cannot change", examples=["ticket"])
    ]
    display_name: Annotated[
        DisplayLabel, Meta(description="What people call it", examples=["Ticket"])
    ]
    field_definitions: Annotated[FieldDefinitions, Meta(description="The schema")]


class UpdateObjectTypeRequest(msgspec.Struct, rename="camel", kw_only=True):
    """What can change of an object type; null and absent leave it as it is."""

    version: Version = 1
    display_name: Annotated[
        DisplayLabel | None, Meta(description="What people call it", examples=["Support ticket"])
    ] = None
    field_definitions: Annotated[
        FieldDefinitions | None,
        Meta(description="The whole new schema; rows of the old one stay readable"),
    ] = None


class ObjectTypeQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The query of the list of object types."""

    source_id: Annotated[UUID | UnsetType, Meta(description="Those of this source")] = UNSET


class ObjectTypeResponse(msgspec.Struct, rename="camel"):
    """An object type."""

    id: Annotated[
        UUID, Meta(description="The `objectTypeId` of its rows", examples=[example_ids.OBJECT_TYPE])
    ]
    source_id: Annotated[UUID, Meta(description="Its source", examples=[example_ids.SOURCE])]
    name: Annotated[str, Meta(description="Unique in the source", examples=["ticket"])]
    display_name: Annotated[str, Meta(description="What people call it", examples=["Ticket"])]
    field_definitions: Annotated[list[FieldDefinitionResponse], Meta(description="The schema")]
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class ListObjectTypesResponse(msgspec.Struct, rename="camel"):
    """All object types, newest first."""

    object_types: Annotated[list[ObjectTypeResponse], Meta(description="All of them")]


class DeletedObjectTypeResponse(msgspec.Struct, rename="camel"):
    """An object type that is gone; its rows stay readable."""

    status: Annotated[Literal["deleted"], Meta(description="Always `deleted`")]
    id: Annotated[
        UUID, Meta(description="The object type's id", examples=[example_ids.OBJECT_TYPE])
    ]


def _name_taken() -> Conflict:
    message = "name: this source has an object type of this name already"
    return Conflict(message, FieldError("name", message))


CONSTRAINT_PROBLEMS["uq_object_types_name"] = _name_taken

_DEFINITIONS: Final = msgspec.json.Decoder(list[FieldDefinitionResponse])


def definitions_of(stored: msgspec.Raw) -> list[FieldDefinitionResponse]:
    """The schema as it is stored."""
    return _DEFINITIONS.decode(stored)


def _object_type(
    record: UUID,
    source: UUID,
    name: str,
    display_name: str,
    definitions: msgspec.Raw,
    created_at: datetime,
    updated_at: datetime,
) -> ObjectTypeResponse:
    return ObjectTypeResponse(
        record, source, name, display_name, definitions_of(definitions), created_at, updated_at
    )


_c = object_types.c
_columns = (
    _c.id,
    _c.source_id,
    _c.name,
    _c.display_name,
    _c.field_definitions,
    _c.created_at,
    _c.updated_at,
)
_living: tuple[Any, ...] = (_c.workspace_id == WORKSPACE, _c.deleted_at.is_(None))
_one: tuple[Any, ...] = (*_living, _c.id == bindparam("id", type_=Uuid))

_CREATE = statement(
    insert(object_types)
    .values(
        workspace_id=WORKSPACE,
        id=bindparam("id"),
        source_id=bindparam("source"),
        name=bindparam("name"),
        display_name=bindparam("display_name"),
        field_definitions=bindparam("field_definitions", type_=JSON),
    )
    .returning(*_columns),
    _object_type,
)
_ALL = statement(select(*_columns).where(*_living).order_by(_c.id.desc()), _object_type)
_OF_SOURCE = statement(
    select(*_columns)
    .where(*_living, _c.source_id == bindparam("source", type_=Uuid))
    .order_by(_c.id.desc()),
    _object_type,
)
_GET = statement(select(*_columns).where(*_one), _object_type)

_source_lives = (
    select(sources.c.id)
    .where(
        sources.c.workspace_id == WORKSPACE,
        sources.c.id == _c.source_id,
        sources.c.deleted_at.is_(None),
    )
    .correlate(object_types)
    .exists()
)
_WRITABLE = statement(select(_source_lives).where(*_one), scalar)
_UPDATE = statement(
    update(object_types)
    .where(*_one)
    .values(
        display_name=new_or_current("display_name", _c.display_name),
        field_definitions=new_or_current("field_definitions", _c.field_definitions),
        updated_at=func.now(),
    )
    .returning(*_columns),
    _object_type,
)
_DELETE = statement(update(object_types).where(*_one).values(deleted_at=func.now()), row)


async def create(
    tx: Tx, workspace: WorkspaceId, new: CreateObjectTypeRequest
) -> ObjectTypeResponse:
    """Store an object type; Forbidden for a source that is not the workspace's, Conflict for a
    name that the source has already, Invalid for field names that are not unique.
    """
    definitions = _stored(new.field_definitions)
    if await tx.first(ACTIVE_SOURCE, workspace=workspace, source=new.source_id) is None:
        raise forbidden("sourceId", "source")
    return await tx.one(
        _CREATE,
        workspace=workspace,
        id=new_id(),
        source=new.source_id,
        name=new.name,
        display_name=new.display_name,
        field_definitions=definitions,
    )


async def every(
    read: Read, workspace: WorkspaceId, wanted: ObjectTypeQuery
) -> ListObjectTypesResponse:
    """The object types, of one source if one is wanted, newest first."""
    if wanted.source_id is UNSET:
        return ListObjectTypesResponse(await read.all(_ALL, workspace=workspace))
    found = await read.all(_OF_SOURCE, workspace=workspace, source=wanted.source_id)
    return ListObjectTypesResponse(found)


async def get(read: Read, workspace: WorkspaceId, object_type: UUID) -> ObjectTypeResponse:
    """An object type; NotFound."""
    found = await read.first(_GET, workspace=workspace, id=object_type)
    if found is None:
        raise not_found("object type", object_type)
    return found


async def change(
    tx: Tx, workspace: WorkspaceId, object_type: UUID, changes: UpdateObjectTypeRequest
) -> ObjectTypeResponse:
    """Replace what is given; NotFound, Forbidden where its source is gone, Invalid as for new."""
    definitions = None
    if changes.field_definitions is not None:
        definitions = _stored(changes.field_definitions)
    await _writable(tx, workspace, object_type)
    return await tx.one(
        _UPDATE,
        workspace=workspace,
        id=object_type,
        display_name=changes.display_name,
        field_definitions=definitions,
    )


async def remove(tx: Tx, workspace: WorkspaceId, object_type: UUID) -> DeletedObjectTypeResponse:
    """End all writes of its rows, which stay readable; NotFound."""
    await _writable(tx, workspace, object_type)
    await tx.first(_DELETE, workspace=workspace, id=object_type)
    return DeletedObjectTypeResponse("deleted", object_type)


async def _writable(tx: Tx, workspace: WorkspaceId, object_type: UUID) -> None:
    writable = await tx.first(_WRITABLE, workspace=workspace, id=object_type)
    if writable is None:
        raise not_found("object type", object_type)
    if not writable:
        raise forbidden("sourceId", "source")


def _stored(definitions: list[FieldDefinitionRequest]) -> bytes:
    """The schema as it is stored; Invalid where a name comes twice."""
    names: set[str] = set()
    for each in definitions:
        if each.name in names:
            raise invalid("fieldDefinitions", f"the field {each.name!r} is there more than once")
        names.add(each.name)
    return msgspec.json.encode(
        [
            FieldDefinitionResponse(each.name, each.field_type, each.label, each.required)
            for each in definitions
        ]
    )
