"""Signals through the API: shapes, names, identifiers, changes, links, lists."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.pagination import offset
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
THREE = "The export fails every day. Search is very slow. We want dark mode."
ORDER = [
    "id",
    "name",
    "publicId",
    "workspaceId",
    "status",
    "signalType",
    "context",
    "source",
    "data",
    "insightIds",
    "externalId",
    "createdAt",
    "updatedAt",
]


async def test_the_answer_to_a_text_signal(acme: Tenant) -> None:
    body = {
        "name": "G2 Reviews - March Batch",
        "text": "Several reviewers mention that exports are hard to find.",
        "signalType": "review",
        "additionalContext": "Public review batch.",
        "occurredAt": "2025-03-11T16:30:00+02:00",
        "productIds": ["6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"],
        "accountId": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002",
    }
    answer = await acme.http.post(SIGNALS, json=body)
    assert answer.status_code == 201
    signal = answer.json()
    assert list(signal) == [*ORDER, "jobId", "processing"]
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
    }
    again = await acme.wait_until_processed(signal["id"])
    assert list(again) == [*ORDER, "processing"]


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
        ("review", "2024-12-31T23:30:00-05:00", "Review - 1/1/25, 4:30 AM"),
        ("review", "2024-12-31T23:30:00", "Review - 12/31/24, 11:30 PM"),
    ],
)
async def test_the_default_name_tells_type_and_utc_time(
    acme: Tenant, signal_type: str, occurred_at: str, name: str
) -> None:
    signal = await acme.create_signal(signalType=signal_type, occurredAt=occurred_at)
    assert signal["name"] == name


async def test_optional_data_is_left_out_when_it_is_not_given(acme: Tenant) -> None:
    assert set((await acme.create_signal())["data"]) == {"s3Key", "uploadedAt"}


@pytest.mark.parametrize(
    ("signal_type", "profile"),
    [
        ("transcript", "transcript"),
        ("support_ticket", "support_ticket"),
        ("review", "survey_response"),
        ("discovery_report", "discovery_report"),
    ],
)
async def test_the_type_chooses_the_analysis_profile(
    acme: Tenant, signal_type: str, profile: str
) -> None:
    source = (await acme.create_signal(signalType=signal_type))["source"]
    assert source["external_data"] == {"signalType": signal_type, "analysisProfile": profile}


async def test_uuid_and_public_id_name_the_same_signal_everywhere(acme: Tenant) -> None:
    signal = await acme.wait_until_processed((await acme.create_signal())["id"])
    assert (await acme.http.get(f"{SIGNALS}/SIGNAL-1")).json() == signal
    assert (await acme.http.get(f"/api{SIGNALS}/{signal['id'].upper()}")).json() == signal
    changed = await acme.http.patch(f"{SIGNALS}/SIGNAL-1", json={"externalId": "x-1"})
    assert changed.json()["externalId"] == "x-1"
    assert (await acme.http.delete(f"{SIGNALS}/SIGNAL-1")).json() == {"message": "Deleted"}
    assert (await acme.http.get(f"{SIGNALS}/{signal['id']}")).status_code == 404


async def test_public_ids_count_up_and_are_never_used_again(acme: Tenant, rival: Tenant) -> None:
    made = await asyncio.gather(*(acme.create_signal() for _ in range(12)))
    assert sorted(int(each["publicId"].split("-")[1]) for each in made) == list(range(1, 13))
    await acme.http.delete(f"{SIGNALS}/SIGNAL-12")
    assert (await acme.create_signal())["publicId"] == "SIGNAL-13"
    assert (await rival.create_signal())["publicId"] == "SIGNAL-1"


async def test_patch_changes_what_is_given_and_nothing_else(acme: Tenant) -> None:
    before = await acme.wait_until_processed((await acme.create_signal())["id"])
    path = f"{SIGNALS}/{before['id']}"
    unchanged = (await acme.http.patch(path, json={})).json()
    assert unchanged | {"updatedAt": before["updatedAt"]} == before
    changes: dict[str, Any] = {
        "source": {"type": "zendesk"},
        "data": {"a": [1, 2.5, None, {"b": "c"}]},
        "externalId": "ext-1",
        "status": "pending",
        "context": "support_request",
        "insightIds": [],
    }
    after = (await acme.http.patch(path, json=changes)).json()
    assert after == before | changes | {"updatedAt": after["updatedAt"]}
    cleared = {"data": None, "externalId": None, "context": None}
    assert (await acme.http.patch(path, json=cleared)).json() == after | cleared | {
        "updatedAt": (await acme.http.get(path)).json()["updatedAt"]
    }
    assert (await acme.http.patch(path, json={"data": {}})).json()["data"] == {}


async def test_after_a_patch_the_stored_text_can_still_be_processed(acme: Tenant) -> None:
    signal = await acme.wait_until_processed((await acme.create_signal())["id"])
    path = f"{SIGNALS}/{signal['id']}"
    await acme.http.patch(path, json={"data": None, "source": {"type": "x"}, "status": "pending"})
    waiting = (await acme.http.get(path)).json()
    # Setting the status queues nothing.
    assert waiting["processing"]["lastJobId"] == signal["processing"]["lastJobId"]
    await acme.http.post(f"{path}/process")
    again = await acme.wait_until_processed(signal["id"])
    assert len(again["insightIds"]) == len(signal["insightIds"]) > 0


async def test_links_to_insights_are_replaced_as_a_list(acme: Tenant) -> None:
    first = await acme.wait_until_processed(
        (await acme.create_signal(THREE, signalType="support_ticket"))["id"]
    )
    second = await acme.create_signal("Nothing.")
    path = f"{SIGNALS}/{second['id']}"
    ids = first["insightIds"]
    assert len(ids) >= 2
    for wanted in (ids, [*ids, ids[0]], ids[:1], []):
        answer = await acme.http.patch(path, json={"insightIds": wanted})
        assert answer.json()["insightIds"] == sorted(set(wanted))
    unknown = "00000000-0000-7000-8000-000000000000"
    refused = await acme.http.patch(path, json={"insightIds": [ids[0], unknown]})
    assert refused.status_code == 400
    assert unknown in refused.json()["detail"]
    assert ids[0] not in refused.json()["detail"]
    assert (await acme.http.get(path)).json()["insightIds"] == []
    raw = {"source": {"type": "crm"}, "insightIds": ids}
    created = (await acme.http.post(SIGNALS, json=raw)).json()
    assert created["insightIds"] == sorted(ids)
    assert created["name"].startswith("Crm - ")


async def test_deleting_takes_links_evidence_and_text_and_leaves_insights(
    acme: Tenant, stack: Stack, database: Database
) -> None:
    signal = await acme.wait_until_processed((await acme.create_signal())["id"])
    stored = stack.folder / "blobs" / signal["data"]["s3Key"]
    assert stored.exists()
    assert (await acme.http.delete(f"{SIGNALS}/{signal['id']}")).status_code == 200
    insight = f"/external/v1/insights/{signal['insightIds'][0]}"
    assert (await acme.http.get(insight)).status_code == 200
    assert (await acme.http.get(f"{insight}/evidence")).json() == []
    async with database.connection() as connection:
        # The text follows when the time of retention is over.
        discarded = await connection.fetchval(
            "select count(*) from deleted_blobs where key = $1", signal["data"]["s3Key"]
        )
        left = await connection.fetchval(
            "select count(*) from signal_insights where signal_id = $1", UUID(signal["id"])
        )
    assert (discarded, left) == (1, 0)


async def test_processing_twice_at_once_is_one_job(acme: Tenant) -> None:
    signal = await acme.create_signal("The export fails. " * 20_000)
    path = f"{SIGNALS}/{signal['id']}/process"
    answers = await asyncio.gather(*(acme.http.post(path) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["jobId"] for answer in answers} == {signal["jobId"]}
    done = await acme.wait_until_processed(signal["id"])
    assert done["processing"]["lastJobId"] == signal["jobId"]


async def test_processing_an_ended_signal_twice_at_once_is_one_new_job(acme: Tenant) -> None:
    signal = await acme.wait_until_processed(
        (await acme.create_signal("The export fails. " * 3_000))["id"]
    )
    path = f"{SIGNALS}/{signal['id']}/process"
    for _ in range(3):
        answers = await asyncio.gather(*(acme.http.post(path) for _ in range(6)))
        jobs = {answer.json()["jobId"] for answer in answers}
        assert len(jobs) == 1
        assert jobs != {signal["processing"]["lastJobId"]}
        signal = await acme.wait_until_processed(signal["id"])


async def test_numbers_do_not_grow_and_keys_keep_their_order(acme: Tenant) -> None:
    data = b'{"zz": 1e300, "a": [1E5, 0.1], "mm": {"y": 1, "x": 2}}'
    body = b'{"source": {"type": "x"}, "data": ' + data + b"}"
    answer = await acme.http.post(SIGNALS, content=body)
    stored = await acme.http.get(f"{SIGNALS}/{answer.json()['id']}")
    assert list(stored.json()["data"]) == ["zz", "a", "mm"]
    assert len(stored.content) < 1500


async def test_lists_have_their_headers(acme: Tenant) -> None:
    for number in range(3):
        await acme.create_signal(name=f"s{number}")
    answer = await acme.http.get(SIGNALS)
    assert [each["name"] for each in answer.json()] == ["s2", "s1", "s0"]
    assert answer.headers["X-Total-Count"] == "3"
    assert answer.headers["X-Limit"] == "20"
    assert answer.headers["X-Offset"] == "0"
    assert "X-Total-Count-Capped" not in answer.headers
    answer = await acme.http.get(f"{SIGNALS}?limit={10**30}&offset=2&order=asc")
    assert [each["name"] for each in answer.json()] == ["s2"]
    assert answer.headers["X-Limit"] == "100"
    assert answer.headers["X-Offset"] == "2"
    answer = await acme.http.get(f"{SIGNALS}?offset=50")
    assert answer.json() == []
    assert answer.headers["X-Total-Count"] == "3"


async def test_an_early_occurrence_does_not_change_the_place_in_the_list(acme: Tenant) -> None:
    await acme.create_signal(name="old", occurredAt="2001-01-01T00:00:00Z")
    await acme.create_signal(name="new", occurredAt="2000-01-01T00:00:00Z")
    listed = (await acme.http.get(SIGNALS)).json()
    assert [each["name"] for each in listed] == ["new", "old"]


async def test_counting_stops_at_its_cap(acme: Tenant, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into signals (id, workspace_id, number, name, status, source)"
            " select gen_random_uuid(), $1, n, 'bulk', 'processed', '{\"type\": \"x\"}'"
            " from generate_series(1, $2::int) n",
            UUID(acme.workspace),
            offset.COUNT_CAP + 5,
        )
    answer = await acme.http.get(f"{SIGNALS}?limit=1")
    assert answer.headers["X-Total-Count"] == str(offset.COUNT_CAP)
    assert answer.headers["X-Total-Count-Capped"] == "true"


async def test_pages_put_together_are_the_whole(make_tenant: MakeTenant) -> None:
    """For every limit and order, walking by offset gives each signal once, in order."""
    tenant = await make_tenant()
    for number in range(23):
        await tenant.create_signal(name=str(number))
    whole = [str(number) for number in range(23)]

    async def walk(limit: int, order: str) -> list[str]:
        found: list[str] = []
        while True:
            query = f"limit={limit}&offset={len(found)}&order={order}"
            names = [each["name"] for each in (await tenant.http.get(f"{SIGNALS}?{query}")).json()]
            if not names:
                return found
            found += names

    for limit in (1, 2, 3, 5, 7, 11, 22, 23, 24, 100):
        assert await walk(limit, "asc") == whole
        assert await walk(limit, "desc") == whole[::-1]


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
async def test_free_form_data_comes_back_as_it_went_in(acme: Tenant, data: dict[str, Any]) -> None:
    body = {"source": {"type": "x", "external_data": data}, "data": data}
    answer = await acme.http.post(SIGNALS, json=body)
    assert answer.status_code == 201, answer.text
    stored = (await acme.http.get(f"{SIGNALS}/{answer.json()['id']}")).json()
    assert stored["data"] == data
    assert stored["source"] == body["source"]
