"""Documents become text, recordings transcripts, conversations summaries, deals what those say."""

import asyncio
import base64
import io
import wave
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from domains.kernel.db.database import Database
from domains.kernel.jobs import job_admin
from domains.kernel.jobs.job_admin import JobFilter
from tests.fakes.files import docx, eml, pdf, pptx, xlsx
from tests.fakes.speech_server import BEHAVIOURS, SAID, SpeechServer, speech_server
from tests.fakes.web_server import CannedResponse, WebServer, running_web_server
from tests.revenue.crm.crm_records import Crm
from tests.revenue.push_records import STARTED, Source, create_source, get_json
from tests.stack import Stack, Tenant, eventually, new_tenant, running_stack
from tests.surfaces.forked import ROOT, Forks


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[SpeechServer]:
    async with speech_server("segments") as started:
        yield started


@pytest.fixture(scope="module")
def processing(tmp_path_factory: pytest.TempPathFactory, service: SpeechServer) -> Iterator[Stack]:
    """A stack that may fetch from this machine, and has a speech-to-text service."""
    settings = {
        "GATEWAY_FETCH_ALLOW": "127.0.0.1",
        "GATEWAY_SPEECH_URL": service.url,
        "GATEWAY_SPEECH_KEY": "sk-speech",
        "GATEWAY_DOCUMENT_MAX_BYTES": "200000",
    }
    with running_stack(tmp_path_factory.mktemp("processing"), settings=settings) as started:
        yield started


@pytest.fixture(scope="module")
async def opened(processing: Stack) -> AsyncIterator[Database]:
    async with Database.open(processing.database_url) as database:
        yield database


@pytest.fixture
async def source(processing: Stack, opened: Database) -> AsyncIterator[Source]:
    async with new_tenant(processing, database=opened) as caller:
        yield await create_source(caller)


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with running_web_server() as started:
        yield started


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _sound(seconds: float = 3.0) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        period = b"".join(
            (12_000 if n < 10 else -12_000).to_bytes(2, "little", signed=True) for n in range(20)
        )
        out.writeframes(period * int(seconds * 400))
    return made.getvalue()


async def _state(database: Database, table: str, record: str) -> Any:
    async with database.connection() as connection:
        return await connection.fetchrow(f"select * from {table} where id = $1", record)


async def _ended(database: Database, table: str, record: str) -> Any:
    """Wait until a record is processed, or has failed; its row."""

    async def ended() -> Any:
        row = await _state(database, table, record)
        return row if row["state"] != "processing" else None

    return await eventually(ended)


async def _text(source: Source, database: Database, record: str) -> str:
    """The text that was made of a document, by its link."""
    row = await _ended(database, "documents", record)
    assert (row["state"], row["error"]) == ("processed", None)
    shown = await get_json(source.tenant, f"documents/{record}")
    assert shown["normalizedContentType"] == "text/plain"
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(shown["normalizedUrl"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return answer.text


# --- documents --------------------------------------------------------------------------------

DOCUMENTS = {
    "plan.pdf": ("application/pdf", pdf([["The plan for Ärger"]]), "The plan for Ärger"),
    "plan.docx": ("application/octet-stream", docx(["Exports & imports"]), "Exports & imports"),
    "plan.pptx": ("application/octet-stream", pptx([("Road", ["Map"], "Say it")]), "Say it"),
    "plan.xlsx": ("application/octet-stream", xlsx({"Q1": [["Acme", 12]]}), "Acme"),
    "plan.eml": ("message/rfc822", eml("It is slow.", Subject="Slow"), "Subject: Slow"),
    "plan.html": ("text/html", b"<h1>Big</h1><script>x()</script>", "Big"),
    "plan.md": ("text/markdown", b"# Big", "# Big"),
    "plan.csv": ("text/csv", b"a,b\n1,2", "a,b"),
    "plan.txt": ("text/plain", "Grüße".encode("cp1252"), "Grüße"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_content_becomes_text(source: Source, opened: Database, name: str) -> None:
    kind, body, wanted = DOCUMENTS[name]
    record = await source.push(
        "documents", name, url=None, content=_base64(body), contentType=kind, filename=name
    )
    text = await _text(source, opened, record)
    assert wanted in text
    assert "x()" not in text


async def test_an_address_is_fetched_and_stays_the_document_s_address(
    source: Source, opened: Database, web: WebServer
) -> None:
    web.responses["/plan.pdf"] = CannedResponse(pdf([["From afar"]]), "application/pdf")
    record = await source.push("documents", "afar", url=f"{web.url}/plan.pdf")
    assert "From afar" in await _text(source, opened, record)
    shown = await get_json(source.tenant, f"documents/{record}")
    assert shown["url"] == f"{web.url}/plan.pdf"
    assert web.requested_paths == ["/plan.pdf"]


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png", "image/png"),
        (pdf([["x"]], password="p"), "application/pdf", "password"),
        (b"%PDF-1.4 nothing of a file", "application/pdf", "damaged"),
        (pdf([[]]), "application/pdf", "no text"),
    ],
    ids=["unsupported", "encrypted", "broken", "empty"],
)
async def test_what_cannot_be_read_says_why_and_stays_readable(
    source: Source, opened: Database, body: bytes, kind: str, reason: str
) -> None:
    record = await source.push(
        "documents", "bad", url=None, content=_base64(body), contentType=kind
    )
    row = await _ended(opened, "documents", record)
    assert row["state"] == "failed"
    assert reason in row["error"]
    shown = await get_json(source.tenant, f"documents/{record}")
    assert (shown["normalizedUrl"], shown["normalizedContentType"]) == (None, None)
    answer = await source.http.get(shown["url"])
    assert answer.content == body


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (CannedResponse(b"gone", status=410), "410"),
        (CannedResponse(b"x" * 300_000), "larger"),
    ],
    ids=["refused", "too large"],
)
async def test_an_address_that_gives_nothing_says_why(
    source: Source, opened: Database, web: WebServer, response: CannedResponse, reason: str
) -> None:
    web.responses["/plan.txt"] = response
    record = await source.push("documents", "afar", url=f"{web.url}/plan.txt")
    row = await _ended(opened, "documents", record)
    assert row["state"] == "failed"
    assert reason in row["error"]
    # Final: asked once.
    assert web.requested_paths == ["/plan.txt"]


