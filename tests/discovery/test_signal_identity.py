"""Text signals with an identity: a text with the same source key and external id updates them."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.discovery.support import ACCOUNT, PRODUCT, evidence_of, paused_worker
from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
IDENTITY = {"sourceKey": "feedback-app", "externalId": "record-7"}
FIRST = "The export crashes every morning. We cannot find the billing page."
SECOND = "The login page is broken for my team."


async def push(tenant: Tenant, text: str = FIRST, **fields: Any) -> Any:
    """POST a text with `IDENTITY`. Returns the response."""
    body = {"text": text, "signalType": "feedback_record", **IDENTITY, **fields}
    return await tenant.http.post(SIGNALS, json=body)


async def process(tenant: Tenant, text: str = FIRST, **fields: Any) -> Any:
    """Push a text with `IDENTITY` and wait for its analysis. Returns the signal."""
    response = await push(tenant, text, **fields)
    assert response.is_success, response.text
    return await tenant.wait_until_processed(response.json()["id"])


async def test_the_sequence_of_the_published_client(acme: Tenant) -> None:
    context = await acme.get("auth/context")
    assert context["workspace"]["id"] == acme.workspace
    assert {"signals:write", "products:read"} <= set(context["credential"]["scopes"])
    product = (await acme.create("products", name="Atlas"))["id"]
    assert (await acme.get(f"products/{product}"))["id"] == product
    body = {
        "name": "Feedback from the portal",
        "text": FIRST,
        "signalType": "feedback_record",
        "productIds": [product],
        "sourceKey": "portal",
        "externalId": "feedback:31",
        "participantPolicy": "none",
        "createMissingAccounts": False,
        "sourceExternalData": {"board": "Exports", "votes": 12, "author": {"plan": "team"}},
    }
    headers = {"Idempotency-Key": "portal/feedback:31/1"}
    response = await acme.http.post(SIGNALS, json=body, headers=headers)
    assert response.status_code == 201, response.text
    signal = response.json()
    assert signal["workspaceId"] == context["workspace"]["id"]
    assert re.fullmatch("SIGNAL-[0-9]+", signal["publicId"])
    replayed = await acme.http.post(SIGNALS, json=body, headers=headers)
    assert (replayed.status_code, replayed.json()) == (201, signal)
    # A run on another day has another key.
    headers = {"Idempotency-Key": "portal/feedback:31/2"}
    again = await acme.http.post(SIGNALS, json=body | {"text": SECOND}, headers=headers)
    assert again.status_code == 200
    assert again.json()["publicId"] == signal["publicId"]
    processed = await acme.wait_until_processed(signal["id"])
    quotes = {quote["quote"] for quote in await evidence_of(acme, processed)}
    assert quotes == {SECOND}


async def test_fields_of_a_feedback_record_are_returned(acme: Tenant) -> None:
    links = ["https://feedback.example/7", {"type": "ticket", "url": "https://desk.example/1"}]
    options: dict[str, Any] = {
        "sourceLinks": links,
        "participantPolicy": "match_existing",
        "createMissingAccounts": True,
        "productIds": [PRODUCT],
        "accountId": ACCOUNT,
    }
    external = {"votes": 1e300, "signalType": "idea", "author": {"plan": "team"}}
    response = await push(acme, context="churn", sourceExternalData=external, **options)
    signal = response.json()
    assert (signal["externalId"], signal["sourceKey"]) == ("record-7", "feedback-app")
    assert signal["signalType"] == "feedback_record"
    assert {name: signal["data"][name] for name in options} == options
    profile = {"signalType": "feedback_record", "analysisProfile": "feedback_record"}
    assert signal["source"] == {"type": "manual-text", "external_data": external | profile}
    processed = await acme.wait_until_processed(signal["id"])
    # The context of the request wins over the inferred one.
    assert processed["context"] == "churn"
    assert [found["id"] for found in await acme.get("signals?externalId=record-7")] == [
        signal["id"]
    ]
    insight = await acme.get(f"insights/{processed['insightIds'][0]}")
    assert insight["type"] == "feedback"
    assert insight["description"].startswith("Customer in feedback: ")


async def test_links_keep_their_notation(acme: Tenant) -> None:
    """A number in a link must not grow to 300 digits."""
    link = b'{"url": "https://feedback.example/7", "id": 1e300, "a": [1E5, 0.10]}'
    body = b'{"text": "x", "signalType": "review", "sourceLinks": [' + link + b"]}"
    signal = (await acme.http.post(SIGNALS, content=body)).json()
    stored = await acme.http.get(f"{SIGNALS}/{signal['id']}")
    assert list(stored.json()["data"]["sourceLinks"][0]) == ["url", "id", "a"]
    assert len(stored.content) < 1500


async def test_new_text_replaces_the_insights_that_nobody_edited(
    acme: Tenant, stack: Stack
) -> None:
    before = await process(acme, name="Portal", context="churn", accountId=ACCOUNT)
    edited, replaced = before["insightIds"]
    await acme.patch(f"insights/{edited}", name="Exports crash", status="published")
    kept = await acme.get(f"insights/{edited}")
    response = await push(acme, SECOND, signalType="review")
    assert response.status_code == 200
    answered = response.json()
    assert answered["status"] == "processing"
    assert answered["jobId"] == answered["processing"]["lastJobId"]
    assert answered["jobId"] != before["processing"]["lastJobId"]
    after = await acme.wait_until_processed(before["id"])
    unchanged = ("id", "publicId", "name", "context", "createdAt", "externalId", "sourceKey")
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert after["signalType"] == "review"
    # The options belong to the text.
    assert "accountId" not in after["data"]
    assert edited in after["insightIds"]
    assert replaced not in after["insightIds"]
    assert await acme.get(f"insights/{edited}") == kept
    new = [insight for insight in after["insightIds"] if insight != edited]
    (quote,) = await acme.get(f"insights/{new[0]}/evidence")
    assert quote["quote"] == SECOND
    stored = stack.folder / "blobs" / after["data"]["s3Key"]
    assert stored.read_text() == SECOND
    assert after["data"]["s3Key"] != before["data"]["s3Key"]


async def test_the_same_text_is_not_analysed_again(acme: Tenant) -> None:
    before = await process(acme)
    response = await push(acme, name="Renamed", occurredAt="2026-03-01T10:00:00Z")
    assert response.status_code == 200
    after = response.json()
    assert (after["status"], after["name"]) == ("processed", "Renamed")
    assert after["createdAt"] == "2026-03-01T10:00:00Z"
    assert after["jobId"] == before["processing"]["lastJobId"]
    assert after["insightIds"] == before["insightIds"]
    # No second copy of the text is stored.
    assert after["data"]["s3Key"] == before["data"]["s3Key"]
    # Other options may change the insights.
    changed = await process(acme, accountId=ACCOUNT)
    assert changed["processing"]["lastJobId"] != before["processing"]["lastJobId"]
    listed = await acme.get(f"insights?accountId={ACCOUNT}&order=asc")
    assert [insight["id"] for insight in listed] == changed["insightIds"]


async def test_a_waiting_job_reads_the_text_that_was_pushed_last(
    acme: Tenant, stack: Stack
) -> None:
    with paused_worker(stack):
        first = (await push(acme)).json()
        second = (await push(acme, SECOND)).json()
    assert second["jobId"] == first["jobId"]
    signal = await acme.wait_until_processed(first["id"])
    assert {quote["quote"] for quote in await evidence_of(acme, signal)} == {SECOND}


async def test_concurrent_pushes_make_one_signal(acme: Tenant) -> None:
    texts = [f"The export crashes at step {step}." for step in range(12)]
    responses = await asyncio.gather(*(push(acme, text) for text in texts))
    statuses = [response.status_code for response in responses]
    assert sorted(statuses) == [200] * 11 + [201]
    assert len({response.json()["publicId"] for response in responses}) == 1
    (listed,) = await acme.get("signals")

    signal = await acme.wait_until_processed(listed["id"])
    # The text of the last commit, analysed as a whole.
    (quote,) = await evidence_of(acme, signal)
    assert quote["quote"] in texts


async def test_an_identity_belongs_to_one_workspace(acme: Tenant, rival: Tenant) -> None:
    ours, theirs = await push(acme), await push(rival, SECOND)
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert ours.json()["id"] != theirs.json()["id"]
    assert (await push(acme)).json()["workspaceId"] == acme.workspace


@pytest.mark.parametrize("fields", [{"sourceKey": None}, {"externalId": None}])
async def test_texts_without_both_parts_of_an_identity_make_signals(
    acme: Tenant, fields: dict[str, None]
) -> None:
    body = {"text": FIRST, "signalType": "review", **IDENTITY, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    created = [await acme.create("signals", **body) for _ in range(2)]
    assert created[0]["id"] != created[1]["id"]
    for signal in created:
        assert signal["externalId"] == body.get("externalId")
        assert signal.get("sourceKey") == body.get("sourceKey")


async def test_deleting_a_signal_frees_its_identity(acme: Tenant) -> None:
    first = (await push(acme)).json()
    await acme.delete(f"signals/{first['id']}")
    second = await push(acme)
    assert second.status_code == 201
    assert second.json()["publicId"] != first["publicId"]


async def test_a_patch_of_the_external_id_changes_the_identity(acme: Tenant) -> None:
    first = (await push(acme)).json()
    other = (await push(acme, SECOND, externalId="record-8")).json()
    path = f"{SIGNALS}/{other['id']}"
    taken = await acme.http.patch(path, json={"externalId": "record-7"})
    assert taken.status_code == 409, taken.text
    assert "source key and external id" in taken.json()["detail"]
    long = await acme.http.patch(path, json={"externalId": "x" * 401})
    assert long.status_code == 400
    assert long.json()["errors"][0]["field"] == "externalId"
    await acme.patch(f"signals/{first['id']}", externalId=None)
    await acme.patch(f"signals/{other['id']}", externalId="record-7")
    assert (await push(acme)).json()["id"] == other["id"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sourceKey", ""),
        ("sourceKey", " \t"),
        ("sourceKey", "x" * 201),
        ("sourceKey", 7),
        ("externalId", ""),
        ("externalId", "x" * 401),
        ("context", " "),
        ("sourceLinks", "https://feedback.example"),
        ("sourceLinks", [7]),
        ("sourceExternalData", []),
        ("sourceExternalData", "votes"),
        ("participantPolicy", "create"),
        ("createMissingAccounts", "yes"),
        ("signalType", "feedback"),
    ],
)
async def test_wrong_fields_are_refused_by_name(acme: Tenant, field: str, value: Any) -> None:
    response = await push(acme, **{field: value})
    assert response.status_code == 400, response.text
    assert [error["field"].split("[")[0] for error in response.json()["errors"]] == [field]
    assert await acme.get("signals") == []


async def test_the_longest_identity_fits_into_the_index(acme: Tenant) -> None:
    identity = {"sourceKey": "🙏" * 200, "externalId": "🥊" * 400}
    first, second = await push(acme, **identity), await push(acme, **identity)
    assert (first.status_code, second.status_code) == (201, 200)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pushes=st.lists(
        st.tuples(st.sampled_from(["a", "A", "b "]), st.sampled_from(["1", "01", "1 "])),
        min_size=1,
        max_size=6,
    )
)
async def test_each_pair_has_one_signal(acme: Tenant, pushes: list[tuple[str, str]]) -> None:
    """Pairs are compared exactly, in any order of pushes."""
    ids: dict[tuple[str, str], set[str]] = {}
    for source_key, external_id in pushes:
        response = await push(acme, sourceKey=source_key, externalId=external_id)
        ids.setdefault((source_key, external_id), set()).add(response.json()["id"])
    assert all(len(same) == 1 for same in ids.values())
    assert len(set.union(*ids.values())) == len(ids)
