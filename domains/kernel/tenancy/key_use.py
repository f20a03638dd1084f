"""Times of the last use of API keys, written in the background."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import structlog

from domains.kernel.core.problems import Problem
from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Read
from domains.kernel.tenancy.api_keys import set_last_use
from domains.kernel.tenancy.keyring import Caller

logger = structlog.get_logger()

# Seconds between two records of the use of one key.
_INTERVAL: Final = 60.0
# Seconds in which uses of further keys are collected, to write them in one statement.
_COLLECTION_TIME: Final = 1.0
# Seconds for the last write, so that a server that does not answer delays no shutdown.
_LAST_WRITE_TIMEOUT: Final = 1.0


class KeyUse:
    """Records the use of keys: each at most once a minute, all in one statement.

    A request only sets an entry of a dictionary. Uses that are not yet written are lost if the
    process is killed or PostgreSQL is unavailable.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        # When each key was last recorded, in seconds of the monotonic clock.
        self._recorded_at: dict[str, float] = {}
        self._unwritten: list[UUID] = []
        self._used = asyncio.Event()

    def record(self, caller: Caller) -> None:
        """Record that the caller used its key now."""
        # By text: the hash of a UUID is computed anew each time.
        now, key = time.monotonic(), caller.key_text
        if now - self._recorded_at.get(key, -_INTERVAL) >= _INTERVAL:
            self._recorded_at[key] = now
            self._unwritten.append(caller.key)
            self._used.set()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write recorded uses inside the context, and the last ones on leaving it."""
        async with background_task(self._run()):
            yield
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WRITE_TIMEOUT):
                await self._write()

    async def _run(self) -> None:
        while True:
            await self._used.wait()
            await asyncio.sleep(_COLLECTION_TIME)
            self._used.clear()
            await self._write()

    async def _write(self) -> None:
        """Write the recorded uses. If that fails, the next use of a key is recorded again."""
        keys, self._unwritten = self._unwritten, []
        if keys:
            try:
                await set_last_use(self._read, keys)
            except Problem as problem:
                for key in keys:
                    self._recorded_at.pop(str(key), None)
                logger.warning("key_use_not_written", reason=problem.message, keys=len(keys))
