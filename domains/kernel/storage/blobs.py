"""Object store: a local directory or an S3 bucket behind one interface."""

import asyncio
import contextlib
import errno
import os
import re
import stat
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import LocalStore, S3Store

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import (
    FULL_DISK_ERRORS,
    DependencyUnavailable,
    Unavailable,
    no_disk_space,
)
from domains.kernel.core.tasks import SharedCall, in_daemon_thread

# Bytes read by one request, for a stream and for a copy to a file.
_READ_SIZE: Final = 1024 * 1024
_COPY_READ_SIZE: Final = 8 * 1024 * 1024
# Bytes of an upload's part. An upload keeps about three parts in memory; S3 accepts 10,000 parts.
_PART_SIZE: Final = 8 * 1024 * 1024
_CONCURRENT_PARTS: Final = 2
# Seconds that a failed upload may take to clean up.
_CLEANUP_TIMEOUT: Final = 10
# Bytes per second. A slower transfer counts as no response.
_MIN_RATE: Final = 512 * 1024

# Seconds between two checks that a local directory exists.
_DIRECTORY_CHECK_INTERVAL: Final = 1.0
# Bytes that `check` writes to a local directory.
_CHECK_SIZE: Final = 64 * 1024

_SAFE_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?charset=[A-Za-z0-9-]+)?")
_UNSAFE_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")
# Characters. The length of header values and URLs is limited.
MAX_FILENAME: Final = 200
# The local store writes to `key#1` and renames the file when it is complete. Keys must not match.
_PARTIAL_FILE: Final = re.compile(r".*#[0-9]+")
_STORE_FULL_ERRORS: Final = FULL_DISK_ERRORS | {errno.EFBIG}

_NO_RESPONSE: Final = "The object store does not respond. Try again."
_NOT_STORED: Final = "The object could not be stored. Try again."
_NO_ROOM: Final = "The object store has no room left."


class BlobMissing(Exception):
    """No object is stored under the key."""


