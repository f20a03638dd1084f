"""Statistics of tables, from which PostgreSQL chooses plans."""

import contextlib
from collections.abc import Iterable
from typing import Final

import asyncpg
from sqlalchemy import text

from domains.kernel.core.problems import Problem
from domains.kernel.db.database import Read
from domains.kernel.db.statements import Statement, scalar

_CROSS_TENANT: Final = "statistics are of whole tables"


async def update_statistics(read: Read, tables: Iterable[str]) -> None:
    """Update the statistics of tables, by their names in the schema.

    Skips a table that is just being analysed or vacuumed. Statistics that cannot be updated in time
    stay as they are.
    """
    for table in tables:
        analyze = Statement(text(f"ANALYZE (SKIP_LOCKED) {table}"), scalar, _CROSS_TENANT)
        with contextlib.suppress(Problem, asyncpg.PostgresError):
            await read.first(analyze)
