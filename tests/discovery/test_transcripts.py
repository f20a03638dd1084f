"""process-transcript/insights: insights are found within the request."""

import asyncio
from pathlib import Path
from typing import Any

from tests.discovery.support import PRODUCT, TRANSCRIPT, evidence_of, reprocess
from tests.stack import Stack, Tenant, new_tenant, running_stack

PATH = "/external/v1/insights/process-transcript/insights"


async def _process(tenant: Tenant, **fields: Any) -> Any:
    response = await tenant.http.post(PATH, json={"transcript": TRANSCRIPT, **fields})
    assert response.status_code == 200, response.text
    return response.json()


async def test_without_create_insights_nothing_is_stored(acme: Tenant) -> None:
    insights = await _process(acme)
    assert len(insights) >= 2
    for insight in insights:
        assert list(insight) == [
            *("id", "name", "description", "status", "type", "kind", "productId"),
            *("opportunityIds", "ideaIds", "tagIds", "createdAt", "updatedAt"),
        ]
        assert insight["name"]
        assert insight["description"]
        assert (insight["status"], insight["type"]) == ("draft", "user-interview")
        assert insight["createdAt"] == insight["updatedAt"]
        response = await acme.http.get(f"/external/v1/insights/{insight['id']}")
        assert response.status_code == 404
    assert await _process(acme, createInsights=False) != insights  # other ids
    assert await acme.get("insights") == await acme.get("signals") == []


async def test_create_insights_stores_a_signal_and_drafts_with_evidence(
    acme: Tenant, stack: Stack
) -> None:
    insights = await _process(acme, createInsights=True)
    assert await acme.get("insights?order=asc") == insights
    (signal,) = await acme.get("signals")
    assert signal["status"] == "processed"
    assert (signal["signalType"], signal["context"]) == ("transcript", "user_interview")
    assert "processing" not in signal
    assert signal["insightIds"] == sorted(insight["id"] for insight in insights)
    stored = stack.folder / "blobs" / signal["data"]["s3Key"]
    assert stored.read_text() == TRANSCRIPT
    evidence = await evidence_of(acme, signal)
    assert len(evidence) >= len(insights)
    for quote in evidence:
        assert TRANSCRIPT[quote["start"] : quote["end"]] == quote["quote"]
        assert (quote["signalId"], quote["signalPublicId"]) == (signal["id"], "SIGNAL-1")
        assert quote["speaker"] == "Maria"
    assert min(quote["startTime"] for quote in evidence) == 12
    again = await reprocess(acme, signal["id"])
    assert len(again["insightIds"]) == len(insights)


async def test_insights_have_the_kind_of_the_finding(acme: Tenant) -> None:
    for create in (False, True):
        insights = await _process(acme, createInsights=create)
        assert {"pain", "request"} <= {insight["kind"] for insight in insights}


async def test_a_transcript_without_insights_is_not_stored(acme: Tenant) -> None:
    assert await _process(acme, transcript="Hello. Good morning.", createInsights=True) == []
    assert await acme.get("signals") == []


async def test_insights_have_the_product_of_the_request_or_the_one_they_name(acme: Tenant) -> None:
    for create in (False, True):
        insights = await _process(acme, productId=PRODUCT, createInsights=create)
        assert {insight["productId"] for insight in insights} == {PRODUCT}
    assert (await acme.get("signals"))[0]["data"]["productIds"] == [PRODUCT]
    dashboard = (await acme.create("products", name="dashboard"))["id"]
    product_ids = {insight["productId"] for insight in await _process(acme)}
    assert product_ids == {dashboard, None}


async def test_a_repeated_idempotency_key_gets_the_first_response(acme: Tenant) -> None:
    body = {"transcript": TRANSCRIPT, "createInsights": True}
    headers = {"Idempotency-Key": "transcript-1"}
    first = await acme.http.post(PATH, json=body, headers=headers)
    second = await acme.http.post(PATH, json=body, headers=headers)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert len(await acme.get("signals")) == 1


async def test_other_requests_are_answered_during_an_analysis(acme: Tenant, rival: Tenant) -> None:
    analysis = asyncio.create_task(_process(acme, transcript=TRANSCRIPT * 1_000))
    answered = 0
    while not analysis.done():
        await rival.get("insights")
        answered += 1
    await analysis
    # A blocked API would answer only the requests sent before the analysis began.
    assert answered > 10


async def test_transcripts_of_one_workspace_do_not_delay_those_of_another(
    acme: Tenant, rival: Tenant
) -> None:
    analyses = [asyncio.create_task(_process(acme, transcript=TRANSCRIPT * 300)) for _ in range(5)]
    await asyncio.wait(analyses, return_when=asyncio.FIRST_COMPLETED)
    assert await _process(rival)
    assert sum(analysis.done() for analysis in analyses) < 4
    await asyncio.gather(*analyses)


async def test_concurrent_transcripts_of_a_workspace_are_all_processed(acme: Tenant) -> None:
    responses = await asyncio.gather(*(_process(acme, createInsights=True) for _ in range(8)))
    assert len({len(insights) for insights in responses}) == 1
    assert len(await acme.get("signals")) == 8
    stored = await acme.get("insights?limit=100")
    assert sorted(insight["id"] for insight in stored) == sorted(
        insight["id"] for insights in responses for insight in insights
    )


async def test_an_analysis_that_exceeds_the_time_limit_gets_503_and_stores_nothing(
    tmp_path: Path,
) -> None:
    settings = {"GATEWAY_TRANSCRIPT_TIME_LIMIT": "0.01"}
    with running_stack(tmp_path, worker=False, settings=settings) as stack:
        async with new_tenant(stack) as tenant:
            response = await tenant.http.post(
                PATH, json={"transcript": TRANSCRIPT * 100, "createInsights": True}
            )
            assert await tenant.get("signals") == await tenant.get("insights") == []
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "split it, or try again later" in response.json()["detail"]