class Blobs:
    """Objects by key. Methods raise DependencyUnavailable if the store refuses or does not respond.

    Writes are atomic: an object is visible under its key only when it is stored completely.

    A store that does not respond within the timeout, plus the time for the bytes, is unavailable.
    Further calls then fail at once, except for one in each probe interval. Reads and writes have a
    breaker each.
    """

    def __init__(
        self, store: "S3Store | _Directory", timeout: float, probe_interval: float
    ) -> None:
        self._store = store
        self._directory = store if isinstance(store, _Directory) else None
        self._timeout = timeout
        self._directory_checked = float("-inf")
        self.reading: Final = Breaker("object_store", _NO_RESPONSE, probe_interval)
        self.writing: Final = Breaker("object_store_writes", _NOT_STORED, probe_interval)

    @classmethod
    def open(
        cls,
        url: str,
        environment: Mapping[str, str],
        timeout: float = 5.0,
        probe_interval: float = 1.0,
    ) -> "Blobs":
        """Open `file:///directory` (created if missing) or `s3://bucket/prefix`.

        `environment` holds the AWS_* variables. `timeout` and `probe_interval`, the time between
        two calls that are let through during an outage, are in seconds. A directory that cannot be
        created, or does not respond within `timeout`, is an outage; it is tried again. Raises an
        error only if the URL is wrong.
        """
        parts = urlsplit(url)
        if parts.scheme == "file":
            directory = _Directory(Path(unquote(parts.path)))
            blobs = cls(directory, timeout, probe_interval)
            began = time.monotonic()
            try:
                directory.existence.start().result(timeout)
            except (BaseError, OSError) as error:
                for breaker in (blobs.reading, blobs.writing):
                    _failure(breaker, error, began)
            return blobs
        endpoint = environment.get("AWS_ENDPOINT_URL", "")
        store = S3Store.from_url(
            url,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=timeout),
                "timeout": timedelta(seconds=timeout + _PART_SIZE / _MIN_RATE),
            },
            # Servers other than AWS expect the bucket in the path, not in the host name.
            virtual_hosted_style_request=not endpoint,
            # Shorter than the library's minutes: HTTP requests wait for this.
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=timeout)},
        )
        return cls(store, timeout, probe_interval)

    async def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> None:
        """Store an object. Replaces an existing one.

        A URL from `presign` serves the object with this content type and filename.
        """
        await self._put(key, body, content_type, filename)

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> int:
        """Store an object of any size in bounded memory. Returns its size in bytes.

        On an error of `chunks` or on cancellation nothing is stored and an existing object stays.
        A killed process leaves partial data, never under the key. `delete_partial_writes` removes
        it from a directory, the bucket's lifecycle rule AbortIncompleteMultipartUpload from S3.
        """
        queue = _ChunkQueue()
        upload = asyncio.ensure_future(self._put(key, queue, content_type, filename))
        upload.add_done_callback(queue.upload_done)
        size = 0
        try:
            async for chunk in chunks:
                if upload.done():
                    break
                size += len(chunk)
                await self._within_part(queue.put(chunk))
            else:
                await self._within_part(queue.put(None))
            await self._within_part(asyncio.shield(upload))
        except BaseException:
            # The library removes uploaded parts when the chunks fail, but not when it is cancelled.
            queue.abort()
            _, unfinished = await asyncio.wait({upload}, timeout=_CLEANUP_TIMEOUT)
            for task in unfinished:
                task.cancel()
            raise
        return size

    async def _within_part(self, progress: Awaitable[None]) -> None:
        """Wait for the progress of a stream, for as long as one of its parts may take."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout + _PART_SIZE / _MIN_RATE):
                await progress
        except TimeoutError as error:
            raise _failure(self.writing, error, began) from error

    async def _put(
        self,
        key: str,
        body: "bytes | _ChunkQueue",
        content_type: str | None,
        filename: str | None,
    ) -> None:
        attributes = None
        # Files in a directory have no attributes.
        if self._directory is None:
            attributes = {
                "Content-Type": safe_content_type(content_type),
                "Content-Disposition": content_disposition(filename),
            }
        # Not of a stream, whose chunks may be slow: `_within_part` limits each part.
        size = len(body) if isinstance(body, bytes) else None
        async with self._call(self.writing, key, size) as store:
            try:
                await obstore.put_async(
                    store,
                    key,
                    body,
                    attributes=attributes,
                    chunk_size=_PART_SIZE,
                    max_concurrency=_CONCURRENT_PARTS,
                )
            except FileNotFoundError as error:
                raise OSError("The bucket or directory is missing.") from error
            except BaseError as error:
                if isinstance(body, _ChunkQueue) and body.aborted:
                    raise _UploadAborted from error
                raise

    async def get(self, key: str) -> bytes:
        """Read a whole object. Raises BlobMissing."""
        async with self._call(self.reading, key) as store:
            response = await obstore.get_async(store, key)
        async with self._call(self.reading, key, response.meta["size"]):
            return bytes(await response.bytes_async())

    async def size(self, key: str) -> int:
        """Return the size of an object in bytes. Raises BlobMissing."""
        async with self._call(self.reading, key) as store:
            return (await obstore.head_async(store, key))["size"]

    def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read the bytes from `start` to before `end` (default: the end), a megabyte at a time.

        Requires 0 <= start <= end <= size. Any chunk may raise BlobMissing or Unavailable. No
        request is open between two chunks, so readers may be slow.
        """
        return self._read(key, start, end, _READ_SIZE)

    async def save(self, key: str, path: Path) -> None:
        """Copy an object to a local file, which is replaced if it exists. Raises BlobMissing.

        After an error there is no file. Raises Unavailable also if the file cannot be written,
        DependencyUnavailable if there is no space for it.
        """
        with _new_file(path) as file:
            async for chunk in self._read(key, 0, None, _COPY_READ_SIZE):
                await asyncio.to_thread(file.write, chunk)

    async def _read(
        self, key: str, start: int, end: int | None, chunk_size: int
    ) -> AsyncIterator[bytes]:
        # One request per chunk: a request for the whole object could exceed its timeout when the
        # object is large or the reader slow.
        end = await self.size(key) if end is None else end
        for chunk_start in range(start, end, chunk_size):
            chunk_end = min(chunk_start + chunk_size, end)
            async with self._call(self.reading, key, chunk_size) as store:
                chunk = await obstore.get_range_async(store, key, start=chunk_start, end=chunk_end)
            if len(chunk) != chunk_end - chunk_start:
                raise Unavailable("The object became shorter while it was read.")
            yield chunk.to_bytes()

    async def delete(self, key: str) -> None:
        """Delete an object if it exists."""
        with contextlib.suppress(BlobMissing):
            async with self._call(self.writing, key) as store:
                await obstore.delete_async(store, key)

    async def presign(self, key: str, seconds: int) -> str | None:
        """Return an S3 URL that serves an object for `seconds`, or None for a local directory.

        Serves the stored content type and filename, always as an attachment. Sends no request,
        except to a service that provides temporary credentials; the URL expires with those. With
        AWS_ENDPOINT_URL the URL points to that endpoint, which clients must be able to reach.
        """
        if isinstance(self._store, _Directory):
            return None
        try:
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))
        except (BaseError, OSError) as error:
            raise Unavailable(_NO_RESPONSE) from error

    async def delete_partial_writes(self, older_than_seconds: float) -> int:
        """Delete what interrupted writes left in a local directory. Returns the number of files.

        A running write that received no bytes for `older_than_seconds` fails. Does nothing for S3.
        """
        if self._directory is None:
            return 0
        path, before = self._directory.path, time.time() - older_than_seconds
        return await asyncio.wrap_future(
            in_daemon_thread(lambda: _delete_partial_files(path, before))
        )

    async def check(self) -> None:
        """Raise DependencyUnavailable unless the store responds and a directory can be written to.

        Asks the store also during an outage. A response ends the outage.
        """
        if self._directory is None:
            with contextlib.suppress(BlobMissing):
                async with self._attempt(self.reading, "health") as store:
                    await obstore.head_async(store, "health")
        else:
            async with self._attempt(self.writing, "health"):
                await self._directory.writability.result()

    @contextlib.asynccontextmanager
    async def _call(
        self, breaker: Breaker, key: str, size: int | None = 0
    ) -> AsyncIterator[LocalStore | S3Store]:
        """Like `_attempt`, but refuse the call at once during an outage."""
        breaker.admit()
        async with self._attempt(breaker, key, size) as store:
            yield store

    @contextlib.asynccontextmanager
    async def _attempt(
        self, breaker: Breaker, key: str, size: int | None = 0
    ) -> AsyncIterator[LocalStore | S3Store]:
        """Call the store in the block, for the time that `size` bytes may take; None: no limit.

        Raises BlobMissing or DependencyUnavailable, and records the result in the breaker.
        """
        began = time.monotonic()
        limit = None if size is None else self._timeout + size / _MIN_RATE
        try:
            async with asyncio.timeout(limit):
                store = await self._opened(breaker)
                try:
                    yield store
                except FileNotFoundError as error:
                    # Without its directory, every object of a local store is missing.
                    if self._directory is not None:
                        await self._directory.existence.result()
                    raise BlobMissing(key) from error
        except BlobMissing:
            breaker.succeeded()
            raise
        except _UploadAborted:
            raise
        except InvalidPathError as error:
            raise Unavailable(_NOT_STORED) from error
        except (BaseError, OSError) as error:
            raise _failure(breaker, error, began) from error
        breaker.succeeded()

    async def _opened(self, breaker: Breaker) -> LocalStore | S3Store:
        """Return the store. Raises OSError if its directory is known to be missing or silent.

        A write would create the directory again. A read during an outage would occupy a thread of
        the library as long as the file system hangs.
        """
        if not isinstance(self._store, _Directory):
            return self._store
        store = self._store.store
        now = time.monotonic()
        must_check = breaker is self.writing or breaker.is_open
        if store is None or (must_check and now >= self._directory_checked):
            async with asyncio.timeout(self._timeout):
                store = await self._store.existence.result()
            self._directory_checked = now + _DIRECTORY_CHECK_INTERVAL
        return store


