"""Reprocessing a signal keeps the insights that users edited and replaces the others."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.db.database import Database
from tests.discovery.support import (
    create_minimal,
    evidence_of,
    insights_of,
    paused_worker,
    queue_analysis,
    reprocess,
)
from tests.stack import Stack, Tenant, eventually

# Four sentences with one insight each.
TEXT = (
    "The export crashes every morning. We cannot find the billing page. "
    "I would love to share boards by e-mail. The login page is broken for my team."
)

Edit = Callable[[Tenant, str], Awaitable[Any]]


@pytest.fixture
async def processed(acme: Tenant) -> Any:
    """A signal of `acme` with four insights."""
    signal = await acme.process_text(TEXT)
    assert len(signal["insightIds"]) == 4
    return signal


async def _change(tenant: Tenant, insight: str) -> None:
    await tenant.patch(f"insights/{insight}", status="published")


async def _link_to_an_idea(tenant: Tenant, insight: str) -> None:
    idea = await create_minimal(tenant, "ideas")
    await tenant.patch(f"insights/{insight}", ideaIds=[idea])


async def _link_from_a_new_opportunity(tenant: Tenant, insight: str) -> None:
    await create_minimal(tenant, "opportunities", insightIds=[insight])


async def _link_from_an_idea(tenant: Tenant, insight: str) -> None:
    idea = await create_minimal(tenant, "ideas")
    await tenant.patch(f"ideas/{idea}", insightIds=[insight])


async def _link_from_another_signal(tenant: Tenant, insight: str) -> None:
    await create_minimal(tenant, "signals", insightIds=[insight])


@pytest.mark.parametrize(
    "edit",
    [
        _change,
        _link_to_an_idea,
        _link_from_a_new_opportunity,
        _link_from_an_idea,
        _link_from_another_signal,
    ],
)
async def test_an_edited_insight_is_kept_and_not_found_again(
    acme: Tenant, processed: Any, edit: Edit
) -> None:
    kept = processed["insightIds"][1]
    await edit(acme, kept)
    before = await acme.get(f"insights/{kept}")
    evidence = await acme.get(f"insights/{kept}/evidence")
    for _ in range(2):
        again = await reprocess(acme, processed["id"])
        assert set(again["insightIds"]) & set(processed["insightIds"]) == {kept}
        assert len(again["insightIds"]) == 4
        assert await acme.get(f"insights/{kept}") == before
        assert await acme.get(f"insights/{kept}/evidence") == evidence
        quotes = [quote["quote"] for quote in await evidence_of(acme, again)]
        assert len(quotes) == len(set(quotes)) == 4
    assert len(await acme.get("insights")) == 4


async def test_an_insight_that_was_unlinked_from_its_signal_stays_unlinked(
    acme: Tenant, processed: Any
) -> None:
    unlinked, *others = processed["insightIds"]
    await acme.patch(f"signals/{processed['id']}", insightIds=others)
    again = await reprocess(acme, processed["id"])
    assert unlinked not in again["insightIds"]
    assert len(again["insightIds"]) == 3
    assert (await acme.get(f"insights/{unlinked}"))["id"] == unlinked
    assert len(await acme.get("insights")) == 4


async def test_a_kept_insight_of_replaced_data_suppresses_no_finding(acme: Tenant) -> None:
    """The offsets of its evidence refer to the old text."""
    signal = await acme.create(
        "signals", source={"type": "crm"}, data={"body": "The export fails every day."}
    )
    signal = await acme.wait_until_processed(signal["id"])
    (kept,) = signal["insightIds"]
    await acme.patch(f"insights/{kept}", name="Mine")
    await acme.patch(f"signals/{signal['id']}", data={"body": "The search is slow every day."})
    again = await reprocess(acme, signal["id"])
    assert len(again["insightIds"]) == 2
    names = {insight["name"] for insight in await insights_of(acme, again)}
    assert "Mine" in names
    assert any("search" in name.lower() for name in names)


async def test_data_replaced_during_the_analysis_is_analysed_again(
    acme: Tenant, stack: Stack, database: Database
) -> None:
    old, new = "The export crashes every morning.", "The billing page is hard to find."
    async with database.connection() as connection:
        pid = connection.get_server_pid()

        async def job_waits_for_the_row() -> Any:
            async with database.connection() as other:
                return await other.fetchval(
                    "select true from pg_stat_activity where $1 = any(pg_blocking_pids(pid))", pid
                )

        async with connection.transaction():
            with paused_worker(stack):
                signal = await acme.create("signals", source={"type": "crm"}, data={"body": old})
                await connection.execute(
                    "select from signals where id = $1 for update", UUID(signal["id"])
                )
            # The job has analysed the old data when it waits to store the insights.
            await eventually(job_waits_for_the_row)
            await connection.execute(
                "update signals set data = $2 where id = $1",
                UUID(signal["id"]),
                f'{{"body": "{new}"}}'.encode(),
            )
    done = await acme.wait_until_processed(signal["id"])
    assert done["status"] == "processed"
    assert done["processing"]["lastJobId"] != signal["jobId"]
    (evidence,) = await evidence_of(acme, done)
    assert new[evidence["start"] : evidence["end"]] == evidence["quote"]


@pytest.mark.parametrize("resource", ["insights", "signals"])
async def test_a_patch_that_changes_no_value_is_no_edit(
    acme: Tenant, processed: Any, resource: str
) -> None:
    if resource == "signals":
        await acme.patch(f"signals/{processed['id']}", insightIds=processed["insightIds"])
    else:
        for insight in await insights_of(acme, processed):
            await acme.patch(f"insights/{insight['id']}")
            unchanged = {
                name: value for name, value in insight.items() if name not in ("id", "createdAt")
            }
            await acme.patch(f"insights/{insight['id']}", **unchanged)
    again = await reprocess(acme, processed["id"])
    assert not set(again["insightIds"]) & set(processed["insightIds"])


async def test_a_failed_signal_has_an_error_and_can_be_reprocessed(
    acme: Tenant, processed: Any, stack: Stack
) -> None:
    stored = stack.folder / "blobs" / processed["data"]["s3Key"]
    text = stored.read_bytes()
    stored.unlink()
    failed = await reprocess(acme, processed["id"])
    assert failed["status"] == "failed"
    failure = failed["processing"]
    assert failure["lastError"] == "The stored text of this signal is missing."
    assert failure["startedAt"] < failure["failedAt"]
    assert failure["processedAt"] is None
    # The insights of the earlier analysis are kept.
    assert failed["insightIds"] == processed["insightIds"]
    stored.write_bytes(text)
    repaired = await reprocess(acme, processed["id"])
    assert repaired["status"] == "processed"
    success = repaired["processing"]
    assert success["lastJobId"] != failure["lastJobId"]
    assert success["failedAt"] is success["lastError"] is None
    assert success["startedAt"] < success["processedAt"]


async def test_a_status_set_by_a_patch_does_not_affect_the_queued_job(
    acme: Tenant, stack: Stack
) -> None:
    with paused_worker(stack):
        signal = await acme.create_signal()
        path = f"signals/{signal['id']}"
        queued = signal["processing"]
        assert (await acme.patch(path, status="pending"))["processing"] == queued
        assert await queue_analysis(acme, signal["id"]) == signal["jobId"]
        assert (await acme.get(path))["status"] == "processing"
    done = await acme.wait_until_processed(signal["id"])
    assert done["processing"] == queued | {"processedAt": done["processing"]["processedAt"]}
    assert done["processing"]["processedAt"] > queued["startedAt"]
