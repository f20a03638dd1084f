"""Identity of text signals: source key and external id

A text that is sent again with the same pair updates its signal. Hints at near duplicates no longer
depend on `suggestions`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("signals", sa.Column("source_key", sa.Text))
    op.add_column("signals", sa.Column("content_digest", sa.LargeBinary))
    op.create_check_constraint(
        op.f("ck_signals_external_id_length"),
        "signals",
        "source_key is null or length(external_id) <= 400",
    )
    op.create_index(
        "uq_signals_identity",
        "signals",
        ["workspace_id", "source_key", "external_id"],
        unique=True,
        postgresql_where=sa.text("source_key is not null and external_id is not null"),
    )
    # Suggestions of callers replaced the hint at a near duplicate; `{}` dismissed it.
    op.execute(
        sa.text(
            "update insights set duplicate_of = null"
            " where duplicate_of is not null and suggestions is not null"
        )
    )
    op.create_check_constraint(
        op.f("ck_insights_duplicate_of_another"), "insights", "duplicate_of <> id"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_insights_duplicate_of_another"), "insights")
    op.drop_index("uq_signals_identity", "signals")
    op.drop_constraint(op.f("ck_signals_external_id_length"), "signals")
    op.drop_column("signals", "content_digest")
    op.drop_column("signals", "source_key")
