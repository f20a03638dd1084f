"""Analysis with evidence, near-duplicates and providers

Adds the engine that produced a result and the reason for a fallback, the quotes behind summary
items, vectors of insights with their suggested duplicates, and the usage of chat models.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

_ADDED = (
    ("conversations", "found_evidence", postgresql.JSON()),
    ("conversations", "found_engine", sa.Text()),
    ("conversations", "found_fallback", sa.Text()),
    ("deals", "found_engine", sa.Text()),
    ("insights", "duplicate_of", sa.Uuid()),
    ("insights", "embedder", sa.Text()),
    ("signals", "engine", sa.Text()),
    ("signals", "fallback", sa.Text()),
)


def upgrade() -> None:
    for table, name, kind in _ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    op.add_column(
        "workspaces",
        sa.Column("uses_provider", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index("ix_insights_embedder", "insights", ["workspace_id", "embedder", "number"])
    op.create_index(
        "ix_insights_duplicate_of",
        "insights",
        ["workspace_id", "duplicate_of"],
        postgresql_where=sa.text("duplicate_of is not null"),
    )
    op.create_foreign_key(
        "fk_insights_duplicate_of",
        "insights",
        "insights",
        ["workspace_id", "duplicate_of"],
        ["workspace_id", "id"],
        ondelete="SET NULL (duplicate_of)",
    )
    op.create_table(
        "insight_vectors",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("insight_id", sa.Uuid(), nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "insight_id"],
            ["insights.workspace_id", "insights.id"],
            name="fk_insight_vectors_insight",
            ondelete="CASCADE",
        ),
        _of_workspace("insight_vectors"),
        sa.PrimaryKeyConstraint("insight_id", name="pk_insight_vectors"),
    )
    op.create_index(
        "ix_insight_vectors_embedder", "insight_vectors", ["workspace_id", "embedder", "number"]
    )
    op.create_table(
        "provider_usage",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=False),
        _of_workspace("provider_usage"),
        sa.PrimaryKeyConstraint(
            "workspace_id", "day", "task", "model", "outcome", name="pk_provider_usage"
        ),
    )


def _of_workspace(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id"], ["workspaces.id"], name=f"fk_{table}_workspace_id", ondelete="CASCADE"
    )


def downgrade() -> None:
    op.drop_table("provider_usage")
    op.drop_table("insight_vectors")
    op.drop_constraint("fk_insights_duplicate_of", "insights", type_="foreignkey")
    op.drop_index("ix_insights_duplicate_of", table_name="insights")
    op.drop_index("ix_insights_embedder", table_name="insights")
    op.drop_column("workspaces", "uses_provider")
    for table, name, _ in reversed(_ADDED):
        op.drop_column(table, name)
