"""Downloads by signed URL: whole files, ranges, and URLs that were altered."""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.storage.blobs import Blobs, content_disposition
from domains.kernel.storage.signed_urls import FileQuery, SignedUrls
from domains.kernel.tenancy.signing import Signer
from tests.stack import Stack, eventually

MIB = 1024 * 1024
BODY = bytes(number % 251 for number in range(MIB + 1000))
KEY = "recordings/a workspace/ä"


@pytest.fixture(scope="module")
def blobs(stack: Stack) -> Blobs:
    return Blobs.open(stack.env["BLOB_URL"], {})


@pytest.fixture(scope="module")
async def signed_urls(stack: Stack, database: Database, blobs: Blobs) -> SignedUrls:
    signer = Signer()
    await signer.load(database.read)
    return SignedUrls(signer, blobs, stack.base_url)


@pytest.fixture(scope="module")
async def url(blobs: Blobs, signed_urls: SignedUrls) -> str:
    await blobs.put(KEY, BODY)
    return await signed_urls.create(KEY, "video/mp4", "a.mp4", time.time())


@pytest.fixture(scope="module")
async def stream_url(url: str, signed_urls: SignedUrls) -> str:  # noqa: ARG001 - stores the file
    return signed_urls.create_inline(KEY, "video/mp4", "a.mp4", time.time())


@pytest.fixture(scope="module")
async def anonymous() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


# --- whole files ------------------------------------------------------------------------------


async def test_a_whole_file(url: str, anonymous: httpx.AsyncClient) -> None:
    response = await anonymous.get(url)
    assert (response.status_code, response.content) == (200, BODY)
    assert {
        name: response.headers[name]
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
    assert re.fullmatch('"[0-9a-f]{32}"', response.headers["ETag"])
    assert "content-range" not in response.headers
    assert "x-request-id" in response.headers


async def test_head_returns_the_headers_of_get(url: str, anonymous: httpx.AsyncClient) -> None:
    whole = await anonymous.get(url)
    for headers in ({}, {"Range": "bytes=0-4"}, {"Range": "bytes=99999999-"}):
        head = await anonymous.head(url, headers=headers)
        assert (head.status_code, head.content) == (200, b"")
        varying = {"date", "x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in varying} == {
            k: v for k, v in whole.headers.items() if k not in varying
        }
    assert (await anonymous.head(url + "x")).status_code == 404


async def test_an_empty_file(
    blobs: Blobs, signed_urls: SignedUrls, anonymous: httpx.AsyncClient
) -> None:
    await blobs.put("empty", b"")
    url = await signed_urls.create("empty", "text/plain", "e", time.time())
    for headers in ({}, {"Range": "bytes=-5"}):
        response = await anonymous.get(url, headers=headers)
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-length"] == "0"
    response = await anonymous.get(url, headers={"Range": "bytes=0-"})
    assert (response.status_code, response.headers["content-range"]) == (416, "bytes */0")


@pytest.mark.parametrize(
    "name", ['a"b', "a\r\nX-Evil: 1", "日本 ü.pdf", "../../x", "\\x", "%2F", ""]
)
async def test_unsafe_names_and_types_are_neutralised(
    name: str, blobs: Blobs, signed_urls: SignedUrls, anonymous: httpx.AsyncClient
) -> None:
    await blobs.put("named", b"x")
    url = await signed_urls.create("named", f"text/{name}", name, time.time())
    response = await anonymous.get(url)
    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == content_disposition(name)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "X-Evil" not in response.headers


# --- ranges -----------------------------------------------------------------------------------

_ends = st.integers(0, len(BODY) + 10) | st.sampled_from([0, MIB - 1, MIB, len(BODY) - 1, 10**30])


@settings(max_examples=80)
@given(_ends, st.none() | _ends)
@example(0, 0)
@example(len(BODY), None)
async def test_a_range_returns_a_slice_of_the_file(
    url: str, anonymous: httpx.AsyncClient, first: int, last: int | None
) -> None:
    range_header = f"bytes={first}-{'' if last is None else last}"
    response = await anonymous.get(url, headers={"Range": range_header})
    if last is not None and last < first:
        # Not a valid range.
        assert (response.status_code, response.content) == (200, BODY)
    elif first >= len(BODY):
        _assert_unsatisfiable(response)
    else:
        _assert_part(response, first, len(BODY) if last is None else min(last + 1, len(BODY)))


@settings(max_examples=30)
@given(_ends)
async def test_a_suffix_range_returns_the_last_bytes(
    url: str, anonymous: httpx.AsyncClient, count: int
) -> None:
    response = await anonymous.get(url, headers={"Range": f"Bytes=-{count}"})
    if count == 0:
        _assert_unsatisfiable(response)
    else:
        _assert_part(response, max(len(BODY) - count, 0), len(BODY))


def _assert_part(response: httpx.Response, start: int, end: int) -> None:
    assert (response.status_code, response.content) == (206, BODY[start:end])
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert response.headers["Content-Length"] == str(end - start)
    assert response.headers["Content-Type"] == "video/mp4"


def _assert_unsatisfiable(response: httpx.Response) -> None:
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(BODY)}"
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "range_header",
    [
        *("bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "items=0-1", "bytes=1--2"),
        *("bytes=0x1-2", "bytes=+1-2", f"bytes=0-{'9' * 5000}", "bytes=5-4"),
    ],
)
async def test_other_range_headers_are_ignored(
    range_header: str, url: str, anonymous: httpx.AsyncClient
) -> None:
    response = await anonymous.get(url, headers={"Range": range_header})
    assert (response.status_code, response.content) == (200, BODY)


