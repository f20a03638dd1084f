"""Documents: URL or content, versions, names, and links to the stored bytes."""

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from domains.kernel.db.database import Database
from domains.kernel.storage.signed_urls import LIFETIME
from domains.revenue.documents import FetchDocument, ProcessDocument
from tests.revenue.push_records import Source, assert_refused, get_json
from tests.stack import Stack, Tenant

BYTES = b"%PDF-1.7 \x00\xff not text"
CONTENT = base64.b64encode(BYTES).decode()


async def test_a_document_pushed_by_url(source: Source) -> None:
    record = await source.push(
        "documents",
        "d-1",
        displayName="Plan",
        url="https://example.com/plan.pdf",
        contentType="application/pdf",
        createdAt=1_700_000_000_000,
        author={"email": "rep@ours.io"},
    )
    document = await get_json(source.tenant, f"documents/{record}")
    # A job is running.
    assert document.pop("processing").keys() == {"status", "error", "note"}
    assert document == {
        "id": record,
        "displayName": "Plan",
        "sourceId": source.id,
        "remoteId": "d-1",
        "url": "https://example.com/plan.pdf",
        "contentType": "application/pdf",
        "createdAt": "2023-11-14T22:13:20Z",
        "updatedAt": None,
        "language": None,
        "normalizedUrl": None,
        "normalizedContentType": None,
    }
    (item,) = (await get_json(source.tenant, "documents"))["documents"]
    del item["processing"]
    assert item == {name: document[name] for name in item}
    assert not {"normalizedUrl", "normalizedContentType"} & set(item)


async def test_content_is_downloaded_by_a_signed_link(source: Source, stack: Stack) -> None:
    record = await source.push(
        "documents", "d-1", url=None, content=CONTENT, filename="plän.pdf", contentType="image/png"
    )
    document = await get_json(source.tenant, f"documents/{record}")
    (item,) = (await get_json(source.tenant, "documents"))["documents"]
    for link in (document["url"], item["url"]):
        assert link.startswith(f"{stack.base_url}/files/documents/")
        # Without an API key.
        async with httpx.AsyncClient() as client:
            download = await client.get(link)
        assert (download.status_code, download.content) == (200, BYTES)
        assert download.headers["Content-Type"] == "image/png"
        assert download.headers["X-Content-Type-Options"] == "nosniff"
        disposition = download.headers["Content-Disposition"]
        assert disposition == "attachment; filename*=UTF-8''pl%C3%A4n.pdf"
    assert document["displayName"] == "plän.pdf"


async def test_a_changed_link_is_refused(source: Source, rival: Tenant) -> None:
    record = await source.push("documents", "d-1", url=None, content=CONTENT, filename="a.html")
    link = (await get_json(source.tenant, f"documents/{record}"))["url"]
    query = dict(parse_qsl(urlsplit(link).query))
    assert list(query)[-1] == "signature"
    async with httpx.AsyncClient() as client:
        address = link.partition("?")[0]
        for name, value in {
            "type": "text/html",
            "name": "b.html",
            "expires": str(int(query["expires"]) + 1),
            "signature": query["signature"][::-1],
        }.items():
            changed = query | {name: value}
            assert (await client.get(address, params=changed)).status_code == 404, name
            others = {other: query[other] for other in query if other != name}
            assert (await client.get(address, params=others)).status_code == 400, name
        for path in (address + "x", address.replace(source.tenant.workspace, rival.workspace)):
            assert (await client.get(path, params=query)).status_code == 404


def test_a_link_is_valid_for_a_day() -> None:
    assert LIFETIME == 24 * 60 * 60


async def test_the_display_name_has_a_default(source: Source) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"displayName": "Shown", "filename": "file.txt"}, "Shown"),
        ({"filename": "file.txt"}, "file.txt"),
        ({"url": "https://example.com/a/b%20c.pdf?x=1#y"}, "b c.pdf"),
        ({"url": "https://example.com/a/"}, "a"),
        ({"url": "https://example.com"}, "d-1"),
        ({"url": None, "content": CONTENT}, "d-1"),
    ]
    for fields, expected in cases:
        record = await source.push("documents", "d-1", **fields)
        document = await get_json(source.tenant, f"documents/{record}")
        assert document["displayName"] == expected


# Fields of an invalid document, and the field that the error names.
INVALID: list[tuple[dict[str, Any], str | None]] = [
    ({"url": None}, None),
    ({"content": CONTENT}, None),
    ({"url": None, "content": "not base64!"}, "content"),
    ({"url": None, "content": CONTENT.replace("+", "-").rstrip("=") + "_"}, "content"),
    ({"url": None, "content": CONTENT[:25]}, "content"),
    ({"url": None, "content": CONTENT[:8] + " " + CONTENT[8:]}, "content"),
    ({"url": None, "content": ""}, "content"),
    ({"url": ""}, "url"),
    ({"url": "file:///etc/passwd"}, "url"),
    ({"url": "https://exa mple.com"}, "url"),
    ({"url": "https://[::1"}, "url"),
    ({"url": "https://example.com:x/"}, "url"),
    ({"url": "https://user:password@example.com/"}, "url"),
    ({"url": "http://a.LOCALHOST./x"}, "url"),
    ({"url": "http://2130706433/x"}, "url"),
    ({"url": "http://10.1.2.3:8080/x"}, "url"),
    ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
    ({"url": "http://[::ffff:10.0.0.1]/x"}, "url"),
]


