"""Worker process: relay, heartbeat, periodic tasks and Dramatiq's threads over one event loop."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import structlog
import uvloop

from domains.kernel import health
from domains.kernel.core import log_config
from domains.kernel.core.breaker import Breaker
from domains.kernel.core.ids import new_id
from domains.kernel.core.log_stream import protect_standard_streams
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import NO_DISK_SPACE, Dependency, Unavailable
from domains.kernel.core.settings import SettingError, Settings, load_settings
from domains.kernel.core.supervision.parent_watch import exit_with_supervisor
from domains.kernel.core.supervision.watchdog import Notifier
from domains.kernel.db.database import Database
from domains.kernel.db.errors import NOT_AVAILABLE
from domains.kernel.job_tools import Tools
from domains.kernel.jobs import heartbeat
from domains.kernel.jobs.model import Job
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.models.chat import ChatClient
from domains.kernel.models.llm_provider import LLMProvider
from domains.kernel.models.speech import Transcriber
from domains.kernel.storage.blobs import Blobs
from domains.kernel.untrusted.documents.extraction import TextExtractor
from domains.kernel.untrusted.fetch import Fetcher
from domains.kernel.untrusted.sandbox import hide_environment
from workers import periodic
from workers.actors import ACTORS
from workers.broker import connect
from workers.lanes import LanePool
from workers.relay import RESERVED_SLOTS, Relay
from workers.runner import Actor, Runner
from workers.scratch import scratch_directory

log = structlog.get_logger()

Actors = Mapping[type[Job], Actor[Tools, Any]]


@contextlib.asynccontextmanager
async def _open_tools(settings: Settings) -> AsyncIterator[tuple[Database, Tools]]:
    """Open the database and the tools of jobs. Raises Unavailable if the schema does not match.

    A database that does not respond is waited for in the background.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(scratch_directory())
        database = await stack.enter_async_context(
            Database.open(
                settings.database_url,
                name="gateway-worker",
                pool_size=settings.pool_size,
                timeout=settings.database_timeout,
                outage_timeout=settings.outage_timeout,
                probe_interval=settings.outage_probe_interval,
                prepare=health.require_schema,
                pooler=settings.database_pooler,
                direct_url=settings.database_direct_url,
            )
        )
        # One process per slot of the analysis queue, so that no job waits for another one.
        processes = settings.worker_analysis + RESERVED_SLOTS
        process_pool = stack.enter_context(ProcessPool.open(processes, settings.compute_time_limit))
        yield (
            database,
            Tools(
                read=database.read,
                blobs=Blobs.open(
                    settings.blob_url,
                    os.environ,
                    settings.blob_timeout,
                    settings.outage_probe_interval,
                ),
                process_pool=process_pool,
                fetcher=Fetcher(
                    FetchAllowlist.parse(settings.fetch_allow),
                    time_limit=settings.fetch_time_limit,
                ),
                text_extractor=TextExtractor.from_settings(settings),
                speech=await stack.enter_async_context(Transcriber.open(settings)),
                provider=LLMProvider(
                    await stack.enter_async_context(ChatClient.open(settings)), database.read
                ),
                settings=settings,
            ),
        )


def _breakers(tools: Tools) -> dict[Dependency, Breaker]:
    """Breakers of the dependencies that jobs wait for."""
    probe_interval = tools.settings.outage_probe_interval
    breakers = [
        tools.blobs.reading,
        tools.blobs.writing,
        # The runner records in it that results were stored. The pool detects the outages.
        Breaker("database", NOT_AVAILABLE, probe_interval),
        Breaker("disk", NO_DISK_SPACE, probe_interval),
        *([tools.speech.breaker] if tools.speech else []),
    ]
    return {breaker.dependency: breaker for breaker in breakers}


async def work(settings: Settings, stop: asyncio.Event, actors: Actors, notifier: Notifier) -> None:
    """Run jobs until `stop` is set. Raises Unavailable if the schema does not match the code."""
    async with _open_tools(settings) as (database, tools):
        breakers = _breakers(tools)
        runner = Runner(actors, tools, database, settings, breakers)
        worker = new_id()
        with connect(settings) as client:
            pool = LanePool(client, settings, runner.run)
            relay = Relay(
                database, worker, pool.lanes, settings.job_resend, pool.redis, breakers.values()
            )
            poll_interval = min(settings.job_lease, settings.job_resend) / 3
            resources = periodic.Resources(database, tools.blobs, settings)
            until_stop = [
                asyncio.create_task(relay.run(poll_interval)),
                asyncio.create_task(periodic.run_tasks(resources, poll_interval)),
                asyncio.create_task(_beat(database, worker, settings.worker_heartbeat)),
                asyncio.create_task(stop.wait()),
            ]
            until_end = [
                asyncio.create_task(runner.renew_leases()),
                asyncio.create_task(notifier.run()),
            ]
            background = [*until_stop, *until_end]
            pool.start(relay.job_finished)
            # The objects that exist now are kept until the worker stops.
            gc.freeze()
            gc.enable()
            log.info("worker_started", worker=str(worker))
            try:
                await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in until_stop:
                    task.cancel()
                await asyncio.gather(*until_stop, return_exceptions=True)
                await relay.return_unstarted(await pool.stop_consuming())
                # Leases are renewed until the last running job has ended.
                await pool.finish()
                for task in until_end:
                    task.cancel()
                outcomes = await asyncio.gather(*background, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    log.info("worker_stopped")


async def _beat(database: Database, worker: UUID, interval: float) -> None:
    while True:
        with contextlib.suppress(Unavailable):
            await heartbeat.beat(database.read, worker, socket.gethostname(), os.getpid())
        await asyncio.sleep(interval)


async def _work_until_signal(settings: Settings, actors: Actors, notifier: Notifier) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await work(settings, stop, actors, notifier)


def main(actors: Actors = ACTORS) -> int:
    """Run a worker process. Returns 0 after a signal, 1 after an error message."""
    protect_standard_streams()
    exit_with_supervisor()
    notifier = Notifier.take_from(os.environ)
    # Child processes that read untrusted files run as the same user.
    hide_environment()
    try:
        settings = load_settings(os.environ)
        log_config.configure_logging(settings.log_level, settings.log_format)
        uvloop.run(_work_until_signal(settings, actors, notifier))
    except (SettingError, Unavailable) as error:
        print(f"gateway work: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
