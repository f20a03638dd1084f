"""Jobs wait for unavailable dependencies

A job that waits has the name of the dependency. The index has only the jobs that wait.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("waiting_for", sa.Text()))
    op.add_column("jobs", sa.Column("waiting_since", sa.DateTime(timezone=True)))
    op.add_column("jobs", sa.Column("tried_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["waiting_for", "queue", "run_after"],
        postgresql_where=sa.text("state = 'queued' and tried_at is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_waiting", "jobs")
    for column in ("tried_at", "waiting_since", "waiting_for"):
        op.drop_column("jobs", column)
