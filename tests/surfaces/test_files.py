"""Stored files by their links: whole and in ranges, and nothing by any other address."""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.storage.blobs import Blobs, disposition
from domains.kernel.storage.signed_urls import Download, Downloads
from domains.kernel.tenancy.signing import Signer
from tests.stack import Stack, eventually

MIB = 1024 * 1024
BODY = bytes(number % 251 for number in range(MIB + 1000))
KEY = "recordings/a workspace/ä"


@pytest.fixture(scope="module")
def blobs(stack: Stack) -> Blobs:
    return Blobs.open(stack.env["BLOB_URL"], {})


@pytest.fixture(scope="module")
async def downloads(stack: Stack, database: Database, blobs: Blobs) -> Downloads:
    return Downloads(await Signer.open(database), blobs, stack.base_url)


@pytest.fixture(scope="module")
async def link(blobs: Blobs, downloads: Downloads) -> str:
    await blobs.put(KEY, BODY)
    return await downloads.link(KEY, "video/mp4", "a.mp4", time.time())


@pytest.fixture(scope="module")
async def anybody() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


# --- answers ----------------------------------------------------------------------------------


async def test_the_whole_file(link: str, anybody: httpx.AsyncClient) -> None:
    got = await anybody.get(link)
    assert (got.status_code, got.content) == (200, BODY)
    assert {
        name: got.headers[name]
        for name in (
            *("content-type", "content-length", "content-disposition", "accept-ranges"),
            *("x-content-type-options", "content-security-policy", "cache-control"),
        )
    } == {
        "content-type": "video/mp4",
        "content-length": str(len(BODY)),
        "content-disposition": "attachment; filename*=UTF-8''a.mp4",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-store",
    }
    assert re.fullmatch('"[0-9a-f]{32}"', got.headers["ETag"])
    assert "content-range" not in got.headers
    assert "x-request-id" in got.headers


async def test_head_answers_the_same_without_the_bytes(
    link: str, anybody: httpx.AsyncClient
) -> None:
    whole = await anybody.get(link)
    for headers in ({}, {"Range": "bytes=0-4"}, {"Range": "bytes=99999999-"}):
        head = await anybody.head(link, headers=headers)
        assert (head.status_code, head.content) == (200, b"")
        unlike = {"date", "x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in unlike} == {
            k: v for k, v in whole.headers.items() if k not in unlike
        }
    assert (await anybody.head(link + "x")).status_code == 404


async def test_an_empty_file(
    blobs: Blobs, downloads: Downloads, anybody: httpx.AsyncClient
) -> None:
    await blobs.put("empty", b"")
    link = await downloads.link("empty", "text/plain", "e", time.time())
    for headers in ({}, {"Range": "bytes=-5"}):
        got = await anybody.get(link, headers=headers)
        assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")
    got = await anybody.get(link, headers={"Range": "bytes=0-"})
    assert (got.status_code, got.headers["content-range"]) == (416, "bytes */0")


@pytest.mark.parametrize(
    "name", ['a"b', "a\r\nX-Evil: 1", "日本 ü.pdf", "../../x", "\\x", "%2F", ""]
)
async def test_any_name_and_type_are_harmless(
    name: str, blobs: Blobs, downloads: Downloads, anybody: httpx.AsyncClient
) -> None:
    await blobs.put("named", b"x")
    got = await anybody.get(await downloads.link("named", f"text/{name}", name, time.time()))
    assert got.status_code == 200
    assert got.headers["Content-Disposition"] == disposition(name)
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert "X-Evil" not in got.headers


# --- ranges -----------------------------------------------------------------------------------

_ends = st.integers(0, len(BODY) + 10) | st.sampled_from([0, MIB - 1, MIB, len(BODY) - 1, 10**30])


@settings(max_examples=80, deadline=None)
@given(_ends, st.none() | _ends)
@example(0, 0)
@example(len(BODY), None)
async def test_a_range_is_what_a_slice_is(
    link: str, anybody: httpx.AsyncClient, first: int, last: int | None
) -> None:
    asked = f"bytes={first}-{'' if last is None else last}"
    got = await anybody.get(link, headers={"Range": asked})
    if last is not None and last < first:
        # No range at all.
        assert (got.status_code, got.content) == (200, BODY)
    elif first >= len(BODY):
        _refused(got)
    else:
        _part(got, first, len(BODY) if last is None else min(last + 1, len(BODY)))


