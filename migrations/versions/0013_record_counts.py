"""Record counts

Keeps the number of signals, insights, opportunities, ideas and products of each workspace. Triggers
count, so that no INSERT or DELETE can bypass it.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

_TABLES = ("signals", "insights", "opportunities", "ideas", "products")


def upgrade() -> None:
    op.execute(
        "create table record_counts ("
        " workspace_id uuid not null constraint fk_record_counts_workspace_id_workspaces"
        " references workspaces (id) on delete cascade,"
        " kind text not null, count bigint not null,"
        " constraint pk_record_counts primary key (workspace_id, kind))"
    )
    op.execute(
        """
        create function count_added_records() returns trigger language plpgsql as $$
        begin
            insert into record_counts (workspace_id, kind, count)
                select workspace_id, tg_table_name, count(*) from added
                group by workspace_id order by workspace_id
                on conflict (workspace_id, kind)
                    do update set count = record_counts.count + excluded.count;
            return null;
        end $$
        """
    )
    op.execute(
        """
        create function count_removed_records() returns trigger language plpgsql as $$
        begin
            update record_counts set count = record_counts.count - removed.count
                from (select workspace_id, count(*) as count from removed_records
                    group by workspace_id) removed
                where record_counts.workspace_id = removed.workspace_id
                    and record_counts.kind = tg_table_name;
            return null;
        end $$
        """
    )
    for table in _TABLES:
        # Nothing is written between the count and the triggers.
        op.execute(f"lock table {table} in share row exclusive mode")
        op.execute(
            "insert into record_counts (workspace_id, kind, count)"
            f" select workspace_id, '{table}', count(*) from {table} group by workspace_id"
        )
        op.execute(
            f"create trigger count_added after insert on {table}"
            " referencing new table as added for each statement"
            " execute function count_added_records()"
        )
        op.execute(
            f"create trigger count_removed after delete on {table}"
            " referencing old table as removed_records for each statement"
            " execute function count_removed_records()"
        )


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"drop trigger count_added on {table}")
        op.execute(f"drop trigger count_removed on {table}")
    op.execute("drop function count_added_records")
    op.execute("drop function count_removed_records")
    op.drop_table("record_counts")
