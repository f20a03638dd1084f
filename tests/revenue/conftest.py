"""Fixtures of the revenue record's tests."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domains.kernel.db.database import Database
from domains.revenue.crm import relinking
from tests.revenue.crm.crm_records import CrmRecords
from tests.revenue.push_records import Source, create_source
from tests.stack import Tenant


@pytest.fixture
async def source(acme: Tenant) -> Source:
    """A source with an object type, in the workspace `acme`."""
    return await create_source(acme)


@pytest.fixture
def crm(acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch) -> CrmRecords:
    """Deals and accounts of the workspace `acme`."""
    # No other write is in flight, so relinking need not be delayed.
    monkeypatch.setattr(relinking, "RELINK_DELAY", 0.0)
    return CrmRecords(acme, database)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database."""
    async with database.connection() as opened:
        yield opened
