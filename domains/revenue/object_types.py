"""Object types: schemas of the typed fields of rows, and the checks of rows against them."""

import re
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import JSON, Uuid, bindparam, func, insert, select, update

from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import Conflict, FieldError, Invalid, invalid
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, parameters, row, scalar, statement
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor
from domains.kernel.untrusted import raw_json
from domains.revenue import example_ids, records
from domains.revenue.people import Version
from domains.revenue.tables import object_types, sources

MAX_FIELDS: Final = 50

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
# Line ends of any convention, Unicode included.
_LINE_END: Final = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
    r"([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?"
)

FieldType = Annotated[
    Literal["textarea", "string", "boolean", "int", "double", "datetime", "date", "list"],
    named("FieldTypes", "Type of a row's field"),
]


class FieldDefinitionRequest(msgspec.Struct, rename="camel", kw_only=True):
    """The definition of a field of rows."""

    version: Version = 1
    name: Annotated[records.DisplayLabel, doc("Unique key in a row's `fields`", "priority")]
    field_type: Annotated[FieldType, doc("Type of its values", "string")]
    label: Annotated[str | None, doc("Label to show", "Priority")] = None
    required: Annotated[bool, doc("True if every row needs a value", False)] = False


class FieldDefinitionResponse(msgspec.Struct, rename="camel"):
    """The definition of a field of rows."""

    name: Annotated[str, doc("Key in a row's `fields`", "priority")]
    field_type: Annotated[FieldType, doc("Type of its values", "string")]
    label: Annotated[str | None, doc("Label to show", "Priority")]
    required: Annotated[bool, doc("True if every row needs a value", False)]


FieldDefinitions = Annotated[
    list[FieldDefinitionRequest], Meta(min_length=1, max_length=MAX_FIELDS)
]


class CreateObjectTypeRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A new object type."""

    version: Version = 1
    source_id: Annotated[UUID, doc("One of your sources", example_ids.SOURCE)]
    name: Annotated[records.DisplayLabel, doc("Unique in the source; cannot change", "ticket")]
    display_name: Annotated[
        records.DisplayLabel | UnsetType, doc("Name to show. Default: `name`", "Ticket")
    ] = UNSET
    field_definitions: Annotated[FieldDefinitions, doc("The schema: definitions of the fields")]


class UpdateObjectTypeRequest(msgspec.Struct, rename="camel", kw_only=True):
    """Changes of an object type. Null and absent leave a field unchanged."""

    version: Version = 1
    display_name: Annotated[records.DisplayLabel | None, doc("New name", "Support ticket")] = None
    field_definitions: Annotated[FieldDefinitions | None, doc("The whole new schema")] = None


class ObjectTypeQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The query of the list of object types."""

    source_id: Annotated[UUID | UnsetType, doc("Object types of this source")] = UNSET


class ObjectTypeResponse(msgspec.Struct, rename="camel"):
    """An object type."""

    id: Annotated[UUID, doc("The `objectTypeId` of its rows", example_ids.OBJECT_TYPE)]
    source_id: Annotated[UUID, doc("The source", example_ids.SOURCE)]
    name: Annotated[str, doc("Unique in the source", "ticket")]
    display_name: Annotated[str, doc("Name to show", "Ticket")]
    field_definitions: Annotated[list[FieldDefinitionResponse], doc("The schema")]
    created_at: Annotated[datetime, doc("Creation time")]
    updated_at: Annotated[datetime, doc("Time of the last change")]


class ListObjectTypesResponse(msgspec.Struct, rename="camel"):
    """All object types, newest first."""

    object_types: Annotated[list[ObjectTypeResponse], doc("All object types")]


class DeletedObjectTypeResponse(msgspec.Struct, rename="camel"):
    """A deleted object type. Its rows stay readable."""

    status: Annotated[Literal["deleted"], doc("Always `deleted`")]
    id: Annotated[UUID, doc("Id of the object type", example_ids.OBJECT_TYPE)]


class RowFieldValue(msgspec.Struct, rename="camel", kw_only=True):
    """A value of a field and its type."""

    version: Version = 1
    value: Annotated[msgspec.Raw, doc("Returned exactly as sent")]
    field_type: Annotated[FieldType, doc("As the object type defines it")]
    label: Annotated[str | None, doc("Label to show")] = None


class FieldValueResponse(msgspec.Struct, rename="camel"):
    """A value of a field and its type."""

    value: Annotated[msgspec.Raw, doc("Exactly as sent")]
    field_type: Annotated[FieldType, doc("Type at the time the value was sent")]
    label: Annotated[str | None, doc("Label sent with the value")] = None


def _name_taken() -> Conflict:
    message = "name: this source has an object type of this name already"
    return Conflict(message, FieldError("name", message))


CONSTRAINT_PROBLEMS["uq_object_types_name"] = _name_taken

_DEFINITIONS: Final = msgspec.json.Decoder(list[FieldDefinitionResponse])


