"""Discovery API

Adds the number that orders the lists of insights, opportunities, ideas and products, full-text
search, and the indexes for filters. Callers may choose the id of a product, so it is unique only
within its workspace.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

# Tables with the names of their counters.
_NUMBERED = {
    "insights": "INSIGHT",
    "opportunities": "OPPORTUNITY",
    "ideas": "IDEA",
    "products": "PRODUCT",
}
_SEARCHED = ("insights", "opportunities", "ideas")
_VECTOR = " || ".join(
    "setweight(to_tsvector('english'::regconfig, regexp_replace(translate("
    f"\"left\"({column}, {length}), '<', ' '), '\\S{{100}}', '\\& ', 'g')), '{weight}')"
    for column, length, weight in (("name", 1_000, "A"), ("description", 20_000, "B"))
)
# Table -> column to filter by -> condition of its partial index, or None.
_LISTED: dict[str, dict[str, str | None]] = {
    "signals": {"status": None, "signal_type": None},
    "insights": {
        "status": None,
        "type": None,
        "product_id": "product_id is not null",
        "account_id": "account_id is not null",
    },
    "opportunities": {"status": None, "product_id": "product_id is not null"},
    "ideas": {"status": None, "product_id": "product_id is not null"},
}


def upgrade() -> None:
    # For GIN indexes that begin with the workspace. The extension is trusted: the owner of the
    # database may create it.
    op.execute("create extension if not exists btree_gin")
    # One statement per table, so that its rows are rewritten once.
    for table in _NUMBERED:
        changes = ["add column number bigint"]
        if table in _SEARCHED:
            changes.append(f"add column search tsvector generated always as ({_VECTOR}) stored")
        if table == "insights":
            changes += [
                f"alter column {column} type json using {column}::json"
                for column in ("suggestions", "external_links")
            ]
        op.execute(sa.text(f"alter table {table} {', '.join(changes)}".replace(":", "\\:")))
    for table, kind in _NUMBERED.items():
        op.execute(
            f"update {table} set number = place.number from (select id, row_number() over"
            f" (partition by workspace_id order by id) as number from {table}) as place"
            f" where place.id = {table}.id"
        )
        op.execute(
            "insert into public_ids (workspace_id, kind, last)"
            f" select workspace_id, '{kind}', max(number) from {table} group by workspace_id"
        )
        op.alter_column(table, "number", nullable=False)
        op.create_index(
            f"uq_{table}_workspace_id_number", table, ["workspace_id", "number"], unique=True
        )
    for table in _SEARCHED:
        op.create_index(
            f"ix_{table}_search", table, ["workspace_id", "search"], postgresql_using="gin"
        )
    for table, columns in _LISTED.items():
        for column, where in columns.items():
            op.create_index(
                f"ix_{table}_{column}",
                table,
                ["workspace_id", column, "number"],
                postgresql_where=None if where is None else sa.text(where),
            )
    op.create_index(
        "ix_insights_tag_ids", "insights", ["workspace_id", "tag_ids"], postgresql_using="gin"
    )
    op.create_index("ix_signals_created_at", "signals", ["workspace_id", "created_at"])
    op.create_index(
        "ix_signals_external_id",
        "signals",
        ["workspace_id", sa.text('"left"(external_id, 200)')],
        postgresql_where=sa.text("external_id is not null"),
    )
    op.drop_constraint("uq_products_workspace_id_id", "products", type_="unique")
    op.drop_constraint("pk_products", "products", type_="primary")
    op.create_primary_key("pk_products", "products", ["id", "workspace_id"])


def downgrade() -> None:
    op.execute(
        """
        do $$ begin
            if exists (select from products group by id having count(*) > 1) then
                raise 'two workspaces call a product by the same id, which 0001 cannot hold';
            end if;
        end $$
        """
    )
    op.drop_constraint("pk_products", "products", type_="primary")
    op.create_primary_key("pk_products", "products", ["id"])
    op.create_unique_constraint("uq_products_workspace_id_id", "products", ["workspace_id", "id"])
    for column in ("suggestions", "external_links"):
        op.alter_column(
            "insights", column, type_=postgresql.JSONB(), postgresql_using=f"{column}::jsonb"
        )
    op.drop_index("ix_signals_external_id", "signals")
    op.drop_index("ix_signals_created_at", "signals")
    op.drop_index("ix_insights_tag_ids", "insights")
    for table, columns in _LISTED.items():
        for column in columns:
            op.drop_index(f"ix_{table}_{column}", table)
    for table in _SEARCHED:
        op.drop_column(table, "search")
    for table, kind in _NUMBERED.items():
        op.drop_column(table, "number")
        op.execute(f"delete from public_ids where kind = '{kind}'")
