"""Kinds of records that an import stores, and how each is converted to columns.

An import replaces the whole record with the same workspace and id. It does not change pushed
records, and skips records that are already equal. Links, activity and summaries that an import
leaves out are computed soon after the commit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar
from uuid import uuid5

import msgspec
from sqlalchemy import Table, func, literal_column, select

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import FieldError, invalid
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import scalar, statement
from domains.kernel.untrusted.html_text import is_html
from domains.revenue import conversations, documents, messages, tables
from domains.revenue.addresses.email_domains import domain_of_website
from domains.revenue.crm import relinking
from domains.revenue.imports.bulk_upsert import BulkUpsert
from domains.revenue.imports.contacts import Contacts
from domains.revenue.imports.prepared import (
    Outcome,
    PreparedRecord,
    array_literal,
    crm_id,
    optional_crm_id,
)
from domains.revenue.imports.structs import (
    AccountImport,
    ConversationImport,
    CrmLinkImport,
    DealImport,
    DocumentImport,
    MessageImport,
    NativeImport,
    Party,
)
from domains.revenue.people import (
    contact_emails,
    distinct_emails,
    external_emails,
    participant_columns,
)
from domains.revenue.records import fetchable_url, optional_timestamp

S = TypeVar("S", bound=msgspec.Struct)

_PUSHED: Final = "is the id of a record that was pushed"

# Kinds whose changes affect links between records and the CRM.
_LINKED: Final = frozenset({"deals", "accounts", "conversations", "messages"})

# Without this, Postgres plans the foreign key check of each row anew, which doubles the time.
_REUSE_PLANS: Final = statement(
    select(
        func.set_config(
            literal_column("'plan_cache_mode'"), literal_column("'auto'"), literal_column("true")
        )
    ),
    scalar,
)


class Kind(Generic[S]):
    """A kind of records, such as deals.

    `struct` is the accepted shape and `id_field` the name of the id in it. `to_values` converts a
    record to values by column. It gets the workspace's own e-mail domains and raises Invalid.
    """

    def __init__(
        self,
        table: Table,
        struct: type[S],
        id_field: str,
        to_values: Callable[[S, Sequence[str]], dict[str, Any]],
        columns: Iterable[str],
    ) -> None:
        self.struct: Final = struct
        self.id_field: Final = id_field
        self._table = table
        self._to_values = to_values
        self._columns = ("id", *columns)
        upsert = BulkUpsert(table, self._columns, native=issubclass(struct, NativeImport))
        self._store = upsert.store()
        self._preview = upsert.preview()

    def prepare(self, record: S, own_domains: Sequence[str]) -> PreparedRecord:
        """Validate a record. Raises Invalid with the field at fault."""
        values = self._to_values(record, own_domains)
        return PreparedRecord(values["id"], values)

    async def store(
        self, tx: Tx, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        """Store a batch. Of several records with the same id, the last one is stored."""
        await tx.one(_REUSE_PLANS)
        rows = await tx.all(self._store, workspace=workspace, **self._arrays(batch))
        outcome = self._outcome(rows)
        if self._table.name in _LINKED:
            ids = [str(record_id) for record_id in outcome.changed]
            await relinking.mark_changed(tx, workspace, self._table.name, ids)
        if self._table is tables.conversations:
            await conversations.enqueue_summaries(tx, workspace, outcome.changed)
        return outcome

    async def preview(
        self, read: Read, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        """Return what `store` would return, without storing anything."""
        rows = await read.all(self._preview, workspace=workspace, **self._arrays(batch))
        return self._outcome(rows)

    def _arrays(self, batch: Sequence[PreparedRecord]) -> dict[str, list[Any]]:
        # Sorted, so that concurrent imports lock the rows in the same order.
        records = sorted(dict(batch).items())
        return {name: [values[name] for _, values in records] for name in self._columns}

    def _outcome(self, rows: Iterable[tuple[Any, bool]]) -> Outcome:
        outcome = Outcome([], {})
        for record_id, is_pushed in rows:
            if is_pushed:
                outcome.refused[record_id] = FieldError(self.id_field, _PUSHED)
            else:
                outcome.changed.append(record_id)
        return outcome


# --- values -----------------------------------------------------------------------------------


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _optional_url(url: str | None, field: str) -> str | None:
    return None if url is None else fetchable_url(url, field)


# --- conversion to columns --------------------------------------------------------------------


def _crm_values(record: DealImport | AccountImport) -> dict[str, Any]:
    owner = record.owner or Party()
    return {
        "name": record.name,
        "owner_name": owner.name,
        "owner_email": owner.email,
        "created_at": optional_timestamp(record.created_date, "createdDate"),
        "activity_given_at": optional_timestamp(record.last_activity_date, "lastActivityDate"),
        "contacts": _json(record.contacts),
        "contact_emails": array_literal(contact_emails(record.contacts or ())),
    }


def _deal_values(deal: DealImport, _own_domains: Sequence[str]) -> dict[str, Any]:
    return {
        "id": crm_id(deal.deal_id, "dealId"),
        **_crm_values(deal),
        "account_id": optional_crm_id(deal.account_id, "accountId"),
        "account_name": deal.account_name,
        "stage": deal.stage,
        "pipeline": deal.pipeline,
        "amount": deal.amount,
        "close_date": optional_timestamp(deal.close_date, "closeDate"),
        "closed": deal.closed,
        "summary": _json(deal.summary),
        "crm_autofill": _json(deal.crm_autofill),
    }


def _account_values(account: AccountImport, _own_domains: Sequence[str]) -> dict[str, Any]:
    websites = (account.domain, account.website)
    domains = (domain_of_website(website.strip()) for website in websites if website)
    return {
        "id": crm_id(account.account_id, "accountId"),
        **_crm_values(account),
        "website": account.website,
        "domain": next(filter(None, domains), None),
        "synced_crm_fields": _json(account.synced_crm_fields),
    }


def _native_values(record: NativeImport, origins: frozenset[str]) -> dict[str, Any]:
    if record.source_id not in origins:
        raise invalid("sourceId", f"must be one of {', '.join(sorted(origins))}")
    return {
        "source_id": record.source_id,
        "public": record.public,
        "owner_emails": array_literal(record.owner_emails),
        "created_at": optional_timestamp(record.created_at, "createdAt"),
        "updated_at": optional_timestamp(record.updated_at, "updatedAt"),
    }


def _conversation_values(
    conversation: ConversationImport, own_domains: Sequence[str]
) -> dict[str, Any]:
    started_at = optional_timestamp(conversation.start_time, "startTime")
    ended_at = optional_timestamp(conversation.end_time, "endTime") or started_at
    if started_at is None or ended_at is None or ended_at < started_at:
        raise invalid("endTime", "must not be before startTime")
    columns = participant_columns(conversation.participants, conversation.owner_emails, own_domains)
    link = conversation.crm or CrmLinkImport()
    recordings = conversation.recordings
    if recordings is not None:
        _optional_url(recordings.video_url, "recordings.videoUrl")
        _optional_url(recordings.audio_url, "recordings.audioUrl")
    return {
        "id": conversation.conversation_id,
        **_native_values(conversation, conversations.NATIVE),
        "title": conversation.title,
        "started_at": started_at,
        "ended_at": ended_at,
        "type": conversation.type or columns.type,
        "category": conversation.category,
        "participants": _json(conversation.participants),
        "names": columns.names,
        "emails": array_literal(columns.emails),
        "domains": array_literal(columns.domains),
        "outside": array_literal(columns.outside),
        "outside_domains": array_literal(columns.outside_domains),
        "crm_id": optional_crm_id(link.id, "crm.id"),
        "crm_name": link.name,
        "crm_type": link.type,
        "crm_given": bool(link.id or link.name or link.type),
        "summary": _json(conversation.summary),
        "transcript": _json(conversation.transcript),
        "recordings": _json(recordings),
    }


def _message_values(message: MessageImport, own_domains: Sequence[str]) -> dict[str, Any]:
    people = [*([] if message.sender is None else [message.sender]), *message.recipients]
    outside, outside_domains = external_emails(people, message.owner_emails, own_domains)
    preview = message.body_preview
    if preview is None or is_html(preview):
        preview = messages.preview(preview or message.body)
    return {
        "id": message.message_id,
        **_native_values(message, messages.NATIVE),
        "remote_id": message.remote_id,
        "thread_id": message.thread_id,
        "subject": message.subject,
        "sender": _json(message.sender),
        "recipients": _json(message.recipients),
        "body": message.body,
        "body_preview": preview,
        "attachments": _json(
            [
                messages.StoredAttachment(
                    # Derived, so that importing the same message again changes nothing.
                    attachment.id or uuid5(message.message_id, f"attachment {number}"),
                    attachment.filename,
                    attachment.content_type,
                    attachment.size,
                    attachment.url,
                )
                for number, attachment in enumerate(message.attachments, start=1)
            ]
        ),
        "emails": array_literal(distinct_emails(people)),
        "outside": array_literal(outside),
        "outside_domains": array_literal(outside_domains),
    }


def _document_values(document: DocumentImport, _own_domains: Sequence[str]) -> dict[str, Any]:
    remote_id = document.remote_id or str(document.id)
    filename = document.filename or documents.filename_in_url(document.url)
    return {
        "id": document.id,
        **_native_values(document, documents.NATIVE),
        "remote_id": remote_id,
        "display_name": document.display_name or filename or remote_id,
        "filename": document.filename,
        "content_type": document.content_type,
        "author": _json(document.author),
        "url": fetchable_url(document.url, "url"),
        "normalized_url": _optional_url(document.normalized_url, "normalizedUrl"),
        "normalized_content_type": document.normalized_content_type,
    }


_CRM_COLUMNS: Final = (
    *("name", "owner_name", "owner_email", "created_at", "activity_given_at"),
    *("contacts", "contact_emails"),
)
_NATIVE_COLUMNS: Final = ("source_id", "public", "owner_emails", "created_at", "updated_at")

# A transaction that stores several kinds locks their rows in this order. Contacts come after the
# accounts that they belong to.
KINDS: Final[Mapping[str, Kind[Any] | Contacts]] = {
    "conversations": Kind(
        tables.conversations,
        ConversationImport,
        "conversationId",
        _conversation_values,
        (
            *_NATIVE_COLUMNS,
            *("title", "started_at", "ended_at", "type", "category", "participants"),
            *("names", "emails", "domains", "outside", "outside_domains"),
            *("crm_id", "crm_name", "crm_type", "crm_given"),
            *("summary", "transcript", "recordings"),
        ),
    ),
    "messages": Kind(
        tables.messages,
        MessageImport,
        "messageId",
        _message_values,
        (
            *_NATIVE_COLUMNS,
            *("remote_id", "thread_id", "subject", "sender", "recipients"),
            *("body", "body_preview", "attachments"),
            *("emails", "outside", "outside_domains"),
        ),
    ),
    "documents": Kind(
        tables.documents,
        DocumentImport,
        "id",
        _document_values,
        (
            *_NATIVE_COLUMNS,
            *("remote_id", "display_name", "filename", "content_type", "author"),
            *("url", "normalized_url", "normalized_content_type"),
        ),
    ),
    "deals": Kind(
        tables.deals,
        DealImport,
        "dealId",
        _deal_values,
        (
            *_CRM_COLUMNS,
            *("account_id", "account_name", "stage", "pipeline", "amount"),
            *("close_date", "closed", "summary", "crm_autofill"),
        ),
    ),
    "accounts": Kind(
        tables.accounts,
        AccountImport,
        "accountId",
        _account_values,
        (*_CRM_COLUMNS, "website", "domain", "synced_crm_fields"),
    ),
    "contacts": Contacts(),
}
