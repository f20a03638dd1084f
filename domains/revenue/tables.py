"""The tables of the revenue record.

A record that was pushed belongs to a source of the workspace and is found by (source, remote id)
as long as it is not deleted; an imported, native one carries the name of its origin as source and
is found by its own id. Ids are unique within a workspace.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from domains.kernel.db.tables import metadata, timestamp_column
from domains.kernel.pagination.cursor_statements import SAMPLE_SQL, spans_sql

# Ids that other systems give sort by their bytes, whatever the database's language.
_ID = Text(collation="C")

_LIVING = "deleted_at is null"
_PUSHED = f"{_LIVING} and not native"


def _workspace(*, key: bool = False) -> Column[object]:
    return Column(
        "workspace_id",
        ForeignKey("workspaces.id", ondelete="CASCADE"),
        primary_key=key,
        nullable=False,
    )


def _texts(name: str) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _ordered_by(expression: str) -> Column[Any]:
    """What orders a list where the column itself may be null."""
    return Column(
        "ordered_at", DateTime(timezone=True), Computed(expression, persisted=True), nullable=False
    )


def _listed(name: str, order: str, *columns: str, where: str | None = _LIVING) -> Index:
    """For a list that is filtered by these columns, in its order."""
    of = "_".join((*columns, "list")) if columns else "list"
    return Index(
        f"ix_{name}_{of}",
        "workspace_id",
        *columns,
        order,
        "id",
        postgresql_where=None if where is None else text(where),
    )


def _searched(
    name: str,
    order: str,
    *columns: str,
    texts: Sequence[str],
    ranges: Sequence[str] = (),
    where: str | None = _LIVING,
) -> Index:
    """For filters together: patterns of three letters or more in texts, more or less of ranges, and
    columns that equal or hold something. See CursorList.
    """
    return Index(
        f"ix_{name}_search",
        "workspace_id",
        text(f"({SAMPLE_SQL})"),
        *(text(spans_sql(each)) for each in (order, *ranges)),
        *columns,
        *texts,
        postgresql_using="gin",
        postgresql_ops=dict.fromkeys(texts, "gin_trgm_ops"),
        postgresql_where=None if where is None else text(where),
        # What is pending is read one by one by every search; less makes each insert twice as dear.
        postgresql_with={"gin_pending_list_limit": 512},
    )


def _people(name: str, *columns: str, where: str | None = _LIVING) -> Index:
    """For arrays of e-mails or domains that share an element with others."""
    return Index(
        f"ix_{name}_people",
        "workspace_id",
        *columns,
        postgresql_using="gin",
        postgresql_where=None if where is None else text(where),
    )


def _record(name: str, *columns: Column[Any] | CheckConstraint | Index) -> Table:
    """A table of records of sources. `created_at` and `updated_at` are the source system's."""
    return Table(
        name,
        metadata,
        _workspace(key=True),
        Column("id", Uuid, primary_key=True),
        Column("source_id", Text, nullable=False),
        Column("remote_id", Text),
        _flag("native"),
        _flag("public"),
        _texts("owner_emails"),
        timestamp_column("created_at", nullable=True),
        timestamp_column("updated_at", nullable=True),
        timestamp_column("stored_at", now=True),
        timestamp_column("deleted_at", nullable=True),
        Index(
            f"uq_{name}_identity",
            "workspace_id",
            "source_id",
            "remote_id",
            unique=True,
            postgresql_where=text(_PUSHED),
        ),
        Index(f"ix_{name}_deleted", "deleted_at", postgresql_where=text("deleted_at is not null")),
        *columns,
    )


def _crm_link() -> tuple[Column[Any], ...]:
    """To which deal and account a record belongs, and the e-mails by which that is found."""
    return (
        # E-mails, and their domains, of those who are not the workspace's own people.
        _texts("outside"),
        _texts("outside_domains"),
        Column("deal_id", _ID),
        Column("account_id", _ID),
        # Those of the version that the last upsert replaced.
        Column("former_deal_id", _ID),
        Column("former_account_id", _ID),
    )


def _linked(name: str, order: str) -> tuple[Index, Index]:
    return (
        _listed(name, order, "deal_id", where=f"{_LIVING} and deal_id is not null"),
        _listed(name, order, "account_id", where=f"{_LIVING} and account_id is not null"),
    )


def _processed(states: str) -> tuple[Column[Any] | CheckConstraint, ...]:
    """What processing goes by: the version that it is about, how far it is and why it failed."""
    return (
        Column("version", Integer, nullable=False, server_default="1"),
        Column("state", Text, nullable=False),
        Column("error", Text),
        CheckConstraint(f"state in ({states})", name="state"),
    )


