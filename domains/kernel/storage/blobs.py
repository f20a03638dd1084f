"""Objects too large for a row: a local directory or S3, through one interface."""

import asyncio
import contextlib
import errno
import os
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from domains.kernel.core.problems import Unavailable
from domains.kernel.jobs.model import Job, Queue

# Bytes of an object that a reader has in memory at a time, and a copy to a file.
_PIECE: Final = 1024 * 1024
_LARGE_PIECE: Final = 8 * 1024 * 1024
# An upload keeps about three parts of so many bytes in memory; S3 takes 10,000 of them.
_PART: Final = 8 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2
# Seconds that an upload has to clean up after itself.
_PARTING: Final = 10

_SAFE_TYPE: Final = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?charset=[A-Za-z0-9-]+)?")
_UNSAFE_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")
# Characters; header values have an end.
_LONGEST_NAME: Final = 200
# The local store writes to `key#1` and renames that when it is whole. No key may look so.
_UNFINISHED: Final = re.compile(r".*#[0-9]+")
# A full disk, a used up quota, a file too large for the file system.
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BlobMissing(Exception):
    """There is no object of that key."""


class DeleteBlob(Job, frozen=True, tag="kernel.delete_blob"):
    """Delete an object after the commit of the change that made it useless."""

    queue: ClassVar[Queue] = "housekeeping"
    key: str


