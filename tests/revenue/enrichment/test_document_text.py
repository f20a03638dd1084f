"""Text of documents: fetched, extracted, and kept per version."""

import asyncio
from uuid import UUID

import httpx
import pytest

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.revenue.documents import ProcessDocument
from domains.revenue.enrichment.document_text import mark_failed
from tests.fakes.files import docx, eml, pdf, pptx, xlsx
from tests.fakes.web_server import CannedResponse, WebServer
from tests.revenue.push_records import Json, Source, get_json
from tests.revenue.stored_rows import encoded, get_row, wait_until_processed
from tests.stack import Stack, eventually

# File name -> declared content type, content, a part of the expected text.
FORMATS = {
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
# Declared content type, content, a part of the expected error.
UNREADABLE = {
    "unsupported": ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png"),
    "encrypted": ("application/pdf", pdf([["x"]], password="p"), "password"),
    "damaged": ("application/pdf", b"%PDF-1.4 nothing of a file", "damaged"),
    "empty": ("application/pdf", pdf([[]]), "no text"),
}


async def _text(source: Source, database: Database, record: str) -> str:
    """Wait for the text of a document, and download it."""
    row = await wait_until_processed(database, "documents", record)
    assert (row["state"], row["error"]) == ("processed", None)
    document = await get_json(source.tenant, f"documents/{record}")
    assert document["normalizedContentType"] == "text/plain"
    async with httpx.AsyncClient() as client:
        response = await client.get(document["normalizedUrl"])
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    return response.text


async def test_a_newer_version_keeps_the_bytes_of_a_failed_one(
    source: Source, database: Database, web: WebServer
) -> None:
    """The job of the former version fails after the content type was changed."""
    web.responses["/plan"] = CannedResponse(b"a plan")
    record = await source.push("documents", "d", url=f"{web.url}/plan")
    assert await _text(source, database, record) == "a plan"
    await source.patch("documents", "d", contentType="text/markdown")
    workspace, late = UUID(source.tenant.workspace), ProcessDocument(UUID(record), 1)
    async with database.transaction() as tx:
        await mark_failed(tx, WorkspaceId(workspace), late, late.document_id, "late")
    assert await _text(source, database, record) == "a plan"
    row = await get_row(database, "documents", record)
    async with database.connection() as connection:
        discarded = await connection.fetch(
            "select key from deleted_blobs where key = $1", row["fetched_key"]
        )
    assert not discarded


async def test_text_is_extracted_from_every_format(source: Source, database: Database) -> None:
    records = await asyncio.gather(
        *(
            source.push(
                "documents", name, url=None, content=encoded(body), contentType=kind, filename=name
            )
            for name, (kind, body, _) in FORMATS.items()
        )
    )
    for record, (name, (_, _, part)) in zip(records, FORMATS.items(), strict=True):
        text = await _text(source, database, record)
        assert part in text, name
        assert "x()" not in text, name


async def test_guessed_encoding_is_stored_until_the_next_version(
    source: Source, database: Database
) -> None:
    text = "Пришлите счёт ещё раз, пожалуйста. Экспорт отчётов идёт слишком долго."
    content = {"url": None, "contentType": "text/plain"}
    record = await source.push(
        "documents", "guessed", **content, content=encoded(text.encode("cp866"))
    )
    assert await _text(source, database, record) == text
    row = await get_row(database, "documents", record)
    assert row["text_encoding"] == "cp866"
    assert row["text_encoding_confidence"] > 0.9
    await source.push("documents", "guessed", **content, content=encoded(b"Now in ASCII"))
    assert await _text(source, database, record) == "Now in ASCII"
    row = await get_row(database, "documents", record)
    assert (row["text_encoding"], row["text_encoding_confidence"]) == (None, None)


async def test_a_url_is_fetched_and_shown_unchanged(
    source: Source, database: Database, web: WebServer
) -> None:
    web.responses["/plan.pdf"] = CannedResponse(pdf([["From afar"]]), "application/pdf")
    record = await source.push("documents", "afar", url=f"{web.url}/plan.pdf")
    assert "From afar" in await _text(source, database, record)
    document = await get_json(source.tenant, f"documents/{record}")
    assert document["url"] == f"{web.url}/plan.pdf"
    assert web.requested_paths == ["/plan.pdf"]


async def test_an_unreadable_document_fails_with_a_reason_and_keeps_its_bytes(
    source: Source, database: Database
) -> None:
    records = await asyncio.gather(
        *(
            source.push("documents", name, url=None, content=encoded(body), contentType=kind)
            for name, (kind, body, _) in UNREADABLE.items()
        )
    )
    for record, (name, (_, body, reason)) in zip(records, UNREADABLE.items(), strict=True):
        row = await wait_until_processed(database, "documents", record)
        assert row["state"] == "failed", name
        assert reason in row["error"], name
        document = await get_json(source.tenant, f"documents/{record}")
        assert (document["normalizedUrl"], document["normalizedContentType"]) == (None, None)
        assert (await source.http.get(document["url"])).content == body


SIGN_IN = CannedResponse(
    b"<html><title>Portal</title><input type=password> Please log in.</html>", "text/html"
)


@pytest.mark.parametrize(
    ("path", "fields", "reason"),
    [
        ("/quote", {"contentType": "application/pdf"}, "A web page came instead of a PDF."),
        ("/quote", {"contentType": "PDF"}, "A web page came instead of a PDF."),
        ("/quote", {"filename": "quote.docx"}, "A web page came instead of a Word document."),
        ("/quote.pdf", {}, "A sign-in page came instead of the file."),
    ],
    ids=["declared type", "declared suffix", "declared name", "name in the URL"],
)
async def test_a_sign_in_page_is_not_the_declared_document(
    source: Source, web: WebServer, path: str, fields: Json, reason: str, database: Database
) -> None:
    web.responses[path] = SIGN_IN
    record = await source.push("documents", "afar", url=web.url + path, **fields)
    await wait_until_processed(database, "documents", record)
    document = await get_json(source.tenant, f"documents/{record}")
    assert document["processing"]["status"] == "failed"
    assert document["processing"]["error"].startswith(reason)
    assert document["normalizedUrl"] is None


async def test_a_page_is_read_if_nothing_else_was_declared(
    source: Source, database: Database, web: WebServer
) -> None:
    web.responses["/about"] = CannedResponse(b"<h1>About &amp; us</h1>", "text/html")
    web.responses["/list"] = CannedResponse(b"a;b\n1;<html>", "text/html")
    page = await source.push("documents", "page", url=f"{web.url}/about")
    assert await _text(source, database, page) == "About & us"
    # The declared type takes precedence over that of the response.
    table = await source.push("documents", "table", url=f"{web.url}/list", contentType="text/csv")
    assert await _text(source, database, table) == "a;b\n1;<html>"


@pytest.mark.parametrize(
    ("response", "reason"),
    [(CannedResponse(b"gone", status=410), "410"), (CannedResponse(b"x" * 300_000), "larger")],
    ids=["gone", "too large"],
)
async def test_a_permanent_fetch_error_is_not_retried(
    source: Source, database: Database, web: WebServer, response: CannedResponse, reason: str
) -> None:
    web.responses["/plan.txt"] = response
    record = await source.push("documents", "afar", url=f"{web.url}/plan.txt")
    row = await wait_until_processed(database, "documents", record)
    assert row["state"] == "failed"
    assert reason in row["error"]
    assert web.requested_paths == ["/plan.txt"]


async def test_an_unavailable_url_is_fetched_again(
    source: Source, database: Database, web: WebServer
) -> None:
    web.responses["/plan.txt"] = CannedResponse(b"wait", status=503)
    record = await source.push("documents", "afar", url=f"{web.url}/plan.txt")
    await eventually(lambda: web.requested_paths)
    web.responses["/plan.txt"] = CannedResponse(b"Here it is")
    assert await _text(source, database, record) == "Here it is"
    assert len(web.requested_paths) == 2


async def test_each_version_has_its_own_text(source: Source, database: Database) -> None:
    record = await source.push("documents", "d", url=None, content=encoded(b"The first"))
    assert await _text(source, database, record) == "The first"
    first = await get_json(source.tenant, f"documents/{record}")
    response = await source.patch("documents", "d", content=encoded(b"The second"))
    assert response.status_code == 200
    assert await _text(source, database, record) == "The second"
    # A link to the former text stays valid for its day.
    assert (await source.http.get(first["normalizedUrl"])).text == "The first"
    await source.push("documents", "d", url=None, content=encoded(b"The third"))
    assert await _text(source, database, record) == "The third"
    assert (await get_row(database, "documents", record))["version"] == 3


async def test_a_late_job_does_not_overwrite_a_newer_version(
    source: Source, database: Database, stack: Stack
) -> None:
    stack.worker.kill()
    record = await source.push("documents", "d", url=None, content=encoded(b"The first"))
    await source.push("documents", "d", url=None, content=encoded(b"The second"))
    # Delay the job of the first version, so that it runs last.
    async with database.connection() as connection:
        await connection.execute(
            "update jobs set run_after = now() + interval '1 second'"
            " where payload->>'document_id' = $1 and payload->>'version' = '1'",
            record,
        )
    stack.worker.start()
    assert await _text(source, database, record) == "The second"

    async def all_done() -> bool:
        async with database.connection() as connection:
            states = await connection.fetch(
                "select state from jobs where payload->>'document_id' = $1", record
            )
        return [row["state"] for row in states] == ["done", "done"]

    await eventually(all_done)
    assert await _text(source, database, record) == "The second"
