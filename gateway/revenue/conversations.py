"""Handlers of conversations."""

from typing import Any, Final

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody, SkipValidation

from domains.kernel.core.network import FetchAllowlist
from domains.kernel.db.database import Read, Tx
from domains.kernel.storage.signed_urls import SignedUrls
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from domains.revenue import conversations
from domains.revenue.conversations import (
    ConversationDetail,
    ConversationQuery,
    ConversationRequest,
    ListConversationsResponse,
    SummaryEvidence,
)
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from gateway.operations import operation
from gateway.requests import decode_body, parse_query
from gateway.revenue.requests import READ, WRITE, uuid_in_path, visibility_filter


@get(
    "/conversations",
    opt=operation(
        "listConversations", "read", "List conversations", query=ConversationQuery, errors=READ
    ),
)
async def list_conversations(
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signer: NamedDependency[Signer],
) -> ListConversationsResponse:
    query = parse_query(request, ConversationQuery)
    return await conversations.page(
        read, signer, caller.workspace, query, visibility_filter(caller)
    )


@get(
    "/conversations/{conversation_id:str}",
    opt=operation("getConversation", "read", "Get a conversation", errors=READ),
)
async def get_conversation(
    conversation_id: FromPath[str],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
    signed_urls: NamedDependency[SignedUrls],
) -> ConversationDetail:
    record = uuid_in_path(conversation_id, "conversationId")
    return await conversations.get(
        read, signed_urls, caller.workspace, record, include_private=not caller.hides_private
    )


@get(
    "/conversations/{conversation_id:str}/evidence",
    opt=operation(
        "listConversationEvidence",
        "read",
        "Get the evidence for a conversation's summary",
        errors=READ,
        addition=True,
    ),
)
async def list_conversation_evidence(
    conversation_id: FromPath[str],
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> dict[str, list[SummaryEvidence]]:
    record = uuid_in_path(conversation_id, "conversationId")
    return await conversations.list_evidence(
        read, caller.workspace, record, include_private=not caller.hides_private
    )


@post(
    "/conversations",
    opt=operation(
        "createConversation",
        "ingest",
        "Push a conversation",
        request=ConversationRequest,
        errors=WRITE,
    ),
)
async def create_conversation(
    body: RawBody,
    caller: NamedDependency[Caller],
    tx: NamedDependency[Tx],
    allowed: NamedDependency[SkipValidation[FetchAllowlist]],
) -> RecordResponse:
    new = await decode_body(body, ConversationRequest)
    return await conversations.create(tx, allowed, caller.workspace, caller.own_domains, new)


@delete(
    "/conversations",
    status_code=200,
    opt=operation(
        "deleteConversation", "ingest", "Delete a conversation", query=RecordAddress, errors=WRITE
    ),
)
async def delete_conversation(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> DeletedRecordResponse:
    address = parse_query(request, RecordAddress)
    return await conversations.remove(tx, caller.workspace, address)


HANDLERS: Final = (
    list_conversations,
    get_conversation,
    list_conversation_evidence,
    create_conversation,
    delete_conversation,
)
