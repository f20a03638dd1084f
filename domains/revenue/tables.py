"""Tables of the revenue record.

A pushed record belongs to a source of the workspace and is identified by source and remote id until
it is deleted. A native record was imported: its `source_id` is the name of its origin, such as
`gong`, and it is identified by its own id. Ids are unique within a workspace.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    TextClause,
    Uuid,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from domains.kernel.db.tables import metadata, timestamp_column
from domains.kernel.pagination.cursor_statements import SAMPLE_SQL, list_point_sql, spans_sql

# Ids of other systems sort by their bytes, independent of the database's locale.
_ID = Text(collation="C")

# SQL that is true for a deal that is known to be closed, and false for all others.
KNOWN_CLOSED_SQL = "coalesce(closed, false)"

_NOT_DELETED = "deleted_at is null"
_PUSHED = f"{_NOT_DELETED} and not native"


def _workspace(*, key: bool = False) -> Column[object]:
    workspace = ForeignKey("workspaces.id", ondelete="CASCADE")
    return Column("workspace_id", workspace, primary_key=key, nullable=False)


def _texts(name: str) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _ordered_by(expression: str) -> Column[Any]:
    """Column that orders a list, for tables whose time column may be null."""
    return Column(
        "ordered_at", DateTime(timezone=True), Computed(expression, persisted=True), nullable=False
    )


def _index(
    name: str,
    *columns: str | ColumnElement[Any] | TextClause,
    where: str | None = _NOT_DELETED,
    **options: Any,
) -> Index:
    """Index of the workspace's records that meet `where`."""
    condition = None if where is None else text(where)
    return Index(name, "workspace_id", *columns, postgresql_where=condition, **options)


def _list_index(name: str, order: str, *columns: str, where: str | None = _NOT_DELETED) -> Index:
    """Index for a list in its order, filtered by these columns."""
    return _index(f"ix_{name}_{'_'.join((*columns, 'list'))}", *columns, order, "id", where=where)


def _search_indexes(
    name: str,
    order: str,
    *columns: str | TextClause,
    texts: Sequence[str],
    where: str | None = _NOT_DELETED,
) -> tuple[Index, Index]:
    """GIN indexes for combined filters, of the list and of its sample: patterns in `texts`, and
    `columns` that equal or contain a value. Patterns need at least three letters, or two Chinese,
    Japanese or Korean characters. See CursorStatements.
    """
    filtered: tuple[Any, ...] = (
        *columns,
        *([text(f"cjk_pairs(VARIADIC ARRAY[{', '.join(texts)}])")] if texts else []),
        *(literal_column(f"nfc({column})").label(f"nfc_{column}") for column in texts),
    )
    options: dict[str, Any] = {
        "postgresql_using": "gin",
        "postgresql_ops": {f"nfc_{column}": "gin_trgm_ops" for column in texts},
    }
    return (
        Index(
            f"ix_{name}_search",
            text(spans_sql(order)),
            *filtered,
            postgresql_where=None if where is None else text(where),
            # Every search scans the pending list. A smaller one would double the cost of inserts.
            postgresql_with={"gin_pending_list_limit": 512},
            **options,
        ),
        _index(f"ix_{name}_sample", *filtered, where=_sampled(where), **options),
    )


def _range_indexes(name: str, order: str, *columns: str) -> list[Index]:
    """Indexes for lists without a condition, filtered by ranges of these columns.

    One for each column, and one of the sample in list order.
    """
    return [
        Index(
            f"ix_{name}_{column}_range",
            text(list_point_sql(order, column)),
            postgresql_using="gist",
        )
        for column in columns
    ] + [_index(f"ix_{name}_sample_list", order, "id", where=_sampled(None))]


def _sampled(where: str | None) -> str:
    in_sample = f"({SAMPLE_SQL}) = 0"
    return in_sample if where is None else f"{where} and {in_sample}"