async def test_two_range_headers_are_ignored(url: str, anonymous: httpx.AsyncClient) -> None:
    response = await anonymous.get(url, headers=[("Range", "bytes=0-1")] * 2)
    assert response.status_code == 200


async def test_if_range_returns_a_part_only_of_the_same_file(
    url: str, anonymous: httpx.AsyncClient
) -> None:
    etag = (await anonymous.get(url)).headers["ETag"]
    for if_range, status in (
        (etag, 206),
        (f"W/{etag}", 200),
        ('"another"', 200),
        ("Sat, 01 Jan 2028 00:00:00 GMT", 200),
    ):
        headers = {"Range": "bytes=5-", "If-Range": if_range}
        assert (await anonymous.get(url, headers=headers)).status_code == status, if_range


async def test_curl_resumes_an_interrupted_download(url: str, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.write_bytes(BODY[:12345])
    command = ("curl", "--silent", "--fail", "--continue-at", "-", "--output", str(saved), url)
    try:
        curl = await asyncio.create_subprocess_exec(*command)
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    assert await curl.wait() == 0
    assert saved.read_bytes() == BODY


# --- recordings to play -----------------------------------------------------------------------


async def test_a_recording_is_shown_inline_and_runs_no_scripts(
    stream_url: str, anonymous: httpx.AsyncClient
) -> None:
    response = await anonymous.get(stream_url)
    assert (response.status_code, response.content) == (200, BODY)
    assert {
        name: response.headers[name]
        for name in (
            *("content-type", "content-disposition", "accept-ranges", "x-content-type-options"),
            "content-security-policy",
        )
    } == {
        "content-type": "video/mp4",
        "content-disposition": "inline; filename*=UTF-8''a.mp4",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": (
            "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"
        ),
    }
    part = await anonymous.get(stream_url, headers={"Range": "bytes=5-8"})
    _assert_part(part, 5, 9)
    assert part.headers["content-disposition"].startswith("inline")
    beyond = await anonymous.get(stream_url, headers={"Range": f"bytes={len(BODY)}-"})
    _assert_unsatisfiable(beyond)
    head = await anonymous.head(stream_url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(BODY)))


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "image/svg+xml", "application/pdf", "", "video", "video/mp4\r\nx: y"],
)
async def test_only_audio_and_video_are_shown_inline(
    content_type: str, url: str, signed_urls: SignedUrls, anonymous: httpx.AsyncClient
) -> None:
    assert url
    stream = signed_urls.create_inline(KEY, content_type, "a", time.time())
    response = await anonymous.get(stream)
    assert (response.status_code, response.content) == (200, BODY)
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_link_to_download_cannot_be_made_one_to_play(
    url: str, stream_url: str, anonymous: httpx.AsyncClient
) -> None:
    changed = url.replace("&signature", "&disposition=inline&signature")
    assert (await anonymous.get(changed)).status_code == 404
    changed = url.replace("&signature", "&disposition=&signature")
    assert (await anonymous.get(changed)).status_code == 404
    changed = stream_url.replace("&disposition=inline", "")
    assert (await anonymous.get(changed)).status_code == 404


async def test_a_link_to_play_expires_after_a_day(
    url: str, signed_urls: SignedUrls, anonymous: httpx.AsyncClient
) -> None:
    assert url
    day = 24 * 60 * 60
    for created_at, status in ((time.time() - day + 60, 200), (time.time() - day - 2, 404)):
        stream = signed_urls.create_inline(KEY, "audio/wav", "x", created_at)
        assert (await anonymous.get(stream)).status_code == status


