"""Processing again: what a person touched stays, what only the machine made is replaced."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.stack import Stack, Tenant

TEXT = (
    "The export crashes every morning. We cannot find the billing page. "
    "I would love to share boards by e-mail. The login page is broken for my team."
)

Touch = Callable[[Tenant, Any, str], Awaitable[Any]]


async def _processed(tenant: Tenant) -> Any:
    signal = await tenant.wait_until_processed((await tenant.create_signal(TEXT))["id"])
    assert len(signal["insightIds"]) == 4
    return signal


async def _again(tenant: Tenant, signal: Any) -> Any:
    answer = await tenant.http.post(f"/external/v1/signals/{signal['id']}/process")
    assert answer.status_code == 201
    return await tenant.wait_until_processed(signal["id"])


async def _opportunity(tenant: Tenant, **fields: Any) -> Any:
    return await tenant.create("opportunities", name="o", description="d", **fields)


async def _edit(tenant: Tenant, _signal: Any, insight: str) -> None:
    await tenant.patch(f"insights/{insight}", status="published")


async def _link_to_an_idea(tenant: Tenant, _signal: Any, insight: str) -> None:
    idea = await tenant.create("ideas", name="i", description="d")
    await tenant.patch(f"insights/{insight}", ideaIds=[idea["id"]])


async def _link_from_a_new_opportunity(tenant: Tenant, _signal: Any, insight: str) -> None:
    await _opportunity(tenant, insightIds=[insight])


async def _link_from_an_idea(tenant: Tenant, _signal: Any, insight: str) -> None:
    idea = await tenant.create("ideas", name="i", description="d")
    await tenant.patch(f"ideas/{idea['id']}", insightIds=[insight])


async def _link_to_another_signal(tenant: Tenant, _signal: Any, insight: str) -> None:
    await tenant.create("signals", source={"type": "crm"}, insightIds=[insight])


TOUCHES = [
    _edit,
    _link_to_an_idea,
    _link_from_a_new_opportunity,
    _link_from_an_idea,
    _link_to_another_signal,
]


@pytest.mark.parametrize("touch", TOUCHES)
async def test_what_a_person_touched_is_kept_and_found_only_once(
    acme: Tenant, touch: Touch
) -> None:
    first = await _processed(acme)
    kept = first["insightIds"][1]
    await touch(acme, first, kept)
    before = await acme.get(f"insights/{kept}")
    evidence = await acme.get(f"insights/{kept}/evidence")
    for _ in range(2):
        second = await _again(acme, first)
        assert set(second["insightIds"]) & set(first["insightIds"]) == {kept}
        assert len(second["insightIds"]) == 4
        assert await acme.get(f"insights/{kept}") == before
        assert await acme.get(f"insights/{kept}/evidence") == evidence
        quotes = [
            each["quote"]
            for insight in second["insightIds"]
            for each in await acme.get(f"insights/{insight}/evidence")
        ]
        assert len(quotes) == len(set(quotes)) == 4
    assert len(await acme.get("insights")) == 4


async def test_an_insight_that_was_taken_off_its_signal_stays_off(acme: Tenant) -> None:
    first = await _processed(acme)
    taken, *rest = first["insightIds"]
    await acme.patch(f"signals/{first['id']}", insightIds=rest)
    second = await _again(acme, first)
    assert taken not in second["insightIds"]
    assert len(second["insightIds"]) == 3
    assert (await acme.get(f"insights/{taken}"))["id"] == taken
    assert len(await acme.get("insights")) == 4


async def test_a_kept_insight_of_a_text_that_was_replaced_hides_nothing(acme: Tenant) -> None:
    """The offsets of its evidence speak of the old text."""
    raw = {"source": {"type": "crm"}, "data": {"body": "The export fails every day."}}
    signal = await acme.wait_until_processed((await acme.create("signals", **raw))["id"])
    (kept,) = signal["insightIds"]
    await acme.patch(f"insights/{kept}", name="Mine")
    await acme.patch(f"signals/{signal['id']}", data={"body": "The search is slow every day."})
    again = await _again(acme, signal)
    assert len(again["insightIds"]) == 2
    names = {(await acme.get(f"insights/{each}"))["name"] for each in again["insightIds"]}
    assert "Mine" in names
    assert any("search" in name.lower() for name in names)


async def test_data_that_is_replaced_while_it_is_analysed_is_analysed_again(acme: Tenant) -> None:
    old = {"body": "The export crashes every morning. " * 20_000}
    signal = await acme.create("signals", source={"type": "crm"}, data=old)
    path = f"signals/{signal['id']}"
    new = "We cannot find the billing page. It is hard to find."
    changed = await acme.patch(path, data={"body": new})
    assert changed["status"] == "processing"
    job = await acme.http.post(f"/external/v1/{path}/process")
    assert job.json()["jobId"] == signal["jobId"]
    done = await acme.wait_until_processed(signal["id"])
    assert done["status"] == "processed"
    evidence = [
        each
        for insight in done["insightIds"]
        for each in await acme.get(f"insights/{insight}/evidence")
    ]
    assert evidence
    for each in evidence:
        assert new[each["start"] : each["end"]] == each["quote"]


@pytest.mark.parametrize("resource", ["insights", "signals"])
async def test_a_change_that_changes_nothing_is_no_edit(acme: Tenant, resource: str) -> None:
    first = await _processed(acme)
    for each in first["insightIds"]:
        if resource == "insights":
            shown = await acme.get(f"insights/{each}")
            await acme.patch(f"insights/{each}")
            fields = {name: shown[name] for name in shown if name not in ("id", "createdAt")}
            await acme.patch(f"insights/{each}", **fields)
        else:
            await acme.patch(f"signals/{first['id']}", insightIds=first["insightIds"])
    second = await _again(acme, first)
    assert not set(second["insightIds"]) & set(first["insightIds"])


async def test_what_nobody_touched_is_replaced_with_its_evidence(acme: Tenant) -> None:
    first = await _processed(acme)
    second = await _again(acme, first)
    assert not set(second["insightIds"]) & set(first["insightIds"])
    assert len(await acme.get("insights")) == 4
    for gone in first["insightIds"]:
        assert (await acme.http.get(f"/external/v1/insights/{gone}")).status_code == 404


async def test_a_failed_signal_says_why_and_can_be_processed_again(
    acme: Tenant, stack: Stack
) -> None:
    signal = await _processed(acme)
    stored = stack.folder / "blobs" / signal["data"]["s3Key"]
    text = stored.read_bytes()
    stored.unlink()
    failed = await _again(acme, signal)
    assert failed["status"] == "failed"
    process = failed["processing"]
    assert process["lastError"] == "The stored text of this signal is missing."
    assert process["startedAt"] < process["failedAt"]
    assert process["processedAt"] is None
    # What an earlier analysis found is still there.
    assert failed["insightIds"] == signal["insightIds"]
    stored.write_bytes(text)
    healed = await _again(acme, signal)
    assert healed["status"] == "processed"
    assert healed["processing"]["lastJobId"] != process["lastJobId"]
    assert healed["processing"]["failedAt"] is healed["processing"]["lastError"] is None
    assert healed["processing"]["startedAt"] < healed["processing"]["processedAt"]


async def test_processing_tells_the_truth_while_the_job_waits_and_runs(acme: Tenant) -> None:
    signal = await acme.create_signal("The export fails. " * 20_000)
    path = f"signals/{signal['id']}"
    shown = signal["processing"]
    # A status that somebody sets meanwhile says nothing of the job, and ends nothing.
    assert (await acme.patch(path, status="pending"))["processing"] == shown
    job = await acme.http.post(f"/external/v1/{path}/process")
    assert job.json()["jobId"] == signal["jobId"]
    assert (await acme.get(path))["status"] == "processing"
    done = await acme.wait_until_processed(signal["id"])
    assert done["processing"] == shown | {"processedAt": done["processing"]["processedAt"]}
    assert done["processing"]["processedAt"] > shown["startedAt"]
