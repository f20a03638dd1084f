"""process-transcript/insights: what is found while the caller waits."""

import asyncio
from typing import Any

from tests.stack import Stack, Tenant

PATH = "/external/v1/insights/process-transcript/insights"
TRANSCRIPT = (
    "[00:00:05] Interviewer: How do you use the dashboard today?\n"
    "[00:00:12] Maria: Honestly the dashboard is really slow and it crashes every morning.\n"
    "[00:00:31] Maria: I would love to export the numbers as a spreadsheet.\n"
)
PRODUCT = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"


async def _find(tenant: Tenant, **body: Any) -> Any:
    answer = await tenant.http.post(PATH, json={"transcript": TRANSCRIPT, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_it_answers_at_once_with_whole_insights_and_stores_nothing(acme: Tenant) -> None:
    found = await _find(acme)
    assert len(found) >= 2
    for insight in found:
        assert list(insight) == [
            *("id", "name", "description", "status", "type", "productId"),
            *("opportunityIds", "ideaIds", "tagIds", "createdAt", "updatedAt"),
        ]
        assert insight["name"]
        assert insight["description"]
        assert (insight["status"], insight["type"]) == ("draft", "user-interview")
        assert insight["createdAt"] == insight["updatedAt"]
        answer = await acme.http.get(f"/external/v1/insights/{insight['id']}")
        assert answer.status_code == 404
    assert await _find(acme, createInsights=False) != found  # fresh uuids
    assert await acme.get("insights") == await acme.get("signals") == []


async def test_create_insights_keeps_drafts_with_evidence_in_a_signal(
    acme: Tenant, stack: Stack
) -> None:
    found = await _find(acme, createInsights=True)
    assert await acme.get("insights?order=asc") == found
    (signal,) = await acme.get("signals")
    assert signal["status"] == "processed"
    assert (signal["signalType"], signal["context"]) == ("transcript", "user_interview")
    assert "processing" not in signal
    assert signal["insightIds"] == sorted(each["id"] for each in found)
    stored = stack.folder / "blobs" / signal["data"]["s3Key"]
    assert stored.read_text() == TRANSCRIPT
    quotes = [
        quote for insight in found for quote in await acme.get(f"insights/{insight['id']}/evidence")
    ]
    assert quotes
    for quote in quotes:
        assert TRANSCRIPT[quote["start"] : quote["end"]] == quote["quote"]
        assert (quote["signalId"], quote["signalPublicId"]) == (signal["id"], "SIGNAL-1")
        assert quote["speaker"] == "Maria"
    assert min(quote["startTime"] for quote in quotes) == 12
    # The signal is one like any other.
    await acme.http.post(f"/external/v1/signals/{signal['id']}/process")
    again = await acme.wait_until_processed(signal["id"])
    assert len(again["insightIds"]) == len(found)


async def test_a_transcript_that_tells_nothing_leaves_nothing(acme: Tenant) -> None:
    answer = await acme.http.post(
        PATH, json={"transcript": "Hello. Good morning.", "createInsights": True}
    )
    assert answer.json() == []
    assert await acme.get("signals") == []


async def test_the_product_goes_to_the_insights(acme: Tenant) -> None:
    for create in (False, True):
        found = await _find(acme, productId=PRODUCT, createInsights=create)
        assert {each["productId"] for each in found} == {PRODUCT}
    assert (await acme.get("signals"))[0]["data"]["productIds"] == [PRODUCT]
    other = await acme.create("products", name="dashboard")
    by_name = {each["name"]: each["productId"] for each in await _find(acme)}
    assert sorted(set(by_name.values()), key=str) == [other["id"], None]


async def test_the_same_request_sent_again_gets_the_first_answer(acme: Tenant) -> None:
    body = {"transcript": TRANSCRIPT, "createInsights": True}
    headers = {"Idempotency-Key": "transcript-1"}
    first = await acme.http.post(PATH, json=body, headers=headers)
    second = await acme.http.post(PATH, json=body, headers=headers)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert len(await acme.get("signals")) == 1


async def test_a_long_transcript_holds_up_nobody(acme: Tenant, rival: Tenant) -> None:
    """It is analysed in another process: others are answered meanwhile."""
    analysing = asyncio.create_task(acme.http.post(PATH, json={"transcript": TRANSCRIPT * 1_000}))
    answered = 0
    while not analysing.done():
        assert (await rival.http.get("/external/v1/insights")).status_code == 200
        answered += 1
    assert (await analysing).status_code == 200
    assert answered > 10


async def test_the_transcripts_of_one_leave_room_for_those_of_others(
    acme: Tenant, rival: Tenant
) -> None:
    many = [asyncio.create_task(_find(acme, transcript=TRANSCRIPT * 600)) for _ in range(5)]
    await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED)
    assert await _find(rival)
    assert sum(each.done() for each in many) < 4
    await asyncio.gather(*many)


async def test_many_transcripts_at_once_are_all_answered(acme: Tenant) -> None:
    found = await asyncio.gather(*(_find(acme, createInsights=True) for _ in range(8)))
    assert len({len(each) for each in found}) == 1
    assert len(await acme.get("signals")) == 8
    stored = await acme.get("insights?limit=100")
    assert sorted(each["id"] for each in stored) == sorted(
        each["id"] for one in found for each in one
    )
