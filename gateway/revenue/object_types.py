"""Handlers of object types."""

from typing import Any, Final

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from domains.kernel.db.database import Read, Tx
from domains.kernel.tenancy.keyring import Caller
from domains.revenue import object_types
from domains.revenue.object_types import (
    CreateObjectTypeRequest,
    DeletedObjectTypeResponse,
    ListObjectTypesResponse,
    ObjectTypeQuery,
    ObjectTypeResponse,
    UpdateObjectTypeRequest,
)
from gateway.operations import operation
from gateway.requests import decode_body, parse_query
from gateway.revenue.requests import READ, WRITE, uuid_in_path


@get(
    "/object-types",
    opt=operation(
        "listObjectTypes", "read", "List object types", query=ObjectTypeQuery, errors=READ
    ),
)
async def list_object_types(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> ListObjectTypesResponse:
    query = parse_query(request, ObjectTypeQuery)
    return await object_types.list_all(read, caller.workspace, query)


@get(
    "/object-types/{object_type_id:str}",
    opt=operation("getObjectType", "read", "Get an object type", errors=READ),
)
async def get_object_type(
    object_type_id: FromPath[str], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> ObjectTypeResponse:
    object_type = uuid_in_path(object_type_id, "objectTypeId")
    return await object_types.get(read, caller.workspace, object_type)


@post(
    "/object-types",
    opt=operation(
        "createObjectType",
        "ingest",
        "Create an object type",
        request=CreateObjectTypeRequest,
        errors=WRITE,
    ),
)
async def create_object_type(
    body: RawBody, caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> ObjectTypeResponse:
    new = await decode_body(body, CreateObjectTypeRequest)
    return await object_types.create(tx, caller.workspace, new)


@patch(
    "/object-types/{object_type_id:str}",
    opt=operation(
        "updateObjectType",
        "ingest",
        "Change an object type",
        request=UpdateObjectTypeRequest,
        errors=WRITE,
    ),
)
async def update_object_type(
    object_type_id: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> ObjectTypeResponse:
    changes = await decode_body(body, UpdateObjectTypeRequest)
    object_type = uuid_in_path(object_type_id, "objectTypeId")
    return await object_types.change(tx, caller.workspace, object_type, changes)


@delete(
    "/object-types/{object_type_id:str}",
    status_code=200,
    opt=operation("deleteObjectType", "ingest", "Delete an object type", errors=WRITE),
)
async def delete_object_type(
    object_type_id: FromPath[str], caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> DeletedObjectTypeResponse:
    object_type = uuid_in_path(object_type_id, "objectTypeId")
    return await object_types.remove(tx, caller.workspace, object_type)


HANDLERS: Final = (
    list_object_types,
    get_object_type,
    create_object_type,
    update_object_type,
    delete_object_type,
)