@settings(max_examples=30, deadline=None)
@given(_ends)
async def test_the_last_bytes(link: str, anybody: httpx.AsyncClient, count: int) -> None:
    got = await anybody.get(link, headers={"Range": f"Bytes=-{count}"})
    if count == 0:
        _refused(got)
    else:
        _part(got, max(len(BODY) - count, 0), len(BODY))


def _part(got: httpx.Response, start: int, end: int) -> None:
    assert (got.status_code, got.content) == (206, BODY[start:end])
    assert got.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert got.headers["Content-Length"] == str(end - start)
    assert got.headers["Content-Type"] == "video/mp4"


def _refused(got: httpx.Response) -> None:
    assert (got.status_code, got.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")
    assert got.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "items=0-1", "bytes=1--2"),
        *("bytes=0x1-2", "bytes=+1-2", f"bytes=0-{'9' * 5000}", "bytes=5-4"),
    ],
)
async def test_what_is_no_single_range_gets_the_whole(
    asked: str, link: str, anybody: httpx.AsyncClient
) -> None:
    got = await anybody.get(link, headers={"Range": asked})
    assert (got.status_code, got.content) == (200, BODY)


async def test_two_range_headers_get_the_whole(link: str, anybody: httpx.AsyncClient) -> None:
    got = await anybody.get(link, headers=[("Range", "bytes=0-1"), ("Range", "bytes=0-1")])
    assert got.status_code == 200


async def test_a_part_is_only_of_the_file_that_was_begun(
    link: str, anybody: httpx.AsyncClient
) -> None:
    etag = (await anybody.get(link)).headers["ETag"]
    for given_etag, status in (
        (etag, 206),
        (f"W/{etag}", 200),
        ('"another"', 200),
        ("Sat, 01 Jan 2028 00:00:00 GMT", 200),
    ):
        headers = {"Range": "bytes=5-", "If-Range": given_etag}
        assert (await anybody.get(link, headers=headers)).status_code == status, given_etag


