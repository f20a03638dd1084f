"""Links: set on one side, listed on both, replaced as a whole, deleted with either side."""

import asyncio
import random
from collections.abc import Awaitable, Mapping
from typing import Any
from uuid import UUID

import pytest

from domains.discovery.insights import INSIGHTS, InsightQuery
from domains.discovery.links import IDEAS_OF_INSIGHT
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database, Read
from domains.kernel.db.statements import Statement
from tests.discovery.support import create_minimal
from tests.stack import Tenant

FIELD = {"insights": "insightIds", "opportunities": "opportunityIds", "ideas": "ideaIds"}
PAIRS = [(owner, target) for owner in FIELD for target in FIELD if owner != target]


@pytest.mark.parametrize(("owner", "target"), PAIRS)
async def test_a_link_is_listed_on_both_sides_and_replaced_as_a_list(
    acme: Tenant, owner: str, target: str
) -> None:
    targets = sorted([await create_minimal(acme, target) for _ in range(3)])
    record = await create_minimal(acme, owner, **{FIELD[target]: [*targets[:2], targets[0]]})
    path = f"{owner}/{record}"
    assert (await acme.get(path))[FIELD[target]] == targets[:2]
    for ids in (targets[:2], targets, [targets[2].upper()], targets[1:][::-1], [], targets[:1]):
        linked = sorted(record_id.lower() for record_id in ids)
        changed = await acme.patch(path, **{FIELD[target]: ids})
        assert changed[FIELD[target]] == linked
        assert await acme.get(path) == changed
        for other in targets:
            back_links = (await acme.get(f"{target}/{other}"))[FIELD[owner]]
            assert back_links == ([record] if other in linked else [])
    # A change of another field keeps the links.
    assert (await acme.patch(path, name="Another name"))[FIELD[target]] == targets[:1]
    await acme.delete(path)
    assert (await acme.get(f"{target}/{targets[0]}"))[FIELD[owner]] == []
    second = await create_minimal(acme, owner, **{FIELD[target]: targets})
    await acme.delete(f"{target}/{targets[0]}")
    assert (await acme.get(f"{owner}/{second}"))[FIELD[target]] == targets[1:]


async def test_the_filter_by_signal_lists_the_linked_insights(acme: Tenant) -> None:
    insight = await create_minimal(acme, "insights")
    signal = await acme.create("signals", source={"type": "crm"}, insightIds=[insight])
    for reference in (signal["id"], signal["publicId"], signal["id"].upper()):
        listed = await acme.get(f"insights?signalId={reference}")
        assert [record["id"] for record in listed] == [insight]
    await acme.delete(f"insights/{insight}")
    assert (await acme.get(f"signals/{signal['id']}"))["insightIds"] == []


async def test_concurrent_requests_from_both_sides_create_one_link(acme: Tenant) -> None:
    for _ in range(5):
        insight = await create_minimal(acme, "insights")
        idea = await create_minimal(acme, "ideas")
        await asyncio.gather(
            *(acme.patch(f"insights/{insight}", ideaIds=[idea]) for _ in range(4)),
            *(acme.patch(f"ideas/{idea}", insightIds=[insight]) for _ in range(4)),
        )
        assert (await acme.get(f"insights/{insight}"))["ideaIds"] == [idea]
        assert (await acme.get(f"ideas/{idea}"))["insightIds"] == [insight]


async def test_concurrent_changes_of_links_neither_deadlock_nor_disagree(acme: Tenant) -> None:
    """A deadlock would be answered with 503."""
    choose = random.Random(3)
    ids = {resource: [await create_minimal(acme, resource) for _ in range(4)] for resource in FIELD}
    signal = await create_minimal(acme, "signals")

    def change() -> Awaitable[Any]:
        owner, target = choose.choice(PAIRS)
        linked = choose.sample(ids[target], choose.randint(0, 4))
        if owner == "insights" and choose.random() < 0.3:
            return acme.patch(f"signals/{signal}", insightIds=ids["insights"])
        return acme.patch(f"{owner}/{choose.choice(ids[owner])}", **{FIELD[target]: linked})

    for _ in range(4):
        await asyncio.gather(*(change() for _ in range(40)))
    records = {
        (resource, record): await acme.get(f"{resource}/{record}")
        for resource in ids
        for record in ids[resource]
    }
    for owner, target in PAIRS:
        for one in ids[owner]:
            for other in ids[target]:
                assert (other in records[owner, one][FIELD[target]]) == (
                    one in records[target, other][FIELD[owner]]
                )


async def test_a_record_deleted_while_it_is_linked_leaves_no_link(acme: Tenant) -> None:
    for _ in range(10):
        insight = await create_minimal(acme, "insights")
        idea = await create_minimal(acme, "ideas")
        linked, deleted = await asyncio.gather(
            acme.http.patch(f"/external/v1/ideas/{idea}", json={"insightIds": [insight]}),
            acme.http.delete(f"/external/v1/insights/{insight}"),
        )
        assert deleted.status_code == 200
        assert linked.status_code in (200, 400)
        assert (await acme.get(f"ideas/{idea}"))["insightIds"] == []


class _CountingRead(Read):
    """Counts the statements that it runs."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.count = 0

    async def _fetch(self, statement: Statement[Any], params: Mapping[str, Any]) -> list[Any]:
        self.count += 1
        return await super()._fetch(statement, params)


@pytest.mark.parametrize("reference", ["id", "publicId"])
async def test_a_record_is_read_with_one_statement(
    acme: Tenant, database: Database, reference: str
) -> None:
    insight = await acme.create("insights", description="Slow.")
    read = _CountingRead(database)
    found = await INSIGHTS.get(read, WorkspaceId(UUID(acme.workspace)), insight[reference])
    assert (str(found.id), read.count) == (insight["id"], 1)


@pytest.mark.parametrize("references", [["id"], ["publicId"], ["id", "publicId"]])
async def test_links_are_checked_with_one_statement(
    acme: Tenant, database: Database, references: list[str]
) -> None:
    """Another statement is needed only for UUIDs of records whose public ids are not listed."""
    ideas = [await acme.create("ideas", name="a", description="b") for _ in range(3)]
    read = _CountingRead(database)
    listed = [idea[reference] for idea in ideas for reference in references]
    found = await IDEAS_OF_INSIGHT.check(read, WorkspaceId(UUID(acme.workspace)), listed)
    assert list(map(str, found)) == sorted(idea["id"] for idea in ideas)
    assert read.count == 1


async def test_a_page_of_fifty_insights_with_links_takes_one_statement(
    acme: Tenant, database: Database
) -> None:
    opportunities = [await create_minimal(acme, "opportunities") for _ in range(3)]
    for _ in range(50):
        await create_minimal(acme, "insights", opportunityIds=opportunities)
    read = _CountingRead(database)
    workspace = WorkspaceId(UUID(acme.workspace))
    page = await INSIGHTS.page(read, workspace, InsightQuery(limit=50))
    assert len(page.items) == page.total == 50
    assert {len(insight.opportunity_ids) for insight in page.items} == {3}
    assert read.count == 1