async def test_invalid_documents_are_refused(source: Source, stack: Stack) -> None:
    await assert_refused(source, "documents", INVALID)
    assert not _blobs(stack, source)


async def test_a_refused_push_stores_no_bytes(source: Source, stack: Stack) -> None:
    await source.http.delete(f"/v1/sources/{source.id}")
    refused = await source.post("documents", "d-1", url=None, content=CONTENT)
    assert refused.status_code == 403
    assert not _blobs(stack, source)


async def test_url_or_content_makes_a_new_version(
    source: Source, database: Database, stack: Stack
) -> None:
    record = await source.push("documents", "d-1", displayName="Plan", author={"name": "Ana"})
    assert await _versions(database, source) == [1]
    # None of these makes a new version. The author cannot change.
    same = {"displayName": "Plan B", "contentType": "text/plain", "author": {"name": "Bo"}}
    assert (await source.patch("documents", "d-1", **same)).status_code == 200
    assert await _versions(database, source) == [1]
    url = (await get_json(source.tenant, f"documents/{record}"))["url"]
    for number, change in enumerate(
        [{"url": url}, {"content": CONTENT}, {"content": CONTENT}, {"url": url, "content": None}],
        start=2,
    ):
        response = await source.patch("documents", "d-1", **change)
        assert response.json()["status"] == "updated"
        assert await _versions(database, source) == list(range(1, number + 1))
        document = await get_json(source.tenant, f"documents/{record}")
        assert (document["url"] == url) == ("url" in change)
        assert (document["displayName"], document["contentType"]) == ("Plan B", "text/plain")
    both = await source.patch("documents", "d-1", url=url, content=CONTENT)
    assert both.status_code == 400
    await source.push("documents", "d-1")
    assert await _versions(database, source) == [1, 2, 3, 4, 5, 6]
    async with database.connection() as connection:
        row = await connection.fetchrow("select * from documents where id = $1", record)
    assert (row["version"], row["error"], row["author"]) == (6, None, None)

    # Bytes without a reference are discarded.
    assert await _kept(stack, source, database) == set()


async def test_replaced_bytes_are_discarded(
    source: Source, stack: Stack, database: Database
) -> None:
    """Concurrent replacements leave the bytes of one version."""
    for _ in range(2):
        await source.push("documents", "d-1", url=None, content=CONTENT)
    responses = await asyncio.gather(
        *(source.post("documents", "d-1", url=None, content=CONTENT) for _ in range(10)),
        *(source.post("documents", "d-2", url=None, content=CONTENT) for _ in range(10)),
    )
    assert {response.status_code for response in responses} == {201}
    assert len(await _kept(stack, source, database)) == 2
    for document in (await get_json(source.tenant, "documents"))["documents"]:
        async with httpx.AsyncClient() as client:
            assert (await client.get(document["url"])).content == BYTES


async def test_the_bytes_of_a_deleted_document_are_discarded(
    source: Source, stack: Stack, database: Database
) -> None:
    await source.push("documents", "d-1", url=None, content=CONTENT)
    assert len(await _kept(stack, source, database)) == 1
    assert (await source.delete("documents", "d-1")).status_code == 200
    assert await _kept(stack, source, database) == set()


async def test_content_of_ten_megabytes_is_accepted(source: Source) -> None:
    content = base64.b64encode(bytes(7_700_000)).decode()
    record = await source.push("documents", "d-1", url=None, content=content)
    link = (await get_json(source.tenant, f"documents/{record}"))["url"]
    async with httpx.AsyncClient() as client:
        assert len((await client.get(link)).content) == 7_700_000


def _blobs(stack: Stack, source: Source) -> set[str]:
    folder = stack.folder / "blobs" / "documents" / source.tenant.workspace
    return {str(blob.relative_to(stack.folder / "blobs")) for blob in folder.glob("*-*")}


async def _kept(stack: Stack, source: Source, database: Database) -> set[str]:
    """Keys of originals in the object store that are not discarded."""
    async with database.connection() as connection:
        # The store also has a folder for each document, with its fetched bytes and its text.
        others = await connection.fetch(
            "select key from deleted_blobs where workspace_id = $1"
            " union all select concat_ws('/', 'documents', workspace_id, id) from documents"
            " where workspace_id = $1",
            source.tenant.workspace,
        )
    return _blobs(stack, source) - {key for (key,) in others}


async def _versions(database: Database, source: Source) -> list[int]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select payload from jobs where workspace_id = $1 and kind = any($2) order by id",
            source.tenant.workspace,
            [kind.__struct_config__.tag for kind in (FetchDocument, ProcessDocument)],
        )
    return [msgspec.json.decode(row["payload"])["version"] for row in rows]
