"""Recordings of conversations: fetched, stored and transcribed."""

from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.db.database import Database
from domains.kernel.jobs import job_admin
from domains.kernel.jobs.job_admin import JobFilter
from tests.cli.gateway_command import ForkServer, Gateway
from tests.fakes.recordings import make_wav
from tests.fakes.speech_server import BEHAVIOURS, SAID, SpeechServer
from tests.fakes.web_server import CannedResponse, WebServer
from tests.revenue.push_records import STARTED, Source, get_json
from tests.revenue.stored_rows import get_row, wait_until_processed
from tests.stack import OPERATOR, Stack, eventually

TRANSCRIPT = [{"speakerName": "Ana", "text": "We love it.", "timestamp": STARTED}]


async def test_a_recording_is_stored_and_transcribed(
    source: Source, database: Database, web: WebServer, speech: SpeechServer
) -> None:
    speech.behaviour = BEHAVIOURS["segments"]
    web.responses["/call"] = CannedResponse(make_wav((6, 0.4)), "video/mp4")
    record = await source.push("conversations", "call", recordingUrl=f"{web.url}/call")
    row = await wait_until_processed(database, "conversations", record)
    assert (row["state"], row["error"]) == ("processed", None)
    call = await get_json(source.tenant, f"conversations/{record}")
    assert [sentence["text"] for sentence in call["transcript"]] == list(SAID)
    assert call["transcript"][1]["startTime"] == pytest.approx(2.0, abs=0.3)
    assert call["summary"] is not None
    # The content is audio, whatever the declared type.
    assert call["recordings"]["videoUrl"] is None
    response = await source.http.get(call["recordings"]["audioUrl"], headers={"Range": "bytes=0-3"})
    assert (response.status_code, response.content) == (206, b"RIFF")
    assert response.headers["content-type"].startswith("audio/")
    assert response.headers["content-disposition"].startswith("attachment")
    assert call["recordings"]["videoStreamUrl"] is None
    stream = call["recordings"]["audioStreamUrl"]
    response = await source.http.get(stream, headers={"Range": "bytes=0-3"})
    assert (response.status_code, response.content) == (206, b"RIFF")
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["content-disposition"].startswith("inline")
    # Without an `endedAt`, the conversation ends with its last sentence.
    assert call["endTime"] > call["startTime"]


async def test_a_pushed_transcript_is_kept_and_its_recording_not_transcribed(
    source: Source, database: Database, web: WebServer, speech: SpeechServer
) -> None:
    requests_before = len(speech.requests)
    web.responses["/call"] = CannedResponse(make_wav((3, 0.4)), "audio/wav")
    record = await source.push(
        "conversations", "call", recordingUrl=f"{web.url}/call", transcript=TRANSCRIPT
    )
    await wait_until_processed(database, "conversations", record)
    call = await get_json(source.tenant, f"conversations/{record}")
    assert [sentence["text"] for sentence in call["transcript"]] == ["We love it."]
    assert call["recordings"]["audioUrl"]
    assert len(speech.requests) == requests_before


async def test_a_recording_fetched_by_a_retry_clears_the_failure(
    source: Source, database: Database, web: WebServer
) -> None:
    record = await source.push(
        "conversations", "call", recordingUrl=f"{web.url}/call", transcript=TRANSCRIPT
    )

    async def is_summarized_with_state(state: str) -> Any:
        row = await get_row(database, "conversations", record)
        return row["state"] == state and row["found_summary"] is not None

    await eventually(partial(is_summarized_with_state, "failed"))
    web.responses["/call"] = CannedResponse(make_wav((3, 0.4)), "audio/wav")
    jobs = JobFilter(workspace=UUID(source.tenant.workspace), kind="fetch_recording")
    async with database.transaction() as tx:
        assert await job_admin.retry(tx, jobs, OPERATOR) == 1
    await eventually(partial(is_summarized_with_state, "processed"))
    assert (await get_row(database, "conversations", record))["error"] is None


async def test_a_file_that_is_no_recording_is_not_stored(
    source: Source, database: Database, web: WebServer, stack: Stack
) -> None:
    web.responses["/call.mp4"] = CannedResponse(b"<html>Log in first</html>", "video/mp4")
    record = await source.push("conversations", "call", recordingUrl=f"{web.url}/call.mp4")
    row = await wait_until_processed(database, "conversations", record)
    assert (row["state"], row["recording_key"]) == ("failed", None)
    assert "A web page came instead of a recording." in row["recording_error"]
    assert not list((stack.folder / "blobs").glob(f"recordings/**/{record}/*"))


async def test_a_failed_transcription_keeps_the_recording_and_can_be_retried(
    source: Source,
    database: Database,
    web: WebServer,
    speech: SpeechServer,
    stack: Stack,
    tmp_path: Path,
) -> None:
    speech.behaviour = BEHAVIOURS["401"]
    web.responses["/call"] = CannedResponse(make_wav((3, 0.4)), "audio/wav")
    record = await source.push("conversations", "call", recordingUrl=f"{web.url}/call")
    row = await wait_until_processed(database, "conversations", record)
    assert row["state"] == "failed"
    assert "sk-speech" not in row["error"]
    call = await get_json(source.tenant, f"conversations/{record}")
    assert (call["transcript"], call["summary"]) == (None, None)
    assert call["recordings"]["audioUrl"]
    speech.behaviour = BEHAVIOURS["segments"]
    with ForkServer() as server:
        retried = await Gateway(server, stack, tmp_path)("jobs", "retry", "--kind", "transcription")
    assert (retried.code, retried.err) == (0, ""), retried.out

    async def is_processed() -> bool:
        return bool((await get_row(database, "conversations", record))["state"] == "processed")

    await eventually(is_processed)
    assert (await get_json(source.tenant, f"conversations/{record}"))["transcript"]
