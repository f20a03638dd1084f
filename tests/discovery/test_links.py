"""Links: set on one side, seen on both, replaced as a list, gone with either side."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from domains.discovery.insights import INSIGHTS, InsightQuery
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database, Read
from domains.kernel.db.statements import Statement
from tests.stack import Tenant

BODY: dict[str, dict[str, str]] = {
    "insights": {"description": "An insight."},
    "opportunities": {"name": "An opportunity", "description": "Why."},
    "ideas": {"name": "An idea", "description": "How."},
}
FIELD = {"insights": "insightIds", "opportunities": "opportunityIds", "ideas": "ideaIds"}
PAIRS = [(mine, theirs) for mine in BODY for theirs in BODY if mine != theirs]


async def _make(tenant: Tenant, resource: str, **fields: Any) -> str:
    made: str = (await tenant.create(resource, **BODY[resource], **fields))["id"]
    return made


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
async def test_a_link_is_seen_on_both_sides_and_replaced_as_a_list(
    acme: Tenant, mine: str, theirs: str
) -> None:
    others = sorted([await _make(acme, theirs) for _ in range(3)])
    made = await acme.create(mine, **BODY[mine], **{FIELD[theirs]: [*others[:2], others[0]]})
    path = f"{mine}/{made['id']}"
    assert made[FIELD[theirs]] == others[:2]
    for wanted in (others[:2], others, [others[2].upper()], others[1:][::-1], [], others[:1]):
        ids = sorted(each.lower() for each in wanted)
        changed = await acme.patch(path, **{FIELD[theirs]: wanted})
        assert changed[FIELD[theirs]] == ids
        assert await acme.get(path) == changed
        for other in others:
            seen = (await acme.get(f"{theirs}/{other}"))[FIELD[mine]]
            assert seen == ([made["id"]] if other in ids else [])
    # A change of something else leaves them.
    assert (await acme.patch(path, name="Another name"))[FIELD[theirs]] == others[:1]
    await acme.delete(path)
    assert (await acme.get(f"{theirs}/{others[0]}"))[FIELD[mine]] == []
    again = await _make(acme, mine, **{FIELD[theirs]: others})
    await acme.delete(f"{theirs}/{others[0]}")
    assert (await acme.get(f"{mine}/{again}"))[FIELD[theirs]] == others[1:]


async def test_a_signal_s_insights_are_found_by_the_filter_too(acme: Tenant) -> None:
    insight = await _make(acme, "insights")
    signal = await acme.create("signals", source={"type": "crm"}, insightIds=[insight])
    for name in (signal["id"], signal["publicId"], signal["id"].upper()):
        assert [each["id"] for each in await acme.get(f"insights?signalId={name}")] == [insight]
    await acme.delete(f"insights/{insight}")
    assert (await acme.get(f"signals/{signal['id']}"))["insightIds"] == []


async def test_both_sides_at_once_make_one_link(acme: Tenant) -> None:
    for _ in range(5):
        insight, idea = await _make(acme, "insights"), await _make(acme, "ideas")
        await asyncio.gather(
            *(acme.patch(f"insights/{insight}", ideaIds=[idea]) for _ in range(4)),
            *(acme.patch(f"ideas/{idea}", insightIds=[insight]) for _ in range(4)),
        )
        assert (await acme.get(f"insights/{insight}"))["ideaIds"] == [idea]
        assert (await acme.get(f"ideas/{idea}"))["insightIds"] == [insight]


async def test_whatever_is_linked_from_all_sides_at_once_nobody_waits_in_a_ring(
    acme: Tenant,
) -> None:
    """A deadlock would be answered with 503. In the end both sides of every link agree."""
    choose = random.Random(3)
    ids = {resource: [await _make(acme, resource) for _ in range(4)] for resource in BODY}
    signal = await acme.create("signals", source={"type": "crm"})

    def change() -> Awaitable[Any]:
        mine, theirs = choose.choice(PAIRS)
        wanted = choose.sample(ids[theirs], choose.randint(0, 4))
        if mine == "insights" and choose.random() < 0.3:
            return acme.patch(f"signals/{signal['id']}", insightIds=ids["insights"])
        return acme.patch(f"{mine}/{choose.choice(ids[mine])}", **{FIELD[theirs]: wanted})

    for _ in range(4):
        await asyncio.gather(*(change() for _ in range(40)))
    shown = {
        (resource, each): await acme.get(f"{resource}/{each}")
        for resource in ids
        for each in ids[resource]
    }
    for mine, theirs in PAIRS:
        for one in ids[mine]:
            for other in ids[theirs]:
                assert (other in shown[mine, one][FIELD[theirs]]) == (
                    one in shown[theirs, other][FIELD[mine]]
                )


async def test_deleting_while_linking_leaves_no_dangling_link(acme: Tenant) -> None:
    for _ in range(10):
        insight, idea = await _make(acme, "insights"), await _make(acme, "ideas")
        linked, deleted = await asyncio.gather(
            acme.http.patch(f"/external/v1/ideas/{idea}", json={"insightIds": [insight]}),
            acme.http.delete(f"/external/v1/insights/{insight}"),
        )
        assert deleted.status_code == 200
        assert linked.status_code in (200, 400)
        assert (await acme.get(f"ideas/{idea}"))["insightIds"] == []


class _Counting(Read):
    """Counts the statements that it runs."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.count = 0

    async def all(self, asked: Statement[Any], **given: Any) -> list[Any]:
        self.count += 1
        return await super().all(asked, **given)


async def test_fifty_insights_with_their_links_are_one_statement(
    acme: Tenant, database: Database
) -> None:
    opportunities = [await _make(acme, "opportunities") for _ in range(3)]
    for _ in range(50):
        await _make(acme, "insights", opportunityIds=opportunities)
    read = _Counting(database)
    workspace = WorkspaceId(UUID(acme.workspace))
    page = await INSIGHTS.page(read, workspace, InsightQuery(limit=50))
    assert len(page.items) == 50
    assert {len(each.opportunity_ids) for each in page.items} == {3}
    assert page.total == 50
    assert read.count == 1
