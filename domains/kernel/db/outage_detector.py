"""Detection of a PostgreSQL server that is unavailable, frozen, or back again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import asyncpg
import structlog

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import DependencyUnavailable, Problem
from domains.kernel.db.errors import MISCONFIGURED, UNAVAILABLE, cannot_be_opened
from domains.kernel.db.pool import Connection, Pool

log = structlog.get_logger()

# All in seconds. The server is probed when a connection has been in use for this long, and not
# more often.
_PATIENCE: Final = 0.25
# Between two looks at the pool.
_TICK: Final = 0.05
# The probe's connection is closed when it was not used for this long. Firewalls forget connections
# that are idle for minutes, and a probe on such a connection would have no answer.
_IDLE_LIFETIME: Final = 10.0

# A timeout is waited for in this number of parts. A part counts as one even if this process was
# suspended for longer, so that an answer that has arrived meanwhile is read before it is judged.
_PARTS: Final = 4

# Errors with which a server answers that can serve the connections that are open.
_ANSWERS: Final = (
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    *MISCONFIGURED,
)


class OutageDetector:
    """Opens and closes the breaker of a database, by probes on a connection of its own.

    Probes while a connection of the pool is in use for long, after one was lost, and every
    `probe_interval` seconds during an outage. A probe without an answer for `timeout` seconds is an
    outage: the pool abandons its connections. `prepare` must succeed once before the breaker closes
    for the first time.
    """

    def __init__(
        self,
        pool: Pool,
        breaker: Breaker,
        connect: Callable[[bool], Awaitable[Connection]],
        prepare: Callable[[Connection], Awaitable[None]] | None,
        timeout: float,
        probe_interval: float,
    ) -> None:
        # Message of the Problem with which `prepare` refused the database, for operators.
        self.refusal: str | None = None
        self._pool = pool
        self._breaker = breaker
        self._connect = connect
        self._prepare = prepare
        self._timeout = timeout
        self._probe_interval = probe_interval
        self._connection: Connection | None = None
        self._used_at = 0.0

    async def start(self) -> None:
        """Probe for the first time. An unavailable server is an outage.

        Raises Unavailable if the server answers and refuses this process, or `prepare` refuses it.
        """
        error = await self._probe()
        if isinstance(error, Problem) and not isinstance(error, DependencyUnavailable):
            self._disconnect()
            raise error
        if isinstance(error, MISCONFIGURED):
            raise cannot_be_opened(error) from error
        self._judge(error)

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            while True:
                await self._until_due()
                self._judge(await self._probe())
        finally:
            self._disconnect()

    async def _until_due(self) -> None:
        if self._breaker.is_open:
            await asyncio.sleep(self._probe_interval)
            return
        await asyncio.sleep(_PATIENCE)
        while not self._pool.is_suspicious(_PATIENCE):
            if time.monotonic() - self._used_at > _IDLE_LIFETIME:
                self._disconnect()
            await asyncio.sleep(_TICK)

    async def _probe(self) -> Exception | None:
        """Return the error of a probe, or None if the server answered as required."""
        self._pool.clear_suspicion()
        try:
            await _within(self._timeout, self._ping())
        # Also an unexpected error must not end the detection.
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, Problem):
                self._disconnect()
            return error
        finally:
            self._used_at = time.monotonic()
        return None

    def _judge(self, error: Exception | None) -> None:
        if error is None or (self._prepare is None and isinstance(error, _ANSWERS)):
            self._breaker.succeeded()
            return
        # The connection may be lost while `prepare` runs, which is no refusal.
        is_refusal = isinstance(error, Problem) and not isinstance(error, DependencyUnavailable)
        refusal = error.message if isinstance(error, Problem) and is_refusal else None
        if refusal is not None and refusal != self.refusal:
            log.error("database_refused", reason=refusal)
        self.refusal = refusal
        # Before the pool: requests that wait for a connection ask the breaker next.
        self._breaker.failed(type(error).__name__)
        self._pool.abandon()

    async def _ping(self) -> None:
        if self._connection is not None:
            try:
                await self._connection.execute("select 1")
            except UNAVAILABLE:
                # The connection was lost earlier, and nobody noticed: a new one decides.
                self._disconnect()
        if self._connection is None:
            self._connection = await self._connect(False)
        if self._prepare is not None:
            await self._prepare(self._connection)
            self._prepare, self.refusal = None, None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Await `work` for at most this time, in which this process ran. Raises TimeoutError."""
    task = asyncio.create_task(work)
    try:
        for _ in range(_PARTS):
            if (await asyncio.wait([task], timeout=seconds / _PARTS))[0]:
                return task.result()
    finally:
        task.cancel()
    raise TimeoutError
