"""Handlers of conversations."""

from typing import Final

from litestar import delete, get, post
from litestar.params import RawBody

from domains.revenue import conversations
from domains.revenue.conversations import (
    ConversationDetail,
    ConversationQuery,
    ConversationRequest,
    ListConversationsResponse,
    SummaryEvidence,
)
from domains.revenue.records import DeletedRecordResponse, RecordAddress, RecordResponse
from gateway.operations import (
    ActorDep,
    AllowlistDep,
    AnyRequest,
    CallerDep,
    IdInPath,
    ReadDep,
    SignedUrlsDep,
    SignerDep,
    TxDep,
)
from gateway.requests import decode_new, parse_query
from gateway.revenue.requests import (
    ingest_operation,
    read_operation,
    uuid_in_path,
    visibility_filter,
)


@get(
    "/conversations",
    opt=read_operation("listConversations", "List conversations", query=ConversationQuery),
)
async def list_conversations(
    request: AnyRequest, caller: CallerDep, read: ReadDep, signer: SignerDep
) -> ListConversationsResponse:
    """List conversations, newest first, in pages of 20 or `limit`.

    All filters must match. 400: a filter that is not valid, or a cursor of another list or with
    other filters.
    """
    query = parse_query(request, ConversationQuery)
    return await conversations.page(
        read, signer, caller.workspace, query, visibility_filter(caller)
    )


@get(
    "/conversations/{conversation_id:str}",
    opt=read_operation(
        "getConversation", "Get a conversation", version_of=conversations.version_of
    ),
)
async def get_conversation(
    conversation_id: IdInPath, caller: CallerDep, read: ReadDep, signed_urls: SignedUrlsDep
) -> ConversationDetail:
    """Get a conversation with transcript, summary and recordings.

    Links to recordings are valid for 24 hours. 404: there is no such conversation, or it is
    deleted.
    """
    record = uuid_in_path(conversation_id, "conversationId")
    return await conversations.get(
        read, signed_urls, caller.workspace, record, include_private=not caller.hides_private
    )


@get(
    "/conversations/{conversation_id:str}/evidence",
    opt=read_operation(
        "listConversationEvidence", "Get the evidence for a conversation's summary", addition=True
    ),
)
async def list_conversation_evidence(
    conversation_id: IdInPath, caller: CallerDep, read: ReadDep
) -> dict[str, list[SummaryEvidence]]:
    """Get the quotes behind a conversation's summary, by heading.

    Empty until the summary is ready. 404: there is no such conversation.
    """
    record = uuid_in_path(conversation_id, "conversationId")
    return await conversations.list_evidence(
        read, caller.workspace, record, include_private=not caller.hides_private
    )


@post(
    "/conversations",
    opt=ingest_operation("createConversation", "Push a conversation", request=ConversationRequest),
)
async def create_conversation(
    body: RawBody, caller: CallerDep, tx: TxDep, allowed: AllowlistDep
) -> RecordResponse:
    """Create the conversation with this `sourceId` and `id`, or replace it as a whole.

    201 in both cases; `status` says which. It needs a transcript of at most 10,000 sentences, a
    recording or both, 1 to 1,000 participants, and lasts at most 10 hours. Summary and
    transcription follow: see `processing`. 403: the source is not one of the organization's.
    """
    new = await decode_new(body, ConversationRequest)
    del body  # released while the conversation is stored
    return await conversations.create(tx, allowed, caller.workspace, caller.own_domains, new)


@delete(
    "/conversations",
    status_code=200,
    opt=ingest_operation("deleteConversation", "Delete a conversation", query=RecordAddress),
)
async def delete_conversation(
    request: AnyRequest, caller: CallerDep, actor: ActorDep, tx: TxDep
) -> DeletedRecordResponse:
    """Delete the conversation with this `sourceId` and `remoteId`.

    404: there is no such conversation.
    """
    address = parse_query(request, RecordAddress)
    return await conversations.remove(tx, caller.workspace, address, actor)


HANDLERS: Final = (
    list_conversations,
    get_conversation,
    list_conversation_evidence,
    create_conversation,
    delete_conversation,
)