async def test_an_address_that_is_away_is_asked_again(
    source: Source, opened: Database, web: WebServer
) -> None:
    web.responses["/plan.txt"] = CannedResponse(b"wait", status=503)
    record = await source.push("documents", "afar", url=f"{web.url}/plan.txt")

    async def asked() -> bool:
        return bool(web.requested_paths)

    await eventually(asked)
    web.responses["/plan.txt"] = CannedResponse(b"Here it is")
    assert await _text(source, opened, record) == "Here it is"
    assert len(web.requested_paths) == 2


async def test_another_version_has_a_text_of_its_own(source: Source, opened: Database) -> None:
    record = await source.push("documents", "d", url=None, content=_base64(b"The first"))
    assert await _text(source, opened, record) == "The first"
    former = await get_json(source.tenant, f"documents/{record}")
    answer = await source.patch("documents", "d", content=_base64(b"The second"))
    assert answer.status_code == 200
    assert await _text(source, opened, record) == "The second"
    # Links to the former text are good for their day.
    assert (await source.http.get(former["normalizedUrl"])).text == "The first"
    await source.push("documents", "d", url=None, content=_base64(b"The third"))
    assert await _text(source, opened, record) == "The third"
    assert (await _state(opened, "documents", record))["version"] == 3


async def test_an_older_job_never_overwrites_a_newer_text(
    source: Source, opened: Database, processing: Stack
) -> None:
    """Both jobs wait; whichever order they are done in, the newest text stands."""
    processing.worker.kill()
    record = await source.push("documents", "d", url=None, content=_base64(b"The first"))
    await source.push("documents", "d", url=None, content=_base64(b"The second"))
    # The older job comes last.
    async with opened.connection() as connection:
        await connection.execute(
            "update jobs set run_after = now() + interval '1 second'"
            " where payload->>'document_id' = $1 and payload->>'version' = '1'",
            record,
        )
    processing.worker.start()
    assert await _text(source, opened, record) == "The second"

    async def all_done() -> bool:
        async with opened.connection() as connection:
            states = await connection.fetch(
                "select state from jobs where payload->>'document_id' = $1", record
            )
        return [each["state"] for each in states] == ["done", "done"]

    await eventually(all_done)
    assert await _text(source, opened, record) == "The second"


# --- recordings -------------------------------------------------------------------------------


