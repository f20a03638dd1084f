"""Rows: records with the typed fields that their object type defines."""

from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Text, Uuid, and_, bindparam, cast, select, true, update

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.memo import Memo
from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.db.database import LARGE_JSON, Read, SentOnce, Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.pagination.cursor import CursorList, CursorQuery, PaginationInfo
from domains.kernel.tenancy.audit import Actor
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids, records
from domains.revenue.filters import (
    PAIRS,
    TextFilter,
    TimeFilter,
    conditions,
    contains,
    equals,
    hints,
    pairs_hint,
    parse_filters,
    source,
    time_range,
)
from domains.revenue.object_types import (
    MAX_FIELDS,
    FieldDefinitionResponse,
    FieldValueResponse,
    RowFieldValue,
    check_fields,
    decode_definitions,
    merge_fields,
)
from domains.revenue.tables import object_types, rows, sources

_Name = Annotated[str, Meta(min_length=1, max_length=1000)]


class RowRequest(records.RecordRequest, kw_only=True):
    """A row. Replaces the one with the same source and id as a whole."""

    created_at: Annotated[
        records.Timestamp | None, doc("Creation time in the source system", "2026-03-16T13:00:00Z")
    ] = None
    object_type_id: Annotated[UUID, doc("Object type of the source", example_ids.OBJECT_TYPE)]
    name: Annotated[_Name, doc("Short name", example_ids.REMOTE)]
    fields: Annotated[
        Annotated[dict[str, RowFieldValue], Meta(min_length=1, max_length=MAX_FIELDS)],
        doc(
            "Values by the names of the object type's fields",
            {"priority": {"value": "high", "fieldType": "string"}},
        ),
    ]


class UpdateRowRequest(records.RecordChanges, kw_only=True):
    """Changes of a row. Null and absent leave a field of the row unchanged."""

    name: Annotated[_Name | None, doc("Short name")] = None
    fields: Annotated[
        dict[str, RowFieldValue | None] | None,
        doc("Values to set, by name; null deletes the value", {"priority": None}),
    ] = None


class RowQuery(CursorQuery, frozen=True, kw_only=True):
    """The query of the list of rows."""

    source_id: Annotated[TextFilter, doc("A UUID", extra_json_schema={"format": "uuid"})] = UNSET
    object_type_id: Annotated[UUID | UnsetType, doc("Rows of this object type")] = UNSET
    remote_id: Annotated[TextFilter, doc("Rows with this id in the source system")] = UNSET
    name: Annotated[
        Annotated[str, Meta(max_length=1000)] | UnsetType, doc("Part of the name, case-insensitive")
    ] = UNSET
    created_after: Annotated[TimeFilter, doc("Created at or after this time")] = UNSET
    created_before: Annotated[TimeFilter, doc("Created at or before this time")] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class RowListItem(msgspec.Struct, rename="camel"):
    """A row."""

    row_id: Annotated[UUID, doc("Id of the row", example_ids.RECORD)]
    source_id: Annotated[str, doc("The source", example_ids.SOURCE)]
    object_type_id: Annotated[UUID, doc("Id of its object type", example_ids.OBJECT_TYPE)]
    object_type_name: Annotated[str, doc("Name of its object type", "ticket")]
    remote_id: records.RemoteId
    name: Annotated[str, doc("Short name", example_ids.REMOTE)]
    display_name: Annotated[str, doc("Name to show", "Halden rollout")]
    fields: Annotated[
        dict[str, FieldValueResponse],
        doc(
            "Values by the names of the fields",
            {"priority": {"value": "high", "fieldType": "string", "label": None}},
        ),
    ]
    created_at: records.CreatedInSource
    updated_at: records.UpdatedInSource


class RowDetail(RowListItem):
    """A row."""


class ListRowsResponse(msgspec.Struct, rename="camel"):
    """A page of rows, newest first."""

    rows: Annotated[list[RowListItem], doc("The rows of this page")]
    pagination: Annotated[PaginationInfo, doc("Cursor of the next page")]


# --- statements -------------------------------------------------------------------------------

_c = rows.c
_type_of_row = (
    object_types,
    and_(object_types.c.workspace_id == WORKSPACE, object_types.c.id == _c.object_type_id),
)
_columns = (
    *(_c.id, _c.source_id, _c.object_type_id, object_types.c.name),
    *(_c.remote_id, _c.name, _c.display_name, _c.fields, _c.created_at, _c.updated_at),
)