def decode_definitions(stored: msgspec.Raw) -> list[FieldDefinitionResponse]:
    """Decode a stored schema."""
    return _DEFINITIONS.decode(stored)


def _object_type(*columns: Any) -> ObjectTypeResponse:
    object_type = ObjectTypeResponse(*columns)
    object_type.field_definitions = decode_definitions(columns[4])
    return object_type


_c = object_types.c
_columns = tuple(_c[name] for name in ObjectTypeResponse.__struct_fields__)
_is_active: tuple[Any, ...] = (_c.workspace_id == WORKSPACE, _c.deleted_at.is_(None))
_has_id: tuple[Any, ...] = (*_is_active, _c.id == bindparam("id", type_=Uuid))

_CREATE = statement(
    insert(object_types)
    .values(
        workspace_id=WORKSPACE,
        source_id=bindparam("source"),
        **parameters("id", "name", "display_name"),
        field_definitions=bindparam("field_definitions", type_=JSON),
    )
    .returning(*_columns),
    _object_type,
)
_ALL = statement(select(*_columns).where(*_is_active).order_by(_c.id.desc()), _object_type)
_OF_SOURCE = statement(
    select(*_columns)
    .where(*_is_active, _c.source_id == bindparam("source", type_=Uuid))
    .order_by(_c.id.desc()),
    _object_type,
)
_GET = statement(select(*_columns).where(*_has_id), _object_type)

_source_is_active = (
    select(sources.c.id)
    .where(
        sources.c.workspace_id == WORKSPACE,
        sources.c.id == _c.source_id,
        sources.c.deleted_at.is_(None),
    )
    .correlate(object_types)
    .exists()
)
_WRITABLE = statement(select(_source_is_active).where(*_has_id), scalar)
_UPDATE = statement(
    update(object_types)
    .where(*_has_id)
    .values(
        display_name=records.new_or_current("display_name", _c.display_name),
        field_definitions=records.new_or_current("field_definitions", _c.field_definitions),
        updated_at=func.now(),
    )
    .returning(*_columns),
    _object_type,
)
_DELETE = statement(
    audit.with_entry(
        update(object_types)
        .where(*_has_id)
        .values(deleted_at=func.now())
        .returning(object_types.c.id),
        "object_type.delete",
        "object_type",
    ),
    row,
)


async def create(
    tx: Tx, workspace: WorkspaceId, new: CreateObjectTypeRequest
) -> ObjectTypeResponse:
    """Create an object type.

    Raises Forbidden if the source does not accept the caller's writes, Conflict if it has an object
    type of this name, Invalid if a field name is used twice.
    """
    definitions = _encode_definitions(new.field_definitions)
    if await tx.first(records.ACTIVE_SOURCE, workspace=workspace, source=new.source_id) is None:
        raise records.forbidden("sourceId", "source")
    return await tx.one(
        _CREATE,
        workspace=workspace,
        id=new_id(),
        source=new.source_id,
        name=new.name,
        display_name=new.name if new.display_name is UNSET else new.display_name,
        field_definitions=definitions,
    )


async def list_all(
    read: Read, workspace: WorkspaceId, query: ObjectTypeQuery
) -> ListObjectTypesResponse:
    """List all object types, or those of one source, newest first."""
    if query.source_id is UNSET:
        return ListObjectTypesResponse(await read.all(_ALL, workspace=workspace))
    listed = await read.all(_OF_SOURCE, workspace=workspace, source=query.source_id)
    return ListObjectTypesResponse(listed)


async def get(read: Read, workspace: WorkspaceId, object_type: UUID) -> ObjectTypeResponse:
    """Get an object type. Raises NotFound."""
    stored = await read.first(_GET, workspace=workspace, id=object_type)
    if stored is None:
        raise records.not_found("object type", object_type)
    return stored


async def change(
    tx: Tx, workspace: WorkspaceId, object_type: UUID, changes: UpdateObjectTypeRequest
) -> ObjectTypeResponse:
    """Change an object type.

    Raises NotFound, Forbidden if its source was deleted, Invalid if a field name is used twice.
    """
    definitions = None
    if changes.field_definitions is not None:
        definitions = _encode_definitions(changes.field_definitions)
    await _require_writable(tx, workspace, object_type)
    return await tx.one(
        _UPDATE,
        workspace=workspace,
        id=object_type,
        display_name=changes.display_name,
        field_definitions=definitions,
    )


async def remove(
    tx: Tx, workspace: WorkspaceId, object_type: UUID, actor: Actor
) -> DeletedObjectTypeResponse:
    """Delete an object type. Its rows stay readable but cannot change.

    Raises NotFound or Forbidden.
    """
    await _require_writable(tx, workspace, object_type)
    await tx.first(_DELETE, workspace=workspace, id=object_type, **actor.parameters())
    return DeletedObjectTypeResponse("deleted", object_type)


