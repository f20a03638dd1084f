"""Language of signals, conversations, messages and documents"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"

_TABLES = ("signals", "conversations", "messages", "documents")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("language", sa.Text()))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "language")
