"""Lanes of a worker process and the jobs that run in them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import redis
import structlog

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.settings import Settings
from domains.kernel.jobs.model import QUEUES, Queue
from workers.broker import QueueConsumer
from workers.relay import RESERVED_SLOTS, QueueLanes

log = structlog.get_logger()

# Seconds that running jobs may take to finish on shutdown before they are requeued.
_GRACE = 8.0


class LanePool:
    """The lanes of all queues. Runs each received job as a task of the event loop.

    `run(job_id, free_slot)` returns False if the job did not run here. `run` may call `free_slot`
    early.
    """

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        run: Callable[[UUID, Callable[[], None]], Awaitable[bool]],
    ) -> None:
        self.redis: Final = Breaker(
            "redis", "Redis is unavailable.", settings.outage_probe_interval
        )
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._run = run
        self._job_finished: Callable[[Queue, float | None], None] = lambda _queue, _seconds: None
        slots: dict[Queue, int] = {
            "ingest": settings.worker_ingest,
            "analysis": settings.worker_analysis,
            "fetch": settings.worker_fetch,
            "housekeeping": settings.worker_housekeeping,
        }
        # The reserved lane's queue keeps the name "spare", because its messages outlive an upgrade.
        self.lanes = {
            queue: QueueLanes(
                self._create_lane(client, queue, queue, slots[queue]),
                self._create_lane(client, queue, f"{queue}.spare", RESERVED_SLOTS),
            )
            for queue in QUEUES
        }
        self._consumers = [consumer for lanes in self.lanes.values() for consumer in lanes]

    def _create_lane(
        self, client: redis.Redis, queue: Queue, name: str, slots: int
    ) -> QueueConsumer:
        lane = QueueConsumer(
            client,
            name,
            slots,
            lambda job_id: self._start_task(queue, lane, job_id),
            self.redis,
        )
        return lane

    def _start_task(self, queue: Queue, lane: QueueConsumer, job_id: str) -> None:
        task = self._loop.create_task(self._run_job(queue, lane, job_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_job(self, queue: Queue, lane: QueueConsumer, job_id: str) -> None:
        started = self._loop.time()
        ran = True
        free_slot = _once(lane.job_finished)
        try:
            ran = await self._run(UUID(job_id), free_slot)
        finally:
            free_slot()
            self._job_finished(queue, self._loop.time() - started if ran else None)

    def start(self, job_finished: Callable[[Queue, float | None], None]) -> None:
        """Start consuming. `job_finished` gets each job's seconds, or None if it did not run."""
        self._job_finished = job_finished
        for consumer in self._consumers:
            consumer.start()

    async def stop_consuming(self) -> list[UUID]:
        """Stop consuming. Returns the jobs that were received but have not started."""
        unstarted: list[UUID] = []
        stopping = (consumer.stop() for consumer in self._consumers)
        for result in await asyncio.gather(*stopping, return_exceptions=True):
            # Redis may be unavailable. The relay requeues the jobs from their rows.
            if isinstance(result, BaseException):
                log.warning("lane_stop_failed", error=type(result).__name__)
            else:
                unstarted += result
        return unstarted

    async def finish(self) -> None:
        """Wait for running jobs, up to the grace period. Cancels the rest, which requeues them."""
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=_GRACE)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)


def _once(function: Callable[[], None]) -> Callable[[], None]:
    """A function that calls `function` on the first call and does nothing afterwards."""
    remaining = [function]
    return lambda: remaining.pop()() if remaining else None
