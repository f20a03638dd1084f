"""Objects: the same promises from a local directory and from a server that speaks S3."""

import asyncio
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from domains.kernel.core.problems import Unavailable
from domains.kernel.storage.blobs import BlobMissing, Blobs, disposition, safe_type
from domains.kernel.storage.signed_urls import VALID, Downloads
from domains.kernel.tenancy.signing import Signer

AWS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
MIB = 1024 * 1024
LARGE = random.Random(1).randbytes(20 * MIB)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the bucket that the store of S3 uses."""
    for name, value in {**AWS, "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="bucket")
    return client


@pytest.fixture
def local(tmp_path: Path) -> Blobs:
    return Blobs.open((tmp_path / "blöbs and spaces").as_uri(), {})


@pytest.fixture
def remote(bucket: Any) -> Blobs:
    return Blobs.open("s3://bucket/some/prefix", {"AWS_ENDPOINT_URL": bucket.meta.endpoint_url})


@pytest.fixture(params=["local", "remote"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    found: Blobs = request.getfixturevalue(request.param)
    return found


async def in_chunks(body: bytes, size: int = 1_000_001) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def read(blobs: Blobs, key: str, *ends: int) -> bytes:
    return b"".join([piece async for piece in blobs.stream(key, *ends)])


def files(tmp_path: Path) -> list[str]:
    return sorted(each.name for each in tmp_path.rglob("*") if each.is_file())


async def test_what_was_put_is_got_until_it_is_deleted(blobs: Blobs) -> None:
    key = "signals/manual-text/w/one.txt"
    await blobs.put(key, b"first")
    await blobs.put(key, "zweite – 🥊".encode())
    assert (await blobs.get(key)).decode() == "zweite – 🥊"
    assert await blobs.size(key) == len("zweite – 🥊".encode())
    await blobs.delete(key)
    with pytest.raises(BlobMissing):
        await blobs.get(key)


async def test_of_what_is_not_there_nothing_is_read(blobs: Blobs, tmp_path: Path) -> None:
    for asked in (
        blobs.get("nothing"),
        blobs.size("nothing"),
        read(blobs, "nothing"),
        read(blobs, "nothing", 0, 1),
        blobs.save("nothing", tmp_path / "saved"),
    ):
        with pytest.raises(BlobMissing):
            await asked
    assert files(tmp_path) == []


async def test_deleting_what_is_not_there_is_no_error(blobs: Blobs) -> None:
    await blobs.delete("nothing/here.txt")


async def test_an_empty_object_is_an_object(blobs: Blobs) -> None:
    await blobs.put("empty", b"")
    assert await blobs.get("empty") == b""
    assert await blobs.put_stream("streamed", in_chunks(b"")) == 0
    assert (await blobs.size("streamed"), await read(blobs, "streamed")) == (0, b"")


async def test_a_store_that_works_passes_its_check(blobs: Blobs) -> None:
    await blobs.check()


async def test_a_key_cannot_leave_the_store(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises((Unavailable, ValueError)):
        await blobs.put("../evil.txt", b"x")
    with pytest.raises((Unavailable, ValueError)):
        await blobs.put_stream("../evil.txt", in_chunks(b"x"))
    assert not (tmp_path / "evil.txt").exists()


async def test_a_server_that_is_away_is_unavailable() -> None:
    blobs = _away()
    for asked in (
        blobs.get("x"),
        blobs.put("x", b""),
        blobs.put_stream("x", in_chunks(LARGE)),
        blobs.size("x"),
        read(blobs, "x", 0, 1),
        blobs.delete("x"),
        blobs.check(),
    ):
        with pytest.raises(Unavailable):
            await asked


def _away() -> Blobs:
    environment = {**AWS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        return Blobs.open("s3://bucket", environment)


# --- streams ----------------------------------------------------------------------------------


async def test_a_large_object_passes_in_pieces(blobs: Blobs, tmp_path: Path) -> None:
    assert await blobs.put_stream("large", in_chunks(LARGE)) == len(LARGE)
    assert await blobs.size("large") == len(LARGE)
    assert [len(piece) async for piece in blobs.stream("large")] == [MIB] * 20
    assert await blobs.get("large") == LARGE
    await blobs.save("large", tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == LARGE


BODY = LARGE[: 2 * MIB + 77]


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(*[st.integers(0, len(BODY)) | st.sampled_from([MIB, 2 * MIB])] * 2)
async def test_a_part_is_what_a_slice_is(blobs: Blobs, one: int, other: int) -> None:
    await blobs.put("parts", BODY)
    start, end = sorted((one, other))
    assert await read(blobs, "parts", start, end) == BODY[start:end]
    assert await read(blobs, "parts", start) == BODY[start:]


async def _failing(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(MIB)
    raise EOFError


async def _endless(started: asyncio.Event) -> AsyncIterator[bytes]:
    for _ in range(20):
        yield bytes(MIB)
    started.set()
    await asyncio.sleep(600)
    yield b""


@pytest.mark.parametrize("before", [0, 1, 20])
async def test_what_fails_midway_leaves_nothing(
    blobs: Blobs, before: int, tmp_path: Path, bucket: Any
) -> None:
    await blobs.put("kept", b"older")
    for key in ("kept", "new"):
        with pytest.raises(EOFError):
            await blobs.put_stream(key, _failing(before))
        await _leaves_nothing(blobs, tmp_path, bucket)


async def test_what_is_cancelled_leaves_nothing(blobs: Blobs, tmp_path: Path, bucket: Any) -> None:
    await blobs.put("kept", b"older")
    for key in ("kept", "new"):
        started = asyncio.Event()
        writing = asyncio.create_task(blobs.put_stream(key, _endless(started)))
        await started.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await _leaves_nothing(blobs, tmp_path, bucket)


async def _leaves_nothing(blobs: Blobs, tmp_path: Path, bucket: Any) -> None:
    assert await blobs.get("kept") == b"older"
    with pytest.raises(BlobMissing):
        await blobs.get("new")
    assert files(tmp_path) in ([], ["kept"])
    # Parts that were sent are paid for.
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket="bucket")


async def test_a_full_disk_is_said_and_leaves_nothing(local: Blobs, tmp_path: Path) -> None:
    await local.put("large", LARGE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, limits[1]))
        for asked in (
            local.put("new", LARGE),
            local.put("new", LARGE[: 4 * MIB]),
            local.put_stream("new", in_chunks(LARGE)),
        ):
            with pytest.raises(Unavailable, match="no room"):
                await asked
        with pytest.raises(Unavailable, match="could not be written"):
            await local.save("large", tmp_path / "saved")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(tmp_path) == ["large"]


async def test_a_store_that_refuses_is_unavailable(bucket: Any) -> None:
    nowhere = Blobs.open("s3://other", {"AWS_ENDPOINT_URL": bucket.meta.endpoint_url})
    for body in (b"", LARGE):
        with pytest.raises(Unavailable):
            await nowhere.put("x", body)
        with pytest.raises(Unavailable):
            await nowhere.put_stream("x", in_chunks(body))


WRITER = """
import asyncio, sys
from domains.kernel.blobs import Blobs