async def test_a_recording_is_kept_and_written_down(
    source: Source, opened: Database, web: WebServer, service: SpeechServer
) -> None:
    service.behaviour = BEHAVIOURS["segments"]
    web.responses["/call"] = CannedResponse(_sound(6.0), "video/mp4")
    record = await source.push("conversations", "call", recordingUrl=f"{web.url}/call")
    row = await _ended(opened, "conversations", record)
    assert (row["state"], row["error"]) == ("processed", None)
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert [each["text"] for each in shown["transcript"]] == list(SAID)
    assert shown["transcript"][1]["startTime"] == pytest.approx(2.0, abs=0.3)
    assert shown["summary"] is not None
    # By its content it is sound, whatever it was called.
    assert shown["recordings"]["videoUrl"] is None
    answer = await source.http.get(shown["recordings"]["audioUrl"], headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"RIFF")
    assert answer.headers["content-type"].startswith("audio/")
    # It ended with the last word, since nobody said when.
    assert shown["endTime"] > shown["startTime"]


async def test_a_transcript_that_was_sent_is_kept_beside_the_recording(
    source: Source, opened: Database, web: WebServer, service: SpeechServer
) -> None:
    asked = len(service.requests)
    web.responses["/call"] = CannedResponse(_sound(), "audio/wav")
    said = [{"speakerName": "Ana", "text": "We love it.", "timestamp": STARTED}]
    record = await source.push(
        "conversations", "call", recordingUrl=f"{web.url}/call", transcript=said
    )
    await _ended(opened, "conversations", record)
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert [each["text"] for each in shown["transcript"]] == ["We love it."]
    assert shown["recordings"]["audioUrl"]
    assert len(service.requests) == asked


async def test_a_recording_that_is_had_on_another_try_leaves_nothing_failed(
    source: Source, opened: Database, web: WebServer
) -> None:
    said = [{"speakerName": "Ana", "text": "We love it.", "timestamp": STARTED}]
    url = f"{web.url}/call"
    record = await source.push("conversations", "call", recordingUrl=url, transcript=said)

    async def state(wanted: str) -> Any:
        row = await _state(opened, "conversations", record)
        return row["state"] == wanted and row["found_summary"] is not None

    await eventually(partial(state, "failed"))
    web.responses["/call"] = CannedResponse(_sound(), "audio/wav")
    workspace = UUID(source.tenant.workspace)
    async with opened.transaction() as tx:
        assert (
            await job_admin.retry(tx, JobFilter(workspace=workspace, kind="fetch_recording")) == 1
        )
    await eventually(partial(state, "processed"))
    assert (await _state(opened, "conversations", record))["error"] is None


async def test_what_is_no_recording_is_not_kept(
    source: Source, opened: Database, web: WebServer, processing: Stack
) -> None:
    web.responses["/call.mp4"] = CannedResponse(b"<html>Log in first</html>", "video/mp4")
    record = await source.push("conversations", "call", recordingUrl=f"{web.url}/call.mp4")
    row = await _ended(opened, "conversations", record)
    assert (row["state"], row["recording_key"]) == ("failed", None)
    assert "no sound or video" in row["error"]
    assert not list((processing.folder / "blobs").glob(f"recordings/**/{record}/*"))


