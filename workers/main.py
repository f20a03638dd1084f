"""One worker process: a relay, a heartbeat and Dramatiq's threads over one event loop."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import redis
import structlog
import uvloop

from domains.kernel import health
from domains.kernel.core import log_config
from domains.kernel.core.ids import new_id
from domains.kernel.core.network import Allowed
from domains.kernel.core.parent_watch import die_with_supervisor
from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import SettingError, Settings, read
from domains.kernel.db.database import Database
from domains.kernel.job_tools import Tools
from domains.kernel.jobs import heartbeat
from domains.kernel.jobs.model import QUEUES, Job, Queue
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.models.chat import Chat
from domains.kernel.models.llm_provider import Provider
from domains.kernel.models.speech import Speech
from domains.kernel.storage.blobs import Blobs
from domains.kernel.untrusted.documents.extraction import Extraction
from domains.kernel.untrusted.fetch import Fetcher
from domains.kernel.untrusted.sandbox import hide_environment
from workers import periodic
from workers.actors import ACTORS
from workers.broker import Lane, connect
from workers.relay import SPARES, Lanes, Relay
from workers.runner import Actor, Runner
from workers.scratch import scratch

logger = structlog.get_logger()

# Seconds that running jobs have to end after a signal; then they go back to the queue.
_GRACE = 8.0


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, Tools]]:
    """The database and what jobs are done with; Unavailable if the schema is not this code's."""
    async with contextlib.AsyncExitStack() as parts:
        parts.enter_context(scratch())
        database = await parts.enter_async_context(
            Database.open(
                settings.database_url,
                name="gateway-worker",
                pool_size=settings.pool_size,
                timeout=settings.database_timeout,
            )
        )
        # A process for each job of the queue, in both lanes: none waits for another's text.
        compute = parts.enter_context(
            ProcessPool.open(settings.worker_analysis + SPARES, settings.compute_time_limit)
        )
        await health.require_schema(database)
        allowed = Allowed.parse(settings.fetch_allow)
        yield (
            database,
            Tools(
                read=database.read,
                blobs=Blobs.open(settings.blob_url, os.environ),
                process_pool=compute,
                fetcher=Fetcher(allowed, time_limit=settings.fetch_time_limit),
                extraction=Extraction.of(settings),
                speech=await parts.enter_async_context(Speech.open(settings)),
                provider=Provider(
                    await parts.enter_async_context(Chat.open(settings)), database.read
                ),
                settings=settings,
            ),
        )


class Crew:
    """The lanes of a process, and the jobs that run in them."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        run: Callable[[UUID, Callable[[], None]], Awaitable[bool]],
        ended: Callable[[Queue, float | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()
        self._run = run
        self._ended = ended
        slots: dict[Queue, int] = {
            "ingest": settings.worker_ingest,
            "analysis": settings.worker_analysis,
            "fetch": settings.worker_fetch,
            "housekeeping": settings.worker_housekeeping,
        }
        self.lanes = {
            queue: Lanes(
                self._lane(client, queue, queue, slots[queue]),
                self._lane(client, queue, f"{queue}.spare", SPARES),
            )
            for queue in QUEUES
        }
        self._every = [lane for both in self.lanes.values() for lane in both]

    def _lane(self, client: redis.Redis, queue: Queue, name: str, slots: int) -> Lane:
        def from_thread(job_id: str) -> None:
            self._loop.call_soon_threadsafe(self._begin, queue, made, job_id)

        made = Lane(client, name, slots, from_thread)
        return made

    def _begin(self, queue: Queue, lane: Lane, job_id: str) -> None:
        task = self._loop.create_task(self._do(queue, lane, job_id))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _do(self, queue: Queue, lane: Lane, job_id: str) -> None:
        begun = self._loop.time()
        ran = True
        release = _once(lane.ended)
        try:
            ran = await self._run(UUID(job_id), release)
        finally:
            release()
            self._ended(queue, self._loop.time() - begun if ran else None)

    def start(self) -> None:
        """Begin to consume."""
        for lane in self._every:
            lane.start()

    async def stop(self) -> list[UUID]:
        """No new claims; the jobs that were received and are not begun."""
        left: list[UUID] = []
        stopping = (asyncio.to_thread(lane.stop) for lane in self._every)
        for dropped in await asyncio.gather(*stopping, return_exceptions=True):
            # Redis may be away at this moment, and the rows know better.
            if isinstance(dropped, BaseException):
                logger.warning("lane_stopped", error=type(dropped).__name__)
            else:
                left += dropped
        return left

    async def end(self) -> None:
        """Running jobs end within the grace or go back to the queue."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]
    return lambda: left.pop()() if left else None


async def work(
    settings: Settings, stop: asyncio.Event, actors: Mapping[type[Job], Actor[Tools, Any]]
) -> None:
    """Work until `stop`; Unavailable if the schema is not the one that this code needs."""
    async with _opened(settings) as (database, tools):
        runner = Runner(actors, tools, database, settings)
        worker = new_id()

        def ended(queue: Queue, seconds: float | None) -> None:
            relay.ended(queue, seconds)

        with connect(settings) as client:
            crew = Crew(client, settings, runner.run, ended)
            relay = Relay(database, worker, crew.lanes, settings.job_resend)
            look_every = min(settings.job_lease, settings.job_resend) / 3
            its = periodic.Parts(database, tools.blobs, settings)
            relaying = asyncio.create_task(relay.run(look_every))
            keeping = asyncio.create_task(runner.keep())
            others = [
                asyncio.create_task(periodic.keep(its, look_every)),
                asyncio.create_task(_beat(database, worker, settings.worker_heartbeat)),
            ]
            stopping = asyncio.create_task(stop.wait())
            crew.start()
            logger.info("working", worker=str(worker))
            background = [relaying, keeping, *others]
            try:
                await asyncio.wait([stopping, *background], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (stopping, relaying, *others):
                    task.cancel()
                await asyncio.gather(stopping, relaying, *others, return_exceptions=True)
                await relay.withdraw(await crew.stop())
                # The leases of what still runs are kept until it has ended.
                await crew.end()
                keeping.cancel()
                outcomes = await asyncio.gather(*background, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    logger.info("stopped")


async def _beat(database: Database, worker: UUID, every: float) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            await heartbeat.beat(database.read, worker, socket.gethostname(), os.getpid())
        await asyncio.sleep(every)


async def _run(settings: Settings, actors: Mapping[type[Job], Actor[Tools, Any]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await work(settings, stop, actors)


def main(actors: Mapping[type[Job], Actor[Tools, Any]] = ACTORS) -> int:
    """Exit code 0 after a signal, or 1 with one sentence."""
    die_with_supervisor()
    # Strangers' files are read by children of the same user.
    hide_environment()
    try:
        settings = read(os.environ)
        log_config.configure(settings.log_level, settings.log_format)
        uvloop.run(_run(settings, actors))
    except (SettingError, Unavailable) as error:
        print(f"gateway work: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
