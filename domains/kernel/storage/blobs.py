"""Object store: a local directory or an S3 bucket behind one interface."""

import asyncio
import contextlib
import errno
import os
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from domains.kernel.core.problems import Unavailable

# Bytes read by one request, for a stream and for a copy to a file.
_READ_SIZE: Final = 1024 * 1024
_COPY_READ_SIZE: Final = 8 * 1024 * 1024
# Bytes of an upload's part. An upload keeps about three parts in memory; S3 accepts 10,000 parts.
_PART_SIZE: Final = 8 * 1024 * 1024
_CONCURRENT_PARTS: Final = 2
# Seconds that a failed upload may take to clean up.
_CLEANUP_TIMEOUT: Final = 10

_SAFE_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?charset=[A-Za-z0-9-]+)?")
_UNSAFE_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")
# Characters. The length of header values and URLs is limited.
MAX_FILENAME: Final = 200
# The local store writes to `key#1` and renames the file when it is complete. Keys must not match.
_PARTIAL_FILE: Final = re.compile(r".*#[0-9]+")
_STORE_FULL_ERRORS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BlobMissing(Exception):
    """No object is stored under the key."""


class Blobs:
    """Objects by key. Methods raise Unavailable if the store refuses or does not respond.

    Writes are atomic: an object is visible under its key only when it is stored completely.
    """

    def __init__(self, store: LocalStore | S3Store, directory: Path | None) -> None:
        self._store = store
        self._directory = directory

    @classmethod
    def open(cls, url: str, environment: Mapping[str, str]) -> "Blobs":
        """Open `file:///directory` (created if missing) or `s3://bucket/prefix`.

        `environment` holds the AWS_* variables. Raises Unavailable if the directory cannot be
        created.
        """
        parts = urlsplit(url)
        if parts.scheme == "file":
            directory = Path(unquote(parts.path))
            try:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise Unavailable(
                    f"The object store cannot be opened: {directory}: {error.strerror}"
                ) from error
            return cls(LocalStore(prefix=directory), directory)
        endpoint = environment.get("AWS_ENDPOINT_URL", "")
        store = S3Store.from_url(
            url,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": "30s"},
            # Servers other than AWS expect the bucket in the path, not in the host name.
            virtual_hosted_style_request=not endpoint,
            # Shorter than the library's minutes: HTTP requests wait for this.
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
        )
        return cls(store, None)

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
                await queue.put(chunk)
            else:
                await queue.put(None)
            await asyncio.shield(upload)
        except BaseException:
            # The library removes uploaded parts when the chunks fail, but not when it is cancelled.
            queue.abort()
            _, unfinished = await asyncio.wait({upload}, timeout=_CLEANUP_TIMEOUT)
            for task in unfinished:
                task.cancel()
            raise
        return size

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
        try:
            await obstore.put_async(
                self._store,
                key,
                body,
                attributes=attributes,
                chunk_size=_PART_SIZE,
                max_concurrency=_CONCURRENT_PARTS,
            )
        except (BaseError, OSError) as error:
            if any(f"(os error {number})" in str(error) for number in _STORE_FULL_ERRORS):
                raise Unavailable("The object store has no room left.") from error
            raise Unavailable("The object could not be stored. Try again.") from error

    async def get(self, key: str) -> bytes:
        """Read a whole object. Raises BlobMissing."""
        with _store_errors(key):
            response = await obstore.get_async(self._store, key)
            return bytes(await response.bytes_async())

    async def size(self, key: str) -> int:
        """Return the size of an object in bytes. Raises BlobMissing."""
        with _store_errors(key):
            return (await obstore.head_async(self._store, key))["size"]

    def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read the bytes from `start` to before `end` (default: the end), a megabyte at a time.

        Requires 0 <= start <= end <= size. Any chunk may raise BlobMissing or Unavailable. No
        request is open between two chunks, so readers may be slow.
        """
        return self._read(key, start, end, _READ_SIZE)

    async def save(self, key: str, path: Path) -> None:
        """Copy an object to a local file, which is replaced if it exists. Raises BlobMissing.

        After an error there is no file. Raises Unavailable also if the file cannot be written.
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
            with _store_errors(key):
                chunk = await obstore.get_range_async(
                    self._store, key, start=chunk_start, end=chunk_end
                )
            if len(chunk) != chunk_end - chunk_start:
                raise Unavailable("The object became shorter while it was read.")
            yield chunk.to_bytes()

    async def delete(self, key: str) -> None:
        """Delete an object if it exists."""
        with contextlib.suppress(BlobMissing), _store_errors(key):
            await obstore.delete_async(self._store, key)

    async def presign(self, key: str, seconds: int) -> str | None:
        """Return an S3 URL that serves an object for `seconds`, or None for a local directory.

        Serves the stored content type and filename, always as an attachment. Sends no request,
        except to a service that provides temporary credentials; the URL expires with those. With
        AWS_ENDPOINT_URL the URL points to that endpoint, which clients must be able to reach.
        """
        if not isinstance(self._store, S3Store):
            return None
        with _store_errors(key):
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))

    async def delete_partial_writes(self, older_than_seconds: float) -> int:
        """Delete what interrupted writes left in a local directory. Returns the number of files.

        A running write that received no bytes for `older_than_seconds` fails. Does nothing for S3.
        """
        if self._directory is None:
            return 0
        before = time.time() - older_than_seconds
        return await asyncio.to_thread(_delete_partial_files, self._directory, before)

    async def check(self) -> None:
        """Raise Unavailable unless objects can be stored."""
        if self._directory is not None:
            # The local store does not notice that its directory is gone: ask the file system.
            writable = await asyncio.to_thread(os.access, self._directory, os.W_OK | os.X_OK)
            if not writable:
                raise Unavailable("The object store's directory is not writable.")
            return
        with contextlib.suppress(BlobMissing), _store_errors("health"):
            await obstore.head_async(self._store, "health")


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
        self._aborted = False

    async def put(self, chunk: bytes | None) -> None:
        """Add a chunk once the previous one is taken. None ends the upload."""
        await self._queue.put(chunk)

    def abort(self) -> None:
        """Make the upload fail."""
        self._aborted = True
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
        if self._aborted:
            raise _UploadAborted
        if chunk is None:
            raise StopAsyncIteration
        return chunk


@contextlib.contextmanager
def _store_errors(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissing(key) from error
    except (BaseError, OSError) as error:
        raise Unavailable("The object store does not respond. Try again.") from error


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        path.unlink(missing_ok=True)
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