sources = Table(
    "sources",
    metadata,
    _workspace(key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    timestamp_column("created_at", now=True),
    timestamp_column("updated_at", now=True),
    timestamp_column("deleted_at", nullable=True),
    Index("uq_sources_name", "workspace_id", "name", unique=True, postgresql_where=text(_LIVING)),
)

object_types = Table(
    "object_types",
    metadata,
    _workspace(key=True),
    Column("id", Uuid, primary_key=True),
    Column("source_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("field_definitions", JSON, nullable=False),
    timestamp_column("created_at", now=True),
    timestamp_column("updated_at", now=True),
    timestamp_column("deleted_at", nullable=True),
    Index(
        "uq_object_types_name",
        "workspace_id",
        "source_id",
        "name",
        unique=True,
        postgresql_where=text(_LIVING),
    ),
)

rows = _record(
    "rows",
    Column("object_type_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    # json, not jsonb: the values come back as they were sent.
    Column("fields", JSON, nullable=False),
    _ordered_by("coalesce(created_at, stored_at)"),
    _listed("rows", "ordered_at"),
    _listed("rows", "ordered_at", "source_id"),
    _listed("rows", "ordered_at", "object_type_id"),
    Index("ix_rows_remote_id", "workspace_id", "remote_id", postgresql_where=text(_LIVING)),
    _searched("rows", "ordered_at", "source_id", "object_type_id", "public", texts=["name"]),
)

messages = _record(
    "messages",
    Column("thread_id", Text),
    Column("subject", Text),
    Column("sender", JSON),
    Column("recipients", JSON, nullable=False),
    Column("body", Text, nullable=False),
    Column("body_preview", Text, nullable=False),
    # As they are shown, and the url of each, which is shown to nobody.
    Column("attachments", JSON, nullable=False),
    # In lower case, of the sender and all recipients.
    _texts("emails"),
    *_crm_link(),
    CheckConstraint("created_at is not null", name="created_at"),
    _listed("messages", "created_at"),
    _listed("messages", "created_at", "source_id"),
    _listed("messages", "created_at", "thread_id", where=f"{_LIVING} and thread_id is not null"),
    Index("ix_messages_remote_id", "workspace_id", "remote_id", postgresql_where=text(_LIVING)),
    _people("messages", "outside", "outside_domains"),
    _searched("messages", "created_at", "source_id", "thread_id", "emails", "public", texts=[]),
    *_linked("messages", "created_at"),
)

conversations = _record(
    "conversations",
    Column("title", Text),
    timestamp_column("started_at"),
    timestamp_column("ended_at"),
    Column("type", Text, nullable=False),
    Column("category", Text),
    Column("participants", JSON, nullable=False),
    # Of the participants: names by line; e-mails and their domains in lower case.
    Column("names", Text, nullable=False, server_default=""),
    _texts("emails"),
    _texts("domains"),
    # The CRM record as it is shown; `crm_given`: by an import, and so never replaced.
    Column("crm_id", Text),
    Column("crm_name", Text),
    Column("crm_type", Text),
    _flag("crm_given"),
    *_crm_link(),
    # As an import gave it, category too; and as both were found in what was said: with where each
    # item was said, what found it, and why that was not the provider where one was to be asked.
    Column("summary", JSON),
    Column("found_category", Text),
    Column("found_summary", JSON),
    Column("found_evidence", JSON),
    Column("found_engine", Text),
    Column("found_fallback", Text),
    Column("transcript", JSON),
    Column("recording_url", Text),
    Column("recording_mime_type", Text),
    # As an import gave them.
    Column("recordings", JSON),
    # What was fetched: the key of its bytes, and whether it has pictures.
    Column("recording_key", Text),
    Column("recording_content_type", Text),
    Column("recording_kind", Text),
    # That of the version that the last upsert replaced.
    Column("former_recording_key", Text),
    CheckConstraint("recording_kind in ('video', 'audio')", name="recording_kind"),
    *_processed("'processing', 'processed', 'failed'"),
    CheckConstraint("type in ('INTERNAL', 'EXTERNAL')", name="type"),
    _listed("conversations", "started_at"),
    _listed("conversations", "started_at", "type"),
    _listed("conversations", "started_at", "source_id"),
    _people("conversations", "outside", "outside_domains"),
    _searched(
        "conversations",
        "started_at",
        *("type", "source_id", "emails", "domains", "public"),
        texts=["title", "names", "crm_name"],
    ),
    *_linked("conversations", "started_at"),
)

documents = _record(
    "documents",
    Column("display_name", Text, nullable=False),
    Column("filename", Text),
    Column("content_type", Text, nullable=False),
    Column("author", JSON),
    # Either the original's address or the key of its bytes in the object store.
    Column("url", Text),
    Column("blob_key", Text),
    # What was fetched from that address: the key of the bytes, and their type as it was declared.
    Column("fetched_key", Text),
    Column("fetched_content_type", Text),
    # The text that was made of it; of an imported document, where that is.
    Column("normalized_key", Text),
    # Those of the version that the last upsert replaced.
    Column("former_blob_key", Text),
    Column("former_fetched_key", Text),
    Column("former_normalized_key", Text),
    Column("normalized_url", Text),
    Column("normalized_content_type", Text),
    *_processed("'processing', 'processed', 'failed'"),
    CheckConstraint("(url is null) <> (blob_key is null)", name="content"),
    _ordered_by("coalesce(created_at, stored_at)"),
    _listed("documents", "ordered_at"),
    _listed("documents", "ordered_at", "source_id"),
    _searched("documents", "ordered_at", "source_id", "public", texts=["display_name"]),
)


def _crm_record(name: str, *columns: Column[Any] | CheckConstraint | Index) -> Table:
    """Deals and accounts: made by imports alone, under the CRM's own ids."""
    return Table(
        name,
        metadata,
        _workspace(key=True),
        Column("id", _ID, primary_key=True),
        Column("name", Text),
        Column("owner_name", Text),
        Column("owner_email", Text),
        timestamp_column("created_at", nullable=True),
        # The last activity as the import gave it, and as linked records show it.
        timestamp_column("activity_given_at", nullable=True),
        timestamp_column("activity_seen_at", nullable=True),
        Column(
            "last_activity_at",
            DateTime(timezone=True),
            Computed("coalesce(activity_given_at, activity_seen_at)", persisted=True),
        ),
        _ordered_by(
            "coalesce(activity_given_at, activity_seen_at, '-infinity'::timestamp with time zone)"
        ),
        # As the import gave them; null where it left them out.
        Column("contacts", JSON),
        # In lower case, of the contacts.
        _texts("contact_emails"),
        timestamp_column("stored_at", now=True),
        _listed(name, "ordered_at", where=None),
        _people(name, "contact_emails", where=None),
        *columns,
    )


deals = _crm_record(
    "deals",
    # The account that the import names, by id or by name.
    Column("account_id", _ID),
    Column("account_name", Text),
    Column("stage", Text),
    Column("pipeline", Text),
    Column("amount", Double),
    timestamp_column("close_date", nullable=True),
    Column("closed", Boolean),
    # As the import gave them, and as they were found in linked conversations and messages.
    Column("summary", JSON),
    Column("crm_autofill", JSON),
    Column("found_summary", JSON),
    Column("found_crm_autofill", JSON),
    Column("found_engine", Text),
    timestamp_column("found_at", nullable=True),
    _listed("deals", "ordered_at", "closed", where=None),
    # The open deals of an account, the one with the latest activity first; and all of them.
    *(
        Index(
            f"ix_deals_{name}",
            "workspace_id",
            account if "(" not in account else text(account),
            "ordered_at",
            "id",
            postgresql_where=text(f"account_id is {given} and closed is not true"),
        )
        for name, account, given in (
            ("open_account_id", "account_id", "not null"),
            ("open_account_name", '"left"(lower(account_name), 200)', "null"),
        )
    ),
    Index(
        "ix_deals_account_id",
        "workspace_id",
        "account_id",
        postgresql_where=text("account_id is not null"),
    ),
    Index(
        "ix_deals_account_name",
        "workspace_id",
        text('"left"(lower(account_name), 200)'),
        postgresql_where=text("account_id is null"),
    ),
    _searched(
        "deals",
        "ordered_at",
        "closed",
        texts=["name", "stage", "owner_name"],
        ranges=["close_date", "amount"],
        where=None,
    ),
)

accounts = _crm_record(
    "accounts",
    Column("website", Text),
    # The e-mail domain that the website stands for.
    Column("domain", Text),
    # Name and e-mail by line, for the filter that looks in both.
    Column(
        "owner_text",
        Text,
        Computed("coalesce(owner_name, '') || E'\\n' || coalesce(owner_email, '')", persisted=True),
        nullable=False,
    ),
    Column("synced_crm_fields", JSON),
    Index("ix_accounts_domain", "workspace_id", "domain", postgresql_where=text("domain <> ''")),
    Index("ix_accounts_name_equal", "workspace_id", text('"left"(lower(name), 200)')),
    _searched(
        "accounts",
        "ordered_at",
        texts=["name", "website", "owner_text"],
        ranges=["created_at"],
        where=None,
    ),
)

# What changed so that links between records and the CRM have to be looked at again. `kind` names
# the table. Without a foreign key, which would cost more than the row.
crm_changes = Table(
    "crm_changes",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", _ID, primary_key=True),
    CheckConstraint("kind in ('deals', 'accounts', 'conversations', 'messages')", name="kind"),
)

# Goings through all records of a table, because a change concerns too many to mark each.
crm_walks = Table(
    "crm_walks",
    metadata,
    _workspace(key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    # The last record that was looked at; null before the first.
    Column("after", Uuid),
    CheckConstraint("kind in ('conversations', 'messages')", name="kind"),
)
