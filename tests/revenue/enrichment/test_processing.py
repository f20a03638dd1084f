"""Processing status of conversations and documents, as their sender sees it."""

from typing import Any
from uuid import UUID

from domains.kernel.db.database import Database
from domains.kernel.jobs import job_admin
from domains.kernel.jobs.job_admin import JobFilter
from tests.fakes.recordings import make_wav
from tests.fakes.speech_server import BEHAVIOURS, SpeechServer
from tests.fakes.web_server import CannedResponse, WebServer
from tests.revenue.enrichment.calls import call
from tests.revenue.push_records import Json, Source, create_source, get_json, listed_ids
from tests.revenue.stored_rows import encoded
from tests.stack import OPERATOR, Stack, Tenant, eventually, new_tenant

COMPLAINT = call(("a", "The export crashes every morning."))
PROCESSED = {"status": "processed", "error": None, "note": None}


async def _processing(source: Source, kind: str, record: str) -> Json:
    """`processing` of a record, which is the same in the list."""
    detail: Json = (await get_json(source.tenant, f"{kind}/{record}"))["processing"]
    assert (detail["error"] is not None) == (detail["status"] == "failed")
    listed = await get_json(source.tenant, kind, processingStatus=detail["status"])
    id_field = "id" if kind == "documents" else "conversationId"
    found = [each["processing"] for each in listed[kind] if each[id_field] == record]
    # Jobs may have gone on in between.
    assert found in ([detail], []) or detail["status"] in ("pending", "processing")
    return detail


async def _ended(source: Source, kind: str, record: str) -> Json:
    """Wait until a record is processed or has failed. Returns its `processing`."""

    async def ended() -> Any:
        shown = await _processing(source, kind, record)
        return shown if shown["status"] in ("processed", "failed") else None

    found: Json = await eventually(ended)
    return found


async def test_a_record_waits_until_a_worker_starts(idle_stack: Stack) -> None:
    async with (
        Database.open(idle_stack.database_url) as database,
        new_tenant(idle_stack, database=database) as tenant,
    ):
        source = await create_source(tenant)
        for kind, fields in (("documents", {}), ("conversations", COMPLAINT)):
            record = await source.push(kind, "r", **fields)
            pending = {"status": "pending", "error": None, "note": None}
            assert await _processing(source, kind, record) == pending
            assert len(await listed_ids(tenant, kind, processingStatus="pending")) == 1
            for status in ("processing", "processed", "failed"):
                assert await listed_ids(tenant, kind, processingStatus=status) == []


async def test_a_document_shows_why_it_failed_until_it_is_replaced(source: Source) -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(40)
    good = await source.push("documents", "good", url=None, content=encoded(b"Fine"))
    bad = await source.push("documents", "bad", url=None, content=encoded(image))
    failed = await _ended(source, "documents", bad)
    assert "image/png" in failed["error"]
    assert await _ended(source, "documents", good) == PROCESSED
    statuses = {"failed": ["bad"], "processed": ["good"]}
    for status, names in statuses.items():
        found = await listed_ids(source.tenant, "documents", processingStatus=status)
        assert found == names
        filters = {"processingStatus": status, "name": "bad", "sourceId": source.id}
        found = await listed_ids(source.tenant, "documents", **filters)
        assert found == [name for name in names if name == "bad"]
    await source.patch("documents", "bad", content=encoded(b"Now a text"))
    assert await _ended(source, "documents", bad) == PROCESSED


async def test_another_content_type_reads_a_document_again(source: Source, web: WebServer) -> None:
    """The stored bytes are read, of content as well as of a URL."""
    web.responses["/plan"] = CannedResponse(b"a plan", "application/octet-stream")
    for place in ({"url": None, "content": encoded(b"a plan")}, {"url": f"{web.url}/plan"}):
        record = await source.push("documents", "d", **place, contentType="application/pdf")
        assert (await _ended(source, "documents", record))["status"] == "failed"
        await source.patch("documents", "d", contentType="text/plain", filename="plan.txt")
        assert await _ended(source, "documents", record) == PROCESSED
    assert web.requested_paths == ["/plan"]


async def test_a_document_is_processing_between_attempts(source: Source, web: WebServer) -> None:
    web.responses["/plan.txt"] = CannedResponse(b"wait", status=503)
    record = await source.push("documents", "afar", url=f"{web.url}/plan.txt")
    await eventually(lambda: web.requested_paths)
    between = await _processing(source, "documents", record)
    assert between == {"status": "processing", "error": None, "note": None}
    web.responses["/plan.txt"] = CannedResponse(b"Here it is")
    assert await _ended(source, "documents", record) == PROCESSED


async def test_a_conversation_without_its_recording_fails_and_keeps_its_summary(
    source: Source, database: Database, web: WebServer
) -> None:
    url = f"{web.url}/call"
    record = await source.push("conversations", "c", **COMPLAINT | {"recordingUrl": url})
    failed = await _ended(source, "conversations", record)
    assert failed["error"].startswith("The recording could not be fetched. The server responded")
    assert (await get_json(source.tenant, f"conversations/{record}"))["summary"]
    web.responses["/call"] = CannedResponse(make_wav((3, 0.4)), "audio/wav")
    await _retry(database, source.tenant, "fetch_recording")
    assert await eventually(lambda: _is(source, record, PROCESSED))


async def test_a_conversation_without_its_transcript_fails_and_keeps_its_recording(
    source: Source, database: Database, web: WebServer, speech: SpeechServer
) -> None:
    speech.behaviour = BEHAVIOURS["401"]
    web.responses["/call"] = CannedResponse(make_wav((3, 0.4)), "audio/wav")
    record = await source.push("conversations", "c", recordingUrl=f"{web.url}/call")
    failed = await _ended(source, "conversations", record)
    assert "speech-to-text" in failed["error"]
    assert (await get_json(source.tenant, f"conversations/{record}"))["recordings"]["audioUrl"]
    speech.behaviour = BEHAVIOURS["segments"]
    await _retry(database, source.tenant, "transcription")
    assert await eventually(lambda: _is(source, record, PROCESSED))
    assert (await get_json(source.tenant, f"conversations/{record}"))["summary"]


async def test_a_conversation_is_processed_when_it_has_all_results(
    source: Source, web: WebServer
) -> None:
    """The summary is there at once, the recording only after a retry."""
    web.responses["/call"] = CannedResponse(b"wait", status=503)
    url = f"{web.url}/call"
    record = await source.push("conversations", "c", **COMPLAINT | {"recordingUrl": url})

    async def summary() -> Any:
        return (await get_json(source.tenant, f"conversations/{record}"))["summary"]

    await eventually(summary)
    shown = await _processing(source, "conversations", record)
    assert shown == {"status": "processing", "error": None, "note": None}
    web.responses["/call"] = CannedResponse(make_wav((3, 0.4)), "audio/wav")
    assert await _ended(source, "conversations", record) == PROCESSED


async def _is(source: Source, record: str, expected: Json) -> bool:
    return await _processing(source, "conversations", record) == expected


async def _retry(database: Database, tenant: Tenant, kind: str) -> None:
    async with database.transaction() as tx:
        filters = JobFilter(workspace=UUID(tenant.workspace), kind=kind)
        assert await job_admin.retry(tx, filters, OPERATOR) == 1