class _Directory:
    """The directory of a local store, on a file system that may be missing, full or hang.

    The calls raise OSError, or BaseError of the library.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        # None until the directory exists for the first time.
        self.store: LocalStore | None = None
        self.existence: Final = SharedCall(self._open)
        self.writability: Final = SharedCall(lambda: _write_and_delete(path))

    def _open(self) -> LocalStore:
        """Check that the directory exists. Create it only if it has never existed."""
        if self.store is None:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.store = LocalStore(prefix=self.path)
        elif not stat.S_ISDIR(self.path.stat().st_mode):
            raise NotADirectoryError(self.path)
        return self.store


def safe_content_type(content_type: str | None) -> str:
    """Return the content type if it is well-formed, else `application/octet-stream`."""
    if content_type is not None and _SAFE_TYPE.fullmatch(content_type):
        return content_type
    return "application/octet-stream"


def content_disposition(filename: str | None, kind: str = "attachment") -> str:
    """Content-Disposition that makes browsers save the file, under a sanitised filename.

    `kind`: `inline` makes them show it.
    """
    name = _UNSAFE_IN_NAMES.sub("_", (filename or "")[:MAX_FILENAME])
    # A name of dots only is a directory.
    if not name.strip(". "):
        return kind
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"


class _UploadAborted(Exception):
    """Raised into an upload to make the library discard it."""


class _ChunkQueue:
    """Passes chunks to an upload, holding at most one."""

    def __init__(self) -> None:
        self._queue = asyncio.Queue[bytes | None](1)
        self.aborted = False

    async def put(self, chunk: bytes | None) -> None:
        """Add a chunk once the previous one is taken. None ends the upload."""
        await self._queue.put(chunk)

    def abort(self) -> None:
        """Make the upload fail."""
        self.aborted = True
        if self._queue.empty():
            self._queue.put_nowait(None)

    def upload_done(self, upload: asyncio.Future[Any]) -> None:
        """Release a waiting `put`: the upload takes no more chunks."""
        while not self._queue.empty():
            self._queue.get_nowait()
        if not upload.cancelled():
            upload.exception()  # retrieved, so that asyncio does not report it as unhandled

    def __aiter__(self) -> "_ChunkQueue":
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._queue.get()
        if self.aborted:
            raise _UploadAborted
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def _failure(breaker: Breaker, error: Exception, began: float) -> DependencyUnavailable:
    """Record a failed call and return the problem to raise."""
    if _is_full(error):
        breaker.failed("full", began=began, message=_NO_ROOM)
        return DependencyUnavailable(breaker.dependency, _NO_ROOM)
    breaker.failed(type(error).__name__, began=began)
    message = _NO_RESPONSE if breaker.dependency == "object_store" else _NOT_STORED
    return DependencyUnavailable(breaker.dependency, message, suspect=True)


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _STORE_FULL_ERRORS:
        return True
    return any(f"(os error {number})" in str(error) for number in _STORE_FULL_ERRORS)


def _write_and_delete(directory: Path) -> None:
    """Write a file, which shows a full disk. Raises OSError."""
    # A name of a partial write: a later task deletes the file of a killed process.
    path = directory / f"health-{os.getpid()}-{threading.get_ident()}#1"
    try:
        path.write_bytes(bytes(_CHECK_SIZE))
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        path.unlink(missing_ok=True)
        if problem := no_disk_space(error):
            raise problem from error
        raise Unavailable(f"The file could not be written: {error.strerror}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _delete_partial_files(directory: Path, before: float) -> int:
    deleted = 0
    for folder, _, names in os.walk(directory):
        for name in filter(_PARTIAL_FILE.fullmatch, names):
            path = Path(folder, name)
            # A write that has just finished may have renamed the file.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    deleted += 1
    return deleted
