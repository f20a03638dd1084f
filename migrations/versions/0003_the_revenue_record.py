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
        sa.PrimaryKeyConstraint("workspace_id", "kind", "id", name=op.f("pk_crm_changes")),
    )
    op.create_table(
        "deployment_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_deployment_keys")),
    )
    op.create_table(
        "accounts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("owner_email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activity_given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activity_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "last_activity_at",
            sa.DateTime(timezone=True),
            sa.Computed("coalesce(activity_given_at, activity_seen_at)", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "ordered_at",
            sa.DateTime(timezone=True),
            sa.Computed(
                "coalesce(activity_given_at, activity_seen_at,"
                " '-infinity'::timestamp with time zone)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("contacts", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "contact_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column(
            "owner_text",
            sa.Text(),
            sa.Computed(
                "coalesce(owner_name, '') || E'\\n' || coalesce(owner_email, '')", persisted=True
            ),
            nullable=False,
        ),
        sa.Column("synced_crm_fields", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_accounts_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_accounts")),
    )
    op.create_index(
        "ix_accounts_domain",
        "accounts",
        ["workspace_id", "domain"],
        unique=False,
        postgresql_where=sa.text("domain <> ''"),
    )
    op.create_index(
        "ix_accounts_list",
        "accounts",
        ["workspace_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=None,
    )
    op.create_index(
        "ix_accounts_name_equal",
        "accounts",
        ["workspace_id", sa.literal_column('"left"(lower(name), 200)')],
        unique=False,
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
        unique=False,
        postgresql_using="gin",
        postgresql_ops={
            "name": "gin_trgm_ops",
            "website": "gin_trgm_ops",
            "owner_text": "gin_trgm_ops",
        },
        postgresql_where=None,
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_accounts_people",
        "accounts",
        ["workspace_id", "contact_emails"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=None,
    )
    op.create_table(
        "conversations",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("native", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "owner_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("participants", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("names", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "emails", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "domains", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("crm_id", sa.Text(), nullable=True),
        sa.Column("crm_name", sa.Text(), nullable=True),
        sa.Column("crm_type", sa.Text(), nullable=True),
        sa.Column("crm_given", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "outside", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "outside_domains",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("deal_id", sa.Text(collation="C"), nullable=True),
        sa.Column("account_id", sa.Text(collation="C"), nullable=True),
        sa.Column("former_deal_id", sa.Text(collation="C"), nullable=True),
        sa.Column("former_account_id", sa.Text(collation="C"), nullable=True),
        sa.Column("summary", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("transcript", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("recording_url", sa.Text(), nullable=True),
        sa.Column("recording_mime_type", sa.Text(), nullable=True),
        sa.Column("recordings", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state in ('processing', 'processed', 'failed')", name=op.f("ck_conversations_state")
        ),
        sa.CheckConstraint("type in ('INTERNAL', 'EXTERNAL')", name=op.f("ck_conversations_type")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_conversations_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_conversations")),
    )
    op.create_index(
        "ix_conversations_account_id_list",
        "conversations",
        ["workspace_id", "account_id", "started_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null and account_id is not null"),
    )
    op.create_index(
        "ix_conversations_deal_id_list",
        "conversations",
        ["workspace_id", "deal_id", "started_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null and deal_id is not null"),
    )
    op.create_index(
        "ix_conversations_list",
        "conversations",
        ["workspace_id", "started_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_conversations_people",
        "conversations",
        ["workspace_id", "outside", "outside_domains"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_conversations_source_id_list",
        "conversations",
        ["workspace_id", "source_id", "started_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
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
        unique=False,
        postgresql_using="gin",
        postgresql_ops={
            "title": "gin_trgm_ops",
            "names": "gin_trgm_ops",
            "crm_name": "gin_trgm_ops",
        },
        postgresql_where=sa.text("deleted_at is null"),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_conversations_type_list",
        "conversations",
        ["workspace_id", "type", "started_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "uq_conversations_identity",
        "conversations",
        ["workspace_id", "source_id", "remote_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null and not native"),
    )
    op.create_table(
        "crm_walks",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("after", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind in ('conversations', 'messages')", name=op.f("ck_crm_walks_kind")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_crm_walks_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_crm_walks")),
    )
    op.create_table(
        "cursor_queries",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_cursor_queries_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "digest", name=op.f("pk_cursor_queries")),
    )
    op.create_index(op.f("ix_cursor_queries_used_at"), "cursor_queries", ["used_at"], unique=False)
    op.create_table(
        "deals",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("owner_email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activity_given_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activity_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "last_activity_at",
            sa.DateTime(timezone=True),
            sa.Computed("coalesce(activity_given_at, activity_seen_at)", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "ordered_at",
            sa.DateTime(timezone=True),
            sa.Computed(
                "coalesce(activity_given_at, activity_seen_at,"
                " '-infinity'::timestamp with time zone)",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("contacts", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "contact_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("account_id", sa.Text(collation="C"), nullable=True),
        sa.Column("account_name", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("pipeline", sa.Text(), nullable=True),
        sa.Column("amount", sa.Double(), nullable=True),
        sa.Column("close_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=True),
        sa.Column("summary", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("crm_autofill", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_deals_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_deals")),
    )
    op.create_index(
        "ix_deals_account_id",
        "deals",
        ["workspace_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("account_id is not null"),
    )
    op.create_index(
        "ix_deals_account_name",
        "deals",
        ["workspace_id", sa.literal_column('"left"(lower(account_name), 200)')],
        unique=False,
        postgresql_where=sa.text("account_id is null"),
    )
    op.create_index(
        "ix_deals_closed_list",
        "deals",
        ["workspace_id", "closed", "ordered_at", "id"],
        unique=False,
        postgresql_where=None,
    )
    op.create_index(
        "ix_deals_list",
        "deals",
        ["workspace_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=None,
    )
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
        unique=False,
        postgresql_using="gin",
        postgresql_ops={
            "name": "gin_trgm_ops",
            "stage": "gin_trgm_ops",
            "owner_name": "gin_trgm_ops",
        },
        postgresql_where=None,
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_deals_open_account_id",
        "deals",
        ["workspace_id", "account_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("account_id is not null and closed is not true"),
    )
    op.create_index(
        "ix_deals_open_account_name",
        "deals",
        ["workspace_id", sa.literal_column('"left"(lower(account_name), 200)'), "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("account_id is null and closed is not true"),
    )
    op.create_index(
        "ix_deals_people",
        "deals",
        ["workspace_id", "contact_emails"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=None,
    )
    op.create_table(
        "documents",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("native", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "owner_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("author", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("blob_key", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("normalized_key", sa.Text(), nullable=True),
        sa.Column("former_blob_key", sa.Text(), nullable=True),
        sa.Column("former_normalized_key", sa.Text(), nullable=True),
        sa.Column("normalized_url", sa.Text(), nullable=True),
        sa.Column("normalized_content_type", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "ordered_at",
            sa.DateTime(timezone=True),
            sa.Computed("coalesce(created_at, stored_at)", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state in ('processing', 'processed', 'failed')", name=op.f("ck_documents_state")
        ),
        sa.CheckConstraint(
            "(url is null) <> (blob_key is null)", name=op.f("ck_documents_content")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_documents_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_documents")),
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
        unique=False,
        postgresql_using="gin",
        postgresql_ops={
            "display_name": "gin_trgm_ops",
        },
        postgresql_where=sa.text("deleted_at is null"),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_documents_list",
        "documents",
        ["workspace_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_documents_source_id_list",
        "documents",
        ["workspace_id", "source_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "uq_documents_identity",
        "documents",
        ["workspace_id", "source_id", "remote_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null and not native"),
    )
    op.create_table(
        "messages",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("native", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "owner_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("thread_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("sender", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("recipients", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_preview", sa.Text(), nullable=False),
        sa.Column("attachments", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "emails", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "outside", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "outside_domains",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("deal_id", sa.Text(collation="C"), nullable=True),
        sa.Column("account_id", sa.Text(collation="C"), nullable=True),
        sa.Column("former_deal_id", sa.Text(collation="C"), nullable=True),
        sa.Column("former_account_id", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint("created_at is not null", name=op.f("ck_messages_created_at")),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_messages_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_messages")),
    )
    op.create_index(
        "ix_messages_account_id_list",
        "messages",
        ["workspace_id", "account_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null and account_id is not null"),
    )
    op.create_index(
        "ix_messages_deal_id_list",
        "messages",
        ["workspace_id", "deal_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null and deal_id is not null"),
    )
    op.create_index(
        "ix_messages_list",
        "messages",
        ["workspace_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_messages_people",
        "messages",
        ["workspace_id", "outside", "outside_domains"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_messages_remote_id",
        "messages",
        ["workspace_id", "remote_id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
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
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("deleted_at is null"),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_messages_source_id_list",
        "messages",
        ["workspace_id", "source_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_messages_thread_id_list",
        "messages",
        ["workspace_id", "thread_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null and thread_id is not null"),
    )
    op.create_index(
        "uq_messages_identity",
        "messages",
        ["workspace_id", "source_id", "remote_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null and not native"),
    )
    op.create_table(
        "object_types",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("field_definitions", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_object_types_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_object_types")),
    )
    op.create_index(
        "uq_object_types_name",
        "object_types",
        ["workspace_id", "source_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_table(
        "rows",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("native", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "owner_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("object_type_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "ordered_at",
            sa.DateTime(timezone=True),
            sa.Computed("coalesce(created_at, stored_at)", persisted=True),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_rows_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_rows")),
    )
    op.create_index(
        "ix_rows_list",
        "rows",
        ["workspace_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
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
        unique=False,
        postgresql_using="gin",
        postgresql_ops={
            "name": "gin_trgm_ops",
        },
        postgresql_where=sa.text("deleted_at is null"),
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.create_index(
        "ix_rows_object_type_id_list",
        "rows",
        ["workspace_id", "object_type_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_rows_remote_id",
        "rows",
        ["workspace_id", "remote_id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "ix_rows_source_id_list",
        "rows",
        ["workspace_id", "source_id", "ordered_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_index(
        "uq_rows_identity",
        "rows",
        ["workspace_id", "source_id", "remote_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null and not native"),
    )
    op.create_table(
        "sources",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_sources_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_sources")),
    )
    op.create_index(
        "uq_sources_name",
        "sources",
        ["workspace_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.add_column(
        "workspaces",
        sa.Column(
            "domains", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column(
        "workspaces",
        sa.Column("hides_private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


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
