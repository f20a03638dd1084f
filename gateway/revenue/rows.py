"""Handlers of rows."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import RawBody

from domains.revenue import rows
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from domains.revenue.rows import ListRowsResponse, RowDetail, RowQuery, RowRequest, UpdateRowRequest
from gateway import etags
from gateway.operations import AnyRequest, CallerDep, IdInPath, ReadDep, SignerDep, TxDep
from gateway.requests import decode_body, parse_query
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
    query = parse_query(request, RowQuery)
    return await rows.page(read, signer, caller.workspace, query, visibility_filter(caller))


@get("/rows/{row_id:str}", opt=read_operation("getRow", "Get a row", version_of=etags.whole))
async def get_row(row_id: IdInPath, caller: CallerDep, read: ReadDep) -> RowDetail:
    record = uuid_in_path(row_id, "rowId")
    return await rows.get(read, caller.workspace, record, include_private=not caller.hides_private)


@post("/rows", opt=ingest_operation("createRow", "Push a row", request=RowRequest))
async def create_row(body: RawBody, caller: CallerDep, tx: TxDep) -> RecordResponse:
    new = await decode_body(body, RowRequest)
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
    address = parse_query(request, RecordAddress)
    changes = await decode_body(body, UpdateRowRequest)
    del body  # released while the row is stored
    return await rows.change(tx, caller.workspace, address, changes)


@delete(
    "/rows", status_code=200, opt=ingest_operation("deleteRow", "Delete a row", query=RecordAddress)
)
async def delete_row(request: AnyRequest, caller: CallerDep, tx: TxDep) -> DeletedRecordResponse:
    address = parse_query(request, RecordAddress)
    return await rows.remove(tx, caller.workspace, address)


HANDLERS: Final = (list_rows, get_row, create_row, update_row, delete_row)
