"""Alembic environment: asyncpg, one transaction per revision, one migration run at a time."""

import asyncio

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from domains.discovery import tables as _discovery  # noqa: F401 - fills the metadata
from domains.kernel.db.tables import metadata
from domains.revenue import tables as _revenue  # noqa: F401 - fills the metadata

# Key of the advisory lock that makes concurrent runs wait for each other. The value is arbitrary.
_LOCK = 4_261_200_118

# Transactions set it for themselves, but reads behind a pooler run outside of transactions.
_SET_FOR_ROLE = """
    do $$ begin
        execute format('alter role current_user in database %I set jit = off', current_database());
    end $$
"""


def _migrate(connection: Connection) -> None:
    connection.execute(text(f"select pg_advisory_lock({_LOCK})"))
    # Other queries queue behind a migration that waits for a table lock, so it must give up soon.
    connection.execute(text("set lock_timeout = '5s'"))
    connection.execute(text("set statement_timeout = '15min'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    if context.config.attributes.get("pooled"):
        connection.execute(text(_SET_FOR_ROLE))
        connection.commit()


async def _run() -> None:
    url = context.config.attributes["url"]
    # asyncpg parses the URL, as in the product: SQLAlchemy supports fewer of its options.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run())
