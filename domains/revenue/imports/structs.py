"""Records that an import accepts. They have the form in which the API returns them."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.revenue.addresses.email_domains import MAX_HOST_LENGTH
from domains.revenue.conversations import Category, TranscriptEntry
from domains.revenue.crm.matching import CrmType
from domains.revenue.people import MeetingType
from domains.revenue.records import DisplayName, Emails, Int64, Timestamp, WebAddress

_Label = Annotated[str, Meta(max_length=1000)]
# Longer values do not fit into an index.
_Key = Annotated[str, Meta(max_length=512)]
_Object = dict[str, Any]


class Party(msgspec.Struct, rename="camel", kw_only=True):
    """An owner, author, sender or recipient."""

    name: _Label | None = None
    email: _Key | None = None


class Contact(Party, kw_only=True):
    """A person on the customer's side."""

    title: _Label | None = None
    phone: _Label | None = None


_Contacts = Annotated[list[Contact], Meta(max_length=10_000)]


class DealImport(msgspec.Struct, rename="camel", kw_only=True):
    """A deal. `accountId` names its account where several accounts have the same name."""

    deal_id: str
    name: _Label | None = None
    account_id: str | None = None
    account_name: _Label | None = None
    stage: _Label | None = None
    pipeline: _Label | None = None
    amount: float | None = None
    close_date: Timestamp | None = None
    closed: bool | None = None
    created_date: Timestamp | None = None
    last_activity_date: Timestamp | None = None
    owner: Party | None = None
    summary: _Object | None = None
    crm_autofill: _Object | None = None
    contacts: _Contacts | None = None


class AccountImport(msgspec.Struct, rename="camel", kw_only=True):
    """An account. Its latest deal is never imported: it is computed from the deals.

    `domain` is the domain of its e-mail addresses, if it differs from the website's.
    """

    account_id: str
    name: _Label | None = None
    website: WebAddress | None = None
    domain: Annotated[str, Meta(max_length=MAX_HOST_LENGTH)] | None = None
    owner: Party | None = None
    created_date: Timestamp | None = None
    last_activity_date: Timestamp | None = None
    contacts: _Contacts | None = None
    synced_crm_fields: _Object | None = None


class ContactImport(Contact, kw_only=True):
    """A contact of an account, named by `accountId`, or by `accountName` if that is unique."""

    contact_id: str
    account_id: str | None = None
    account_name: _Label | None = None


class ParticipantImport(Party, kw_only=True):
    """A participant of a conversation."""

    attended: bool = True


class CrmLinkImport(msgspec.Struct, rename="camel", kw_only=True):
    """The CRM record of a conversation."""

    id: str | None = None
    name: _Label | None = None
    type: CrmType | None = None


class RecordingsImport(msgspec.Struct, rename="camel", kw_only=True):
    """URLs of a conversation's recordings."""

    video_url: WebAddress | None = None
    audio_url: WebAddress | None = None
    video_stream_url: WebAddress | UnsetType | None = UNSET
    audio_stream_url: WebAddress | UnsetType | None = UNSET


class NativeImport(msgspec.Struct, rename="camel", kw_only=True):
    """Fields of every native record: one that belongs to an origin such as `gong`."""

    source_id: Annotated[str, Meta(min_length=1)]
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    public: bool = False
    owner_emails: Emails = []


class ConversationImport(NativeImport, kw_only=True):
    """A conversation."""

    conversation_id: UUID
    title: DisplayName | None = None
    start_time: Timestamp
    end_time: Timestamp | None = None
    type: MeetingType | None = None
    category: Category | None = None
    participants: Annotated[list[ParticipantImport], Meta(max_length=1000)] = []
    crm: CrmLinkImport | None = None
    summary: _Object | None = None
    transcript: Annotated[list[TranscriptEntry], Meta(max_length=100_000)] | None = None
    recordings: RecordingsImport | None = None


class AttachmentImport(msgspec.Struct, rename="camel", kw_only=True):
    """An attachment of a message. Its URL is stored and never fetched."""

    id: UUID | None = None
    filename: str | None = None
    content_type: str | None = None
    size: Int64 | None = None
    url: str = ""


class MessageImport(NativeImport, kw_only=True):
    """A message."""

    message_id: UUID
    remote_id: _Key | None = None
    thread_id: _Key | None = None
    subject: DisplayName | None = None
    sender: Party | None = None
    recipients: Annotated[list[Party], Meta(max_length=1000)] = []
    body: Annotated[str, Meta(max_length=100_000)]
    body_preview: _Label | None = None
    created_at: Timestamp
    attachments: Annotated[list[AttachmentImport], Meta(max_length=1000)] = []


class DocumentImport(NativeImport, kw_only=True):
    """A document."""

    id: UUID
    remote_id: _Key | None = None
    display_name: DisplayName | None = None
    filename: _Label | None = None
    content_type: Annotated[str, Meta(max_length=255)] = "text/plain"
    author: Party | None = None
    url: WebAddress
    normalized_url: WebAddress | None = None
    normalized_content_type: Annotated[str, Meta(max_length=255)] | None = None
