"""Read rows of the database, and wait until a record is processed."""

import base64
from typing import Any

from domains.kernel.db.database import Database
from tests.stack import eventually


async def get_row(database: Database, table: str, row_id: str) -> Any:
    """The row of a table with this id."""
    async with database.connection() as connection:
        return await connection.fetchrow(f"select * from {table} where id = $1", row_id)


async def wait_until_processed(database: Database, table: str, record: str) -> Any:
    """Wait until a record is processed or has failed. Returns its row."""

    async def ended() -> Any:
        row = await get_row(database, table, record)
        return row if row["state"] in ("processed", "failed") else None

    return await eventually(ended)


def encoded(body: bytes) -> str:
    """Base64 of a document's content."""
    return base64.b64encode(body).decode()
