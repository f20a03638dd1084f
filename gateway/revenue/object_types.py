"""Handlers of object types."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import RawBody

from domains.revenue import object_types
from domains.revenue.object_types import (
    CreateObjectTypeRequest,
    DeletedObjectTypeResponse,
    ListObjectTypesResponse,
    ObjectTypeQuery,
    ObjectTypeResponse,
    UpdateObjectTypeRequest,
)
from gateway import etags
from gateway.operations import ActorDep, AnyRequest, CallerDep, IdInPath, ReadDep, TxDep
from gateway.requests import decode_body, decode_new, parse_query
from gateway.revenue.requests import ingest_operation, read_operation, uuid_in_path


@get(
    "/object-types",
    opt=read_operation("listObjectTypes", "List object types", query=ObjectTypeQuery),
)
async def list_object_types(
    request: AnyRequest, caller: CallerDep, read: ReadDep
) -> ListObjectTypesResponse:
    """List all object types, or those of one source, newest first. The list is not paged."""
    query = parse_query(request, ObjectTypeQuery)
    return await object_types.list_all(read, caller.workspace, query)


@get(
    "/object-types/{object_type_id:str}",
    opt=read_operation("getObjectType", "Get an object type", version_of=etags.whole),
)
async def get_object_type(
    object_type_id: IdInPath, caller: CallerDep, read: ReadDep
) -> ObjectTypeResponse:
    """Get an object type with its schema. 404: there is none with this id, or it is deleted."""
    object_type = uuid_in_path(object_type_id, "objectTypeId")
    return await object_types.get(read, caller.workspace, object_type)


@post(
    "/object-types",
    opt=ingest_operation(
        "createObjectType", "Create an object type", request=CreateObjectTypeRequest
    ),
)
async def create_object_type(body: RawBody, caller: CallerDep, tx: TxDep) -> ObjectTypeResponse:
    """Create an object type: the schema of up to 50 fields of rows.

    400: a field name occurs twice. 403: `sourceId` is not an active source of the organization.
    409: the source has an object type of this name already.
    """
    new = await decode_new(body, CreateObjectTypeRequest)
    return await object_types.create(tx, caller.workspace, new)


@patch(
    "/object-types/{object_type_id:str}",
    opt=ingest_operation(
        "updateObjectType", "Change an object type", request=UpdateObjectTypeRequest
    ),
)
async def update_object_type(
    object_type_id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep
) -> ObjectTypeResponse:
    """Change an object type. Null and absent leave a field unchanged.

    `fieldDefinitions` replaces the whole schema. Rows stored before stay readable as they are.
    """
    changes = await decode_body(body, UpdateObjectTypeRequest)
    object_type = uuid_in_path(object_type_id, "objectTypeId")
    return await object_types.change(tx, caller.workspace, object_type, changes)


@delete(
    "/object-types/{object_type_id:str}",
    status_code=200,
    opt=ingest_operation("deleteObjectType", "Delete an object type"),
)
async def delete_object_type(
    object_type_id: IdInPath, caller: CallerDep, actor: ActorDep, tx: TxDep
) -> DeletedObjectTypeResponse:
    """Delete an object type. Its rows stay readable, but no row can be written for it."""
    object_type = uuid_in_path(object_type_id, "objectTypeId")
    return await object_types.remove(tx, caller.workspace, object_type, actor)


HANDLERS: Final = (
    list_object_types,
    get_object_type,
    create_object_type,
    update_object_type,
    delete_object_type,
)
