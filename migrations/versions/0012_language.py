"""Language of signals, conversations, messages and documents"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_COLUMNS = {
    "signals": "language",
    "conversations": "found_language",
    "messages": "found_language",
    "documents": "found_language",
}


def upgrade() -> None:
    for table, column in _COLUMNS.items():
        op.add_column(table, sa.Column(column, sa.Text()))


def downgrade() -> None:
    for table, column in _COLUMNS.items():
        op.drop_column(table, column)
