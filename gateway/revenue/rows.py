"""Handlers of rows."""

from typing import Any, Final

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from domains.kernel.db.database import Read, Tx
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from domains.revenue import rows
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from domains.revenue.rows import (
    ListRowsResponse,
    RowDetail,
    RowQuery,
    RowRequest,
    UpdateRowRequest,
)
from gateway.operations import operation
from gateway.requests import decode_body, parse_query
from gateway.revenue.requests import READ, WRITE, uuid_in_path, visibility_filter


@get(
    "/rows",
    opt=operation("listRows", "read", "List rows", query=RowQuery, errors=READ),
)
async def list_rows(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signer: NamedDependency[Signer],
) -> ListRowsResponse:
    query = parse_query(request, RowQuery)
    return await rows.page(read, signer, caller.workspace, query, visibility_filter(caller))


@get(
    "/rows/{row_id:str}",
    opt=operation("getRow", "read", "Get a row", errors=READ),
)
async def get_row(
    row_id: FromPath[str],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> RowDetail:
    record = uuid_in_path(row_id, "rowId")
    return await rows.get(read, caller.workspace, record, include_private=not caller.hides_private)


@post(
    "/rows",
    opt=operation("createRow", "ingest", "Push a row", request=RowRequest, errors=WRITE),
)
async def create_row(
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> RecordResponse:
    new = await decode_body(body, RowRequest)
    return await rows.create(tx, caller.workspace, new)


@patch(
    "/rows",
    opt=operation(
        "updateRow",
        "ingest",
        "Change a row",
        request=UpdateRowRequest,
        query=RecordAddress,
        errors=WRITE,
        example={"status": "updated"},
    ),
)
async def update_row(
    request: Request[Any, Any, Any],
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> RecordResponse:
    address = parse_query(request, RecordAddress)
    changes = await decode_body(body, UpdateRowRequest)
    return await rows.change(tx, caller.workspace, address, changes)


@delete(
    "/rows",
    status_code=200,
    opt=operation("deleteRow", "ingest", "Delete a row", query=RecordAddress, errors=WRITE),
)
async def delete_row(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> DeletedRecordResponse:
    address = parse_query(request, RecordAddress)
    return await rows.remove(tx, caller.workspace, address)


HANDLERS: Final = (list_rows, get_row, create_row, update_row, delete_row)
