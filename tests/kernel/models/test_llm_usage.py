"""What chat models cost is counted for good, whoever counts at the same time."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.models import llm_usage
from domains.kernel.models.llm_types import Spent
from domains.kernel.models.llm_usage import Total, Usage
from tests.stack import Tenant

MODEL = "test_usage"


async def _totals(database: Database) -> list[Total]:
    return [each for each in await llm_usage.totals(database.read) if each.model == MODEL]


async def test_questions_add_up(database: Database, acme: Tenant, rival: Tenant) -> None:
    one, other = (WorkspaceId(UUID(each.workspace)) for each in (acme, rival))
    answered = Usage("insights", "answered", Spent(MODEL, 1_000, 20, Decimal("0.0000123")))
    failed = Usage("insights", "timeout", Spent(MODEL))
    await asyncio.gather(*(llm_usage.count(database.read, one, answered) for _ in range(8)))
    await llm_usage.count(database.read, other, answered)
    await llm_usage.count(database.read, one, failed)
    assert await _totals(database) == [
        Total("insights", MODEL, "answered", 9, 9_000, 180, Decimal("0.0001107")),
        Total("insights", MODEL, "timeout", 1, 0, 0, Decimal(0)),
    ]


async def test_what_is_counted_in_a_transaction_goes_with_it(
    database: Database, acme: Tenant
) -> None:
    workspace = WorkspaceId(UUID(acme.workspace))
    before = await _totals(database)
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await llm_usage.count(tx, workspace, Usage("insights", "unusable", Spent(MODEL, 1)))
            raise LookupError
    assert await _totals(database) == before
