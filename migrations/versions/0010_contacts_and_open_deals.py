"""Contacts, and deals that are not known to be closed

Adds the imported people of accounts. Deals without a value in `closed` are indexed as open, which
the filter of their list shows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

_ID = sa.Text(collation="C")
_TEXTS = ("name", "stage", "owner_name")


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column(
            "contact_emails",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("title", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_contacts_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_contacts"),
    )
    op.create_index("ix_contacts_account_id", "contacts", ["workspace_id", "account_id"])
    op.create_index(
        "ix_contacts_people", "contacts", ["workspace_id", "contact_emails"], postgresql_using="gin"
    )
    _index_closed("coalesce(closed, false)")


def _index_closed(expression: str) -> None:
    """Index the list of deals and its search by an expression of `closed`."""
    op.drop_index("ix_deals_closed_list", "deals")
    op.create_index(
        "ix_deals_closed_list",
        "deals",
        ["workspace_id", sa.literal_column(expression), "ordered_at", "id"],
    )
    patterns = ", ".join(f"nfc({column}) gin_trgm_ops" for column in _TEXTS)
    op.drop_index("ix_deals_search", "deals")
    statement = (
        "create index ix_deals_search on deals using gin (workspace_id,"
        " (hashtext(id::text) & 31), spans(ordered_at), spans(close_date), spans(amount),"
        f" {expression}, cjk_pairs(variadic array[{', '.join(_TEXTS)}]), {patterns})"
        " with (gin_pending_list_limit = 512)"
    )
    op.execute(sa.text(statement.replace(":", "\\:")))


def downgrade() -> None:
    _index_closed("closed")
    op.drop_table("contacts")