async def endless():
    while True:
        yield bytes(1024 * 1024)
        await asyncio.sleep(0)

async def main():
    await Blobs.open(sys.argv[1], {}).put_stream("a/key", endless())

asyncio.run(main())
"""


async def test_a_killed_process_leaves_what_a_sweep_removes(local: Blobs, tmp_path: Path) -> None:
    store = tmp_path / "blöbs and spaces"
    for _ in range(2):
        before = files(tmp_path)
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, store.as_uri())
        while files(tmp_path) == before:
            assert writer.returncode is None
            await asyncio.sleep(0.02)
        writer.kill()
        await writer.wait()
    with pytest.raises(BlobMissing):
        await local.get("a/key")
    await local.put("a/key", b"whole")
    assert files(tmp_path) == ["key", "key#1", "key#2"]
    assert await local.sweep(60) == 0
    long_ago = time.time() - 61
    for name in ("key", "key#1"):
        os.utime(store / "a" / name, (long_ago, long_ago))
    assert await local.sweep(60) == 1
    assert files(tmp_path) == ["key", "key#2"]
    assert await local.get("a/key") == b"whole"


async def test_a_bucket_is_not_swept(remote: Blobs) -> None:
    assert await remote.sweep(0) == 0


MEASURED = """
import asyncio, re, sys
from pathlib import Path
from domains.kernel.blobs import Blobs

