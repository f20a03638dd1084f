"""The relay: hands due job rows to Dramatiq, and brings back those that got lost on the way."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from domains.kernel.core.problems import Unavailable
from domains.kernel.db.database import Database
from domains.kernel.jobs import leases, model
from domains.kernel.jobs.model import Queue
from workers.broker import Lane

log = structlog.get_logger()

# Jobs that run in the spare lane of a queue, in each process.
SPARES: Final = 1

_POLL: Final = 1.0

# Seconds of work that wait in Redis. Little, so that what is due first runs first and little is
# sent twice after a loss; enough to keep the slots busy between two looks.
_AHEAD: Final = 0.25
_MOST_AHEAD: Final = 32

# Seconds between two looks at a queue that is busy, so that one look finds more than one job.
_PAUSE: Final = 0.02


class Lanes(NamedTuple):
    """The lanes of a queue: the main one, and the spare one for who would be crowded out."""

    main: Lane
    spare: Lane


class Relay:
    """One in every worker process, for whose lanes it provides; several get along, since they skip
    each other's rows.
    """

    def __init__(
        self, database: Database, worker: UUID, lanes: Mapping[Queue, Lanes], resend_after: float
    ) -> None:
        self._database = database
        self._worker = worker
        self._resend_after = resend_after
        self._feeds = {queue: _Feed(each) for queue, each in lanes.items()}
        self._link = database.listener({model.CHANNEL: lambda _payload: self._poke()}, self._poke)

    def ended(self, queue: Queue, seconds: float | None) -> None:
        """A job of a queue took so long (None: it was not run here): there may be room."""
        self._feeds[queue].ended(seconds)

    async def run(self, sweep_every: float) -> None:
        """Relay and sweep until cancelled; a database that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run())
            group.create_task(self._sweep(sweep_every))
            for queue, feed in self._feeds.items():
                group.create_task(self._relay(queue, feed))

    async def withdraw(self, received: Sequence[UUID]) -> None:
        """Leave what was sent and not begun to other processes, because this one stops.

        `received`: what came here, from whichever relay.
        """
        with contextlib.suppress(Unavailable):
            await leases.unsend(self._database.read, received)
            for queue in self._feeds:
                await leases.withdraw(self._database.read, self._worker, queue)

    def _poke(self) -> None:
        for feed in self._feeds.values():
            feed.due.set()

    async def _relay(self, queue: Queue, feed: "_Feed") -> None:
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation, and the stop hangs.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await feed.due.wait()
            feed.due.clear()
            try:
                if feed.has_got_stuck():
                    # What was sent in the hope of short jobs is given another choice of lane.
                    await leases.withdraw(self._database.read, self._worker, queue)
                sent = await leases.take(
                    self._database.read, self._worker, queue, feed.window, SPARES
                )
                if sent:
                    main = [each.id for each in sent if not each.spare]
                    spare = [each.id for each in sent if each.spare]
                    await self._send(feed.lanes.main, main, feed.ahead)
                    await self._send(feed.lanes.spare, spare)
                    await asyncio.sleep(_PAUSE)
            except Unavailable:
                await asyncio.sleep(_POLL)

    async def _send(self, lane: Lane, ids: list[UUID], together: int = 1) -> None:
        if not ids:
            return
        try:
            await asyncio.to_thread(lane.send, ids, together)
        except (RedisError, OSError) as error:
            log.warning("relay_waits", error=type(error).__name__, jobs=len(ids))
            await leases.unsend(self._database.read, ids)
            await asyncio.sleep(_POLL)

    async def _sweep(self, every: float) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                if swept := await leases.sweep(self._database.read, self._resend_after):
                    log.info("jobs_swept", jobs=swept)
                    self._poke()
            await asyncio.sleep(every)


class _Feed:
    """How much of a queue is sent ahead: more of it the less time its jobs take."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.due = asyncio.Event()
        # Seconds that a job takes, the last ones counting most; at first nobody knows.
        self._mean = _AHEAD
        self._stuck = False

    def has_got_stuck(self) -> bool:
        """Whether, since the last time, long jobs have taken every slot of the main lane."""
        before, self._stuck = self._stuck, self.lanes.main.stuck(_AHEAD)
        return self._stuck and not before

    @property
    def ahead(self) -> int:
        """Jobs that one slot does in the time for which is sent ahead; short ones go together."""
        if self._stuck:
            return 1
        return max(1, min(_MOST_AHEAD, int(_AHEAD / max(self._mean, 1e-4))))

    @property
    def window(self) -> int:
        """Jobs of one workspace that may be sent or running."""
        return self.lanes.main.slots * self.ahead

    def ended(self, seconds: float | None) -> None:
        if seconds is not None:
            self._mean += (seconds - self._mean) / 16
        self.due.set()