async def test_a_download_that_broke_off_goes_on(link: str, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.write_bytes(BODY[:12345])
    command = ("curl", "--silent", "--fail", "--continue-at", "-", "--output", str(saved), link)
    try:
        curl = await asyncio.create_subprocess_exec(*command)
    except FileNotFoundError:
        pytest.skip("there is no curl")
    assert await curl.wait() == 0
    assert saved.read_bytes() == BODY


# --- links ------------------------------------------------------------------------------------


async def test_every_part_of_a_link_is_signed(link: str, anybody: httpx.AsyncClient) -> None:
    parts = urlsplit(link)
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    given_query = parse_qsl(parts.query)
    assert tuple(name for name, _ in given_query) == Download.__struct_fields__
    assert list(dict(given_query))[-1] == "signature"
    for at, (name, value) in enumerate(given_query):
        before, after = given_query[:at], given_query[at + 1 :]
        others = {
            "expires": [str(int(value) + 1), str(int(value) - 1)] if name == "expires" else [],
            "signature": [value[:-1], value + "A", value.swapcase(), ""],
        }.get(name, [value + "x", value[:-1], value.upper(), ""])
        for other in others:
            await _nothing(anybody, address, [*before, (name, other), *after])
        # Repeated, moved; and what is missing is named.
        await _nothing(anybody, address, [*given_query, (name, value)])
        await _nothing(anybody, address, [*before, (name, value), (name, value), *after])
        if after:
            await _nothing(anybody, address, [*before, *after, (name, value)])
        got = await anybody.get(f"{address}?{urlencode([*before, *after])}")
        assert (got.status_code, name in got.text) == (400, True)
    await _nothing(anybody, address, [("x", "1"), *given_query])
    await _nothing(anybody, address, [*given_query, ("x", "1")])
    assert (await anybody.get(f"{address}?{urlencode(given_query)}")).status_code == 200


async def _nothing(
    anybody: httpx.AsyncClient, address: str, parameters: list[tuple[str, str]]
) -> None:
    got = await anybody.get(f"{address}?{urlencode(parameters)}")
    assert got.status_code == 404, parameters


async def test_a_link_is_good_until_it_expires(
    blobs: Blobs, downloads: Downloads, anybody: httpx.AsyncClient
) -> None:
    await blobs.put("x", b"x")
    day = 24 * 60 * 60
    for made, status in ((time.time() - day + 60, 200), (time.time() - day - 2, 404)):
        link = await downloads.link("x", "a/b", "x", made)
        assert (await anybody.get(link)).status_code == status


async def test_a_link_of_another_deployment_opens_nothing(
    stack: Stack, blobs: Blobs, anybody: httpx.AsyncClient
) -> None:
    await blobs.put("x", b"x")
    others = Downloads(Signer(b"another key"), blobs, stack.base_url)
    link = await others.link("x", "a/b", "x", time.time())
    assert (await anybody.get(link)).status_code == 404


async def test_a_file_that_is_gone(downloads: Downloads, anybody: httpx.AsyncClient) -> None:
    link = await downloads.link("gone", "a/b", "x", time.time())
    for method in ("GET", "HEAD"):
        assert (await anybody.request(method, link)).status_code == 404


def _spellings(path: str) -> list[str]:
    folder, _, name = path.rpartition("/")
    return [
        path.replace("/", "%2F"),
        f"{folder}%2F{name}",
        f"{folder}%2f{name}",
        f"{folder}%252F{name}",
        f"{folder}//{name}",
        f"/{path}",
        f"{path}/",
        f"{folder}/./{name}",
        f"{folder}/x/../{name}",
        f"{folder}/%2e/{name}",
        f"{folder}/x/%2e%2e/{name}",
        f"{folder}/x/%252e%252e/{name}",
        f"{folder}\\{name}",
        f"{path}%00",
        path.replace("r", "%72", 1),
        quote(path),
        "../blobs/" + path,
        "%2e%2e/blobs/" + path,
        "..%2fblobs/" + path,
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2Fetc%2Fpasswd",
        "",
    ]


@pytest.mark.parametrize("spelling", _spellings(quote(KEY)))
async def test_a_path_is_good_as_it_was_written_only(
    spelling: str, link: str, stack: Stack
) -> None:
    query = urlsplit(link).query
    # By hand: clients mend such paths.
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(
        f"GET /files/{spelling}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ", 2)[1] in (b"404", b"400"), answer[:200]
    assert BODY[:100] not in answer


# --- large ones -------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured as Linux does")
async def test_memory_does_not_grow_with_the_file(
    stack: Stack, downloads: Downloads, anybody: httpx.AsyncClient
) -> None:
    path = stack.folder / "blobs" / "huge"
    with path.open("wb") as file:
        file.truncate(300 * MIB)
    link = await downloads.link("huge", "video/mp4", "h", time.time())
    process = Path("/proc") / str(stack.api.pid)
    (process / "clear_refs").write_text("5")
    before = _most(process)
    async with anybody.stream("GET", link) as got:
        assert sum([len(piece) async for piece in got.aiter_raw()]) == 300 * MIB
    assert _most(process) - before < 60 * 1024
    path.unlink()


def _most(process: Path) -> int:
    """Kilobytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    assert found is not None
    return int(found[1])


async def test_what_breaks_midway_is_not_taken_for_whole(
    stack: Stack, downloads: Downloads, anybody: httpx.AsyncClient
) -> None:
    path = stack.folder / "blobs" / "broken"
    with path.open("wb") as file:
        file.truncate(100 * MIB)
    link = await downloads.link("broken", "video/mp4", "h", time.time())
    with pytest.raises(httpx.RemoteProtocolError):
        async with anybody.stream("GET", link) as got:
            assert got.headers["Content-Length"] == str(100 * MIB)
            async for _ in got.aiter_raw():
                os.truncate(path, 50 * MIB)
    path.unlink()
    assert (await anybody.get(f"{stack.base_url}/livez")).status_code == 200


async def test_a_client_that_hangs_up_ends_the_download(
    stack: Stack, downloads: Downloads, anybody: httpx.AsyncClient
) -> None:
    path = stack.folder / "blobs" / "left"
    with path.open("wb") as file:
        file.truncate(300 * MIB)
    link = await downloads.link("left", "video/mp4", "h", time.time())
    async with anybody.stream("GET", link, headers={"X-Request-Id": "hangs-up"}) as got:
        async for _ in got.aiter_raw():
            break
    path.unlink()

    async def logged() -> list[str]:
        return [line for line in stack.api.log.read_text().splitlines() if '"hangs-up"' in line]

    assert [json.loads(line)["event"] for line in await eventually(logged)] == ["request"]
