"""Kinds of insights

Renames the kind `pain_point` to `pain`, allows no other kinds and indexes the list of insights by
kind.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_CHECK = "ck_insights_kind"
_INDEX = "ix_insights_kind"


def upgrade() -> None:
    op.execute("update insights set kind = 'pain' where kind = 'pain_point'")
    op.create_check_constraint(
        op.f(_CHECK), "insights", "kind in ('pain', 'request', 'praise', 'question')"
    )
    op.create_index(
        _INDEX,
        "insights",
        ["workspace_id", "kind", "number"],
        postgresql_where=sa.text("kind is not null"),
    )


def downgrade() -> None:
    op.drop_index(_INDEX, "insights")
    op.drop_constraint(op.f(_CHECK), "insights", type_="check")
    op.execute("update insights set kind = 'pain_point' where kind = 'pain'")