async def _require_writable(tx: Tx, workspace: WorkspaceId, object_type: UUID) -> None:
    is_writable = await tx.first(_WRITABLE, workspace=workspace, id=object_type)
    if is_writable is None:
        raise records.not_found("object type", object_type)
    if not is_writable:
        raise records.forbidden("sourceId", "source")


def _encode_definitions(definitions: list[FieldDefinitionRequest]) -> bytes:
    """Encode a schema for storing. Raises Invalid if a name is used twice."""
    names: set[str] = set()
    for field in definitions:
        if field.name in names:
            raise invalid("fieldDefinitions", f"the field {field.name!r} is defined more than once")
        names.add(field.name)
    return msgspec.json.encode(
        [
            FieldDefinitionResponse(field.name, field.field_type, field.label, field.required)
            for field in definitions
        ]
    )


# --- checks of rows ---------------------------------------------------------------------------


def merge_fields(
    stored: msgspec.Raw,
    changes: Mapping[str, RowFieldValue | None],
    definitions: list[FieldDefinitionResponse],
) -> bytes:
    """Apply changes to stored fields, and encode them. Raises Invalid with the field at fault."""
    fields = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
    required = {definition.name: definition.required for definition in definitions}
    values = {name: value for name, value in changes.items() if value is not None}
    for name in changes.keys() - values.keys():
        if name not in required:
            raise _undefined(name)
        if required[name]:
            raise invalid(f"fields.{name}", "is required: it cannot be deleted")
        fields.pop(name, None)
    merged: dict[str, Any] = {**fields, **check_fields(values, definitions)}
    if len(merged) > MAX_FIELDS:
        raise invalid("fields", f"a row has at most {MAX_FIELDS} fields; it would have more")
    return msgspec.json.encode(merged)


def check_fields(
    fields: Mapping[str, RowFieldValue], definitions: list[FieldDefinitionResponse]
) -> dict[str, FieldValueResponse]:
    """Check values against the schema. Raises Invalid with the first field at fault."""
    types = {definition.name: definition.field_type for definition in definitions}
    for name, field in fields.items():
        if name not in types:
            raise _undefined(name)
        if field.field_type != types[name]:
            raise invalid(f"fields.{name}", f"its fieldType is {types[name]}")
        if fault := _value_error(field):
            raise invalid(f"fields.{name}", fault)
    return {
        name: FieldValueResponse(field.value, field.field_type, field.label)
        for name, field in fields.items()
    }


def _undefined(name: str) -> Invalid:
    short = name[:100]
    message = f"fields.{short}: the object type defines no such field"
    return Invalid(message, FieldError(f"fields.{short}", message))


_REQUIREMENTS: Final[dict[FieldType, str]] = {
    "textarea": "must be a string",
    "string": "must be a string of one line",
    "boolean": "must be true or false",
    "int": "must be a whole number of 64 bits",
    "double": "must be a finite number",
    "datetime": "must be an ISO 8601 date-time such as 2024-05-01T15:00:00Z",
    "date": "must be an ISO 8601 date such as 2024-05-01",
    "list": "must be an array of strings, numbers and booleans",
}


def _value_error(field: RowFieldValue) -> str | None:
    """Description of what is wrong with the value, or None."""
    try:
        # As strings may be long, they are not decoded as a whole.
        if raw_json.is_string(field.value):
            is_valid = _is_valid_string(field.value, field.field_type)
            return None if is_valid else _REQUIREMENTS[field.field_type]
        value = msgspec.json.decode(field.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _REQUIREMENTS[field.field_type]
    if value is None:
        return "must not be null; a PATCH with the field itself null deletes it"
    return None if _fits(value, field.field_type) else _REQUIREMENTS[field.field_type]


def _is_valid_string(value: msgspec.Raw, field_type: FieldType) -> bool:
    match field_type:
        case "textarea":
            return True
        case "string":
            return not any(map(_LINE_END.search, raw_json.string_pieces(value)))
        case "datetime":
            return _is_iso(value, _DATE_TIME, datetime.fromisoformat)
        case "date":
            return _is_iso(value, _DATE, date.fromisoformat)
    return False


def _fits(value: Any, field_type: FieldType) -> bool:
    match field_type:
        case "boolean":
            return isinstance(value, bool)
        case "int":
            return type(value) is int and _INT_MIN <= value <= _INT_MAX
        case "double":
            return _is_number(value)
        case "list":
            return isinstance(value, list) and all(
                isinstance(item, str | bool) or _is_number(item) for item in value
            )
    return False


def _is_number(value: Any) -> bool:
    # JavaScript, for one, reads larger numbers as Infinity.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _is_iso(value: msgspec.Raw, syntax: re.Pattern[str], parse: Any) -> bool:
    text = next(raw_json.string_pieces(value), "")
    if not syntax.fullmatch(text):
        return False
    try:
        parse(text.upper())
    except ValueError:
        return False
    return True
