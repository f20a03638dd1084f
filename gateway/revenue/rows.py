"""Handlers of rows."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import RawBody

from domains.revenue import rows
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from domains.revenue.rows import ListRowsResponse, RowDetail, RowQuery, RowRequest, UpdateRowRequest
from gateway import etags
from gateway.operations import ActorDep, AnyRequest, CallerDep, IdInPath, ReadDep, SignerDep, TxDep
from gateway.requests import decode_body, decode_new, parse_query
from gateway.revenue.requests import (
    ingest_operation,
    read_operation,
    uuid_in_path,
    visibility_filter,
)


@get("/rows", opt=read_operation("listRows", "List rows", query=RowQuery))
async def list_rows(
    request: AnyRequest, caller: CallerDep, read: ReadDep, signer: SignerDep
) -> ListRowsResponse:
    """List rows, newest first, in pages of 50 or `limit`.

    All filters must match. 400: a filter that is not valid, or a cursor of another list or with
    other filters.
    """
    query = parse_query(request, RowQuery)
    return await rows.page(read, signer, caller.workspace, query, visibility_filter(caller))


@get("/rows/{row_id:str}", opt=read_operation("getRow", "Get a row", version_of=etags.whole))
async def get_row(row_id: IdInPath, caller: CallerDep, read: ReadDep) -> RowDetail:
    """Get a row by its record id. 404: there is no such row, or it is deleted."""
    record = uuid_in_path(row_id, "rowId")
    return await rows.get(read, caller.workspace, record, include_private=not caller.hides_private)


@post("/rows", opt=ingest_operation("createRow", "Push a row", request=RowRequest))
async def create_row(body: RawBody, caller: CallerDep, tx: TxDep) -> RecordResponse:
    """Create the row with this `sourceId` and `id`, or replace it as a whole.

    201 in both cases; `status` says which. A row has at most 50 fields. 400: a field that the
    object type does not define or of another type, or a required one that is missing. 403: the
    source or object type is not one of the organization's.
    """
    new = await decode_new(body, RowRequest)
    del body  # released while the row is stored
    return await rows.create(tx, caller.workspace, new)


@patch(
    "/rows",
    opt=ingest_operation(
        "updateRow",
        "Change a row",
        request=UpdateRowRequest,
        query=RecordAddress,
        example={"status": "updated"},
    ),
)
async def update_row(
    request: AnyRequest, body: RawBody, caller: CallerDep, tx: TxDep
) -> RecordResponse:
    """Change the row with this `sourceId` and `remoteId`.

    `fields` are merged: null deletes a value. Other fields that are null or absent stay as they
    are. 400: a field that does not fit the object type. 404: there is no such row.
    """
    address = parse_query(request, RecordAddress)
    changes = await decode_body(body, UpdateRowRequest)
    del body  # released while the row is stored
    return await rows.change(tx, caller.workspace, address, changes)


@delete(
    "/rows", status_code=200, opt=ingest_operation("deleteRow", "Delete a row", query=RecordAddress)
)
async def delete_row(
    request: AnyRequest, caller: CallerDep, actor: ActorDep, tx: TxDep
) -> DeletedRecordResponse:
    """Delete the row with this `sourceId` and `remoteId`. 404: there is no such row."""
    address = parse_query(request, RecordAddress)
    return await rows.remove(tx, caller.workspace, address, actor)


HANDLERS: Final = (list_rows, get_row, create_row, update_row, delete_row)
