"""Revenue record API

Adds sources, object types, rows, messages, conversations, documents, deals and accounts, the key
that signs cursors and file links, and settings of a workspace.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


# SQL that turns a value with range filters into a whole number: a time into seconds since the year
# -208, an amount into thousandths. A number lies in one span of each size. The smallest span has
# 4 ** 7 numbers; four spans make up one of the next size, up to 4 ** 20.
_NUMBERS = {
    "timestamp with time zone": """(68719476736 + date_part('epoch',
        greatest(value, '0001-01-01 00:00:00+00') at time zone 'UTC')::bigint)""",
    "double precision": "(least(greatest(value, 0), 1e9) * 1000)::bigint",
}
_SIZES = range(14, 42, 2)


def _spans(kind: str, number: str) -> tuple[str, ...]:
    """SQL of the span functions. A span is encoded as its number, with its size from bit 42 on."""
    all_of_it = ", ".join(f"(number >> {size}) | ({size}::bigint << 42)" for size in _SIZES)
    return (
        f"""
        create function spans(value {kind}) returns bigint[]
        language plpgsql immutable strict parallel safe as $$
        declare
            number constant bigint := {number};
        begin
            return array[{all_of_it}];
        end $$
        """,
        # The fewest spans that cover all numbers from the value on (spans_from) or up to it
        # (spans_to). They also cover the rest of the smallest span that contains the value.
        # Not parallel safe: starting parallel workers takes longer than any search that needs them.
        f"""
        create function spans_from(value {kind}) returns bigint[]
        language sql immutable strict as $$
            select array_agg(span | (size << 42))
            from (select {number} as number) as given,
                generate_series(14::bigint, 40, 2) as size,
                generate_series((number >> size::int) + (size > 14)::int, (number >> size::int) | 3)
                    as span
        $$
        """,
        f"""
        create function spans_to(value {kind}) returns bigint[]
        language sql immutable strict as $$
            select array_agg(span | (size << 42))
            from (select {number} as number) as given,
                generate_series(14::bigint, 40, 2) as size,
                generate_series((number >> size::int) & ~3,
                    (number >> size::int) - (size > 14)::int) as span
        $$
        """,
    )


_TIME = sa.DateTime(timezone=True)
_LIVE = "deleted_at is null"


def _of_workspace(table: str) -> sa.ForeignKeyConstraint:
    """The reference of a table's rows to their workspace."""
    return sa.ForeignKeyConstraint(
        ["workspace_id"], ["workspaces.id"], name=f"fk_{table}_workspace_id", ondelete="CASCADE"
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, _TIME, server_default=sa.text("now()"), nullable=False)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(
        name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
    )


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _computed(name: str, expression: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, _TIME, sa.Computed(expression, persisted=True), nullable=nullable)


def _pushed_columns() -> list[sa.Column[object]]:
    """The columns of every record that a source pushes."""
    return [
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text()),
        _flag("native"),
        _flag("public"),
        _texts("owner_emails"),
        sa.Column("created_at", _TIME),
        sa.Column("updated_at", _TIME),
        _now("stored_at"),
        sa.Column("deleted_at", _TIME),
    ]


def _crm_columns() -> list[sa.Column[object]]:
    """The columns that deals and accounts share."""
    activity = "coalesce(activity_given_at, activity_seen_at"
    return [
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("owner_name", sa.Text()),
        sa.Column("owner_email", sa.Text()),
        sa.Column("created_at", _TIME),
        sa.Column("activity_given_at", _TIME),
        sa.Column("activity_seen_at", _TIME),
        _computed("last_activity_at", f"{activity})", nullable=True),
        _computed("ordered_at", f"{activity}, '-infinity'::timestamp with time zone)"),
        sa.Column("contacts", postgresql.JSON()),
        _texts("contact_emails"),
        _now("stored_at"),
    ]


def _list_index(table: str, order: str, filtered: str, *, nullable: bool = False) -> None:
    """An index for the list of a table, filtered by one column."""
    op.create_index(
        f"ix_{table}_{filtered}_list",
        table,
        ["workspace_id", filtered, order, "id"],
        postgresql_where=sa.text(f"{_LIVE} and {filtered} is not null" if nullable else _LIVE),
    )


