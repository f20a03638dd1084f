"""One worker process: a relay, a heartbeat and Dramatiq's threads over one event loop."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from uuid import UUID

import structlog

from domains.kernel import health, log
from domains.kernel.blobs import Blobs
from domains.kernel.compute import Compute
from domains.kernel.db import Database
from domains.kernel.ids import new_id
from domains.kernel.lifeline import die_with_supervisor
from domains.kernel.problems import Unavailable
from domains.kernel.settings import SettingError, Settings, read
from workers.actors import Runner
from workers.broker import Broker, queue_url
from workers.relay import Relay

logger = structlog.get_logger()

# Seconds that running jobs have to end after a signal; then they go back to the queue.
_GRACE = 8.0


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop`; Unavailable if the schema is not the one that this code needs."""
    async with contextlib.AsyncExitStack() as parts:
        database = await parts.enter_async_context(
            Database.open(
                settings.database_url,
                name="gateway-worker",
                pool_size=settings.pool_size,
                timeout=settings.database_timeout,
            )
        )
        compute = parts.enter_context(
            Compute.open(settings.worker_processes, settings.compute_time_limit)
        )
        await health.require_schema(database)
        runner = Runner(database, Blobs.open(settings.blob_url, os.environ), compute, settings)
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()

        async def run(job_id: str) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - for the type checker
            running.add(task)
            try:
                await runner.run(UUID(job_id))
            finally:
                running.discard(task)
                relay.poke()

        def from_thread(job_id: str) -> None:
            """Dramatiq's thread waits here, so that its threads bound the jobs under way."""
            asyncio.run_coroutine_threadsafe(run(job_id), loop).result()

        broker = Broker(queue_url(settings), from_thread)
        relay = Relay(database, broker, settings.job_resend)
        worker = broker.worker(settings.worker_threads)
        background = [
            asyncio.create_task(relay.run(min(settings.job_lease, settings.job_resend) / 3)),
            asyncio.create_task(_beat(database, settings.worker_heartbeat)),
        ]
        stopping = asyncio.create_task(stop.wait())
        worker.start()
        logger.info("working", threads=settings.worker_threads)
        try:
            await asyncio.wait([stopping, *background], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, *background):
                task.cancel()
            ended = await asyncio.gather(*background, return_exceptions=True)
            await _stop(worker.stop, running)
            broker.close()
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        logger.info("stopped")


async def _stop(stop_worker: Callable[..., None], running: set[asyncio.Task[None]]) -> None:
    """No new claims; running jobs end within the grace or go back to the queue."""
    stopping = asyncio.create_task(asyncio.to_thread(stop_worker, timeout=int((_GRACE + 5) * 1000)))
    _, late = await asyncio.wait([stopping], timeout=_GRACE)
    if late:
        for task in list(running):
            task.cancel()
    await stopping


async def _beat(database: Database, every: float) -> None:
    worker = new_id()
    while True:
        with contextlib.suppress(Unavailable):
            await health.beat(database.read, worker, socket.gethostname(), os.getpid())
        await asyncio.sleep(every)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await work(settings, stop)


def main() -> int:
    """Exit code 0 after a signal, or 1 with one sentence."""
    die_with_supervisor()
    try:
        settings = read(os.environ)
        log.configure(settings.log_level, settings.log_format)
        asyncio.run(_run(settings))
    except (SettingError, Unavailable) as error:
        print(f"gateway work: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
