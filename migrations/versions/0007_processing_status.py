"""Processing status of conversations and documents

Adds the state `pending`, an error of the recording beside that of the summary, and the state to
the indexes of both lists.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NOT_DELETED = "deleted_at is null"
# Table -> its order column, and the columns and texts that its search index covers.
_LISTS: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "conversations": (
        "started_at",
        ("type", "source_id", "emails", "domains", "public"),
        ("title", "names", "crm_name"),
    ),
    "documents": ("ordered_at", ("source_id", "public"), ("display_name",)),
}


def upgrade() -> None:
    op.add_column("conversations", sa.Column("recording_error", sa.Text(), nullable=True))
    op.execute(
        "update conversations set recording_error = error, error = null"
        " where state = 'failed' and recording_url is not null and recording_key is null"
    )
    for table, (order, columns, texts) in _LISTS.items():
        _state_check(table, "'pending', 'processing', 'processed', 'failed'")
        op.create_index(
            f"ix_{table}_state_list",
            table,
            ["workspace_id", "state", order, "id"],
            postgresql_where=sa.text(_NOT_DELETED),
        )
        _search_index(table, order, ("state", *columns), texts)


def _state_check(table: str, states: str) -> None:
    name = f"ck_{table}_state"
    op.drop_constraint(op.f(name), table, type_="check")
    op.create_check_constraint(op.f(name), table, f"state in ({states})")


def _search_index(table: str, order: str, columns: Sequence[str], texts: Sequence[str]) -> None:
    name = f"ix_{table}_search"
    op.drop_index(name, table)
    op.create_index(
        name,
        table,
        [
            "workspace_id",
            sa.literal_column("(hashtext(id::text) & 31)"),
            sa.literal_column(f"spans({order})"),
            *columns,
            *texts,
        ],
        postgresql_using="gin",
        postgresql_ops=dict.fromkeys(texts, "gin_trgm_ops"),
        postgresql_where=sa.text(_NOT_DELETED),
        postgresql_with={"gin_pending_list_limit": 512},
    )


def downgrade() -> None:
    for table, (order, columns, texts) in _LISTS.items():
        _search_index(table, order, columns, texts)
        op.drop_index(f"ix_{table}_state_list", table)
        op.execute(f"update {table} set state = 'processing' where state = 'pending'")
        _state_check(table, "'processing', 'processed', 'failed'")
    op.execute("update conversations set error = coalesce(recording_error, error)")
    op.drop_column("conversations", "recording_error")
