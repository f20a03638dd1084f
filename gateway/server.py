"""An API process: the only one of `gateway serve`, or one of several."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Final

import structlog
import uvicorn
import uvloop

from domains.discovery import transcripts
from domains.kernel import health
from domains.kernel.core import log_config
from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.core.supervision.watchdog import Notifier
from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Database, Read
from domains.kernel.jobs.process_pool import ComputationTimeout, ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.signing import Signer
from gateway.admission.rate_limit import Limiter
from gateway.admission.redis_connection import RedisConnection
from gateway.app import create_app
from gateway.health import ENCODERS
from gateway.middleware.stack import MiddlewareStack
from gateway.multiprocess import metric_files
from gateway.multiprocess.draining import DrainingServer
from gateway.multiprocess.listener import bind
from gateway.transport.http_protocol import limited_protocol

logger = structlog.get_logger()

# Seconds after the start. Until then other processes of the deployment need the processors.
_WARM_UP_DELAY: Final = 3.0


# Seconds for the requests in progress at the stop. With the second before, less than the time after
# which a supervisor kills the process (8 and 10 s here, 10 s in Docker).
_GRACE: Final = 6

# glibc: M_MMAP_THRESHOLD, and its initial value in bytes.
_MMAP_THRESHOLD: Final = (-3, 128 * 1024)


@contextlib.asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[MiddlewareStack]:
    """Open all resources and build the application.

    Servers that do not respond are waited for in the background. Raises Unavailable if a resource
    cannot be opened or the database schema does not match.
    """
    signer = Signer()

    async def prepare(read: Read) -> None:
        await health.require_schema(read)
        await signer.load(read)

    async with Database.open(
        settings.database_url,
        name="gateway-api",
        pool_size=settings.pool_size,
        timeout=settings.database_timeout,
        outage_timeout=settings.outage_timeout,
        probe_interval=settings.outage_probe_interval,
        prepare=prepare,
        pooler=settings.database_pooler,
        direct_url=settings.database_direct_url,
    ) as database:
        connection = RedisConnection(settings.redis_url, settings.redis_timeout)
        try:
            blobs = Blobs.open(
                settings.blob_url,
                os.environ,
                settings.blob_timeout,
                settings.outage_probe_interval,
            )
            limiter = Limiter(connection, settings.outage_probe_interval)
            with ProcessPool.open(
                settings.api_processes, settings.transcript_time_limit
            ) as process_pool:
                async with background_task(_warm_up(process_pool)):
                    yield create_app(database, blobs, limiter, process_pool, signer, settings)
        finally:
            await connection.aclose()


async def _warm_up(process_pool: ProcessPool) -> None:
    await asyncio.sleep(_WARM_UP_DELAY)
    # Hashes the files, which the first request for the health would wait for.
    await ENCODERS.result()
    try:
        await transcripts.warm_up(process_pool)
    except (Unavailable, ComputationTimeout) as error:
        logger.warning("warm_up_failed", error=type(error).__name__)


class _ReportingServer(DrainingServer):
    """Reports to the supervisor of this process while it serves."""

    def __init__(self, config: uvicorn.Config, notifier: Notifier) -> None:
        super().__init__(config)
        self._notifier = notifier

    async def main_loop(self) -> None:
        async with background_task(self._notifier.run()):
            await super().main_loop()


def _keep_large_blocks_apart() -> None:
    """Let malloc return every large block to the system when it is freed.

    By default glibc raises the size of a large block to that of the largest one that was freed: the
    blocks of one large body would then leave holes in the heap. Other C libraries have no mallopt.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(*_MMAP_THRESHOLD)


async def serve(settings: Settings, number: int | None) -> None:
    """Serve until SIGINT or SIGTERM, then finish the running requests.

    `number` is that of this process among several, None if it is the only one.
    """
    _keep_large_blocks_apart()
    # First, so that no child process inherits the supervisor's socket.
    notifier = Notifier.take_from(os.environ)
    log_config.configure_logging(settings.log_level, settings.log_format)
    if number is not None:
        metric_files.write_files(number)
    listener = bind(settings.host, settings.port, share=number is not None)
    async with open_app(settings) as app:
        # The objects that exist now are never freed. Scanning them in full collections would
        # dominate the p99 latency. Not collected before: that takes 0.1 s and frees 2 MB.
        gc.freeze()
        # By default the youngest objects are scanned every 700 allocations (2,000 from Python 3.13
        # on), while the running requests still need most of them: 3 % of the CPU of a pushed row.
        gc.set_threshold(10_000)
        gc.enable()
        server = _ReportingServer(
            uvicorn.Config(
                app,
                loop="none",
                http=limited_protocol(settings, app.refusals),
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE,
            ),
            notifier,
        )
        # uvicorn raises the signal that stopped it again, with the handlers from before: these
        # ones let the process close its resources and end with exit code 0.
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, server.handle_exit)
        logger.info("server_started", host=settings.host, port=settings.port)
        await server.serve(sockets=[listener])


def main(settings: Settings, number: int | None = None) -> int:
    """Run the server. Returns 0 after a signal, 1 after printing an error message."""
    try:
        uvloop.run(serve(settings, number))
    except (SettingError, Unavailable) as error:
        print(f"gateway serve: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