async def test_a_service_that_refuses_is_final_and_can_be_tried_again(
    source: Source,
    opened: Database,
    web: WebServer,
    service: SpeechServer,
    processing: Stack,
    tmp_path: Any,
) -> None:
    """So is none at all: the recording stays, and `gateway jobs retry` catches up."""
    service.behaviour = BEHAVIOURS["401"]
    web.responses["/call"] = CannedResponse(_sound(), "audio/wav")
    record = await source.push("conversations", "call", recordingUrl=f"{web.url}/call")
    row = await _ended(opened, "conversations", record)
    assert row["state"] == "failed"
    assert "sk-speech" not in row["error"]
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert (shown["transcript"], shown["summary"]) == (None, None)
    assert shown["recordings"]["audioUrl"]
    service.behaviour = BEHAVIOURS["segments"]
    with Forks() as forks:
        environment = {**processing.env, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        command = ("jobs", "retry", "--kind", "transcription")
        code, said, error = await asyncio.to_thread(forks.run, command, tmp_path, environment)
    assert (code, error) == (0, ""), said

    async def written_down() -> bool:
        return bool((await _state(opened, "conversations", record))["state"] == "processed")

    await eventually(written_down)
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert shown["transcript"]


async def test_without_a_service_the_reason_is_in_the_job_and_in_health(
    acme: Tenant, database: Database
) -> None:
    source = await create_source(acme)
    async with database.connection() as connection:
        record = await connection.fetchval(
            "insert into conversations (workspace_id, id, source_id, remote_id, started_at,"
            " ended_at, type, participants, recording_url, recording_key, recording_kind, state)"
            " values ($1, gen_random_uuid(), $2, 'call', now(), now(), 'EXTERNAL', $3,"
            " 'https://example.com/call', 'recordings/none', 'audio', 'processing') returning id",
            acme.workspace,
            source.id,
            b"[]",
        )
        job = await connection.fetchval(
            "insert into jobs (id, workspace_id, kind, queue, payload) values"
            " (gen_random_uuid(), $1, 'revenue.transcription', 'fetch', $2) returning id",
            acme.workspace,
            b'{"kind": "revenue.transcription", "conversation_id": "%s", "version": 1}'
            % str(record).encode(),
        )
        await connection.execute("select pg_notify('jobs', '')")
    row = await _ended(database, "conversations", str(record))
    assert "No speech-to-text service" in row["error"]
    assert "No speech-to-text service" in (await _state(database, "jobs", str(job)))["error"]
    health = (await acme.http.get("/health")).json()
    assert health["parts"]["transcription"]["status"] == "off"
    assert "GATEWAY_SPEECH_URL" in health["parts"]["transcription"]["detail"]


# --- conversations and deals ------------------------------------------------------------------

PEOPLE = [
    {"id": "a", "email": "ana@acme.com", "name": "Ana Ruiz"},
    {"id": "b", "email": "bob@ours.io", "name": "Bob Ray"},
]


def _call(*said: tuple[str, str]) -> dict[str, Any]:
    return {
        "recordingUrl": None,
        "ownerEmails": ["bob@ours.io"],
        "participants": PEOPLE,
        "transcript": [
            {"speakerId": speaker, "text": text, "timestamp": STARTED} for speaker, text in said
        ],
    }


async def test_a_conversation_gets_category_and_summary(source: Source, opened: Database) -> None:
    said = (
        ("a", "The export crashes every morning."),
        ("b", "The search is terribly slow, I know. We will send you a fix by Friday."),
    )
    record = await source.push(
        "conversations", "c", displayName="Renewal with Acme", **_call(*said)
    )
    await _ended(opened, "conversations", record)
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert shown["category"] == "customer_commercials"
    # The talk was on a Wednesday.
    step = "We will send Ana Ruiz a fix by Friday (due 2026-03-13)"
    assert shown["summary"]["Next Steps"] == [step]
    assert shown["summary"]["Outcome"] == step
    assert shown["summary"]["Competitors"] == []
    # What the workspace's own people say of their product is no customer's pain.
    assert any("export" in each.lower() for each in shown["summary"]["Pain Points"])
    assert not any("search" in each.lower() for each in shown["summary"]["Pain Points"])
    row = await _state(opened, "conversations", record)
    assert row["found_engine"].startswith("embedded/")


async def test_each_item_of_a_summary_has_its_quote(
    processing: Stack, source: Source, opened: Database
) -> None:
    said = (
        ("a", "Hello. The export crashes every morning. It costs us 400 dollars a month!"),
        ("b", "I will send you a fix tomorrow."),
    )
    record = await source.push("conversations", "c", displayName="Demo", **_call(*said))
    assert await get_json(source.tenant, f"conversations/{record}/evidence") == {}
    await _ended(opened, "conversations", record)
    shown = await get_json(source.tenant, f"conversations/{record}")
    evidence = await get_json(source.tenant, f"conversations/{record}/evidence")
    assert evidence.keys() == shown["summary"].keys()
    texts = {text for _, text in said}
    for heading, value in shown["summary"].items():
        items = [value] if isinstance(value, str) and value else list(value)
        assert list(dict.fromkeys(each["item"] for each in evidence[heading])) == items
        for each in evidence[heading]:
            assert any(each["quote"] in text for text in texts)
            assert each["speaker"] in {"Ana Ruiz", "Bob Ray"}
            assert each["endTime"] >= each["startTime"] >= 0
    assert evidence["Pain Points"][0]["quote"] == "The export crashes every morning."
    assert evidence["Pricing"][0]["quote"] == "It costs us 400 dollars a month!"
    async with new_tenant(processing, database=opened) as stranger:
        answer = await stranger.http.get(f"/v1/conversations/{record}/evidence")
        assert answer.status_code == 404


async def test_a_deal_says_what_its_conversations_and_messages_say(
    source: Source, opened: Database
) -> None:
    book = Crm(source.tenant, opened)
    given = {"summary": b'{"Current Status": "As imported"}', "closed": False}
    await book.put_all(
        ("deals", "open", {"name": "Renewal", "contact_emails": ["ana@acme.com"], "closed": False}),
        ("deals", "given", {"name": "Other", "contact_emails": ["cy@acme.com"], **given}),
    )
    assert (await get_json(source.tenant, "deals/open"))["summary"] is None
    await source.push(
        "conversations",
        "c",
        displayName="Renewal",
        **_call(("a", "The export crashes every morning.")),
    )
    await source.push(
        "messages", "m", body="I will send you the contract tomorrow.", createdAt="2026-03-12"
    )
    await source.push(
        "conversations",
        "other",
        **_call(("a", "The export crashes every morning."))
        | {"participants": [{"id": "a", "email": "cy@acme.com", "name": "Cy"}]},
    )

    async def both() -> Any:
        shown = await get_json(source.tenant, "deals/open")
        return shown if shown["crmAutofill"] and shown["summary"]["Pain Points"] else None

    shown = await eventually(both)
    step = "Ana Ruiz will send them the contract tomorrow (due 2026-03-13)"
    assert shown["crmAutofill"] == {"Next Steps": step}
    assert "2026-03-12" in shown["summary"]["Current Status"]
    assert step in shown["summary"]["Current Status"]
    # What an import gave stays.
    kept = await get_json(source.tenant, "deals/given")
    assert kept["summary"] == {"Current Status": "As imported"}
    # Gone with what it was found in.
    await source.delete("messages", "m")

    async def without() -> bool:
        return (await get_json(source.tenant, "deals/open"))["crmAutofill"] is None

    await eventually(without)


async def test_our_own_people_without_a_name_are_none_of_the_customer(
    source: Source, opened: Database
) -> None:
    said = (("b", "With other tools the export crashes every morning."),)
    call = _call(*said)
    call["participants"] = [
        {"id": "a", "email": "ana@acme.com", "name": "Ana Ruiz"},
        {"id": "b", "email": "bob@ours.io"},
    ]
    record = await source.push("conversations", "c", displayName="Demo", **call)
    await _ended(opened, "conversations", record)
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert shown["summary"]["Pain Points"] == []


async def test_what_an_answer_quotes_is_not_its_author_s_promise(
    source: Source, opened: Database
) -> None:
    book = Crm(source.tenant, opened)
    await book.put_all(("deals", "d", {"contact_emails": ["ana@acme.com"], "closed": False}))
    body = (
        "I will sign the contract tomorrow.\n\nOn Tue, Mar 10, 2026 at 9:12 AM Bob wrote:\n"
        "> I'll send you the order form by Friday.\n"
    )
    await source.push("messages", "m", body=body, createdAt="2026-03-12")

    async def steps() -> Any:
        return ((await get_json(source.tenant, "deals/d"))["summary"] or {}).get("Next Steps")

    assert await eventually(steps) == ["Ana Ruiz will sign the contract tomorrow (due 2026-03-13)"]


async def test_a_deal_tells_nothing_of_calls_that_are_hidden(
    source: Source, opened: Database
) -> None:
    book = Crm(source.tenant, opened)
    await book.put_all(("deals", "d", {"contact_emails": ["ana@acme.com"], "closed": False}))
    async with opened.connection() as connection:
        await connection.execute(
            "update workspaces set hides_private = true where id = $1", source.tenant.workspace
        )
    said = _call(("a", "The export crashes every morning."))
    await source.push("conversations", "hidden", displayName="Layoffs", public=False, **said)
    await source.push("messages", "m", body="I will call you.", createdAt="2026-03-12", public=True)

    async def summary() -> Any:
        return (await get_json(source.tenant, "deals/d"))["summary"]

    shown = await eventually(summary)
    assert "Layoffs" not in str(shown)
    assert shown["Pain Points"] == []


async def test_many_changes_of_a_deal_are_one_refreshing(source: Source, opened: Database) -> None:
    book = Crm(source.tenant, opened)
    await book.put_all(("deals", "d", {"contact_emails": ["ana@acme.com"], "closed": False}))
    for number in range(10):
        await source.push("messages", f"m{number}")
    async with opened.connection() as connection:
        jobs = await connection.fetchval(
            "select count(*) from jobs where workspace_id = $1 and kind = 'revenue.refresh_deal'",
            source.tenant.workspace,
        )
    assert jobs <= 2