_FILTERS: Final = (
    source(_c.source_id, origins=frozenset()),
    equals("object_type_id", _c.object_type_id),
    equals("remote_id", _c.remote_id),
    contains("name", _c.name),
    *time_range("created", _c.ordered_at),
)
ROWS: Final = CursorList(
    table=rows,
    columns=_columns,
    row_factory=RowListItem,
    query_type=RowQuery,
    order_by=_c.ordered_at,
    where=(_c.deleted_at.is_(None),),
    filters=conditions(_FILTERS) | {"public": _c.public},
    lower_bound="created_after",
    upper_bound="created_before",
    indexed={"source_id", "object_type_id", "remote_id"},
    hints=hints(_FILTERS) | {PAIRS: pairs_hint(_c.name)},
    joined=_type_of_row,
)
_GET = statement(
    select(*_columns).select_from(rows.outerjoin(*_type_of_row)).where(*records.is_visible(rows)),
    RowDetail,
    reuses_plan=True,
)

_source = records.active_source()
_type = object_types.c
_object_type = (
    select(_type.id, _type.source_id, _type.deleted_at, _type.field_definitions)
    .where(_type.workspace_id == WORKSPACE, _type.id == bindparam("object_type_id", type_=Uuid))
    .cte("object_type")
)
_SCHEMA = statement(
    select(_object_type).select_from(_source.outerjoin(_object_type, true())),
    row,
    reuses_plan=True,
)
_WRITTEN_COLUMNS: Final = (
    *("object_type_id", "name", "display_name", "fields", "public", "owner_emails"),
    *("created_at", "updated_at"),
)
_has_same_type = _c.object_type_id == bindparam("object_type_id", type_=Uuid)
_UPSERT = records.upsert_statement(rows, _WRITTEN_COLUMNS, scalar, where=_has_same_type)
# Writes nothing unless the object type accepts rows and is defined by the parameter `definitions`.
_UPSERT_IF_DEFINED_SO = records.upsert_statement(
    rows,
    _WRITTEN_COLUMNS,
    scalar,
    where=_has_same_type,
    source=(
        select(sources.c.id)
        .select_from(
            sources.join(
                object_types,
                and_(
                    _type.workspace_id == WORKSPACE,
                    _type.id == bindparam("object_type_id", type_=Uuid),
                    _type.source_id == sources.c.id,
                    _type.deleted_at.is_(None),
                    cast(_type.field_definitions, Text) == bindparam("definitions", type_=Text),
                ),
            )
        )
        .where(*records.IS_ACTIVE_SOURCE)
        .cte("source")
    ),
)
_existing = (
    select(_c.id, _c.object_type_id, _c.fields)
    .where(records.has_identity(rows))
    .with_for_update(key_share=True)
    .cte("found")
)
_LOCK = statement(
    select(
        _existing.c.id, _existing.c.fields, _type.deleted_at, _type.field_definitions
    ).select_from(
        _source.outerjoin(_existing, true()).outerjoin(
            object_types,
            (_type.workspace_id == WORKSPACE) & (_type.id == _existing.c.object_type_id),
        )
    ),
    row,
)
_UPDATE = statement(
    update(rows)
    .where(_c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Uuid))
    .values(
        {
            name: records.new_or_current(name, _c[name])
            for name in ("name", "display_name", "public", "owner_emails", "updated_at", "fields")
        }
    ),
    row,
)
_DELETE = records.deletion_statement(rows)


# --- operations -------------------------------------------------------------------------------


async def create(tx: Tx, workspace: WorkspaceId, new: RowRequest) -> records.RecordResponse:
    """Insert or replace a row.

    Raises Invalid with the field that its object type does not allow, and Forbidden if the source
    or the object type does not accept the caller's writes.
    """
    new_record = new_id()
    # A second statement could only follow if the fields were kept during the first one.
    record = (
        None if _is_large(new) else await _write_by_known_schema(tx, workspace, new, new_record)
    )
    if record is None:
        schema = await _schema(tx, workspace, new)
        params = _params(workspace, new, new_record, schema.definitions)
        params["fields"] = SentOnce.if_large(params["fields"])
        # Release the body.
        new.fields.clear()
        record = await tx.write_alone(_UPSERT, **params)
        if record is None:
            source = new.source_id
            if await tx.first(records.ACTIVE_SOURCE, workspace=workspace, source=source) is None:
                raise records.forbidden("sourceId", "source")
            raise invalid("objectTypeId", "the row has another object type, which cannot change")
        _KNOWN_SCHEMAS.put((workspace, new.object_type_id), schema)
    return records.upsert_response(record, new_record, new.id, new.source_id)


class _Schema(NamedTuple):
    """The definitions of an object type's fields, as stored and decoded."""

    stored: str
    definitions: list[FieldDefinitionResponse]


# Schemas as they were last read. A write by one of them checks that it is still the stored one.
_KNOWN_SCHEMAS: Final = Memo[tuple[WorkspaceId, UUID], _Schema](2_000)


