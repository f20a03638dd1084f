"""Handlers of messages."""

from typing import Final

from litestar import delete, get, post
from litestar.params import RawBody

from domains.revenue import messages
from domains.revenue.messages import (
    ListMessagesResponse,
    MessageDetail,
    MessageQuery,
    MessageRequest,
)
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from gateway import etags
from gateway.operations import ActorDep, AnyRequest, CallerDep, IdInPath, ReadDep, SignerDep, TxDep
from gateway.requests import decode_new, parse_query
from gateway.revenue.requests import (
    ingest_operation,
    read_operation,
    uuid_in_path,
    visibility_filter,
)


@get("/messages", opt=read_operation("listMessages", "List messages", query=MessageQuery))
async def list_messages(
    request: AnyRequest, caller: CallerDep, read: ReadDep, signer: SignerDep
) -> ListMessagesResponse:
    """List messages, newest first, in pages of 50 or `limit`.

    All filters must match. 400: a filter that is not valid, or a cursor of another list or with
    other filters.
    """
    query = parse_query(request, MessageQuery)
    return await messages.page(read, signer, caller.workspace, query, visibility_filter(caller))


@get(
    "/messages/{message_id:str}",
    opt=read_operation("getMessage", "Get a message", version_of=etags.whole),
)
async def get_message(message_id: IdInPath, caller: CallerDep, read: ReadDep) -> MessageDetail:
    """Get a message with body and attachments. 404: there is no such message, or it is deleted."""
    record = uuid_in_path(message_id, "messageId")
    return await messages.get(
        read, caller.workspace, record, include_private=not caller.hides_private
    )


@post("/messages", opt=ingest_operation("createMessage", "Push a message", request=MessageRequest))
async def create_message(body: RawBody, caller: CallerDep, tx: TxDep) -> RecordResponse:
    """Create the message with this `sourceId` and `id`, or replace it as a whole.

    201 in both cases; `status` says which. The body has at most 100,000 characters, and there are
    1 to 1,000 recipients. Attachments are listed, not fetched. 403: the source is not one of the
    organization's.
    """
    new = await decode_new(body, MessageRequest)
    return await messages.create(tx, caller.workspace, caller.own_domains, new)


@delete(
    "/messages",
    status_code=200,
    opt=ingest_operation("deleteMessage", "Delete a message", query=RecordAddress),
)
async def delete_message(
    request: AnyRequest, caller: CallerDep, actor: ActorDep, tx: TxDep
) -> DeletedRecordResponse:
    """Delete the message with this `sourceId` and `remoteId`. 404: there is no such message."""
    address = parse_query(request, RecordAddress)
    return await messages.remove(tx, caller.workspace, address, actor)


HANDLERS: Final = (list_messages, get_message, create_message, delete_message)
