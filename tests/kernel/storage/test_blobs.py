"""Object store: the same behaviour for a local directory and for S3."""

import asyncio
import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
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
from obstore.exceptions import BaseError
from structlog.testing import capture_logs

from domains.kernel.core.problems import DependencyUnavailable, Unavailable
from domains.kernel.storage import blobs as blobs_module
from domains.kernel.storage.blobs import BlobMissing, Blobs, content_disposition, safe_content_type
from domains.kernel.storage.signed_urls import LIFETIME, SignedUrls
from domains.kernel.tenancy.signing import Signer
from tests.stack import eventually

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
    """An S3 client that has created the bucket of the remote store."""
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
    store: Blobs = request.getfixturevalue(request.param)
    return store


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """A bucket on a server that does not exist."""
    environment = {**AWS, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Blobs.open("s3://bucket", environment)


async def in_chunks(body: bytes, size: int = 1_000_001) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(blobs: Blobs, key: str, *bounds: int) -> bytes:
    return b"".join([chunk async for chunk in blobs.stream(key, *bounds)])


def file_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_object_can_be_replaced_read_and_deleted(blobs: Blobs) -> None:
    key = "signals/manual-text/w/one.txt"
    await blobs.put(key, b"first")
    await blobs.put(key, "zweite – 🥊".encode())
    assert (await blobs.get(key)).decode() == "zweite – 🥊"
    assert await blobs.size(key) == len("zweite – 🥊".encode())
    await blobs.delete(key)
    with pytest.raises(BlobMissing):
        await blobs.get(key)


async def test_reading_a_missing_object_raises_blob_missing(blobs: Blobs, tmp_path: Path) -> None:
    for reading in (
        blobs.get("missing"),
        blobs.size("missing"),
        read(blobs, "missing"),
        read(blobs, "missing", 0, 1),
        blobs.save("missing", tmp_path / "saved"),
    ):
        with pytest.raises(BlobMissing):
            await reading
    assert file_names(tmp_path) == []


async def test_deleting_a_missing_object_is_no_error(blobs: Blobs) -> None:
    await blobs.delete("missing/object.txt")


async def test_objects_may_be_empty(blobs: Blobs) -> None:
    await blobs.put("empty", b"")
    assert await blobs.get("empty") == b""
    assert await blobs.put_stream("streamed", in_chunks(b"")) == 0
    assert (await blobs.size("streamed"), await read(blobs, "streamed")) == (0, b"")


async def test_check_passes_for_a_working_store(blobs: Blobs) -> None:
    await blobs.check()


async def test_key_cannot_leave_the_store(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises((Unavailable, ValueError)):
        await blobs.put("../evil.txt", b"x")
    with pytest.raises((Unavailable, ValueError)):
        await blobs.put_stream("../evil.txt", in_chunks(b"x"))
    assert not (tmp_path / "evil.txt").exists()


async def test_unreachable_server_raises_unavailable(unreachable: Blobs) -> None:
    calls = (
        unreachable.get("x"),
        unreachable.put("x", b""),
        unreachable.put_stream("x", in_chunks(LARGE)),
        unreachable.size("x"),
        read(unreachable, "x", 0, 1),
        unreachable.delete("x"),
        unreachable.check(),
    )
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [DependencyUnavailable] * len(calls)


async def test_server_that_refuses_raises_unavailable(bucket: Any) -> None:
    blobs = Blobs.open("s3://other", {"AWS_ENDPOINT_URL": bucket.meta.endpoint_url})
    for body in (b"", LARGE):
        with pytest.raises(Unavailable):
            await blobs.put("x", body)
        with pytest.raises(Unavailable):
            await blobs.put_stream("x", in_chunks(body))


# --- outages ----------------------------------------------------------------------------------


class Silence:
    """A server that accepts connections. It answers nothing until `forward_to` is a port."""

    def __init__(self) -> None:
        self.forward_to: int | None = None
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        if self.forward_to is None:
            return
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.forward_to)
        self._writers.append(upstream)
        await asyncio.gather(_copy(reader, upstream), _copy(upstream_reader, writer))

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_silent_store_is_given_up_in_time_and_recovers_by_itself(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = Silence()
    async with await asyncio.start_server(silence.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        blobs = Blobs.open("s3://bucket", {"AWS_ENDPOINT_URL": url}, 0.5)
        for call in (blobs.get("x"), blobs.put("x", b"x")):
            began = time.monotonic()
            with pytest.raises(DependencyUnavailable):
                await call
            assert time.monotonic() - began < 5
        tried = silence.connections
        # At once, without a connection.
        for _ in range(100):
            for call in (blobs.get("x"), blobs.put("x", b"x")):
                with pytest.raises(DependencyUnavailable):
                    await call
        assert silence.connections <= tried + 4
        silence.forward_to = urlsplit(bucket.meta.endpoint_url).port

        async def stored() -> bool:
            with contextlib.suppress(DependencyUnavailable):
                await blobs.put("x", LARGE)
                return await blobs.get("x") == LARGE
            return False

        await eventually(stored, 10)
        silence.close()


async def test_missing_directory_is_an_outage_and_is_not_created_again(
    local: Blobs, tmp_path: Path
) -> None:
    """Otherwise texts would be stored below the mount point of a volume that is not mounted."""
    await local.put("a/key", b"stored")
    store = tmp_path / "blöbs and spaces"
    store.rename(tmp_path / "elsewhere")
    with pytest.raises(DependencyUnavailable):
        await local.get("a/key")
    with pytest.raises(DependencyUnavailable):
        await local.check()

    async def refused() -> bool:
        # The directory is looked at once a second.
        try:
            await local.put("a/other", b"x")
        except DependencyUnavailable:
            return True
        shutil.rmtree(store)
        return False

    await eventually(refused, 10)
    (tmp_path / "elsewhere").rename(store)

    async def responds() -> bool:
        with contextlib.suppress(DependencyUnavailable):
            await local.put("a/other", b"x")
            return await local.get("a/key") == b"stored"
        return False

    await eventually(responds, 10)
    await local.check()


async def test_store_that_cannot_be_created_at_start_is_an_outage_until_it_can(
    tmp_path: Path,
) -> None:
    volume = tmp_path / "volume"
    volume.write_bytes(b"")
    with capture_logs() as lines:
        blobs = Blobs.open((volume / "store").as_uri(), {})
    assert [line["dependency"] for line in lines] == ["object_store", "object_store_writes"]
    for call in (blobs.put("a/key", b"x"), blobs.get("a/key"), blobs.delete("a/key")):
        with pytest.raises(DependencyUnavailable):
            await call
    with pytest.raises(DependencyUnavailable):
        await blobs.check()
    volume.unlink()

    async def responds() -> bool:
        with contextlib.suppress(DependencyUnavailable):
            await blobs.put("a/key", b"stored")
            return await blobs.get("a/key") == b"stored"
        return False

    await eventually(responds, 10)
    await blobs.check()
    assert file_names(volume / "store") == ["key"]


def test_url_of_another_scheme_is_an_error() -> None:
    with pytest.raises(BaseError):
        Blobs.open("ftp://server/store", {})


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While this event is not set, looks at directories and the creation of files hang."""
    released = threading.Event()
    released.set()

    def hang(name: str) -> None:
        original = getattr(Path, name)

        def wait(*args: Any, **options: Any) -> Any:
            released.wait()
            return original(*args, **options)

        monkeypatch.setattr(Path, name, wait)

    for name in ("stat", "is_dir", "mkdir", "write_bytes"):
        hang(name)
    yield released
    released.set()


async def test_directory_that_hangs_occupies_no_threads_of_others(
    tmp_path: Path, hanging: threading.Event
) -> None:
    blobs = Blobs.open(tmp_path.as_uri(), {}, timeout=0.1)
    before = threading.active_count()
    hanging.clear()
    attempts = 0

    async def tried_often() -> bool:
        nonlocal attempts
        for call in (blobs.put("key", b"x"), blobs.check()):
            with pytest.raises(DependencyUnavailable):
                await call
        attempts += 1
        return attempts == 5

    await eventually(tried_often, 10)
    # Probes of the breaker, as requests would make them.
    blobs.writing.outage = None
    with pytest.raises(DependencyUnavailable):
        await asyncio.gather(*(blobs.put("key", b"x") for _ in range(20)))
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(lambda: 1) == 1
    assert threading.active_count() <= before + 3
    hanging.set()

    async def responds() -> bool:
        with contextlib.suppress(DependencyUnavailable):
            await blobs.put("key", b"stored")
            return await blobs.get("key") == b"stored"
        return False

    await eventually(responds, 10)
    await blobs.check()


async def test_a_stream_into_a_directory_that_hangs_is_given_up(
    tmp_path: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The time limit of a part is then little longer than the timeout.
    monkeypatch.setattr(blobs_module, "_MIN_RATE", 2**40)
    monkeypatch.setattr(blobs_module, "_CLEANUP_TIMEOUT", 0.1)
    blobs = Blobs.open((tmp_path / "store").as_uri(), {}, 0.2)
    hanging.clear()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"text"

    try:
        async with asyncio.timeout(30):
            with pytest.raises(DependencyUnavailable):
                await blobs.put_stream("key", chunks())
        assert blobs.writing.is_open
    finally:
        hanging.set()


async def test_start_waits_for_a_directory_that_hangs_only_for_the_timeout(
    tmp_path: Path, hanging: threading.Event
) -> None:
    hanging.clear()
    blobs = Blobs.open((tmp_path / "store").as_uri(), {}, timeout=0.1)
    with pytest.raises(DependencyUnavailable):
        await blobs.get("key")
    hanging.set()

    async def responds() -> bool:
        with contextlib.suppress(DependencyUnavailable):
            await blobs.put("key", b"stored")
            return True
        return False

    await eventually(responds, 10)


HANGING = """
import asyncio, sys, threading
from pathlib import Path
from domains.kernel.core.problems import DependencyUnavailable
from domains.kernel.storage.blobs import Blobs

async def main():
    blobs = Blobs.open(sys.argv[1], {}, 0.1)
    Path.stat = Path.is_dir = Path.write_bytes = lambda *_: threading.Event().wait()
    for call in (blobs.put("key", b"x"), blobs.check()):
        try:
            await call
        except DependencyUnavailable:
            print("unavailable")

asyncio.run(main())
"""


def test_process_can_end_while_the_directory_hangs(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, tmp_path.as_uri()],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.count(b"unavailable\n") == 2


@pytest.fixture
def _no_large_files() -> Iterator[None]:
    """The system refuses to write files of more than 32 kB. Log lines are not written."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs():
        resource.setrlimit(resource.RLIMIT_FSIZE, (32_768, limits[1]))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("_no_large_files")
async def test_full_store_serves_reads_and_fails_its_check(local: Blobs, tmp_path: Path) -> None:
    await local.put("key", b"small")
    for _ in range(3):
        with pytest.raises(DependencyUnavailable, match="no room"):
            await local.put("other", bytes(40_000))
        assert await local.get("key") == b"small"
        with pytest.raises(DependencyUnavailable, match="no room"):
            await local.check()
    assert file_names(tmp_path) == ["key"]


async def test_an_upload_that_its_sender_interrupts_is_no_outage(blobs: Blobs) -> None:
    with pytest.raises(EOFError):
        await blobs.put_stream("key", _failing(20))
    with pytest.raises(BlobMissing):
        await blobs.get("key")
    assert not blobs.writing.is_open
    assert not blobs.reading.is_open


# --- streams ----------------------------------------------------------------------------------


async def test_large_object_is_streamed_by_the_megabyte(blobs: Blobs, tmp_path: Path) -> None:
    assert await blobs.put_stream("large", in_chunks(LARGE)) == len(LARGE)
    assert await blobs.size("large") == len(LARGE)
    assert [len(chunk) async for chunk in blobs.stream("large")] == [MIB] * 20
    assert await blobs.get("large") == LARGE
    await blobs.save("large", tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == LARGE


BODY = LARGE[: 2 * MIB + 77]


@pytest.fixture
async def with_body(blobs: Blobs) -> Blobs:
    await blobs.put("body", BODY)
    return blobs


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(*[st.integers(0, len(BODY)) | st.sampled_from([MIB, 2 * MIB])] * 2)
async def test_range_of_an_object_equals_a_slice(with_body: Blobs, one: int, other: int) -> None:
    start, end = sorted((one, other))
    assert await read(with_body, "body", start, end) == BODY[start:end]
    assert await read(with_body, "body", start) == BODY[start:]


async def _failing(chunks: int) -> AsyncIterator[bytes]:
    for _ in range(chunks):
        yield bytes(MIB)
    raise EOFError


async def _endless(started: asyncio.Event) -> AsyncIterator[bytes]:
    for _ in range(20):
        yield bytes(MIB)
    started.set()
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("chunks", [0, 1, 20])
async def test_failed_upload_stores_nothing(
    blobs: Blobs, chunks: int, tmp_path: Path, bucket: Any
) -> None:
    await blobs.put("kept", b"older")
    for key in ("kept", "new"):
        with pytest.raises(EOFError):
            await blobs.put_stream(key, _failing(chunks))
        await _assert_nothing_stored(blobs, tmp_path, bucket)


async def test_cancelled_upload_stores_nothing(blobs: Blobs, tmp_path: Path, bucket: Any) -> None:
    await blobs.put("kept", b"older")
    for key in ("kept", "new"):
        started = asyncio.Event()
        uploading = asyncio.create_task(blobs.put_stream(key, _endless(started)))
        await started.wait()
        uploading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await uploading
        await _assert_nothing_stored(blobs, tmp_path, bucket)


async def _assert_nothing_stored(blobs: Blobs, tmp_path: Path, bucket: Any) -> None:
    assert await blobs.get("kept") == b"older"
    with pytest.raises(BlobMissing):
        await blobs.get("new")
    assert file_names(tmp_path) in ([], ["kept"])
    # S3 charges for the parts of unfinished uploads.
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket="bucket")


async def test_full_disk_is_reported_and_leaves_nothing(local: Blobs, tmp_path: Path) -> None:
    await local.put("large", LARGE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, limits[1]))
        for writing in (
            local.put("new", LARGE),
            local.put("new", LARGE[: 4 * MIB]),
            local.put_stream("new", in_chunks(LARGE)),
        ):
            with pytest.raises(DependencyUnavailable, match="no room") as full:
                await writing
            # A full store is not the fault of an object, however many smaller ones fit.
            assert not full.value.suspect
        with pytest.raises(Unavailable, match="could not be written"):
            await local.save("large", tmp_path / "saved")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file_names(tmp_path) == ["large"]


WRITER = """
import asyncio, sys
from domains.kernel.storage.blobs import Blobs

async def endless():
    while True:
        yield bytes(1024 * 1024)
        await asyncio.sleep(0)

async def main():
    await Blobs.open(sys.argv[1], {}).put_stream("a/key", endless())

asyncio.run(main())
"""


async def _kill_writer(store: Path, files: int) -> None:
    """Kill a process during its write, as soon as the store has this many files."""
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, store.as_uri())

    async def started() -> bool:
        assert writer.returncode is None
        return len(file_names(store)) == files

    await eventually(started)
    writer.kill()
    await writer.wait()


async def test_old_partial_writes_of_killed_processes_are_deleted(
    local: Blobs, tmp_path: Path
) -> None:
    store = tmp_path / "blöbs and spaces"
    await _kill_writer(store, files=1)
    await _kill_writer(store, files=2)
    with pytest.raises(BlobMissing):
        await local.get("a/key")
    await local.put("a/key", b"whole")
    assert file_names(tmp_path) == ["key", "key#1", "key#2"]
    assert await local.delete_partial_writes(60) == 0
    minute_ago = time.time() - 61
    for name in ("key", "key#1"):
        os.utime(store / "a" / name, (minute_ago, minute_ago))
    assert await local.delete_partial_writes(60) == 1
    assert file_names(tmp_path) == ["key", "key#2"]
    assert await local.get("a/key") == b"whole"


async def test_partial_writes_are_not_deleted_from_a_bucket(remote: Blobs) -> None:
    assert await remote.delete_partial_writes(0) == 0


MEASURED = """
import asyncio, re, sys
from pathlib import Path
from domains.kernel.storage.blobs import Blobs

SIZE = 400 * 1024 * 1024

async def chunks():
    for _ in range(400):
        yield bytes(1024 * 1024)

def peak_memory():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main():
    blobs = Blobs.open(sys.argv[1], {})
    await blobs.put("small", b"x")
    before = peak_memory()
    assert await blobs.put_stream("x", chunks()) == SIZE
    assert sum([len(chunk) async for chunk in blobs.stream("x")]) == SIZE
    await blobs.save("x", Path(sys.argv[2]))
    print(peak_memory() - before)

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory usage of Linux")
def test_large_objects_need_bounded_memory(tmp_path: Path) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", MEASURED, (tmp_path / "s").as_uri(), str(tmp_path / "saved")],
        capture_output=True,
        check=True,
    )
    # Measured: 50 to 150 MB for 100 to 800 MB alike, most of it on a busy machine.
    assert 0 < int(completed.stdout) < 200 * 1024  # kB


# --- content type and filename ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("filename", "header"),
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
def test_filenames_are_sanitised(filename: str | None, header: str) -> None:
    assert content_disposition(filename) == header


@pytest.mark.parametrize(
    ("content_type", "header"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("text/plain; x=y", "application/octet-stream"),
        ("", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_malformed_content_types_are_replaced(content_type: str | None, header: str) -> None:
    assert safe_content_type(content_type) == header


# --- signed URLs ------------------------------------------------------------------------------


async def test_object_in_s3_is_served_by_s3_with_its_stored_type_and_name(remote: Blobs) -> None:
    signed_urls = SignedUrls(Signer(b"k"), remote, "https://public.example")
    attributes = {"content_type": "image/png", "filename": "plän.png"}
    await remote.put("put", b"a picture", **attributes)
    await remote.put_stream("streamed", in_chunks(LARGE), **attributes)
    await remote.put("nameless", b"<script>")
    async with httpx.AsyncClient() as client:
        for key, body in (("put", b"a picture"), ("streamed", LARGE)):
            url = await signed_urls.create(key, "image/png", "plän.png", time.time())
            response = await client.get(url)
            assert (response.status_code, response.content) == (200, body)
            assert response.headers["Content-Type"] == "image/png"
            assert response.headers["Content-Disposition"] == content_disposition("plän.png")
        url = await signed_urls.create("nameless", "text/html", "x.html", time.time())
        response = await client.get(url)
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Content-Disposition"] == "attachment"
    # S3 serves attachments only, so a recording to play is served by this deployment.
    stream = signed_urls.create_inline("put", "video/mp4", "call", 0)
    assert stream.startswith("https://public.example/files/put?")
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [str(LIFETIME)]


async def test_url_is_created_without_a_request(unreachable: Blobs) -> None:
    signed_urls = SignedUrls(Signer(b"k"), unreachable, "https://public.example")
    url = await signed_urls.create("x", "a/b", "c", 0)
    assert url.startswith("http://127.0.0.1:1/bucket/x?")


async def test_object_in_a_directory_is_served_by_the_deployment(local: Blobs) -> None:
    assert await local.presign("x", LIFETIME) is None
    signed_urls = SignedUrls(Signer(b"k"), local, "https://public.example/")
    url = await signed_urls.create("a b/x", "a/b", "c", 0)
    assert url.startswith("https://public.example/files/a%20b/x?")
