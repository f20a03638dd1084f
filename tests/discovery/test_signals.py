"""Signals: fields, default names, identifiers, changes, links and deletion."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from tests.discovery.support import ACCOUNT, PRODUCT, paused_worker, queue_analysis, reprocess
from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
FIELDS = [
    *("id", "name", "publicId", "workspaceId", "status", "signalType", "context", "language"),
    *("source", "data", "insightIds", "externalId", "createdAt", "updatedAt"),
]


async def test_the_response_to_a_text_signal(acme: Tenant) -> None:
    body = {
        "name": "G2 Reviews - March Batch",
        "text": "Several reviewers mention that exports are hard to find.",
        "signalType": "review",
        "additionalContext": "Public review batch.",
        "occurredAt": "2025-03-11T16:30:00+02:00",
        "productIds": [PRODUCT],
        "accountId": ACCOUNT,
    }
    signal = await acme.create("signals", **body)
    assert list(signal) == [*FIELDS, "jobId", "processing"]
    UUID(signal["id"])
    UUID(signal["jobId"])
    assert signal["name"] == body["name"]
    assert signal["publicId"] == "SIGNAL-1"
    assert signal["workspaceId"] == acme.workspace
    assert signal["status"] == "processing"
    assert signal["context"] is None
    assert signal["signalType"] == "review"
    assert signal["source"] == {
        "type": "manual-text",
        "external_data": {"signalType": "review", "analysisProfile": "survey_response"},
    }
    uploaded_at = signal["data"].pop("uploadedAt")
    assert uploaded_at.endswith("Z")
    assert signal["data"] == {
        "s3Key": f"signals/manual-text/{acme.workspace}/{signal['id']}.txt",
        "productIds": body["productIds"],
        "accountId": body["accountId"],
        "additionalContext": body["additionalContext"],
    }
    assert signal["insightIds"] == []
    assert signal["externalId"] is None
    assert signal["createdAt"] == "2025-03-11T14:30:00Z"
    assert signal["updatedAt"] > signal["createdAt"]
    assert signal["processing"] == {
        "lastJobId": signal["jobId"],
        "startedAt": signal["updatedAt"],
        "processedAt": None,
        "failedAt": None,
        "lastError": None,
        "note": None,
    }
    processed = await acme.wait_until_processed(signal["id"])
    assert list(processed) == [*FIELDS, "processing"]


async def test_the_text_is_stored_under_its_key(acme: Tenant, stack: Stack) -> None:
    text = "Zwölf Boxkämpfer – 🥊\r\n\ttabs and\u2028separators stay as they are."
    signal = await acme.create_signal(text)
    stored = stack.folder / "blobs" / signal["data"]["s3Key"]
    assert stored.read_bytes().decode() == text


@pytest.mark.parametrize(
    ("signal_type", "occurred_at", "name"),
    [
        ("review", "2025-03-11T14:30:00Z", "Review - 3/11/25, 2:30 PM"),
        ("support_ticket", "2024-03-20T10:00:00Z", "Support Ticket - 3/20/24, 10:00 AM"),
        ("transcript", "2024-12-01T00:05:00Z", "Transcript - 12/1/24, 12:05 AM"),
        ("discovery_report", "2024-12-01T12:59:59Z", "Discovery Report - 12/1/24, 12:59 PM"),
        ("feedback_record", "2024-12-01T12:59:59Z", "Feedback Record - 12/1/24, 12:59 PM"),
        ("review", "2024-12-31T23:30:00-05:00", "Review - 1/1/25, 4:30 AM"),
        ("review", "2024-12-31T23:30:00", "Review - 12/31/24, 11:30 PM"),
    ],
)
async def test_the_default_name_consists_of_type_and_utc_time(
    acme: Tenant, signal_type: str, occurred_at: str, name: str
) -> None:
    signal = await acme.create_signal(signalType=signal_type, occurredAt=occurred_at)
    assert signal["name"] == name


async def test_options_that_were_not_sent_are_absent_from_the_data(acme: Tenant) -> None:
    assert set((await acme.create_signal())["data"]) == {"s3Key", "uploadedAt"}


async def test_the_source_contains_type_and_analysis_profile(acme: Tenant) -> None:
    for signal_type, profile in {
        "transcript": "transcript",
        "support_ticket": "support_ticket",
        "review": "survey_response",
        "discovery_report": "discovery_report",
        "feedback_record": "feedback_record",
    }.items():
        source = (await acme.create_signal(signalType=signal_type))["source"]
        assert source["external_data"] == {"signalType": signal_type, "analysisProfile": profile}


async def test_paths_accept_uuid_and_public_id(acme: Tenant) -> None:
    signal = await acme.process_text()
    assert await acme.get("signals/SIGNAL-1") == signal
    alias = await acme.http.get(f"/api{SIGNALS}/{signal['id'].upper()}")
    assert alias.json() == signal
    assert (await acme.patch("signals/SIGNAL-1", externalId="x-1"))["externalId"] == "x-1"
    await acme.delete("signals/SIGNAL-1")
    assert (await acme.http.get(f"{SIGNALS}/{signal['id']}")).status_code == 404


async def test_public_ids_are_numbered_per_workspace_and_not_reused(
    acme: Tenant, rival: Tenant
) -> None:
    signals = await asyncio.gather(*(acme.create_signal() for _ in range(12)))
    numbers = sorted(int(signal["publicId"].split("-")[1]) for signal in signals)
    assert numbers == list(range(1, 13))
    await acme.delete("signals/SIGNAL-12")
    assert (await acme.create_signal())["publicId"] == "SIGNAL-13"
    assert (await rival.create_signal())["publicId"] == "SIGNAL-1"


async def test_a_patch_changes_only_the_fields_it_contains(acme: Tenant) -> None:
    before = await acme.process_text()
    path = f"signals/{before['id']}"
    assert await acme.patch(path) | {"updatedAt": before["updatedAt"]} == before
    changes: dict[str, Any] = {
        "source": {"type": "zendesk"},
        "data": {"a": [1, 2.5, None, {"b": "c"}]},
        "externalId": "ext-1",
        "status": "pending",
        "context": "support_request",
        "insightIds": [],
    }
    after = await acme.patch(path, **changes)
    assert after == before | changes | {"updatedAt": after["updatedAt"]}
    nulls = {"data": None, "externalId": None, "context": None}
    cleared = await acme.patch(path, **nulls)
    assert cleared == after | nulls | {"updatedAt": cleared["updatedAt"]}
    assert await acme.get(path) == cleared
    assert (await acme.patch(path, data={}))["data"] == {}


async def test_the_stored_text_can_be_reprocessed_after_a_patch_of_the_data(acme: Tenant) -> None:
    signal = await acme.process_text()
    patched = await acme.patch(
        f"signals/{signal['id']}", data=None, source={"type": "x"}, status="pending"
    )
    # Setting the status queues no job.
    assert patched["processing"]["lastJobId"] == signal["processing"]["lastJobId"]
    again = await reprocess(acme, signal["id"])
    assert len(again["insightIds"]) == len(signal["insightIds"]) > 0


async def test_links_to_insights_are_replaced_as_a_list(acme: Tenant) -> None:
    text = "The export fails every day. Search is very slow. We want dark mode."
    ids = (await acme.process_text(text, signalType="support_ticket"))["insightIds"]
    assert len(ids) >= 2
    path = f"signals/{(await acme.create_signal('Nothing.'))['id']}"
    for linked in (ids, [*ids, ids[0]], ids[:1], []):
        assert (await acme.patch(path, insightIds=linked))["insightIds"] == sorted(set(linked))
    unknown = "00000000-0000-7000-8000-000000000000"
    refused = await acme.http.patch(f"/external/v1/{path}", json={"insightIds": [ids[0], unknown]})
    assert refused.status_code == 400
    assert unknown in refused.json()["detail"]
    assert ids[0] not in refused.json()["detail"]
    assert (await acme.get(path))["insightIds"] == []
    created = await acme.create("signals", source={"type": "crm"}, insightIds=ids)
    assert created["insightIds"] == sorted(ids)
    assert created["name"].startswith("Crm - ")


async def test_deleting_a_signal_deletes_links_evidence_and_text_but_no_insights(
    acme: Tenant, stack: Stack, database: Database
) -> None:
    signal = await acme.process_text()
    key = signal["data"]["s3Key"]
    assert (stack.folder / "blobs" / key).exists()
    await acme.delete(f"signals/{signal['id']}")
    insight = f"insights/{signal['insightIds'][0]}"
    assert (await acme.get(insight))["id"] == signal["insightIds"][0]
    assert await acme.get(f"{insight}/evidence") == []
    async with database.connection() as connection:
        # The text is deleted after the retention period.
        scheduled = await connection.fetchval(
            "select count(*) from deleted_blobs where key = $1", key
        )
        links = await connection.fetchval(
            "select count(*) from signal_insights where signal_id = $1", UUID(signal["id"])
        )
    assert (scheduled, links) == (1, 0)


async def test_concurrent_process_requests_get_the_queued_job(acme: Tenant, stack: Stack) -> None:
    with paused_worker(stack):
        signal = await acme.create_signal()
        jobs = await asyncio.gather(*(queue_analysis(acme, signal["id"]) for _ in range(5)))
    assert set(jobs) == {signal["jobId"]}
    processed = await acme.wait_until_processed(signal["id"])
    assert processed["processing"]["lastJobId"] == signal["jobId"]


async def test_concurrent_process_requests_queue_one_new_job(acme: Tenant, stack: Stack) -> None:
    signal = await acme.process_text()
    for _ in range(3):
        with paused_worker(stack):
            jobs = await asyncio.gather(*(queue_analysis(acme, signal["id"]) for _ in range(6)))
        (job,) = set(jobs)
        assert job != signal["processing"]["lastJobId"]
        signal = await acme.wait_until_processed(signal["id"])


async def test_data_keeps_the_notation_of_numbers_and_the_order_of_keys(acme: Tenant) -> None:
    data = b'{"zz": 1e300, "a": [1E5, 0.1], "mm": {"y": 1, "x": 2}}'
    body = b'{"source": {"type": "x"}, "data": ' + data + b"}"
    signal = (await acme.http.post(SIGNALS, content=body)).json()
    stored = await acme.http.get(f"{SIGNALS}/{signal['id']}")
    assert list(stored.json()["data"]) == ["zz", "a", "mm"]
    assert len(stored.content) < 1500


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e9, 1e9, allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcé_", max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.dictionaries(st.text("xyz", min_size=1, max_size=3), JSON, max_size=5))
async def test_any_json_data_is_returned_as_sent(acme: Tenant, data: dict[str, Any]) -> None:
    source = {"type": "x", "external_data": data}
    signal = await acme.create("signals", source=source, data=data)
    stored = await acme.get(f"signals/{signal['id']}")
    assert stored["data"] == data
    assert stored["source"] == source


async def test_large_data_and_texts_are_kept_as_sent(acme: Tenant) -> None:
    record = {"id": 7, "at": 1e300, "hash": "1e100", "body": 'Ein Dach 🙏 mit "Umlaut" ä\n'}
    data = {"records": [record] * 20_000}
    source = {"type": "crm", "external_data": data}
    signal = await acme.create("signals", source=source, data=data)
    assert signal["data"] == data
    stored = await acme.get(f"signals/{signal['id']}")
    assert stored["data"] == data
    assert stored["source"] == source


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"signalType": "review", "text": 5}', "text: must be a string, not a whole number"),
        (b'{"signalType": "review", "text": null}', "text: must be a string, not null"),
        (b'{"signalType": "review", "text": ""}', "text: must be a string that is not empty"),
        (
            b'{"signalType": "review", "text": "' + rb" \n\u00a0" * 40_000 + b'"}',
            "text: must be a string that is not blank",
        ),
        (b'{"source": {"type": "x"}, "data": []}', "data: must be an object or null, not an array"),
        (b'{"source": {"type": "x"}, "data": {"a": [1e999]}}', "data: Number out of range"),
        (
            b'{"source": {"type": "x", "external_data": 5}}',
            "source.external_data: must be an object, not a whole number",
        ),
    ],
)
async def test_values_that_stay_raw_have_types(acme: Tenant, body: bytes, message: str) -> None:
    response = await acme.http.post(SIGNALS, content=body)
    assert response.status_code == 400
    assert message in response.text, response.text


async def test_null_is_no_data(acme: Tenant) -> None:
    signal = await acme.create("signals", source={"type": "x"}, data=None)
    assert signal["data"] is None
    signal = await acme.create("signals", source={"type": "x"}, data={"a": "b"})
    changed = await acme.http.patch(f"{SIGNALS}/{signal['id']}", json={"data": None})
    assert changed.json()["data"] is None
