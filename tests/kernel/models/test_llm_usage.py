"""Totals of LLM usage, with concurrent and failed transactions."""

import asyncio
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.models import llm_usage
from domains.kernel.models.llm_types import TokenUsage
from domains.kernel.models.llm_usage import UsageTotal
from tests.stack import Tenant

MODEL = "test_usage"


async def _totals(database: Database) -> list[UsageTotal]:
    return [each for each in await llm_usage.totals(database.read) if each.model == MODEL]


async def test_calls_are_summed(database: Database, acme: Tenant, rival: Tenant) -> None:
    one, other = (WorkspaceId(UUID(each.workspace)) for each in (acme, rival))
    record = partial(llm_usage.record, database.read)
    usage = TokenUsage(MODEL, 1_000, 20, Decimal("0.0000123"))
    await asyncio.gather(*(record(one, "insights", "answered", usage) for _ in range(8)))
    await record(other, "insights", "answered", usage)
    await record(one, "insights", "timeout", TokenUsage(MODEL))
    assert await _totals(database) == [
        UsageTotal("insights", MODEL, "answered", 9, 9_000, 180, Decimal("0.0001107")),
        UsageTotal("insights", MODEL, "timeout", 1, 0, 0, Decimal(0)),
    ]


async def test_rolled_back_call_is_not_recorded(database: Database, acme: Tenant) -> None:
    workspace = WorkspaceId(UUID(acme.workspace))
    before = await _totals(database)
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await llm_usage.record(tx, workspace, "insights", "unusable", TokenUsage(MODEL, 1))
            raise LookupError
    assert await _totals(database) == before
