"""Conversations: valid and invalid pushes, responses, and the jobs they enqueue."""

from typing import Any

import msgspec

from domains.kernel.db.database import Database
from domains.revenue.conversations import FetchRecording
from tests.revenue.push_records import STARTED, Source, assert_refused, get_json
from tests.revenue.stored_rows import get_row, wait_until_processed
from tests.stack import Tenant

PEOPLE = [
    {"id": "p1", "email": "Ana@Acme.com", "name": "Ana Ruiz"},
    {"id": "p2", "email": "rep@ours.io"},
    {"id": "p3", "name": "Bo"},
]


def sentence(at: Any, text: str = "Hello.", **speaker: str) -> dict[str, Any]:
    return {"timestamp": at, "text": text, **(speaker or {"speakerId": "p1"})}


async def test_a_transcript_has_seconds_from_the_start(source: Source) -> None:
    transcript = [
        sentence("2026-03-11T14:00:00Z", "First.", speakerId="p1"),
        sentence("2026-03-11T14:00:09.25Z", "Third.", speakerId="p3"),
        sentence("2026-03-11T14:00:04.500Z", "Second.", speakerName="Somebody", speakerId="p1"),
        sentence("2026-03-11T15:00:30+01:00", "Fourth.", speakerId="p2"),
        sentence(1773237660, "Fifth.", speakerId="nobody"),
    ]
    record = await source.push(
        "conversations",
        "one",
        displayName="Quarterly review",
        participants=PEOPLE,
        transcript=transcript,
        recordingUrl=None,
        endedAt="2026-03-11T14:02:00Z",
    )
    conversation = await get_json(source.tenant, f"conversations/{record}")
    # Jobs are running.
    assert conversation.pop("processing")["error"] is None
    assert conversation == {
        "conversationId": record,
        "sourceId": source.id,
        "title": "Quarterly review",
        "startTime": "2026-03-11T14:00:00Z",
        "endTime": "2026-03-11T14:02:00Z",
        "type": "EXTERNAL",
        "category": None,
        "participants": [
            {"name": "Ana Ruiz", "email": "Ana@Acme.com", "attended": True},
            {"name": None, "email": "rep@ours.io", "attended": True},
            {"name": "Bo", "email": None, "attended": True},
        ],
        "crm": None,
        "summary": None,
        "transcript": [
            {"speaker": "Ana Ruiz", "text": "First.", "startTime": 0.0, "endTime": 4.5},
            {"speaker": "Somebody", "text": "Second.", "startTime": 4.5, "endTime": 9.25},
            {"speaker": "Bo", "text": "Third.", "startTime": 9.25, "endTime": 30.0},
            {"speaker": "rep@ours.io", "text": "Fourth.", "startTime": 30.0, "endTime": 60.0},
            {"speaker": "nobody", "text": "Fifth.", "startTime": 60.0, "endTime": 120.0},
        ],
        "language": None,
        "recordings": None,
    }
    (item,) = (await get_json(source.tenant, "conversations"))["conversations"]
    assert item.pop("processing").keys() == {"status", "error", "note"}
    assert item == {name: conversation[name] for name in item}
    assert not {"category", "summary", "transcript", "recordings"} & set(item)


async def test_without_an_end_time_the_last_sentence_or_the_start_is_the_end(
    source: Source,
) -> None:
    transcript = [sentence("2026-03-11T14:00:01Z"), sentence("2026-03-11T14:30:00Z", "Bye.")]
    record = await source.push("conversations", "one", participants=PEOPLE, transcript=transcript)
    conversation = await get_json(source.tenant, f"conversations/{record}")
    assert conversation["endTime"] == "2026-03-11T14:30:00Z"
    last = conversation["transcript"][-1]
    assert last["startTime"] == last["endTime"] == 1800.0
    record = await source.push("conversations", "two")
    conversation = await get_json(source.tenant, f"conversations/{record}")
    assert conversation["endTime"] == STARTED
    assert conversation["title"] is conversation["transcript"] is None


INVALID: list[tuple[dict[str, Any], str | None]] = [
    ({"recordingUrl": None}, None),
    ({"recordingUrl": None, "transcript": []}, None),
    ({"endedAt": "2026-03-11T13:59:59Z"}, "endedAt"),
    ({"endedAt": STARTED}, "endedAt"),
    ({"endedAt": "2026-03-12T00:00:01Z"}, "endedAt"),
    ({"transcript": [sentence(4.5)]}, "transcript.timestamp"),
    ({"transcript": [sentence("2026-03-11T13:59:59Z")]}, "transcript.timestamp"),
    (
        {"transcript": [sentence("2026-03-11T14:10:01Z")], "endedAt": "2026-03-11T14:10:00Z"},
        "transcript.timestamp",
    ),
    ({"transcript": [sentence("2026-03-12T00:00:01Z")]}, "transcript.timestamp"),
    ({"transcript": [{"timestamp": STARTED, "text": "x"}]}, "transcript"),
    ({"transcript": [sentence(STARTED) | {"text": 5}]}, "transcript.text"),
    ({"transcript": [sentence(STARTED) | {"text": None}]}, "transcript.text"),
    ({"participants": [{"name": "Bo"}]}, "participants"),
    ({"participants": []}, "participants"),
    ({"participants": [{"id": "x"}] * 1001}, "participants"),
    ({"transcript": [sentence(STARTED)] * 10_001}, "transcript"),
    ({"recordingUrl": "ftp://example.com/x"}, "recordingUrl"),
    ({"recordingUrl": "https:///x"}, "recordingUrl"),
    ({"version": "2"}, "version"),
]


