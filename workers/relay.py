"""Relay: moves due jobs from the jobs table to Dramatiq and requeues jobs that were lost."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import Dependency, Unavailable
from domains.kernel.db.database import Database
from domains.kernel.jobs import leases, model, outages
from domains.kernel.jobs.model import Queue
from workers.broker import QueueConsumer

log = structlog.get_logger()

# Slots per queue and process that a workspace may not use while the main lane is full for it.
RESERVED_SLOTS: Final = 1

_POLL_INTERVAL: Final = 1.0  # seconds, when no notification arrives
# Seconds between two proofs that notifications arrive. A lost one only delays jobs until the next
# poll.
_NONCE_INTERVAL: Final = 10.0

# Seconds between two looks for jobs whose dependency is available again.
_RECOVERY_INTERVAL: Final = 2.0

# Dispatch about this many seconds of work ahead of the workers. Small, so that the order by due
# time holds and little is sent twice after a crash; large enough to keep all slots busy between
# polls.
_LOOKAHEAD: Final = 0.25
_MAX_BATCH_SIZE: Final = 32

# Seconds between two dispatches of a busy queue, so that one statement takes several jobs.
_DISPATCH_PAUSE: Final = 0.02


class QueueLanes(NamedTuple):
    """The lanes of a queue. The reserved lane serves workspaces that the main lane would delay."""

    main: QueueConsumer
    reserved: QueueConsumer


class Relay:
    """Dispatches due jobs to the lanes of this process.

    Every worker process runs one. Relays do not coordinate: `leases.take` skips rows that another
    relay has locked.
    """

    def __init__(
        self,
        database: Database,
        worker: UUID,
        lanes: Mapping[Queue, QueueLanes],
        resend_after: float,
        redis: Breaker,
        breakers: Collection[Breaker],
    ) -> None:
        """`breakers`: those of the tools, which show what this process got responses from."""
        self._database = database
        self._worker = worker
        self._resend_after = resend_after
        self._redis = redis
        self._breakers = breakers
        self._feeds = {queue: _Feed(queue_lanes) for queue, queue_lanes in lanes.items()}
        self._listener = database.listener(
            {model.CHANNEL: lambda _payload: self._wake_feeds()}, self._wake_feeds, _NONCE_INTERVAL
        )

    def job_finished(self, queue: Queue, seconds: float | None) -> None:
        """Record a job's duration (None: another process ran it) and check for free slots."""
        self._feeds[queue].job_finished(seconds)

    async def run(self, sweep_interval: float) -> None:
        """Dispatch and sweep until cancelled. Retries while the database is unavailable."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listener.run())
            group.create_task(self._sweep(sweep_interval))
            group.create_task(self._end_waits())
            for queue, feed in self._feeds.items():
                group.create_task(self._dispatch(queue, feed))

    async def return_unstarted(self, received: Sequence[UUID]) -> None:
        """On shutdown, requeue all dispatched jobs that have not started, `received` included.

        `received`: jobs that reached this process, from any relay.
        """
        with contextlib.suppress(Unavailable):
            await leases.requeue(self._database.read, received)
            for queue in self._feeds:
                await leases.requeue_unclaimed(self._database.read, self._worker, queue)

    def _wake_feeds(self) -> None:
        for feed in self._feeds.values():
            feed.wakeup.set()

    async def _dispatch(self, queue: Queue, feed: "_Feed") -> None:
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation, and the stop hangs.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_INTERVAL):
                    await feed.wakeup.wait()
            feed.wakeup.clear()
            if self._redis.is_open:
                # The consumers notice when Redis is available again. Jobs wait as rows.
                await asyncio.sleep(_POLL_INTERVAL)
                continue
            try:
                if feed.became_saturated():
                    # Jobs that were sent ahead would wait behind long ones: requeue them.
                    await leases.requeue_unclaimed(self._database.read, self._worker, queue)
                sent = await leases.take(
                    self._database.read, self._worker, queue, feed.window, RESERVED_SLOTS
                )
                if sent:
                    main = [job.id for job in sent if not job.reserved]
                    reserved = [job.id for job in sent if job.reserved]
                    await self._send(feed.lanes.main, main, feed.batch_size)
                    await self._send(feed.lanes.reserved, reserved)
                # Also if nothing was taken: each job that ends would cause another vain attempt.
                await asyncio.sleep(_DISPATCH_PAUSE)
            except Unavailable:
                await asyncio.sleep(_POLL_INTERVAL)

    async def _send(self, lane: QueueConsumer, ids: list[UUID], batch_size: int = 1) -> None:
        if not ids:
            return
        began = time.monotonic()
        try:
            await asyncio.to_thread(lane.send, ids, batch_size)
        except (RedisError, OSError) as error:
            self._redis.failed(type(error).__name__, began=began)
            await leases.requeue(self._database.read, ids)
            await asyncio.sleep(_POLL_INTERVAL)

    async def _sweep(self, interval: float) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                if requeued := await leases.sweep(self._database.read, self._resend_after):
                    log.info("lost_jobs_requeued", jobs=requeued)
                    self._wake_feeds()
            await asyncio.sleep(interval)

    async def _end_waits(self) -> None:
        """Wake the jobs whose dependency responds again; let some of the others try."""
        while True:
            await asyncio.sleep(_RECOVERY_INTERVAL)
            with contextlib.suppress(Unavailable):
                responses: dict[Dependency, float] = {}
                for breaker in self._breakers:
                    # Twice the interval: a response shortly before the last look may be unused.
                    if breaker.seconds_since_response < 2 * _RECOVERY_INTERVAL:
                        responses[breaker.dependency] = breaker.seconds_since_response
                if woken := await outages.wake(self._database.read, responses):
                    log.info("waiting_jobs_due", jobs=woken)
                if await outages.probe(self._database.read) or woken:
                    self._wake_feeds()


class _Feed:
    """Decides how many jobs of a queue to dispatch ahead: more when jobs are short."""

    def __init__(self, lanes: QueueLanes) -> None:
        self.lanes = lanes
        self.wakeup = asyncio.Event()
        # Moving average of a job's duration in seconds. At first one job per slot is sent ahead.
        self._mean_seconds = _LOOKAHEAD
        self._saturated = False

    def became_saturated(self) -> bool:
        """True once when long jobs have occupied every slot of the main lane."""
        before, self._saturated = self._saturated, self.lanes.main.is_saturated(_LOOKAHEAD)
        return self._saturated and not before

    @property
    def batch_size(self) -> int:
        """Jobs sent in one message: as many as one slot completes within the lookahead."""
        if self._saturated:
            return 1
        return max(1, min(_MAX_BATCH_SIZE, int(_LOOKAHEAD / max(self._mean_seconds, 1e-4))))

    @property
    def window(self) -> int:
        """Jobs of one workspace that may be sent or running."""
        return self.lanes.main.slots * self.batch_size

    def job_finished(self, seconds: float | None) -> None:
        if seconds is not None:
            self._mean_seconds += (seconds - self._mean_seconds) / 16
        self.wakeup.set()