async def _write_by_known_schema(
    tx: Tx, workspace: WorkspaceId, new: RowRequest, new_record: UUID
) -> UUID | None:
    """Write a row in one round trip. Returns None if the schema is not known or has changed."""
    schema = _KNOWN_SCHEMAS.get((workspace, new.object_type_id))
    if schema is None:
        return None
    try:
        params = _params(workspace, new, new_record, schema.definitions)
    except Invalid:
        # The schema may have changed.
        return None
    return await tx.write_alone(_UPSERT_IF_DEFINED_SO, **params, definitions=schema.stored)


def _is_large(new: RowRequest) -> bool:
    return sum(len(field.value) for field in new.fields.values()) > LARGE_JSON


async def _schema(tx: Tx, workspace: WorkspaceId, new: RowRequest) -> _Schema:
    """Read the schema of a row. Raises Forbidden, and Invalid if it takes no rows of the source."""
    found = await tx.before(
        _SCHEMA, workspace=workspace, source=new.source_id, object_type_id=new.object_type_id
    )
    if found is None:
        raise records.forbidden("sourceId", "source")
    object_type, object_type_source, deleted_at, definitions = found
    if object_type is None:
        raise records.forbidden("objectTypeId", "object type")
    if object_type_source != new.source_id:
        raise invalid("objectTypeId", "is an object type of another source")
    if deleted_at is not None:
        raise invalid("objectTypeId", "the object type was deleted: it takes no rows")
    return _Schema(bytes(definitions).decode(), decode_definitions(definitions))


def _checked_fields(
    new: RowRequest, definitions: list[FieldDefinitionResponse]
) -> dict[str, FieldValueResponse]:
    """The fields of a new row. Raises Invalid with the one at fault."""
    fields = check_fields(new.fields, definitions)
    for definition in definitions:
        if definition.required and definition.name not in fields:
            raise invalid(f"fields.{definition.name}", "is required")
    return fields


def _params(
    workspace: WorkspaceId,
    new: RowRequest,
    new_record: UUID,
    definitions: list[FieldDefinitionResponse],
) -> dict[str, Any]:
    """Parameters of an upsert. Raises Invalid with the field at fault."""
    fields = _checked_fields(new, definitions)
    return {
        "object_type_id": new.object_type_id,
        "name": new.name,
        "fields": msgspec.json.encode(fields),
        "created_at": records.optional_timestamp(new.created_at, "createdAt"),
        **records.upsert_parameters(workspace, new, new_record),
        "display_name": new.display_name,
    }


async def change(
    tx: Tx, workspace: WorkspaceId, address: records.RecordAddress, changes: UpdateRowRequest
) -> records.RecordResponse:
    """Merge changes into a row. Raises Forbidden, NotFound, or Invalid with the field at fault."""
    updated_at = records.optional_timestamp(changes.updated_at, "updatedAt")
    record, stored_fields, deleted_at, definitions = await records.write_existing(
        tx, _LOCK, workspace, address, "row"
    )
    if deleted_at is not None:
        raise Invalid("The row's object type was deleted: the row cannot change any more.")
    fields = None
    if changes.fields is not None:
        merged = merge_fields(stored_fields, changes.fields, decode_definitions(definitions))
        fields = SentOnce.if_large(merged)
        # Release the body and the former fields.
        del merged, stored_fields
        changes.fields = None
    await tx.first(
        _UPDATE,
        workspace=workspace,
        id=record,
        name=changes.name,
        display_name=changes.display_name,
        public=changes.public,
        owner_emails=changes.owner_emails,
        updated_at=updated_at,
        fields=fields,
    )
    return records.RecordResponse("updated", record, address.remote_id, address.source_id)


async def remove(
    tx: Tx, workspace: WorkspaceId, address: records.RecordAddress, actor: Actor
) -> records.DeletedRecordResponse:
    """Delete a row. Raises Forbidden or NotFound."""
    response, _ = await records.delete_record(tx, _DELETE, workspace, address, "row", actor)
    return response


async def page(
    read: Read, signer: Signer, workspace: WorkspaceId, query: RowQuery, visible: frozenset[str]
) -> ListRowsResponse:
    """Get a page of rows. `visible` names the filters that hide private records."""
    listed = await ROWS.page(read, signer, workspace, query, extra_filters=visible)
    return ListRowsResponse(listed.items, listed.pagination)


async def get(
    read: Read, workspace: WorkspaceId, record: UUID, *, include_private: bool
) -> RowDetail:
    """Get a row by its record id. Raises NotFound."""
    return await records.get_visible(read, _GET, workspace, record, "row", include_private)
