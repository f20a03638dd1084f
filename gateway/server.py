"""`gateway serve`: open the parts, check the schema, serve until told to stop."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import AsyncIterator

import structlog
import uvicorn
import uvloop

from domains.discovery import transcripts
from domains.kernel import health
from domains.kernel.core import log_config
from domains.kernel.core.parent_watch import exit_with_supervisor
from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import SettingError, Settings, load_settings
from domains.kernel.db.database import Database
from domains.kernel.jobs.process_pool import ProcessPool, ComputationTimeout
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.signing import Signer
from gateway import rate_limit
from gateway.app import create_app
from gateway.middleware.edge import Edge

logger = structlog.get_logger()

# Seconds after the start at which what can wait is done.
_LEISURE = 3.0


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Edge]:
    """The application over open parts; Unavailable if the schema is not the one it needs."""
    async with Database.open(
        settings.database_url,
        name="gateway-api",
        pool_size=settings.pool_size,
        timeout=settings.database_timeout,
    ) as database:
        await health.require_schema(database)
        client = rate_limit.connect(settings.redis_url, settings.redis_timeout)
        try:
            blobs = Blobs.open(settings.blob_url, os.environ)
            signer = await Signer.open(database)
            with ProcessPool.open(
                settings.api_processes, settings.transcript_time_limit
            ) as compute:
                getting_ready = asyncio.create_task(_get_ready(compute))
                try:
                    limiter = rate_limit.Limiter(client)
                    yield create_app(database, blobs, limiter, compute, signer, settings)
                finally:
                    getting_ready.cancel()
                    await asyncio.gather(getting_ready, return_exceptions=True)
        finally:
            await client.aclose()


async def _get_ready(compute: ProcessPool) -> None:
    # The start of everything else has better use for the processors.
    await asyncio.sleep(_LEISURE)
    try:
        await transcripts.get_ready(compute)
    except (Unavailable, ComputationTimeout) as error:
        logger.warning("transcripts_not_ready", error=type(error).__name__)


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is under way."""
    log_config.configure_logging(settings.log_level, settings.log_format)
    listening = _listen(settings.host, settings.port)
    async with opened(settings) as app:
        # What lives now lives for ever: without this, full collections over it own the p99.
        gc.collect()
        gc.freeze()
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=10,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        logger.info("serving", host=settings.host, port=settings.port)
        await server.serve(sockets=[listening])


def main() -> int:
    """Exit code 0 after a signal, or 1 with one sentence."""
    exit_with_supervisor()
    try:
        settings = load_settings(os.environ)
        uvloop.run(serve(settings))
    except (SettingError, Unavailable) as error:
        print(f"gateway serve: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        # Otherwise a restart would wait for the old connections' time-out.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listening.listen(2048)
    listening.setblocking(False)
    return listening