def _overlap_index(name: str, *columns: str, where: str | None = _NOT_DELETED) -> Index:
    """GIN index for overlap queries (`&&`) on arrays of e-mail addresses or domains."""
    return _index(
        f"ix_{name}_people",
        *columns,
        where=where,
        postgresql_using="gin",
        # Kilobytes. Every query scans the pending list, once for each address: at the default of
        # 4 MB, 100 addresses took 150 ms after an import.
        postgresql_with={"gin_pending_list_limit": 128},
    )


def _record(name: str, *columns: Column[Any] | CheckConstraint | Index) -> Table:
    """Table of a kind of records. `created_at` and `updated_at` come from the source system."""
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
        _index(f"uq_{name}_identity", "source_id", "remote_id", unique=True, where=_PUSHED),
        Index(f"ix_{name}_deleted", "deleted_at", postgresql_where=text("deleted_at is not null")),
        *columns,
    )


def _crm_link() -> tuple[Column[Any], ...]:
    """Columns of the linked deal and account, and of the addresses that the link is found by."""
    return (
        # E-mail addresses of external people (see `people.matched_emails`), and their domains.
        _texts("outside"),
        _texts("outside_domains"),
        Column("deal_id", _ID),
        Column("account_id", _ID),
        # Values of the version that the last upsert replaced.
        Column("former_deal_id", _ID),
        Column("former_account_id", _ID),
    )


def _link_indexes(name: str, order: str) -> tuple[Index, Index]:
    return (
        _list_index(name, order, "deal_id", where=f"{_NOT_DELETED} and deal_id is not null"),
        _list_index(name, order, "account_id", where=f"{_NOT_DELETED} and account_id is not null"),
    )


def _processing_columns() -> tuple[Column[Any] | CheckConstraint, ...]:
    """Columns for background processing: the record's version, state and error."""
    return (
        Column("version", Integer, nullable=False, server_default="1"),
        Column("state", Text, nullable=False),
        Column("error", Text),
        CheckConstraint("state in ('pending', 'processing', 'processed', 'failed')", name="state"),
    )


def _found_language() -> Column[Any]:
    """BCP 47 code of the language that the processing found."""
    return Column("found_language", Text)


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
    _index("uq_sources_name", "name", unique=True),
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
    _index("uq_object_types_name", "source_id", "name", unique=True),
)

