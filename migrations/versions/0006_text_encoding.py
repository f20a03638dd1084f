"""Guessed encoding of documents, with the confidence of the guess"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("documents", sa.Column("text_encoding", sa.Text(), nullable=True))
    op.add_column("documents", sa.Column("text_encoding_confidence", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("documents", "text_encoding_confidence")
    op.drop_column("documents", "text_encoding")
