"""Handlers of sources."""

from typing import Any, Final

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from domains.kernel.db.database import Read, Tx
from domains.kernel.tenancy.keyring import Caller
from domains.revenue import sources
from domains.revenue.sources import (
    CreateSourceRequest,
    DeletedSourceResponse,
    ListSourcesResponse,
    SourceQuery,
    SourceResponse,
    UpdateSourceRequest,
)
from gateway.operations import operation
from gateway.requests import decode_body, parse_query
from gateway.revenue.requests import READ, WRITE, uuid_in_path


@get(
    "/sources",
    opt=operation("listSources", "read", "List sources", query=SourceQuery, errors=READ),
)
async def list_sources(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> ListSourcesResponse:
    query = parse_query(request, SourceQuery)
    return await sources.list_all(read, caller.workspace, query)


@get("/sources/{source_id:str}", opt=operation("getSource", "read", "Get a source", errors=READ))
async def get_source(
    source_id: FromPath[str], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> SourceResponse:
    return await sources.get(read, caller.workspace, uuid_in_path(source_id, "sourceId"))


@post(
    "/sources",
    opt=operation(
        "createSource", "ingest", "Create a source", request=CreateSourceRequest, errors=WRITE
    ),
)
async def create_source(
    body: RawBody, caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> SourceResponse:
    new = await decode_body(body, CreateSourceRequest)
    return await sources.create(tx, caller.workspace, new)


@patch(
    "/sources/{source_id:str}",
    opt=operation(
        "updateSource", "ingest", "Change a source", request=UpdateSourceRequest, errors=WRITE
    ),
)
async def update_source(
    source_id: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> SourceResponse:
    changes = await decode_body(body, UpdateSourceRequest)
    source = uuid_in_path(source_id, "sourceId")
    return await sources.change(tx, caller.workspace, source, changes)


@delete(
    "/sources/{source_id:str}",
    status_code=200,
    opt=operation("deleteSource", "ingest", "Delete a source", errors=WRITE),
)
async def delete_source(
    source_id: FromPath[str], caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> DeletedSourceResponse:
    return await sources.remove(tx, caller.workspace, uuid_in_path(source_id, "sourceId"))


HANDLERS: Final = (list_sources, get_source, create_source, update_source, delete_source)
