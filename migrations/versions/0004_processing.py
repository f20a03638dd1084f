"""Asynchronous processing

Adds fair scheduling between workspaces, the subject of a job, periodic tasks, deferred deletion of
stored objects, and columns for fetched files and for the results of the analysis.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

_RECORDS = ("conversations", "documents", "messages", "rows")
_FETCHED = {
    "conversations": (
        "recording_key",
        "recording_content_type",
        "recording_kind",
        "former_recording_key",
    ),
    "documents": ("fetched_key", "fetched_content_type", "former_fetched_key"),
}
_FOUND = (
    ("conversations", "found_category", sa.Text()),
    ("conversations", "found_summary", postgresql.JSON()),
    ("deals", "found_summary", postgresql.JSON()),
    ("deals", "found_crm_autofill", postgresql.JSON()),
    ("deals", "found_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    op.create_table(
        "schedule",
        sa.Column("task", sa.Text(), nullable=False),
        _instant("ran_at"),
        sa.PrimaryKeyConstraint("task", name="pk_schedule"),
    )
    op.create_table(
        "deleted_blobs",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        _instant("deleted_at"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_deleted_blobs_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "key", name="pk_deleted_blobs"),
    )
    op.create_index("ix_deleted_blobs_deleted_at", "deleted_blobs", ["deleted_at"])

    op.add_column("jobs", sa.Column("subject", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("relay", sa.Uuid(), nullable=True))
    for flag in ("cancelling", "spare"):
        op.add_column(
            "jobs", sa.Column(flag, sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    # With a subject, `enqueue_debounced` can postpone the jobs that are already queued.
    op.execute("update jobs set subject = '' where kind = 'revenue.link_crm' and state = 'queued'")
    op.drop_index("ix_jobs_due", "jobs")
    op.drop_index("ix_jobs_sent", "jobs")
    _partial("ix_jobs_due", ["queue", "workspace_id", "run_after", "id"], "state = 'queued'")
    _partial("ix_jobs_sent", ["sent_at"], "state = 'sent'")
    _partial("ix_jobs_under_way", ["queue", "relay"], "state in ('sent', 'running')")
    _partial("ix_jobs_ended", ["state", "finished_at"], "state in ('done', 'failed', 'cancelled')")
    _partial(
        "ix_jobs_subject",
        ["workspace_id", "kind", "subject"],
        "state = 'queued' and subject is not null",
    )

    for table, columns in _FETCHED.items():
        for column in columns:
            op.add_column(table, sa.Column(column, sa.Text(), nullable=True))
    op.create_check_constraint(
        "recording_kind", "conversations", "recording_kind in ('video', 'audio')"
    )
    op.drop_column("documents", "size")
    for table, column, kind in _FOUND:
        op.add_column(table, sa.Column(column, kind, nullable=True))
    for table in _RECORDS:
        op.create_index(
            f"ix_{table}_deleted",
            table,
            ["deleted_at"],
            postgresql_where=sa.text("deleted_at is not null"),
        )


def downgrade() -> None:
    for table in _RECORDS:
        op.drop_index(f"ix_{table}_deleted", table)
    for table, column, _ in _FOUND:
        op.drop_column(table, column)
    op.add_column("documents", sa.Column("size", sa.BigInteger(), nullable=True))
    for table, columns in _FETCHED.items():
        for column in columns:
            op.drop_column(table, column)
    for index in ("due", "sent", "under_way", "ended", "subject"):
        op.drop_index(f"ix_jobs_{index}", "jobs")
    _partial("ix_jobs_due", ["queue", "run_after"], "state = 'queued'")
    _partial("ix_jobs_sent", ["queue", "sent_at"], "state = 'sent'")
    for column in ("subject", "cancelling", "relay", "spare"):
        op.drop_column("jobs", column)
    op.drop_table("deleted_blobs")
    op.drop_table("schedule")


def _instant(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "jobs", columns, postgresql_where=sa.text(where))