# --- signed URLs ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["url", "stream_url"])
async def test_every_part_of_a_url_is_signed(
    kind: str, url: str, stream_url: str, anonymous: httpx.AsyncClient
) -> None:
    parts = urlsplit(url if kind == "url" else stream_url)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    pairs = parse_qsl(parts.query)
    names = [name for name in FileQuery.__struct_fields__ if name in dict(pairs)]
    assert [name for name, _ in pairs] == names
    assert ("disposition" in names) == (kind == "stream_url")
    assert list(dict(pairs))[-1] == "signature"
    for index, (name, value) in enumerate(pairs):
        before, after = pairs[:index], pairs[index + 1 :]
        others = {
            "expires": [str(int(value) + 1), str(int(value) - 1)] if name == "expires" else [],
            "signature": [value[:-1], value + "A", value.swapcase(), ""],
            "disposition": [""],
        }.get(name, [value + "x", value[:-1], value.upper(), ""])
        for other in others:
            await _assert_not_found(anonymous, base, [*before, (name, other), *after])
        # A repeated or moved parameter gets 404. A missing one gets 400 with its name.
        await _assert_not_found(anonymous, base, [*pairs, (name, value)])
        await _assert_not_found(anonymous, base, [*before, (name, value), (name, value), *after])
        if after:
            await _assert_not_found(anonymous, base, [*before, *after, (name, value)])
        if name == "disposition":
            await _assert_not_found(anonymous, base, [*before, *after])
            continue
        response = await anonymous.get(f"{base}?{urlencode([*before, *after])}")
        assert (response.status_code, name in response.text) == (400, True)
    await _assert_not_found(anonymous, base, [("x", "1"), *pairs])
    await _assert_not_found(anonymous, base, [*pairs, ("x", "1")])
    assert (await anonymous.get(f"{base}?{urlencode(pairs)}")).status_code == 200


async def _assert_not_found(
    anonymous: httpx.AsyncClient, base: str, parameters: list[tuple[str, str]]
) -> None:
    response = await anonymous.get(f"{base}?{urlencode(parameters)}")
    assert response.status_code == 404, parameters


async def test_a_url_expires_after_a_day(
    blobs: Blobs, signed_urls: SignedUrls, anonymous: httpx.AsyncClient
) -> None:
    await blobs.put("x", b"x")
    day = 24 * 60 * 60
    for created_at, status in ((time.time() - day + 60, 200), (time.time() - day - 2, 404)):
        url = await signed_urls.create("x", "a/b", "x", created_at)
        assert (await anonymous.get(url)).status_code == status


async def test_a_url_signed_by_another_deployment_is_not_found(
    stack: Stack, blobs: Blobs, anonymous: httpx.AsyncClient
) -> None:
    await blobs.put("x", b"x")
    others = SignedUrls(Signer(b"another key"), blobs, stack.base_url)
    url = await others.create("x", "a/b", "x", time.time())
    assert (await anonymous.get(url)).status_code == 404


async def test_a_deleted_file_is_not_found(
    signed_urls: SignedUrls, anonymous: httpx.AsyncClient
) -> None:
    url = await signed_urls.create("gone", "a/b", "x", time.time())
    for method in ("GET", "HEAD"):
        assert (await anonymous.request(method, url)).status_code == 404


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
async def test_other_spellings_of_the_path_are_not_found(
    spelling: str, url: str, stack: Stack
) -> None:
    query = urlsplit(url).query
    # Use a raw connection, because HTTP clients normalise such paths.
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(
        f"GET /files/{spelling}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    response = await reader.read()
    writer.close()
    assert response.split(b" ", 2)[1] in (b"404", b"400"), response[:200]
    assert BODY[:100] not in response


# --- large files ------------------------------------------------------------------------------


@pytest.fixture
def large_file(stack: Stack) -> Iterator[Path]:
    """A file of 300 MiB in the object storage, under the key `large`."""
    path = stack.folder / "blobs" / "large"
    with path.open("wb") as file:
        file.truncate(300 * MIB)
    yield path
    path.unlink()


@pytest.fixture
async def large_url(large_file: Path, signed_urls: SignedUrls) -> str:
    return await signed_urls.create(large_file.name, "video/mp4", "h", time.time())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc of Linux")
async def test_memory_does_not_grow_with_the_file(
    large_url: str, stack: Stack, anonymous: httpx.AsyncClient
) -> None:
    process = Path("/proc") / str(stack.api.pid)
    (process / "clear_refs").write_text("5")
    before = _peak_memory(process)
    async with anonymous.stream("GET", large_url) as response:
        assert sum([len(piece) async for piece in response.aiter_raw()]) == 300 * MIB
    assert _peak_memory(process) - before < 60 * 1024


def _peak_memory(process: Path) -> int:
    """The peak resident memory in kilobytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    assert found is not None
    return int(found[1])


async def test_a_download_that_fails_midway_is_incomplete_for_the_client(
    large_file: Path, large_url: str, stack: Stack, anonymous: httpx.AsyncClient
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        async with anonymous.stream("GET", large_url) as response:
            assert response.headers["Content-Length"] == str(300 * MIB)
            async for _ in response.aiter_raw():
                os.truncate(large_file, 50 * MIB)
    assert (await anonymous.get(f"{stack.base_url}/livez")).status_code == 200


async def test_a_client_that_disconnects_ends_the_download(
    large_url: str, stack: Stack, anonymous: httpx.AsyncClient
) -> None:
    request_id = {"X-Request-Id": "disconnects"}
    async with anonymous.stream("GET", large_url, headers=request_id) as response:
        async for _ in response.aiter_raw():
            break

    def logged() -> list[str]:
        return [line for line in stack.api.log.read_text().splitlines() if '"disconnects"' in line]

    assert [json.loads(line)["event"] for line in await eventually(logged)] == ["request_completed"]
