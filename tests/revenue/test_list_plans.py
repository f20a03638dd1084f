"""Indexes that serve the filters of lists, and conditions that hold for every match."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, bindparam, func, select

from domains.kernel.db.database import Database
from domains.kernel.db.statements import Statement, scalar
from domains.revenue.filters import pattern
from tests.revenue.list_kinds import KINDS, SOURCES, START_TIME, Record, insert_records
from tests.stack import Tenant

_DAY = START_TIME.date().isoformat()


def _conditions(plan: Any) -> Iterator[tuple[str, str]]:
    """Names of the indexes in a plan in JSON, and the conditions that they evaluate."""
    if isinstance(plan, dict):
        if "Index Name" in plan:
            yield plan["Index Name"], plan.get("Index Cond", "")
        for part in plan.values():
            yield from _conditions(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _conditions(part)


async def _conditions_of_search(
    connection: asyncpg.Connection, tenant: Tenant, kind: str, params: dict[str, Any]
) -> list[tuple[str, str]]:
    """Indexes that the first page reads, and their conditions."""
    listed = KINDS[kind]
    query = msgspec.convert(params, listed.query, strict=False)
    values = query.filters()
    statement = listed.cursor_list.statement(frozenset(values), after=False)
    workspace = UUID(tenant.workspace)
    arguments = statement.arguments({"workspace": workspace, "limit": 21, **values})
    plan = await connection.fetchval(f"explain (format json) {statement.sql}", *arguments)
    return list(_conditions(msgspec.json.decode(plan)))


# Operators: pattern, array contains, spans overlap, point in box.
_TEXT = {"search": "~~*", "sample": "~~*"}


@pytest.mark.parametrize(
    ("kind", "params", "indexes"),
    [
        ("conversations", {"title": "plan"}, _TEXT),
        ("conversations", {"attendees": "ann", "type": "INTERNAL"}, _TEXT),
        ("conversations", {"crmName": "plan ltd"}, _TEXT),
        ("messages", {"participantEmail": "plan@acme.com"}, {"search": "@>", "sample": "@>"}),
        ("rows", {"name": "plan", "sourceId": SOURCES[0]}, _TEXT),
        ("documents", {"name": "plan", "processingStatus": "failed"}, _TEXT),
        ("deals", {"name": "plan", "stage": "stage"}, _TEXT | {"search": "&&"}),
        ("deals", {"amountMin": 1, "closed": "true"}, {"amount_range": "<@", "closed_list": "="}),
        (
            "deals",
            {"amountMax": 1, "closeDateBefore": _DAY, "name": "plan"},
            {"amount_range": "<@", "close_date_range": "<@", "search": "~~*"},
        ),
        (
            "accounts",
            {"createdAfter": _DAY, "owner": "ann"},
            {"created_at_range": "<@", "search": "~~*"},
        ),
    ],
)
async def test_searches_read_the_indexes_that_were_made_for_them(
    acme: Tenant,
    connection: asyncpg.Connection,
    kind: str,
    params: dict[str, Any],
    indexes: dict[str, str],
) -> None:
    records = [
        Record(str(UUID(int=number)), datetime.fromtimestamp(number * 60, UTC), "risk", number % 7)
        for number in range(1, 10_001)
    ]
    async with connection.transaction():
        await insert_records(connection, acme, kind, records)
        await connection.execute(f"analyze {kind}")
        await connection.execute("set local enable_seqscan = off")
        used = await _conditions_of_search(connection, acme, kind, params)
    for index, operator in indexes.items():
        assert any(
            name == f"ix_{kind}_{index}" and operator in condition for name, condition in used
        ), used


_SHORT_PATTERN_MATCHES = Statement(
    select(
        bindparam("text", type_=Text).ilike(
            func.index_pattern(bindparam("pattern", type_=Text), type_=Text)
        )
    ),
    scalar,
)
_TEXTS = st.text("abc_%\\ é导出", max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_TEXTS, part=_TEXTS, after=_TEXTS)
async def test_the_pattern_for_the_index_matches_all_that_the_pattern_matches(
    database: Database, before: str, part: str, after: str
) -> None:
    matches = await database.read.one(
        _SHORT_PATTERN_MATCHES, text=before + part.upper() + after, pattern=pattern(part)
    )
    assert matches


async def test_the_pattern_for_the_index_has_fewer_trigrams(connection: asyncpg.Connection) -> None:
    for part, short in (
        ("telegraph", "%tel%egr%aph%"),
        ("renewal", "%ren%ewal%"),
        ("rev", "%rev%"),
        ("acme ltd", "%acme ltd%"),
    ):
        assert await connection.fetchval("select index_pattern($1)", pattern(part)) == short