def _identity_index(table: str) -> None:
    op.create_index(
        f"uq_{table}_identity",
        table,
        ["workspace_id", "source_id", "remote_id"],
        unique=True,
        postgresql_where=sa.text(f"{_LIVE} and not native"),
    )


def upgrade() -> None:
    # For substring search by trigrams. The extension is trusted, as is btree_gin.
    op.execute("create extension if not exists pg_trgm")
    for kind, number in _NUMBERS.items():
        for function in _spans(kind, number):
            op.execute(function)
    op.create_table(
        "crm_changes",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint(
            "kind in ('deals', 'accounts', 'conversations', 'messages')",
            name=op.f("ck_crm_changes_kind"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "kind", "id", name="pk_crm_changes"),
    )
    op.create_table(
        "deployment_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("name", name="pk_deployment_keys"),
    )
    op.create_table(
        "accounts",
        *_crm_columns(),
        sa.Column("website", sa.Text()),
        sa.Column("domain", sa.Text()),
        sa.Column(
            "owner_text",
            sa.Text(),
            sa.Computed(
                "coalesce(owner_name, '') || E'\\n' || coalesce(owner_email, '')", persisted=True
            ),
            nullable=False,
        ),
        sa.Column("synced_crm_fields", postgresql.JSON()),
        _of_workspace("accounts"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_accounts"),
    )
    op.create_index(
        "ix_accounts_domain",
        "accounts",
        ["workspace_id", "domain"],
        postgresql_where=sa.text("domain <> ''"),
    )
    op.create_index("ix_accounts_list", "accounts", ["workspace_id", "ordered_at", "id"])
    op.create_index(
        "ix_accounts_name_equal",
        "accounts",
        ["workspace_id", sa.literal_column('"left"(lower(name), 200)')],
    )
    op.create_index(
        "ix_accounts_search",
        "accounts",
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column("spans(ordered_at)"),
            sa.literal_column("spans(created_at)"),
            "name",
            "website",
            "owner_text",
        ],
        postgresql_using="gin",
        postgresql_ops={
            "name": "gin_trgm_ops",
            "website": "gin_trgm_ops",
            "owner_text": "gin_trgm_ops",
        },
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_accounts_people", "accounts", ["workspace_id", "contact_emails"], postgresql_using="gin"
    )
    op.create_table(
        "conversations",
        *_pushed_columns(),
        sa.Column("title", sa.Text()),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("category", sa.Text()),
        sa.Column("participants", postgresql.JSON(), nullable=False),
        sa.Column("names", sa.Text(), server_default="", nullable=False),
        _texts("emails"),
        _texts("domains"),
        sa.Column("crm_id", sa.Text()),
        sa.Column("crm_name", sa.Text()),
        sa.Column("crm_type", sa.Text()),
        _flag("crm_given"),
        _texts("outside"),
        _texts("outside_domains"),
        sa.Column("deal_id", sa.Text(collation="C")),
        sa.Column("account_id", sa.Text(collation="C")),
        sa.Column("former_deal_id", sa.Text(collation="C")),
        sa.Column("former_account_id", sa.Text(collation="C")),
        sa.Column("summary", postgresql.JSON()),
        sa.Column("transcript", postgresql.JSON()),
        sa.Column("recording_url", sa.Text()),
        sa.Column("recording_mime_type", sa.Text()),
        sa.Column("recordings", postgresql.JSON()),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint(
            "state in ('processing', 'processed', 'failed')", name=op.f("ck_conversations_state")
        ),
        sa.CheckConstraint("type in ('INTERNAL', 'EXTERNAL')", name=op.f("ck_conversations_type")),
        _of_workspace("conversations"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_conversations"),
    )
    _list_index("conversations", "started_at", "account_id", nullable=True)
    _list_index("conversations", "started_at", "deal_id", nullable=True)
    op.create_index(
        "ix_conversations_list",
        "conversations",
        ["workspace_id", "started_at", "id"],
        postgresql_where=sa.text(_LIVE),
    )
    op.create_index(
        "ix_conversations_people",
        "conversations",
        ["workspace_id", "outside", "outside_domains"],
        postgresql_using="gin",
        postgresql_where=sa.text(_LIVE),
    )
    _list_index("conversations", "started_at", "source_id")
    op.create_index(
        "ix_conversations_search",
        "conversations",
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column("spans(started_at)"),
            "type",
            "source_id",
            "emails",
            "domains",
            "public",
            "title",
            "names",
            "crm_name",
        ],
        postgresql_using="gin",
        postgresql_ops={
            "title": "gin_trgm_ops",
            "names": "gin_trgm_ops",
            "crm_name": "gin_trgm_ops",
        },
        postgresql_where=sa.text(_LIVE),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    _list_index("conversations", "started_at", "type")
    _identity_index("conversations")
    op.create_table(
        "crm_walks",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("after", sa.Uuid()),
        sa.CheckConstraint("kind in ('conversations', 'messages')", name=op.f("ck_crm_walks_kind")),
        _of_workspace("crm_walks"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_crm_walks"),
    )
    op.create_table(
        "cursor_queries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        _now("used_at"),
        _of_workspace("cursor_queries"),
        sa.PrimaryKeyConstraint("workspace_id", "digest", name="pk_cursor_queries"),
    )
    op.create_index("ix_cursor_queries_used_at", "cursor_queries", ["used_at"])
    op.create_table(
        "deals",
        *_crm_columns(),
        sa.Column("account_id", sa.Text(collation="C")),
        sa.Column("account_name", sa.Text()),
        sa.Column("stage", sa.Text()),
        sa.Column("pipeline", sa.Text()),
        sa.Column("amount", sa.Double()),
        sa.Column("close_date", _TIME),
        sa.Column("closed", sa.Boolean()),
        sa.Column("summary", postgresql.JSON()),
        sa.Column("crm_autofill", postgresql.JSON()),
        _of_workspace("deals"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_deals"),
    )
    op.create_index(
        "ix_deals_account_id",
        "deals",
        ["workspace_id", "account_id"],
        postgresql_where=sa.text("account_id is not null"),
    )
    op.create_index(
        "ix_deals_account_name",
        "deals",
        ["workspace_id", sa.literal_column('"left"(lower(account_name), 200)')],
        postgresql_where=sa.text("account_id is null"),
    )
    op.create_index("ix_deals_closed_list", "deals", ["workspace_id", "closed", "ordered_at", "id"])
    op.create_index("ix_deals_list", "deals", ["workspace_id", "ordered_at", "id"])
    op.create_index(
        "ix_deals_search",
        "deals",
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column("spans(ordered_at)"),
            sa.literal_column("spans(close_date)"),
            sa.literal_column("spans(amount)"),
            "closed",
            "name",
            "stage",
            "owner_name",
        ],
        postgresql_using="gin",
        postgresql_ops={
            "name": "gin_trgm_ops",
            "stage": "gin_trgm_ops",
            "owner_name": "gin_trgm_ops",
        },
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_deals_open_account_id",
        "deals",
        ["workspace_id", "account_id", "ordered_at", "id"],
        postgresql_where=sa.text("account_id is not null and closed is not true"),
    )
    op.create_index(
        "ix_deals_open_account_name",
        "deals",
        ["workspace_id", sa.literal_column('"left"(lower(account_name), 200)'), "ordered_at", "id"],
        postgresql_where=sa.text("account_id is null and closed is not true"),
    )
    op.create_index(
        "ix_deals_people", "deals", ["workspace_id", "contact_emails"], postgresql_using="gin"
    )
    op.create_table(
        "documents",
        *_pushed_columns(),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text()),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("author", postgresql.JSON()),
        sa.Column("url", sa.Text()),
        sa.Column("blob_key", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("normalized_key", sa.Text()),
        sa.Column("former_blob_key", sa.Text()),
        sa.Column("former_normalized_key", sa.Text()),
        sa.Column("normalized_url", sa.Text()),
        sa.Column("normalized_content_type", sa.Text()),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        _computed("ordered_at", "coalesce(created_at, stored_at)"),
        sa.CheckConstraint(
            "state in ('processing', 'processed', 'failed')", name=op.f("ck_documents_state")
        ),
        sa.CheckConstraint(
            "(url is null) <> (blob_key is null)", name=op.f("ck_documents_content")
        ),
        _of_workspace("documents"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_documents"),
    )
    op.create_index(
        "ix_documents_search",
        "documents",
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column("spans(ordered_at)"),
            "source_id",
            "public",
            "display_name",
        ],
        postgresql_using="gin",
        postgresql_ops={"display_name": "gin_trgm_ops"},
        postgresql_where=sa.text(_LIVE),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_documents_list",
        "documents",
        ["workspace_id", "ordered_at", "id"],
        postgresql_where=sa.text(_LIVE),
    )
    _list_index("documents", "ordered_at", "source_id")
    _identity_index("documents")
    op.create_table(
        "messages",
        *_pushed_columns(),
        sa.Column("thread_id", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("sender", postgresql.JSON()),
        sa.Column("recipients", postgresql.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_preview", sa.Text(), nullable=False),
        sa.Column("attachments", postgresql.JSON(), nullable=False),
        _texts("emails"),
        _texts("outside"),
        _texts("outside_domains"),
        sa.Column("deal_id", sa.Text(collation="C")),
        sa.Column("account_id", sa.Text(collation="C")),
        sa.Column("former_deal_id", sa.Text(collation="C")),
        sa.Column("former_account_id", sa.Text(collation="C")),
        sa.CheckConstraint("created_at is not null", name=op.f("ck_messages_created_at")),
        _of_workspace("messages"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_messages"),
    )
    _list_index("messages", "created_at", "account_id", nullable=True)
    _list_index("messages", "created_at", "deal_id", nullable=True)
    op.create_index(
        "ix_messages_list",
        "messages",
        ["workspace_id", "created_at", "id"],
        postgresql_where=sa.text(_LIVE),
    )
    op.create_index(
        "ix_messages_people",
        "messages",
        ["workspace_id", "outside", "outside_domains"],
        postgresql_using="gin",
        postgresql_where=sa.text(_LIVE),
    )
    op.create_index(
        "ix_messages_remote_id",
        "messages",
        ["workspace_id", "remote_id"],
        postgresql_where=sa.text(_LIVE),
    )
    op.create_index(
        "ix_messages_search",
        "messages",
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column("spans(created_at)"),
            "source_id",
            "thread_id",
            "emails",
            "public",
        ],
        postgresql_using="gin",
        postgresql_where=sa.text(_LIVE),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    _list_index("messages", "created_at", "source_id")
    _list_index("messages", "created_at", "thread_id", nullable=True)
    _identity_index("messages")
    op.create_table(
        "object_types",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("field_definitions", postgresql.JSON(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        sa.Column("deleted_at", _TIME),
        _of_workspace("object_types"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_object_types"),
    )
    op.create_index(
        "uq_object_types_name",
        "object_types",
        ["workspace_id", "source_id", "name"],
        unique=True,
        postgresql_where=sa.text(_LIVE),
    )
    op.create_table(
        "rows",
        *_pushed_columns(),
        sa.Column("object_type_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSON(), nullable=False),
        _computed("ordered_at", "coalesce(created_at, stored_at)"),
        _of_workspace("rows"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_rows"),
    )
    op.create_index(
        "ix_rows_list",
        "rows",
        ["workspace_id", "ordered_at", "id"],
        postgresql_where=sa.text(_LIVE),
    )
    op.create_index(
        "ix_rows_search",
        "rows",
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column("spans(ordered_at)"),
            "source_id",
            "object_type_id",
            "public",
            "name",
        ],
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
        postgresql_where=sa.text(_LIVE),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    _list_index("rows", "ordered_at", "object_type_id")
    op.create_index(
        "ix_rows_remote_id", "rows", ["workspace_id", "remote_id"], postgresql_where=sa.text(_LIVE)
    )
    _list_index("rows", "ordered_at", "source_id")
    _identity_index("rows")
    op.create_table(
        "sources",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        sa.Column("deleted_at", _TIME),
        _of_workspace("sources"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_sources"),
    )
    op.create_index(
        "uq_sources_name",
        "sources",
        ["workspace_id", "name"],
        unique=True,
        postgresql_where=sa.text(_LIVE),
    )
    op.add_column("workspaces", _texts("domains"))
    op.add_column("workspaces", _flag("hides_private"))


def downgrade() -> None:
    for table in (
        *(
            "crm_changes",
            "crm_walks",
            "accounts",
            "deals",
            "documents",
            "conversations",
            "messages",
            "rows",
        ),
        *("object_types", "sources", "cursor_queries", "deployment_keys"),
    ):
        op.drop_table(table)
    for column in ("domains", "hides_private"):
        op.drop_column("workspaces", column)
    for kind in _NUMBERS:
        for function in ("spans", "spans_from", "spans_to"):
            op.execute(f"drop function {function}({kind})")
