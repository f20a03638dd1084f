"""Handlers of messages."""

from typing import Any, Final

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from domains.kernel.db.database import Read, Tx
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from domains.revenue import messages
from domains.revenue.messages import (
    ListMessagesResponse,
    MessageDetail,
    MessageQuery,
    MessageRequest,
)
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from gateway.operations import operation
from gateway.requests import decode_body, parse_query
from gateway.revenue.requests import READ, WRITE, uuid_in_path, visibility_filter


@get(
    "/messages",
    opt=operation("listMessages", "read", "List messages", query=MessageQuery, errors=READ),
)
async def list_messages(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signer: NamedDependency[Signer],
) -> ListMessagesResponse:
    query = parse_query(request, MessageQuery)
    return await messages.page(read, signer, caller.workspace, query, visibility_filter(caller))


@get(
    "/messages/{message_id:str}",
    opt=operation("getMessage", "read", "Get a message", errors=READ),
)
async def get_message(
    message_id: FromPath[str],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> MessageDetail:
    record = uuid_in_path(message_id, "messageId")
    return await messages.get(
        read, caller.workspace, record, include_private=not caller.hides_private
    )


@post(
    "/messages",
    opt=operation(
        "createMessage", "ingest", "Push a message", request=MessageRequest, errors=WRITE
    ),
)
async def create_message(
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
) -> RecordResponse:
    new = await decode_body(body, MessageRequest)
    return await messages.create(tx, caller.workspace, caller.own_domains, new)


@delete(
    "/messages",
    status_code=200,
    opt=operation("deleteMessage", "ingest", "Delete a message", query=RecordAddress, errors=WRITE),
)
async def delete_message(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> DeletedRecordResponse:
    address = parse_query(request, RecordAddress)
    return await messages.remove(tx, caller.workspace, address)


HANDLERS: Final = (list_messages, get_message, create_message, delete_message)
