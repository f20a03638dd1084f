"""Short pending lists of the indexes of people

The linking of records looks up many e-mail addresses and domains at once, and each lookup scans the
pending list. The default limit is 4 MB. A longer list is emptied by the next insert.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_TABLES = ("accounts", "contacts", "conversations", "deals", "messages")


def upgrade() -> None:
    for table in _TABLES:
        op.execute(sa.text(f"alter index ix_{table}_people set (gin_pending_list_limit = 128)"))


def downgrade() -> None:
    for table in _TABLES:
        op.execute(sa.text(f"alter index ix_{table}_people reset (gin_pending_list_limit)"))