async def test_invalid_conversations_are_refused(source: Source, database: Database) -> None:
    people: dict[str, Any] = {"participants": PEOPLE}
    cases = [({**people, **fields}, field) for fields, field in INVALID]
    await assert_refused(source, "conversations", cases)
    assert await _jobs(database, source.tenant) == []


async def test_the_largest_conversation_is_accepted(source: Source) -> None:
    last = "2026-03-12T00:00:00Z"
    await source.push("conversations", "one", endedAt=last, transcript=[sentence(last)])
    people = [{"id": f"p{number}"} for number in range(1000)]
    transcript = [sentence(STARTED, speakerName="A")] * 10_000
    record = await source.push(
        "conversations", "two", participants=people, transcript=transcript, recordingUrl=None
    )
    conversation = await get_json(source.tenant, f"conversations/{record}")
    assert (len(conversation["participants"]), len(conversation["transcript"])) == (1000, 10_000)


async def test_a_conversation_with_external_people_is_external(source: Source) -> None:
    for owners, emails, expected in (
        (["rep@ours.io"], ["a@OURS.io", "b@ours.io"], "INTERNAL"),
        (["rep@ours.io"], ["a@ours.io", None], "INTERNAL"),
        (["rep@ours.io"], ["a@ours.io", "b@acme.com"], "EXTERNAL"),
        (["rep@ours.io"], ["a@not-ours.io"], "EXTERNAL"),
        (["rep@ours.io"], [None], "EXTERNAL"),
        ([], ["a@ours.io"], "EXTERNAL"),
        (["a@one.io", "b@two.io"], ["c@one.io", "d@two.io"], "INTERNAL"),
    ):
        participants = [{"id": "x", "email": email} for email in emails]
        record = await source.push(
            "conversations", "one", ownerEmails=owners, participants=participants
        )
        conversation = await get_json(source.tenant, f"conversations/{record}")
        assert conversation["type"] == expected, (owners, emails)


async def test_each_version_enqueues_a_job(source: Source, database: Database) -> None:
    record = await source.push("conversations", "one")
    await source.push("conversations", "one", displayName="again")
    queued = await _jobs(database, source.tenant)
    assert [(str(job.conversation_id), job.version) for job in queued] == [(record, 1), (record, 2)]
    async with database.connection() as connection:
        state, version = await connection.fetchrow(
            "select state, version from conversations where id = $1", record
        )
    assert (state in ("pending", "processing"), version) == (True, 2)


async def _jobs(database: Database, tenant: Tenant) -> list[FetchRecording]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select payload from jobs where workspace_id = $1 and kind = $2 order by id",
            tenant.workspace,
            FetchRecording.__struct_config__.tag,
        )
    return [msgspec.json.decode(row["payload"], type=FetchRecording) for row in rows]


async def test_without_a_speech_service_the_job_and_the_health_check_give_the_reason(
    source: Source, database: Database
) -> None:
    async with database.connection() as connection:
        record = await connection.fetchval(
            "insert into conversations (workspace_id, id, source_id, remote_id, started_at,"
            " ended_at, type, participants, recording_url, recording_key, recording_kind, state)"
            " values ($1, gen_random_uuid(), $2, 'call', now(), now(), 'EXTERNAL', $3,"
            " 'https://example.com/call', 'recordings/none', 'audio', 'processing') returning id",
            source.tenant.workspace,
            source.id,
            b"[]",
        )
        job = await connection.fetchval(
            "insert into jobs (id, workspace_id, kind, queue, payload) values"
            " (gen_random_uuid(), $1, 'revenue.transcription', 'fetch', $2) returning id",
            source.tenant.workspace,
            b'{"kind": "revenue.transcription", "conversation_id": "%s", "version": 1}'
            % str(record).encode(),
        )
        await connection.execute("select pg_notify('jobs', '')")
    row = await wait_until_processed(database, "conversations", str(record))
    assert "No speech-to-text service" in row["error"]
    assert "No speech-to-text service" in (await get_row(database, "jobs", str(job)))["error"]
    health = (await source.http.get("/health")).json()
    assert health["parts"]["transcription"]["status"] == "off"
    assert "GATEWAY_SPEECH_URL" in health["parts"]["transcription"]["detail"]
