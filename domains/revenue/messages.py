"""Messages: e-mails and the like, between a sender and recipients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import select

from domains.kernel.core.ids import new_id
from domains.kernel.core.timestamps import parse_timestamp
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import row, statement
from domains.kernel.pagination.cursor import (
    CursorList,
    CursorQuery,
    PaginationInfo,
)
from domains.kernel.tenancy.signing import Signer
from domains.revenue import example_ids
from domains.revenue.crm import matching
from domains.revenue.filters import (
    LowerBound,
    UpperBound,
    conditions,
    equals,
    has_email,
    hints,
    parse_filters,
    source,
    time_range,
)
from domains.revenue.participants import distinct, external_emails, normalized_email
from domains.revenue.records import (
    DeletedRecordResponse,
    EmailAddress,
    FullName,
    Int64,
    Person,
    RecordAddress,
    RecordRequest,
    RecordResponse,
    RemoteId,
    SourceReference,
    Timestamp,
    Version,
    deletion_response,
    deletion_statement,
    forbidden,
    is_visible,
    not_found,
    optional_timestamp,
    upsert_response,
    upsert_statement,
)
from domains.revenue.tables import messages

NATIVE: Final = frozenset(
    {
        *("gmail", "outlook", "zoho_mail"),
        *("salesforce_crm", "hubspot_crm", "pipedrive_crm", "dynamics_crm", "zoho_crm"),
    }
)

_PREVIEW: Final = 200


class Attachment(msgspec.Struct, rename="camel", kw_only=True):
    """A file that came with a message. Its address is kept and never fetched."""

    version: Version = 1
    name: Annotated[str, Meta(description="File name", examples=["error.png"])]
    url: Annotated[
        str, Meta(description="Where it is", examples=["https://mail.example/error.png"])
    ]
    mime_type: Annotated[
        str | None, Meta(description="Such as application/pdf", examples=["image/png"])
    ] = None
    size_bytes: Annotated[Int64 | None, Meta(description="Size in bytes", examples=[48213])] = None


class MessageRequest(RecordRequest, kw_only=True):
    """A message, as a whole: one of the same source and id is replaced."""

    created_at: Annotated[
        Timestamp, Meta(description="When it was sent", examples=["2026-03-16T13:00:00Z"])
    ]
    body: Annotated[
        Annotated[str, Meta(max_length=100000)],
        Meta(description="What it says, as plain text", examples=["Exports failed again."]),
    ]
    sender: Annotated[Person, Meta(description="Who sent it")]
    recipients: Annotated[
        Annotated[list[Person], Meta(min_length=1, max_length=1000)],
        Meta(
            description="To whom it was sent",
            examples=[[{"name": "Rosa Lind", "email": "rosa@acme.example"}]],
        ),
    ]
    attachments: Annotated[
        # A list without an end would keep everybody waiting while it is written.
        Annotated[list[Attachment], Meta(max_length=1000)],
        Meta(description="Files with it"),
    ] = msgspec.field(default_factory=list)
    thread_id: Annotated[
        Annotated[str, Meta(max_length=512)] | None,
        Meta(
            description="The conversation that it is part of, in the source system",
            examples=["thread-880"],
        ),
    ] = None


class MessageQuery(CursorQuery, frozen=True, kw_only=True):
    """The query of the list of messages."""

    source_id: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType,
        Meta(description=f"Those of this source: a UUID or {', '.join(sorted(NATIVE))}"),
    ] = UNSET
    remote_id: Annotated[
        Annotated[str, Meta(max_length=512)] | UnsetType,
        Meta(description="The one with this id in the source system"),
    ] = UNSET
    thread_id: Annotated[
        Annotated[str, Meta(max_length=512)] | UnsetType,
        Meta(description="Those of this thread"),
    ] = UNSET
    participant_email: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType,
        Meta(description="Those from or to this address"),
    ] = UNSET
    created_after: Annotated[
        Annotated[LowerBound, Meta(max_length=64)] | UnsetType,
        Meta(description="Sent then or later"),
    ] = UNSET
    created_before: Annotated[
        Annotated[UpperBound, Meta(max_length=64)] | UnsetType,
        Meta(description="Sent then or earlier"),
    ] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class MessageParty(msgspec.Struct, rename="camel"):
    """A sender or recipient."""

    name: FullName = None
    email: EmailAddress = None


class MessageAttachmentInfo(msgspec.Struct, rename="camel"):
    """A file that came with a message."""

    id: Annotated[UUID, Meta(description="Ours")]
    filename: Annotated[str | None, Meta(description="File name", examples=["error.png"])] = None
    content_type: Annotated[
        str | None, Meta(description="Such as application/pdf", examples=["image/png"])
    ] = None
    size: Annotated[int | None, Meta(description="Size in bytes", examples=[48213])] = None


class StoredAttachment(MessageAttachmentInfo):
    """What is kept of one, with the address that is shown to nobody."""

    url: str = ""


class MessageListItem(msgspec.Struct, rename="camel"):
    """A message."""

    message_id: Annotated[
        UUID, Meta(description="The id by which it is read", examples=[example_ids.MESSAGE])
    ]
    source_id: SourceReference
    remote_id: RemoteId | None
    thread_id: Annotated[
        str | None, Meta(description="Its thread in the source system", examples=["thread-880"])
    ]
    subject: Annotated[str | None, Meta(description="Its subject", examples=["Halden rollout"])]
    sender: Annotated[MessageParty | None, Meta(description="Who sent it")]
    recipients: Annotated[
        list[MessageParty],
        Meta(
            description="To whom it was sent",
            examples=[[{"name": "Rosa Lind", "email": "rosa@acme.example"}]],
        ),
    ]
    body_preview: Annotated[
        str, Meta(description="How it begins, on one line", examples=["Exports failed again."])
    ]
    created_at: Annotated[datetime, Meta(description="When it was sent")]


class MessageDetail(MessageListItem):
    """A message with all that it says."""

    body: Annotated[str, Meta(description="What it says", examples=["Exports failed again."])]
    attachments: Annotated[list[MessageAttachmentInfo], Meta(description="Files with it")]


class ListMessagesResponse(msgspec.Struct, rename="camel"):
    """A page of messages, newest first."""

    messages: Annotated[list[MessageListItem], Meta(description="The page")]
    pagination: Annotated[PaginationInfo, Meta(description="How the list goes on")]


# --- statements -------------------------------------------------------------------------------

_ATTACHMENTS: Final = msgspec.json.Decoder(list[MessageAttachmentInfo])

_c = messages.c
_columns = (
    _c.id,
    _c.source_id,
    _c.remote_id,
    _c.thread_id,
    _c.subject,
    _c.sender,
    _c.recipients,
    _c.body_preview,
    _c.created_at,
)


def _detail(*columns: Any) -> MessageDetail:
    # Decoded, so that the addresses stay here.
    return MessageDetail(*(*columns[:-1], _ATTACHMENTS.decode(columns[-1])))


_FILTERS: Final = (
    source(_c.source_id, NATIVE),
    equals("remote_id", _c.remote_id),
    equals("thread_id", _c.thread_id),
    has_email("participant_email", _c.emails),
    *time_range("created", _c.created_at),
)
MESSAGES: Final = CursorList(
    "messages",
    messages,
    _columns,
    MessageListItem,
    MessageQuery,
    order_by=_c.created_at,
    order_id=_c.id,
    where=(_c.deleted_at.is_(None),),
    filters=conditions(_FILTERS) | {"public": _c.public},
    bounds={"created_after", "created_before"},
    indexed={"source_id", "thread_id", "remote_id"},
    hints=hints(_FILTERS),
)
_GET = statement(select(*_columns, _c.body, _c.attachments).where(*is_visible(messages)), _detail)

_link = matching.link_cte()
_UPSERT = upsert_statement(
    messages,
    (
        *("thread_id", "subject", "sender", "recipients", "body", "body_preview", "attachments"),
        *("emails", "outside", "outside_domains"),
        *("public", "owner_emails", "created_at", "updated_at"),
    ),
    row,
    computed={"deal_id": _link.c.deal_id, "account_id": _link.c.account_id},
    joined=(_link,),
    returning=(
        _c.deal_id,
        _c.account_id,
        _c.former_deal_id,
        _c.former_account_id,
    ),
    keep_former=("deal_id", "account_id"),
)
_DELETE = deletion_statement(messages, _c.deal_id, _c.account_id)


# --- what the API does ------------------------------------------------------------------------


async def create(
    tx: Tx, workspace: WorkspaceId, own_domains: Sequence[str], new: MessageRequest
) -> RecordResponse:
    """Store a message, or replace it, and link it to the CRM.

    Forbidden where the source is not the workspace's.
    """
    made = new_id()
    created_at = parse_timestamp(new.created_at, "createdAt")
    people = [new.sender, *new.recipients]
    emails = distinct(map(normalized_email, people))
    outside, outside_domains = external_emails(emails, new.owner_emails, own_domains)
    stored = await tx.first(
        _UPSERT,
        workspace=workspace,
        source=new.source_id,
        remote=new.id,
        id=made,
        thread_id=new.thread_id or None,
        subject=new.display_name or None,
        sender=msgspec.json.encode(_party(new.sender)),
        recipients=msgspec.json.encode([_party(person) for person in new.recipients]),
        body=new.body,
        body_preview=preview(new.body),
        attachments=msgspec.json.encode([_attachment(each) for each in new.attachments]),
        emails=emails,
        outside=outside,
        outside_domains=outside_domains,
        public=new.public,
        owner_emails=new.owner_emails,
        created_at=created_at,
        updated_at=optional_timestamp(new.updated_at, "updatedAt"),
    )
    if stored is None:
        raise forbidden("sourceId", "source")
    record, deal, account, former_deal, former_account = stored
    if record == made:
        await matching.record_activity(tx, workspace, deal, account, created_at)
    else:
        await matching.recompute_activity(
            tx, workspace, (deal, former_deal), (account, former_account)
        )
    return upsert_response(record, made, new.id, new.source_id)


async def remove(tx: Tx, workspace: WorkspaceId, address: RecordAddress) -> DeletedRecordResponse:
    """Delete a message; NotFound, or Forbidden where the source is not the workspace's."""
    found = await tx.first(
        _DELETE, workspace=workspace, source=address.source_id, remote=address.remote_id
    )
    answer = deletion_response(found, address, "message")
    if found is not None:
        *_, deal, account = found
        await matching.recompute_activity(tx, workspace, (deal,), (account,))
    return answer


async def page(
    read: Read, signer: Signer, workspace: WorkspaceId, wanted: MessageQuery, only: frozenset[str]
) -> ListMessagesResponse:
    """The wanted messages."""
    found = await MESSAGES.page(read, signer, workspace, wanted, extra_filters=only)
    return ListMessagesResponse(found.items, found.pagination)


async def get(
    read: Read, workspace: WorkspaceId, record: UUID, *, include_private: bool
) -> MessageDetail:
    """A message by its record id; NotFound."""
    found = await read.first(_GET, workspace=workspace, id=record, include_private=include_private)
    if found is None:
        raise not_found("message", record)
    return found


def preview(body: str) -> str:
    """The beginning of a text on one line: 200 characters, and an ellipsis where that cuts it."""
    line = " ".join(body.split())
    return line if len(line) <= _PREVIEW else line[:_PREVIEW].rstrip() + "…"


def _party(person: Person) -> MessageParty:
    return MessageParty(person.name or None, person.email or None)


def _attachment(sent: Attachment) -> StoredAttachment:
    return StoredAttachment(new_id(), sent.name, sent.mime_type, sent.size_bytes, sent.url)