rows = _record(
    "rows",
    Column("object_type_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    # json, not jsonb, which would not return values exactly as they were sent.
    Column("fields", JSON, nullable=False),
    _ordered_by("coalesce(created_at, stored_at)"),
    _list_index("rows", "ordered_at"),
    _list_index("rows", "ordered_at", "source_id"),
    _list_index("rows", "ordered_at", "object_type_id"),
    _index("ix_rows_remote_id", "remote_id"),
    *_search_indexes("rows", "ordered_at", "source_id", "object_type_id", "public", texts=["name"]),
)

messages = _record(
    "messages",
    Column("thread_id", Text),
    Column("subject", Text),
    Column("sender", JSON),
    Column("recipients", JSON, nullable=False),
    Column("body", Text, nullable=False),
    Column("body_preview", Text, nullable=False),
    # With the URL of each, which is never shown.
    Column("attachments", JSON, nullable=False),
    _found_language(),
    # Of the sender and all recipients, normalized.
    _texts("emails"),
    *_crm_link(),
    CheckConstraint("created_at is not null", name="created_at"),
    _list_index("messages", "created_at"),
    _list_index("messages", "created_at", "source_id"),
    _list_index(
        "messages", "created_at", "thread_id", where=f"{_NOT_DELETED} and thread_id is not null"
    ),
    _index("ix_messages_remote_id", "remote_id"),
    _overlap_index("messages", "outside", "outside_domains"),
    *_search_indexes(
        "messages", "created_at", "source_id", "thread_id", "emails", "public", texts=[]
    ),
    *_link_indexes("messages", "created_at"),
)

conversations = _record(
    "conversations",
    Column("title", Text),
    timestamp_column("started_at"),
    timestamp_column("ended_at"),
    Column("type", Text, nullable=False),
    Column("category", Text),
    Column("participants", JSON, nullable=False),
    # Of the participants, for comparisons: names, one per line, e-mail addresses and domains.
    Column("names", Text, nullable=False, server_default=""),
    _texts("emails"),
    _texts("domains"),
    # The CRM record to show. `crm_given`: it was imported, so relinking does not replace it.
    Column("crm_id", Text),
    Column("crm_name", Text),
    Column("crm_type", Text),
    _flag("crm_given"),
    *_crm_link(),
    # The imported summary. `category` is imported too.
    Column("summary", JSON),
    # Results of the analysis. `found_fallback`: the reason why the LLM provider was not used.
    Column("found_category", Text),
    Column("found_summary", JSON),
    Column("found_evidence", JSON),
    Column("found_engine", Text),
    Column("found_fallback", Text),
    _found_language(),
    Column("transcript", JSON),
    Column("recording_url", Text),
    Column("recording_mime_type", Text),
    # Imported links.
    Column("recordings", JSON),
    # The fetched recording: the key of its bytes, and their type.
    Column("recording_key", Text),
    Column("recording_content_type", Text),
    Column("recording_kind", Text),
    # Value of the version that the last upsert replaced.
    Column("former_recording_key", Text),
    CheckConstraint("recording_kind in ('video', 'audio')", name="recording_kind"),
    # Why there is no recording. `error` says why there is no transcript or summary.
    Column("recording_error", Text),
    *_processing_columns(),
    CheckConstraint("type in ('INTERNAL', 'EXTERNAL')", name="type"),
    _list_index("conversations", "started_at"),
    _list_index("conversations", "started_at", "type"),
    _list_index("conversations", "started_at", "source_id"),
    _list_index("conversations", "started_at", "state"),
    _overlap_index("conversations", "outside", "outside_domains"),
    *_search_indexes(
        "conversations",
        "started_at",
        *("state", "type", "source_id", "emails", "domains", "public"),
        texts=["title", "names", "crm_name"],
    ),
    *_link_indexes("conversations", "started_at"),
)

documents = _record(
    "documents",
    Column("display_name", Text, nullable=False),
    Column("filename", Text),
    Column("content_type", Text, nullable=False),
    Column("author", JSON),
    # Either the original's URL or the key of its bytes in the object store.
    Column("url", Text),
    Column("blob_key", Text),
    # Fetched from that URL: the key of the bytes, and the content type of the response.
    Column("fetched_key", Text),
    Column("fetched_content_type", Text),
    # Key of the extracted text. An imported document has the text's URL instead.
    Column("normalized_key", Text),
    # Encoding of the original if it had to be guessed, and the confidence from 0 to 1.
    Column("text_encoding", Text),
    Column("text_encoding_confidence", Double),
    _found_language(),
    # Values of the version that the last upsert replaced.
    Column("former_blob_key", Text),
    Column("former_fetched_key", Text),
    Column("former_normalized_key", Text),
    Column("normalized_url", Text),
    Column("normalized_content_type", Text),
    *_processing_columns(),
    CheckConstraint("(url is null) <> (blob_key is null)", name="content"),
    _ordered_by("coalesce(created_at, stored_at)"),
    _list_index("documents", "ordered_at"),
    _list_index("documents", "ordered_at", "source_id"),
    _list_index("documents", "ordered_at", "state"),
    *_search_indexes(
        "documents", "ordered_at", "state", "source_id", "public", texts=["display_name"]
    ),
)


def _crm_record(name: str, *columns: Column[Any] | CheckConstraint | Index) -> Table:
    """Table of deals or accounts, which are only imported and have the CRM's ids."""
    return Table(
        name,
        metadata,
        _workspace(key=True),
        Column("id", _ID, primary_key=True),
        Column("name", Text),
        Column("owner_name", Text),
        Column("owner_email", Text),
        timestamp_column("created_at", nullable=True),
        # Time of the last activity: imported, and of the newest linked record.
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
        # Imported; null if the import had none.
        Column("contacts", JSON),
        # Of the contacts: see `people.matched_emails`.
        _texts("contact_emails"),
        timestamp_column("stored_at", now=True),
        _list_index(name, "ordered_at", where=None),
        _overlap_index(name, "contact_emails", where=None),
        *columns,
    )


def _lower(column: str) -> TextClause:
    """The first 200 characters of a name, for comparisons; an index entry is limited in size."""
    return text(f'"left"(lower(nfc({column})), 200)')


def _account_indexes(name: str, account: str | TextClause, *, where: str) -> tuple[Index, Index]:
    is_open = f"{where} and closed is not true"
    return (
        _index(f"ix_deals_open_{name}", account, "ordered_at", "id", where=is_open),
        _index(f"ix_deals_{name}", account, where=where),
    )


deals = _crm_record(
    "deals",
    # The account, which an import names by id or by name.
    Column("account_id", _ID),
    Column("account_name", Text),
    Column("stage", Text),
    Column("pipeline", Text),
    Column("amount", Double),
    timestamp_column("close_date", nullable=True),
    Column("closed", Boolean),
    # Imported values, and values computed from linked conversations and messages.
    Column("summary", JSON),
    Column("crm_autofill", JSON),
    Column("found_summary", JSON),
    Column("found_crm_autofill", JSON),
    Column("found_engine", Text),
    timestamp_column("found_at", nullable=True),
    _index("ix_deals_closed_list", text(KNOWN_CLOSED_SQL), "ordered_at", "id", where=None),
    # For the open deals of an account, latest activity first, and for all its deals.
    *_account_indexes("account_id", "account_id", where="account_id is not null"),
    *_account_indexes("account_name", _lower("account_name"), where="account_id is null"),
    *_search_indexes(
        "deals",
        "ordered_at",
        text(KNOWN_CLOSED_SQL),
        texts=["name", "stage", "owner_name"],
        where=None,
    ),
    *_range_indexes("deals", "ordered_at", "close_date", "amount"),
)

accounts = _crm_record(
    "accounts",
    Column("website", Text),
    # E-mail domain of the website.
    Column("domain", Text),
    # Name and e-mail address on separate lines, for the filter by owner.
    Column(
        "owner_text",
        Text,
        Computed("coalesce(owner_name, '') || E'\\n' || coalesce(owner_email, '')", persisted=True),
        nullable=False,
    ),
    Column("synced_crm_fields", JSON),
    # Time of the last import that changed the account; null if none did since it was stored.
    timestamp_column("changed_at", nullable=True),
    Index("uq_accounts_uuid", text("account_uuid(workspace_id, id)"), unique=True),
    _index("ix_accounts_stored_list", "stored_at", "id", where=None),
    _index("ix_accounts_domain", "domain", where="domain <> ''"),
    _index("ix_accounts_name_equal", _lower("name"), where=None),
    *_search_indexes(
        "accounts",
        "ordered_at",
        texts=["name", "website", "owner_text"],
        where=None,
    ),
    *_range_indexes("accounts", "ordered_at", "created_at"),
)

# People of accounts, imported with ids of their own. `accounts.contacts` are those that the account
# itself was imported with.
contacts = Table(
    "contacts",
    metadata,
    _workspace(key=True),
    Column("id", _ID, primary_key=True),
    Column("account_id", _ID, nullable=False),
    Column("name", Text),
    Column("email", Text),
    # The e-mail address in the forms that links are found by.
    _texts("contact_emails"),
    Column("title", Text),
    Column("phone", Text),
    timestamp_column("stored_at", now=True),
    _index("ix_contacts_account_id", "account_id", where=None),
    _overlap_index("contacts", "contact_emails", where=None),
)

# Changed records whose CRM links must be recomputed. `kind` is the table's name. Has no foreign key
# to the workspace, whose check would cost more than the insert.
crm_changes = Table(
    "crm_changes",
    metadata,
    Column("workspace_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("id", _ID, primary_key=True),
    CheckConstraint("kind in ('deals', 'accounts', 'conversations', 'messages')", name="kind"),
)

# Passes over all records of a table, for a change that affects too many to mark each of them.
crm_walks = Table(
    "crm_walks",
    metadata,
    _workspace(key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    # The last record that was relinked; null before the first.
    Column("after", Uuid),
    CheckConstraint("kind in ('conversations', 'messages')", name="kind"),
)
