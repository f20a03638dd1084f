"""Audit log, and API keys with description, creator, last use, allow-list and predecessor"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("description", sa.Text, nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("created_by", sa.Text))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True)))
    op.add_column(
        "api_keys",
        sa.Column("allow", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "replaces",
            sa.Uuid,
            sa.ForeignKey("api_keys.id", ondelete="SET NULL", name="fk_api_keys_replaces"),
        ),
    )
    op.create_unique_constraint("uq_api_keys_replaces", "api_keys", ["replaces"])
    op.create_index(
        "ix_api_keys_expiring",
        "api_keys",
        ["expires_at"],
        postgresql_where=sa.text("revoked_at is null and expires_at is not null"),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column(
            "workspace_id",
            sa.Uuid,
            sa.ForeignKey("workspaces.id", ondelete="CASCADE", name="fk_audit_log_workspace_id"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("key_id", sa.Uuid),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("record_kind", sa.Text, nullable=False),
        sa.Column("record_id", sa.Uuid),
        sa.Column("details", JSONB, nullable=False, server_default=sa.text("'{}'")),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at", "id"])
    op.create_index("ix_audit_log_workspace_id", "audit_log", ["workspace_id", "at", "id"])


def downgrade() -> None:
    op.drop_table("audit_log")
    op.drop_index("ix_api_keys_expiring", "api_keys")
    for column in ("replaces", "allow", "last_used_at", "created_by", "description"):
        op.drop_column("api_keys", column)
