"""Foundation: workers, workspaces, API keys, jobs, idempotency, and the discovery records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def _of_workspace(table: str) -> sa.ForeignKeyConstraint:
    """The reference of a table's rows to their workspace."""
    return sa.ForeignKeyConstraint(
        ["workspace_id"], ["workspaces.id"], name=f"fk_{table}_workspace_id", ondelete="CASCADE"
    )


def _reference(name: str, column: str, table: str) -> sa.ForeignKeyConstraint:
    """A reference within the workspace."""
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{table}.workspace_id", f"{table}.id"],
        name=name,
        ondelete="CASCADE",
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, _TIME, server_default=sa.text("now()"), nullable=False)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(
        name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        _now("started_at"),
        _now("beat_at"),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
        sa.UniqueConstraint("name", name="uq_workspaces_name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("limits", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        _now("created_at"),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        _of_workspace("api_keys"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_workspace_id", "api_keys", ["workspace_id"])
    op.create_table(
        "ideas",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="evaluating", nullable=False),
        sa.Column("product_id", sa.Uuid()),
        _now("created_at"),
        _now("updated_at"),
        _of_workspace("ideas"),
        sa.PrimaryKeyConstraint("id", name="pk_ideas"),
        sa.UniqueConstraint("workspace_id", "id", name="uq_ideas_workspace_id_id"),
    )
    op.create_table(
        "insights",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("type", sa.Text(), server_default="other", nullable=False),
        sa.Column("product_id", sa.Uuid()),
        sa.Column("account_id", sa.Uuid()),
        _texts("tag_ids"),
        sa.Column("suggestions", postgresql.JSONB()),
        sa.Column("external_links", postgresql.JSONB()),
        sa.Column("made_by_signal_id", sa.Uuid()),
        sa.Column("edited_at", _TIME),
        sa.Column("kind", sa.Text()),
        sa.Column("sentiment", sa.Text()),
        sa.Column("confidence", sa.Double()),
        sa.Column("engine", sa.Text()),
        _now("created_at"),
        _now("updated_at"),
        sa.CheckConstraint(
            "status in ('draft', 'published', 'archived')", name=op.f("ck_insights_status")
        ),
        _of_workspace("insights"),
        sa.PrimaryKeyConstraint("id", name="pk_insights"),
        sa.UniqueConstraint("workspace_id", "id", name="uq_insights_workspace_id_id"),
    )
    op.create_index(
        "ix_insights_made_by_signal_id",
        "insights",
        ["workspace_id", "made_by_signal_id"],
        postgresql_where=sa.text("made_by_signal_id is not null"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        _now("run_after"),
        sa.Column("sent_at", _TIME),
        sa.Column("lease", sa.Uuid()),
        sa.Column("lease_until", _TIME),
        sa.Column("error", sa.Text()),
        _now("created_at"),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.CheckConstraint(
            "state in ('queued', 'sent', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_jobs_state"),
        ),
        _of_workspace("jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_due", "jobs", ["queue", "run_after"], postgresql_where=sa.text("state = 'queued'")
    )
    op.create_index(
        "ix_jobs_live",
        "jobs",
        ["queue", "state", "run_after"],
        postgresql_where=sa.text("state in ('queued', 'sent', 'running')"),
    )
    op.create_index(
        "ix_jobs_running", "jobs", ["lease_until"], postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "ix_jobs_sent", "jobs", ["queue", "sent_at"], postgresql_where=sa.text("state = 'sent'")
    )
    op.create_index("ix_jobs_workspace_id_id", "jobs", ["workspace_id", "id"])
    op.create_table(
        "opportunities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("score", sa.Double()),
        sa.Column("status", sa.Text(), server_default="discovery", nullable=False),
        sa.Column("product_id", sa.Uuid()),
        _now("created_at"),
        _now("updated_at"),
        _of_workspace("opportunities"),
        sa.PrimaryKeyConstraint("id", name="pk_opportunities"),
        sa.UniqueConstraint("workspace_id", "id", name="uq_opportunities_workspace_id_id"),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        _of_workspace("products"),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("workspace_id", "id", name="uq_products_workspace_id_id"),
    )
    op.create_table(
        "public_ids",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        _of_workspace("public_ids"),
        sa.PrimaryKeyConstraint("workspace_id", "kind", name="pk_public_ids"),
    )
    op.create_table(
        "signals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("signal_type", sa.Text()),
        sa.Column("context", sa.Text()),
        sa.Column("inferred_context", sa.Text()),
        sa.Column("source", postgresql.JSON(), nullable=False),
        sa.Column("data", postgresql.JSON()),
        sa.Column("external_id", sa.Text()),
        sa.Column("text_key", sa.Text()),
        sa.Column("additional_context", sa.Text()),
        sa.Column(
            "product_ids",
            postgresql.ARRAY(sa.Uuid()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("account_id", sa.Uuid()),
        sa.Column("last_job_id", sa.Uuid()),
        sa.Column("started_at", _TIME),
        sa.Column("processed_at", _TIME),
        sa.Column("failed_at", _TIME),
        sa.Column("last_error", sa.Text()),
        _now("created_at"),
        _now("updated_at"),
        sa.CheckConstraint(
            "status in ('pending', 'processing', 'processed', 'failed')",
            name=op.f("ck_signals_status"),
        ),
        _of_workspace("signals"),
        sa.PrimaryKeyConstraint("id", name="pk_signals"),
        sa.UniqueConstraint("workspace_id", "id", name="uq_signals_workspace_id_id"),
    )
    op.create_index(
        "uq_signals_workspace_id_number", "signals", ["workspace_id", "number"], unique=True
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("insight_id", sa.Uuid(), nullable=False),
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.Text()),
        sa.Column("start_time", sa.Double()),
        sa.Column("end_time", sa.Double()),
        _reference("fk_evidence_insight", "insight_id", "insights"),
        _reference("fk_evidence_signal", "signal_id", "signals"),
        _of_workspace("evidence"),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )
    op.create_index("ix_evidence_insight", "evidence", ["workspace_id", "insight_id"])
    op.create_index("ix_evidence_signal", "evidence", ["workspace_id", "signal_id"])
    op.create_table(
        "idempotency",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("media_type", sa.Text()),
        sa.Column("body", sa.LargeBinary()),
        _now("created_at"),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name="fk_idempotency_key_id", ondelete="CASCADE"
        ),
        _of_workspace("idempotency"),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])
    op.create_table(
        "insight_ideas",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("insight_id", sa.Uuid(), nullable=False),
        sa.Column("idea_id", sa.Uuid(), nullable=False),
        _reference("fk_insight_ideas_idea", "idea_id", "ideas"),
        _reference("fk_insight_ideas_insight", "insight_id", "insights"),
        _of_workspace("insight_ideas"),
        sa.PrimaryKeyConstraint("insight_id", "idea_id", name="pk_insight_ideas"),
    )
    op.create_index("ix_insight_ideas_idea", "insight_ideas", ["workspace_id", "idea_id"])
    op.create_index("ix_insight_ideas_insight", "insight_ideas", ["workspace_id", "insight_id"])
    op.create_table(
        "insight_opportunities",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("insight_id", sa.Uuid(), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=False),
        _reference("fk_insight_opportunities_insight", "insight_id", "insights"),
        _reference("fk_insight_opportunities_opportunity", "opportunity_id", "opportunities"),
        _of_workspace("insight_opportunities"),
        sa.PrimaryKeyConstraint("insight_id", "opportunity_id", name="pk_insight_opportunities"),
    )
    op.create_index(
        "ix_insight_opportunities_insight", "insight_opportunities", ["workspace_id", "insight_id"]
    )
    op.create_index(
        "ix_insight_opportunities_opportunity",
        "insight_opportunities",
        ["workspace_id", "opportunity_id"],
    )
    op.create_table(
        "opportunity_ideas",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=False),
        sa.Column("idea_id", sa.Uuid(), nullable=False),
        _reference("fk_opportunity_ideas_idea", "idea_id", "ideas"),
        _reference("fk_opportunity_ideas_opportunity", "opportunity_id", "opportunities"),
        _of_workspace("opportunity_ideas"),
        sa.PrimaryKeyConstraint("opportunity_id", "idea_id", name="pk_opportunity_ideas"),
    )
    op.create_index("ix_opportunity_ideas_idea", "opportunity_ideas", ["workspace_id", "idea_id"])
    op.create_index(
        "ix_opportunity_ideas_opportunity", "opportunity_ideas", ["workspace_id", "opportunity_id"]
    )
    op.create_table(
        "signal_insights",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("insight_id", sa.Uuid(), nullable=False),
        _reference("fk_signal_insights_insight", "insight_id", "insights"),
        _reference("fk_signal_insights_signal", "signal_id", "signals"),
        _of_workspace("signal_insights"),
        sa.PrimaryKeyConstraint("signal_id", "insight_id", name="pk_signal_insights"),
    )
    op.create_index("ix_signal_insights_insight", "signal_insights", ["workspace_id", "insight_id"])
    op.create_index("ix_signal_insights_signal", "signal_insights", ["workspace_id", "signal_id"])


def downgrade() -> None:
    for table in (
        "signal_insights",
        "opportunity_ideas",
        "insight_opportunities",
        "insight_ideas",
        "idempotency",
        "evidence",
        "signals",
        "public_ids",
        "products",
        "opportunities",
        "jobs",
        "insights",
        "ideas",
        "api_keys",
        "workspaces",
        "workers",
    ):
        op.drop_table(table)
