"""The relay: hands due job rows to Dramatiq, and brings back those that got lost on the way."""

import asyncio
import contextlib
from typing import Final
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from domains.kernel import idempotency, jobs, keyset
from domains.kernel.db import Database
from domains.kernel.problems import Unavailable
from workers.broker import QUEUES, Broker

log = structlog.get_logger()

# Jobs of a queue that wait in Redis at a time. Few, so that little is sent twice after a loss and
# what is due first runs first; enough to keep the workers busy between two looks.
_WINDOW: Final = 16

_POLL: Final = 1.0


class Relay:
    """One in every worker process; several get along, since they skip each other's rows."""

    def __init__(self, database: Database, broker: Broker, resend_after: float) -> None:
        self._database = database
        self._broker = broker
        self._resend_after = resend_after
        self._due = asyncio.Event()
        self._link = database.listener({jobs.CHANNEL: lambda _payload: self.poke()}, self.poke)

    def poke(self) -> None:
        """There may be something to send."""
        self._due.set()

    async def run(self, sweep_every: float) -> None:
        """Relay and sweep until cancelled; a database that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run())
            group.create_task(self._relay())
            group.create_task(self._sweep(sweep_every))

    async def _relay(self) -> None:
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation, and the stop hangs.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await self._due.wait()
            self._due.clear()
            try:
                for queue in QUEUES:
                    ids = await jobs.take(self._database.read, queue, _WINDOW)
                    if ids:
                        await self._send(queue, ids)
            except Unavailable:
                await asyncio.sleep(_POLL)

    async def _send(self, queue: jobs.Queue, ids: list[UUID]) -> None:
        try:
            await asyncio.to_thread(self._broker.send, queue, ids)
        except (RedisError, OSError) as error:
            log.warning("relay_waits", error=type(error).__name__, jobs=len(ids))
            await jobs.unsend(self._database.read, ids)
            await asyncio.sleep(_POLL)

    async def _sweep(self, every: float) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                await idempotency.forget_old(self._database.read)
                await keyset.forget_old(self._database.read)
                if swept := await jobs.sweep(self._database.read, self._resend_after):
                    log.info("jobs_swept", jobs=swept)
                    self.poke()
            await asyncio.sleep(every)