class Blobs:
    """Objects by key, whole or as streams. Unavailable where the store refuses or does not answer.

    An object is seen under its key when all of it is stored, never before.
    """

    def __init__(self, store: LocalStore | S3Store, directory: Path | None) -> None:
        self._store = store
        self._directory = directory

    @classmethod
    def open(cls, url: str, environment: Mapping[str, str]) -> "Blobs":
        """`file:///directory` (made if missing) or `s3://bucket/prefix` with AWS_* variables.

        Unavailable if the directory cannot be made.
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
            # Servers other than AWS' answer by path, not by host name.
            virtual_hosted_style_request=not endpoint,
            # A request waits for this, so not the library's minutes.
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
        """Store an object; an older one of the same key is replaced as a whole.

        Type and name are what a signed address of the object answers with (see `sign`).
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
        """Store an object of any size in bounded memory; the bytes stored.

        If the chunks end in an error, or this is cancelled, nothing is stored and an older object
        stays. A process that is killed leaves nothing under the key; what else it leaves, `sweep`
        removes from a directory and a rule of the bucket from S3 (AbortIncompleteMultipartUpload).
        """
        feed = _Feed()
        upload = asyncio.ensure_future(self._put(key, feed, content_type, filename))
        upload.add_done_callback(feed.done)
        stored = 0
        try:
            async for chunk in chunks:
                if upload.done():
                    break
                stored += len(chunk)
                await feed.give(chunk)
            else:
                await feed.give(None)
            await asyncio.shield(upload)
        except BaseException:
            # The library takes back what it sent when the chunks fail, not when it is cancelled.
            feed.abandon()
            _, late = await asyncio.wait({upload}, timeout=_PARTING)
            for each in late:
                each.cancel()
            raise
        return stored

    async def _put(
        self,
        key: str,
        body: "bytes | _Feed",
        content_type: str | None,
        filename: str | None,
    ) -> None:
        attributes = None
        # A directory has no place for them.
        if self._directory is None:
            attributes = {
                "Content-Type": safe_type(content_type),
                "Content-Disposition": disposition(filename),
            }
        try:
            await obstore.put_async(
                self._store,
                key,
                body,
                attributes=attributes,
                chunk_size=_PART,
                max_concurrency=_PARTS_AT_ONCE,
            )
        except (BaseError, OSError) as error:
            if any(f"(os error {number})" in str(error) for number in _NO_ROOM):
                raise Unavailable("The object store has no room left.") from error
            raise Unavailable("The object store did not take the object. Try again.") from error

    async def get(self, key: str) -> bytes:
        """The object's bytes; BlobMissing if there is none."""
        with _failures(key):
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())

    async def size(self, key: str) -> int:
        """How many bytes the object has; BlobMissing if there is none."""
        with _failures(key):
            return (await obstore.head_async(self._store, key))["size"]

    def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object from `start` to before `end`, a megabyte at a time.

        0 <= start <= end <= size, and without `end` to the last one. BlobMissing if there is no
        object; that or Unavailable may come at any chunk. A reader may take as long as it likes:
        nothing is open between two chunks.
        """
        return self._pieces(key, start, end, _PIECE)

    async def save(self, key: str, path: Path) -> None:
        """Write the object to a local file, a former one is replaced; BlobMissing.

        On any failure there is no file. Unavailable also where the file cannot be written.
        """
        with _written(path) as file:
            async for piece in self._pieces(key, 0, None, _LARGE_PIECE):
                await asyncio.to_thread(file.write, piece)

    async def _pieces(
        self, key: str, start: int, end: int | None, piece: int
    ) -> AsyncIterator[bytes]:
        # One request each: a single one for all would have to be through within its time limit,
        # however large the object and slow the reader.
        end = await self.size(key) if end is None else end
        for at in range(start, end, piece):
            until = min(at + piece, end)
            with _failures(key):
                found = await obstore.get_range_async(self._store, key, start=at, end=until)
            if len(found) != until - at:
                raise Unavailable("The object ends earlier than it did.")
            yield found.to_bytes()

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        with contextlib.suppress(BlobMissing), _failures(key):
            await obstore.delete_async(self._store, key)

    async def sign(self, key: str, seconds: int) -> str | None:
        """The store's own address of an object, good without a key for so long.

        It answers with the type and name that the object was stored with, always as an attachment.
        No request is made for it, but for new credentials where those come from a service; with
        such credentials it is good for as long as they are, at most. With AWS_ENDPOINT_URL it
        points there: who sets that decides who can reach it. None for a local directory.
        """
        if not isinstance(self._store, S3Store):
            return None
        with _failures(key):
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))

    async def sweep(self, older_than_seconds: float) -> int:
        """Remove what interrupted writes left in a local directory so long ago; how many files.

        A write that has got no bytes for so long is taken for interrupted, too, and fails.
        """
        if self._directory is None:
            return 0
        return await asyncio.to_thread(_sweep, self._directory, time.time() - older_than_seconds)

    async def check(self) -> None:
        """Return if objects can be stored, else Unavailable."""
        if self._directory is not None:
            # The local store answers for a directory that is gone, so ask the file system.
            writable = await asyncio.to_thread(os.access, self._directory, os.W_OK | os.X_OK)
            if not writable:
                raise Unavailable("The object store's directory is not writable.")
            return
        with contextlib.suppress(BlobMissing), _failures("health"):
            await obstore.head_async(self._store, "health")


def safe_type(content_type: str | None) -> str:
    """The content type if it is a plain one, else that of any bytes."""
    if content_type is not None and _SAFE_TYPE.fullmatch(content_type):
        return content_type
    return "application/octet-stream"


def disposition(filename: str | None) -> str:
    """The Content-Disposition of something to be saved, never shown, under a harmless name."""
    name = _UNSAFE_IN_NAMES.sub("_", (filename or "")[:_LONGEST_NAME])
    # Nothing but dots is a directory.
    if not name.strip(". "):
        return "attachment"
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


class _Abandoned(Exception):
    """There will be no more chunks, and what was sent is void."""


class _Feed:
    """Chunks on their way to an upload, one at a time."""

    def __init__(self) -> None:
        self._waiting = asyncio.Queue[bytes | None](1)
        self._abandoned = False

    async def give(self, chunk: bytes | None) -> None:
        """Wait until the one before is taken, and leave this; None is the end."""
        await self._waiting.put(chunk)

    def abandon(self) -> None:
        """Let the upload fail."""
        self._abandoned = True
        if self._waiting.empty():
            self._waiting.put_nowait(None)

    def done(self, upload: asyncio.Future[Any]) -> None:
        """The upload takes no more: let go of who waits for that."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        if not upload.cancelled():
            upload.exception()

    def __aiter__(self) -> "_Feed":
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._waiting.get()
        if self._abandoned:
            raise _Abandoned
        if chunk is None:
            raise StopAsyncIteration
        return chunk


@contextlib.contextmanager
def _failures(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobMissing(key) from error
    except (BaseError, OSError) as error:
        raise Unavailable("The object store does not answer. Try again.") from error


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Unavailable(f"The file could not be written: {error.strerror}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sweep(directory: Path, before: float) -> int:
    removed = 0
    for folder, _, names in os.walk(directory):
        for name in filter(_UNFINISHED.fullmatch, names):
            path = Path(folder, name)
            # Its write may just have ended.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
    return removed
