"""Accounts of the discovery API

Accounts get a UUID that is computed from their workspace and their id in the CRM, so that it never
changes, and a list in the order in which they were first imported. Their number is counted like
that of signals.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

# A UUID of version 8: the first bits of a SHA-256 hash, with version and variant set.
_ACCOUNT_UUID = """
    create function account_uuid(workspace uuid, account text) returns uuid
    language plpgsql immutable strict parallel safe as $$
    declare
        hash bytea = substring(
            sha256(uuid_send(workspace) || convert_to(account, 'UTF8')) from 1 for 16);
    begin
        hash = set_byte(hash, 6, (get_byte(hash, 6) & 15) | 128);
        hash = set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
        return cast(encode(hash, 'hex') as uuid);
    end $$
"""


def upgrade() -> None:
    op.execute(_ACCOUNT_UUID)
    op.add_column("accounts", sa.Column("changed_at", sa.DateTime(timezone=True)))
    op.execute("create unique index uq_accounts_uuid on accounts (account_uuid(workspace_id, id))")
    op.create_index("ix_accounts_stored_list", "accounts", ["workspace_id", "stored_at", "id"])
    # Nothing is written between the count and the triggers.
    op.execute("lock table accounts in share row exclusive mode")
    op.execute(
        "insert into record_counts (workspace_id, kind, count)"
        " select workspace_id, 'accounts', count(*) from accounts group by workspace_id"
    )
    op.execute(
        "create trigger count_added after insert on accounts"
        " referencing new table as added for each statement"
        " execute function count_added_records()"
    )
    op.execute(
        "create trigger count_removed after delete on accounts"
        " referencing old table as removed_records for each statement"
        " execute function count_removed_records()"
    )


def downgrade() -> None:
    op.execute("drop trigger count_added on accounts")
    op.execute("drop trigger count_removed on accounts")
    op.execute("delete from record_counts where kind = 'accounts'")
    op.drop_index("ix_accounts_stored_list", "accounts")
    op.drop_index("uq_accounts_uuid", "accounts")
    op.drop_column("accounts", "changed_at")
    op.execute("drop function account_uuid(uuid, text)")
