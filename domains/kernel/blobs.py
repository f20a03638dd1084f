"""Objects too large for a row: a local directory or S3, through one interface."""

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from domains.kernel.jobs import Job, Queue
from domains.kernel.problems import Unavailable


class BlobMissing(Exception):
    """There is no object of that key."""


class DeleteBlob(Job, frozen=True, tag="kernel.delete_blob"):
    """Delete an object after the commit of the change that made it useless."""

    queue: ClassVar[Queue] = "housekeeping"
    key: str


class Blobs:
    """Puts, gets and deletes whole objects by key. Unavailable where the store does not answer."""

    def __init__(self, store: ObjectStore, directory: Path | None) -> None:
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

    async def put(self, key: str, body: bytes) -> None:
        """Store an object; an older one of the same key is replaced as a whole."""
        try:
            await obstore.put_async(self._store, key, body)
        except (BaseError, OSError) as error:
            raise Unavailable("The object store did not take the text. Try again.") from error

    async def get(self, key: str) -> bytes:
        """The object's bytes; BlobMissing if there is none."""
        try:
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except FileNotFoundError as error:
            raise BlobMissing(key) from error
        except (BaseError, OSError) as error:
            raise Unavailable("The object store does not answer. Try again.") from error

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise Unavailable("The object store does not answer. Try again.") from error

    async def check(self) -> None:
        """Return if objects can be stored, else Unavailable."""
        if self._directory is not None:
            # The local store answers for a directory that is gone, so ask the file system.
            writable = await asyncio.to_thread(os.access, self._directory, os.W_OK | os.X_OK)
            if not writable:
                raise Unavailable("The object store's directory is not writable.")
            return
        try:
            await obstore.head_async(self._store, "health")
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise Unavailable("The object store does not answer.") from error
