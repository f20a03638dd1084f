"""One worker process: a relay, a heartbeat and Dramatiq's threads over one event loop."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
import uvloop

from domains.kernel import health, leases, log
from domains.kernel.addresses import Allowed
from domains.kernel.blobs import Blobs
from domains.kernel.compute import Compute
from domains.kernel.db import Database
from domains.kernel.extraction import Extraction
from domains.kernel.fetch import Fetcher
from domains.kernel.ids import new_id
from domains.kernel.jobs import QUEUES, Job, Queue
from domains.kernel.lifeline import die_with_supervisor
from domains.kernel.problems import Unavailable
from domains.kernel.sandbox import hide_environment
from domains.kernel.settings import SettingError, Settings, read
from domains.kernel.speech import Speech
from workers import schedule
from workers.actors import ACTORS, Tools
from workers.broker import Lane, connect
from workers.relay import SPARES, Lanes, Relay
from workers.runner import Actor, Runner
from workers.scratch import scratch

logger = structlog.get_logger()

# Seconds that running jobs have to end after a signal; then they go back to the queue.
_GRACE = 8.0


async def work(
    settings: Settings,
    stop: asyncio.Event,
    actors: Mapping[type[Job], Actor[Tools, Any]],
) -> None:
    """Work until `stop`; Unavailable if the schema is not the one that this code needs."""
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
            Compute.open(settings.worker_analysis + SPARES, settings.compute_time_limit)
        )
        await health.require_schema(database)
        blobs = Blobs.open(settings.blob_url, os.environ)
        tools = Tools(
            read=database.read,
            blobs=blobs,
            compute=compute,
            fetcher=Fetcher(
                Allowed.parse(settings.fetch_allow), time_limit=settings.fetch_time_limit
            ),
            extraction=Extraction.of(settings),
            speech=await parts.enter_async_context(Speech.open(settings)),
            settings=settings,
        )
        runner = Runner(actors, tools, database, settings)
        worker = new_id()
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()

        async def run(queue: Queue, lane: Lane, job_id: str) -> None:
            begun = loop.time()
            ran = True
            release = _once(lane.ended)
            try:
                ran = await runner.run(UUID(job_id), release)
            finally:
                release()
                relay.ended(queue, loop.time() - begun if ran else None)

        def begin(queue: Queue, lane: Lane, job_id: str) -> None:
            task = loop.create_task(run(queue, lane, job_id))
            running.add(task)
            task.add_done_callback(running.discard)

        def lane(queue: Queue, name: str, slots: int) -> Lane:
            def from_thread(job_id: str) -> None:
                loop.call_soon_threadsafe(begin, queue, made, job_id)

            made = Lane(client, name, slots, from_thread)
            return made

        client = connect(settings)
        parts.callback(client.close)
        slots: dict[Queue, int] = {
            "ingest": settings.worker_ingest,
            "analysis": settings.worker_analysis,
            "fetch": settings.worker_fetch,
            "housekeeping": settings.worker_housekeeping,
        }
        lanes = {
            queue: Lanes(lane(queue, queue, slots[queue]), lane(queue, f"{queue}.spare", SPARES))
            for queue in QUEUES
        }
        relay = Relay(database, worker, lanes, settings.job_resend)
        look_every = min(settings.job_lease, settings.job_resend) / 3
        background = [
            asyncio.create_task(relay.run(look_every)),
            asyncio.create_task(runner.keep()),
            asyncio.create_task(
                schedule.keep(schedule.Parts(database, blobs, settings), look_every)
            ),
            asyncio.create_task(_beat(database, worker, settings.worker_heartbeat)),
        ]
        stopping = asyncio.create_task(stop.wait())
        every = [lane for both in lanes.values() for lane in both]
        for each in every:
            each.start()
        logger.info("working", **slots)
        try:
            await asyncio.wait([stopping, *background], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The leases of what still runs are kept until it has ended.
            relaying, keeping, *others = background
            for task in (stopping, relaying, *others):
                task.cancel()
            await asyncio.gather(stopping, relaying, *others, return_exceptions=True)
            await _stop(every, database)
            await relay.withdraw()
            await _wait_for(running)
            keeping.cancel()
            ended = await asyncio.gather(*background, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        logger.info("stopped")


async def _stop(lanes: Sequence[Lane], database: Database) -> None:
    """No new claims; what was received and is not begun is left to other processes."""
    stopping = (asyncio.to_thread(each.stop) for each in lanes)
    for dropped in await asyncio.gather(*stopping, return_exceptions=True):
        # Redis may be away at this moment, and the rows know better.
        if isinstance(dropped, BaseException):
            logger.warning("lane_stopped", error=type(dropped).__name__)
        elif dropped:
            with contextlib.suppress(Unavailable):
                await leases.unsend(database.read, dropped)


def _once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]
    return lambda: left.pop()() if left else None


async def _wait_for(running: set[asyncio.Task[None]]) -> None:
    """Running jobs end within the grace or go back to the queue."""
    if running:
        _, late = await asyncio.wait(running, timeout=_GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _beat(database: Database, worker: UUID, every: float) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            await health.beat(database.read, worker, socket.gethostname(), os.getpid())
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
        log.configure(settings.log_level, settings.log_format)
        uvloop.run(_run(settings, actors))
    except (SettingError, Unavailable) as error:
        print(f"gateway work: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
