"""Handlers of sources."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import RawBody

from domains.revenue import sources
from domains.revenue.sources import (
    CreateSourceRequest,
    DeletedSourceResponse,
    ListSourcesResponse,
    SourceQuery,
    SourceResponse,
    UpdateSourceRequest,
)
from gateway import etags
from gateway.operations import ActorDep, AnyRequest, CallerDep, IdInPath, ReadDep, TxDep
from gateway.requests import decode_body, decode_new, parse_query
from gateway.revenue.requests import ingest_operation, read_operation, uuid_in_path


@get("/sources", opt=read_operation("listSources", "List sources", query=SourceQuery))
async def list_sources(
    request: AnyRequest, caller: CallerDep, read: ReadDep
) -> ListSourcesResponse:
    """List all sources, or those with a text in their name, newest first. The list is not paged."""
    query = parse_query(request, SourceQuery)
    return await sources.list_all(read, caller.workspace, query)


@get(
    "/sources/{source_id:str}",
    opt=read_operation("getSource", "Get a source", version_of=etags.whole),
)
async def get_source(source_id: IdInPath, caller: CallerDep, read: ReadDep) -> SourceResponse:
    """Get a source. 404: the organization has no source with this id, or it is deleted."""
    return await sources.get(read, caller.workspace, uuid_in_path(source_id, "sourceId"))


@post(
    "/sources", opt=ingest_operation("createSource", "Create a source", request=CreateSourceRequest)
)
async def create_source(body: RawBody, caller: CallerDep, tx: TxDep) -> SourceResponse:
    """Create a source for the records of another system.

    409: the organization has a source of this name already.
    """
    new = await decode_new(body, CreateSourceRequest)
    return await sources.create(tx, caller.workspace, new)


@patch(
    "/sources/{source_id:str}",
    opt=ingest_operation("updateSource", "Change a source", request=UpdateSourceRequest),
)
async def update_source(
    source_id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep
) -> SourceResponse:
    """Change the display name of a source. Its name cannot change."""
    changes = await decode_body(body, UpdateSourceRequest)
    source = uuid_in_path(source_id, "sourceId")
    return await sources.change(tx, caller.workspace, source, changes)


@delete(
    "/sources/{source_id:str}",
    status_code=200,
    opt=ingest_operation("deleteSource", "Delete a source"),
)
async def delete_source(
    source_id: IdInPath, caller: CallerDep, actor: ActorDep, tx: TxDep
) -> DeletedSourceResponse:
    """Delete a source. Its records stay readable; no more can be written through it.

    Its name can be used again.
    """
    source = uuid_in_path(source_id, "sourceId")
    return await sources.remove(tx, caller.workspace, source, actor)


HANDLERS: Final = (list_sources, get_source, create_source, update_source, delete_source)
