"""Messages, such as e-mails: from a sender to recipients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import null, select

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.timestamps import parse_timestamp
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import row, statement
from domains.kernel.pagination.cursor import CursorList, CursorQuery, PaginationInfo
from domains.kernel.tenancy.audit import Actor
from domains.kernel.tenancy.signing import Signer
from domains.kernel.untrusted.html_text import html_to_text, is_html
from domains.revenue import example_ids, records
from domains.revenue.crm import matching
from domains.revenue.filters import (
    Bound,
    conditions,
    equals,
    has_email,
    hints,
    parse_filters,
    source,
    source_doc,
    time_range,
)
from domains.revenue.people import (
    EmailAddress,
    FullName,
    Person,
    Version,
    distinct_emails,
    external_emails,
)
from domains.revenue.tables import messages

NATIVE: Final = frozenset(
    {
        *("gmail", "outlook", "zoho_mail"),
        *("salesforce_crm", "hubspot_crm", "pipedrive_crm", "dynamics_crm", "zoho_crm"),
    }
)

# Characters of the preview.
_PREVIEW_LENGTH: Final = 200
# Characters of HTML's text from which the preview is made.
_PREVIEW_SAMPLE: Final = 4 * _PREVIEW_LENGTH


class Attachment(msgspec.Struct, rename="camel", kw_only=True):
    """A file attached to a message. Its URL is stored and never fetched."""

    version: Version = 1
    name: Annotated[str, doc("File name", "error.png")]
    url: Annotated[records.Url, doc("URL of the file", "https://mail.example/error.png")]
    mime_type: Annotated[str | None, doc("Media type, such as application/pdf", "image/png")] = None
    size_bytes: Annotated[records.Int64 | None, doc("Size in bytes", 48213)] = None


class MessageRequest(records.RecordRequest, kw_only=True):
    """A message. Replaces the one with the same source and id as a whole."""

    created_at: Annotated[records.Timestamp, doc("Time of sending", "2026-03-16T13:00:00Z")]
    body: Annotated[
        Annotated[str, Meta(max_length=100_000)], doc("Plain text or HTML", "Exports failed again.")
    ]
    sender: Annotated[Person, doc("The sender")]
    recipients: Annotated[
        Annotated[list[Person], Meta(min_length=1, max_length=1000)],
        doc("The recipients", [{"name": "Rosa Lind", "email": "rosa@acme.example"}]),
    ]
    attachments: Annotated[
        # Bounded, because encoding a long list would block other requests.
        Annotated[list[Attachment], Meta(max_length=1000)], doc("The attached files")
    ] = msgspec.field(default_factory=list)
    thread_id: Annotated[
        Annotated[str, Meta(max_length=512)] | None, doc("Id of its thread", "thread-880")
    ] = None


# Bounded query parameters.
_ShortFilter = Annotated[str, Meta(max_length=255)] | UnsetType
_IdFilter = Annotated[str, Meta(max_length=512)] | UnsetType
_TimeFilter = Annotated[Bound, Meta(max_length=64)] | UnsetType


class MessageQuery(CursorQuery, frozen=True, kw_only=True):
    """The query of the list of messages."""

    source_id: Annotated[_ShortFilter, source_doc(NATIVE)] = UNSET
    remote_id: Annotated[_IdFilter, doc("Records with this id in the source system")] = UNSET
    thread_id: Annotated[_IdFilter, doc("Messages of this thread")] = UNSET
    participant_email: Annotated[_ShortFilter, doc("Messages from or to this e-mail address")] = (
        UNSET
    )
    created_after: Annotated[_TimeFilter, doc("Sent at or after this time")] = UNSET
    created_before: Annotated[_TimeFilter, doc("Sent at or before this time")] = UNSET

    def filters(self) -> dict[str, Any]:
        return parse_filters(self, _FILTERS)


class MessageParty(msgspec.Struct, rename="camel"):
    """A sender or recipient."""

    name: FullName = None
    email: EmailAddress = None


class MessageAttachmentInfo(msgspec.Struct, rename="camel"):
    """A file attached to a message."""

    id: Annotated[UUID, doc("Id of the attachment in this API")]
    filename: Annotated[str | None, doc("File name", "error.png")] = None
    content_type: Annotated[str | None, doc("Media type", "image/png")] = None
    size: Annotated[int | None, doc("Size in bytes", 48213)] = None


class StoredAttachment(MessageAttachmentInfo):
    """An attachment as stored. Its URL is never shown."""

    url: str = ""


class MessageListItem(msgspec.Struct, rename="camel"):
    """A message."""

    message_id: Annotated[UUID, doc("Id of the message", example_ids.RECORD)]
    source_id: records.SourceReference
    remote_id: records.RemoteId | None
    thread_id: Annotated[str | None, doc("Id of its thread in the source system", "thread-880")]
    subject: Annotated[str | None, doc("Subject", "Halden rollout")]
    sender: Annotated[MessageParty | None, doc("The sender")]
    recipients: Annotated[
        list[MessageParty],
        doc("The recipients", [{"name": "Rosa Lind", "email": "rosa@acme.example"}]),
    ]
    body_preview: Annotated[
        str, doc("Beginning of the body's text, on one line, without HTML", "Exports failed again.")
    ]
    created_at: Annotated[datetime, doc("Time of sending")]
    language: Annotated[
        str | None,
        doc("Language of the body (BCP 47). Null until read for a deal's summary or if unknown"),
    ]


class MessageDetail(MessageListItem):
    """A message with its body and attachments."""

    body: Annotated[str, doc("The body as it was sent", "Exports failed again.")]
    attachments: Annotated[list[MessageAttachmentInfo], doc("The attached files")]


class ListMessagesResponse(msgspec.Struct, rename="camel"):
    """A page of messages, newest first."""

    messages: Annotated[list[MessageListItem], doc("The messages of this page")]
    pagination: Annotated[PaginationInfo, doc("Cursor of the next page")]


# --- statements -------------------------------------------------------------------------------

_ATTACHMENTS: Final = msgspec.json.Decoder(list[MessageAttachmentInfo])

_c = messages.c
_columns = (
    *(_c.id, _c.source_id, _c.remote_id, _c.thread_id, _c.subject, _c.sender, _c.recipients),
    *(_c.body_preview, _c.created_at, _c.found_language),
)


def _detail(*columns: Any) -> MessageDetail:
    # Decoded without the URLs, which are never shown.
    return MessageDetail(*(*columns[:-1], _ATTACHMENTS.decode(columns[-1])))


_FILTERS: Final = (
    source(_c.source_id, NATIVE),
    equals("remote_id", _c.remote_id),
    equals("thread_id", _c.thread_id),
    has_email("participant_email", _c.emails),
    *time_range("created", _c.created_at),
)
MESSAGES: Final = CursorList(
    table=messages,
    columns=_columns,
    row_factory=MessageListItem,
    query_type=MessageQuery,
    order_by=_c.created_at,
    where=(_c.deleted_at.is_(None),),
    filters=conditions(_FILTERS) | {"public": _c.public},
    lower_bound="created_after",
    upper_bound="created_before",
    indexed={"source_id", "thread_id", "remote_id"},
    hints=hints(_FILTERS),
)
_GET = statement(
    select(*_columns, _c.body, _c.attachments).where(*records.is_visible(messages)),
    _detail,
    reuses_plan=True,
)

_link = matching.link_cte()
_UPSERT = records.upsert_statement(
    messages,
    (
        *("thread_id", "subject", "sender", "recipients", "body", "body_preview", "attachments"),
        *("emails", "outside", "outside_domains"),
        *("public", "owner_emails", "created_at", "updated_at"),
    ),
    row,
    computed={
        "deal_id": _link.c.deal_id,
        "account_id": _link.c.account_id,
        "found_language": null(),
    },
    joined=(_link,),
    returning=(_c.deal_id, _c.account_id, _c.former_deal_id, _c.former_account_id),
    keep_former=("deal_id", "account_id"),
)
_DELETE = records.deletion_statement(messages, _c.deal_id, _c.account_id)


# --- operations -------------------------------------------------------------------------------


async def create(
    tx: Tx, workspace: WorkspaceId, own_domains: Sequence[str], new: MessageRequest
) -> records.RecordResponse:
    """Insert or replace a message, and link it to the CRM.

    Raises Forbidden if the source does not accept the caller's writes.
    """
    new_record = new_id()
    created_at = parse_timestamp(new.created_at, "createdAt")
    people = (new.sender, *new.recipients)
    outside, outside_domains = external_emails(people, new.owner_emails, own_domains)
    stored = await tx.first(
        _UPSERT,
        thread_id=new.thread_id or None,
        subject=new.display_name or None,
        sender=msgspec.json.encode(_party(new.sender)),
        recipients=msgspec.json.encode([_party(person) for person in new.recipients]),
        body=new.body,
        body_preview=preview(new.body),
        attachments=msgspec.json.encode([_attachment(file) for file in new.attachments]),
        emails=distinct_emails(people),
        outside=outside,
        outside_domains=outside_domains,
        created_at=created_at,
        **records.upsert_parameters(workspace, new, new_record),
    )
    if stored is None:
        raise records.forbidden("sourceId", "source")
    record, deal, account, former_deal, former_account = stored
    if record == new_record:
        await matching.record_activity(tx, workspace, deal, account, created_at)
    else:
        await matching.recompute_activity(
            tx, workspace, (deal, former_deal), (account, former_account)
        )
    return records.upsert_response(record, new_record, new.id, new.source_id)


async def remove(
    tx: Tx, workspace: WorkspaceId, address: records.RecordAddress, actor: Actor
) -> records.DeletedRecordResponse:
    """Delete a message. Raises Forbidden or NotFound."""
    response, (deal, account) = await records.delete_record(
        tx, _DELETE, workspace, address, "message", actor
    )
    await matching.recompute_activity(tx, workspace, (deal,), (account,))
    return response


async def page(
    read: Read, signer: Signer, workspace: WorkspaceId, query: MessageQuery, visible: frozenset[str]
) -> ListMessagesResponse:
    """Get a page of messages. `visible` names the filters that hide private records."""
    listed = await MESSAGES.page(read, signer, workspace, query, extra_filters=visible)
    return ListMessagesResponse(listed.items, listed.pagination)


async def get(
    read: Read, workspace: WorkspaceId, record: UUID, *, include_private: bool
) -> MessageDetail:
    """Get a message by its record id. Raises NotFound."""
    return await records.get_visible(read, _GET, workspace, record, "message", include_private)


def preview(body: str) -> str:
    """First 200 characters of a body's text on one line, with an ellipsis if it is longer."""
    text = html_to_text(body, max_length=_PREVIEW_SAMPLE).text if is_html(body) else body
    line = " ".join(text.split())
    return line if len(line) <= _PREVIEW_LENGTH else line[:_PREVIEW_LENGTH].rstrip() + "…"


def _party(person: Person) -> MessageParty:
    return MessageParty(person.name or None, person.email or None)


def _attachment(file: Attachment) -> StoredAttachment:
    return StoredAttachment(new_id(), file.name, file.mime_type, file.size_bytes, file.url)