async def chunks():
    for _ in range(200):
        yield bytes(1024 * 1024)

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main():
    blobs = Blobs.open(sys.argv[1], {})
    await blobs.put("small", b"x")
    before = most()
    assert await blobs.put_stream("x", chunks()) == 200 * 1024 * 1024
    assert sum([len(each) async for each in blobs.stream("x")]) == 200 * 1024 * 1024
    await blobs.save("x", Path(sys.argv[2]))
    print(most() - before)

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux does")
def test_memory_has_a_bound(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, (tmp_path / "s").as_uri(), str(tmp_path / "saved")],
        capture_output=True,
        check=True,
    )
    assert 0 < int(done.stdout) < 100 * 1024  # kB


# --- what an object is called -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("plän.pdf", "attachment; filename*=UTF-8''pl%C3%A4n.pdf"),
        ('a"b;c', "attachment; filename*=UTF-8''a%22b%3Bc"),
        ("a\r\nSet-Cookie: x", "attachment; filename*=UTF-8''a__Set-Cookie%3A%20x"),
        ("../../etc/passwd", "attachment; filename*=UTF-8''.._.._etc_passwd"),
        ("C:\\x", "attachment; filename*=UTF-8''C%3A_x"),
        ("..", "attachment"),
        ("", "attachment"),
        (None, "attachment"),
        ("n" * 1000, "attachment; filename*=UTF-8''" + "n" * 200),
    ],
)
def test_names_are_harmless(filename: str | None, said: str) -> None:
    assert disposition(filename) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("text/plain; x=y", "application/octet-stream"),
        ("", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_types_are_plain_ones(given: str | None, said: str) -> None:
    assert safe_type(given) == said


# --- links to S3 ------------------------------------------------------------------------------


async def test_an_object_of_s3_is_given_out_by_s3(remote: Blobs) -> None:
    downloads = Downloads(Signer(b"k"), remote, "https://public.example")
    said = {"content_type": "image/png", "filename": "plän.png"}
    await remote.put("put", b"a picture", **said)
    await remote.put_stream("streamed", in_chunks(LARGE), **said)
    await remote.put("nameless", b"<script>")
    async with httpx.AsyncClient() as anybody:
        for key, body in (("put", b"a picture"), ("streamed", LARGE)):
            got = await anybody.get(await downloads.link(key, "image/png", "plän.png", time.time()))
            assert (got.status_code, got.content) == (200, body)
            assert got.headers["Content-Type"] == "image/png"
            assert got.headers["Content-Disposition"] == disposition("plän.png")
        link = await downloads.link("nameless", "text/html", "x.html", time.time())
        got = await anybody.get(link)
        assert got.headers["Content-Type"] == "application/octet-stream"
        assert got.headers["Content-Disposition"] == "attachment"
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == [str(VALID)]


async def test_a_link_asks_no_server() -> None:
    downloads = Downloads(Signer(b"k"), _away(), "https://public.example")
    links = await asyncio.gather(*(downloads.link(str(n), "a/b", "c", 0) for n in range(100)))
    assert all(link.startswith("http://127.0.0.1:1/bucket/") for link in links)


async def test_an_object_of_a_directory_is_given_out_here(local: Blobs) -> None:
    assert await local.sign("x", VALID) is None
    downloads = Downloads(Signer(b"k"), local, "https://public.example/")
    link = await downloads.link("a b/x", "a/b", "c", 0)
    assert link.startswith("https://public.example/files/a%20b/x?")
