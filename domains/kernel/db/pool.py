"""Pool of database connections of two kinds: with plans per execution, and with reused plans.

Behind a transaction pooler all connections are of one kind, since settings of a connection do not
hold there.

PostgreSQL decides by settings of the connection whether a prepared statement is planned for the
values of each execution (filters on rare and on common values need different plans), or once for
all values, which saves half of the server's time for a short statement.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg

from domains.kernel.core.breaker import Breaker

# Settings of a connection, by `Statement.reuses_plan`. A reused plan may be made while a table is
# empty, when reading and sorting all of it looks cheapest: it has to use the indexes.
PLAN_SETTINGS: Final[tuple[Mapping[str, str], ...]] = (
    {"plan_cache_mode": "force_custom_plan", "enable_seqscan": "on", "enable_sort": "on"},
    {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_sort": "off"},
)

# Seconds after which an unused connection is closed.
_IDLE_LIFETIME: Final = 300.0
# Seconds that a cancelled statement may take to end.
_CLOSE_TIMEOUT: Final = 5.0


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection of the pool."""

    # True: prepared statements keep the plan of their first execution.
    reuses_plans: bool


class Pool:
    """At most `size` connections. Waits up to `timeout` seconds for a free one.

    Connecting takes at most `connect_timeout` seconds. While the breaker is open the pool has no
    connection and refuses all requests. A connection is never reset: no statement leaves session
    state behind, other than its kind. Unless `two_kinds`, every connection is of the kind that is
    asked for.
    """

    def __init__(
        self,
        connect: Callable[[bool], Awaitable[Connection]],
        breaker: Breaker,
        size: int,
        timeout: float,
        connect_timeout: float,
        *,
        two_kinds: bool = True,
    ) -> None:
        self._connect = connect
        self._breaker = breaker
        self._size = size
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._opened = 0
        # Free connections with the time of their release, by kind; the last one is used first.
        free: deque[tuple[Connection, float]] = deque()
        self._free = (free, deque[tuple[Connection, float]]() if two_kinds else free)
        self._two_kinds = two_kinds
        # The other connections, with the time since when they are in use, the oldest first.
        self._used: dict[Connection, float] = {}
        # Limits of the connection attempts in progress, with the time of their start.
        self._attempts: dict[asyncio.Timeout, float] = {}
        # True: a connection was lost, or could not be opened.
        self._suspicious = False
        # Requests without a connection, the oldest first. A released connection is handed to the
        # oldest one, so that no later request takes it first. None: there is room for a new one.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closing: dict[asyncio.Task[None], Connection] = {}
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, reuses_plans: bool) -> Connection | None:
        """Return a free connection of the kind, or None. Return it with `release`."""
        free = self._free[reuses_plans]
        while free:
            connection, _ = free.pop()
            if not connection.is_closed():
                self._used[connection] = time.monotonic()
                return connection
            self._suspicious = True
            self._forget()
        return None

    async def acquire(self, reuses_plans: bool) -> Connection:
        """Return a connection of the kind: a free one, a new one, or one that changes its kind.

        Raises TimeoutError if none is free in time, DependencyUnavailable if none can be opened.
        """
        async with asyncio.timeout(self._timeout):
            while True:
                if self._closed:
                    raise asyncpg.InterfaceError("the pool is closed")
                self._breaker.refuse_during_outage()
                if (connection := self.take(reuses_plans)) is not None:
                    return connection
                if self._opened < self._size:
                    return await self._open(reuses_plans)
                if (connection := self.take(not reuses_plans)) is not None:
                    return await self._change_kind(connection, reuses_plans)
                if (connection := await self._wait()) is not None:
                    if connection.reuses_plans == reuses_plans:
                        return connection
                    return await self._change_kind(connection, reuses_plans)

    def release(self, connection: Connection) -> None:
        """Make a connection free for others. One that is not usable any more is closed."""
        if connection.is_closed():
            self._suspicious = True
            self._used.pop(connection, None)
            self._forget()
            return
        if self._closed or connection.is_in_transaction():
            self.discard(connection)
            return
        self._used.pop(connection, None)
        if not self._wake_next(connection):
            self._free[connection.reuses_plans].append((connection, time.monotonic()))
            if self._reaper is None:
                self._schedule_reaper()

    def discard(self, connection: Connection) -> None:
        """Close a connection instead of releasing it, for example during a statement."""
        task = asyncio.get_running_loop().create_task(self._close(connection))
        self._closing[task] = connection
        task.add_done_callback(self._after_closing)

    def is_suspicious(self, seconds: float) -> bool:
        """Return True if a connection was lost, or is in use or being opened for this long."""
        oldest = [next(iter(since.values())) for since in (self._used, self._attempts) if since]
        return self._suspicious or any(time.monotonic() - since > seconds for since in oldest)

    def clear_suspicion(self) -> None:
        """Forget that connections were lost until now."""
        self._suspicious = False

    def abandon(self) -> None:
        """Close all connections without waiting for the server. Statements in progress fail.

        The breaker is open: requests that wait for a connection fail, too.
        """
        for connection in self._used:
            connection.terminate()
        for task in self._closing:
            task.cancel()
        for attempt in self._attempts:
            if not attempt.expired():
                attempt.reschedule(0)
        for free in self._free:
            while free:
                free.pop()[0].terminate()
                self._forget()
        while self._wake_next():
            pass

    async def close(self) -> None:
        """Close the free connections at once, and the others when they are released."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        for free in self._free:
            while free:
                self.discard(free.pop()[0])
        while self._wake_next():
            pass
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _open(self, reuses_plans: bool) -> Connection:
        self._opened += 1
        attempt = asyncio.timeout(self._connect_timeout)
        try:
            async with attempt:
                self._attempts[attempt] = time.monotonic()
                connection = await self._connect(reuses_plans)
        except BaseException as error:
            self._forget()
            if isinstance(error, (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
                self._suspicious = True
                raise self._breaker.unavailable() from error
            raise
        finally:
            self._attempts.pop(attempt, None)
        connection.reuses_plans = reuses_plans
        self._used[connection] = time.monotonic()
        return connection

    async def _change_kind(self, connection: Connection, reuses_plans: bool) -> Connection:
        if not self._two_kinds:
            return connection
        settings = PLAN_SETTINGS[reuses_plans]
        try:
            await connection.execute(
                "".join(f"set {name} = {value};" for name, value in settings.items())
            )
        except BaseException:
            self.discard(connection)
            raise
        connection.reuses_plans = reuses_plans
        return connection

    async def _wait(self) -> Connection | None:
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except BaseException:
            # The turn may have come at the moment of the cancellation: pass it on.
            if turn.done() and not turn.cancelled():
                connection = turn.result()
                if connection is None:
                    self._wake_next()
                else:
                    self.release(connection)
            raise

    async def _close(self, connection: Connection) -> None:
        # `close` waits until the server has cancelled the statement that runs, if any.
        if not self._breaker.is_open:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=_CLOSE_TIMEOUT)

    def _after_closing(self, task: asyncio.Task[None]) -> None:
        # The task may have been cancelled before it began.
        connection = self._closing.pop(task)
        connection.terminate()
        self._used.pop(connection, None)
        self._forget()

    def _forget(self) -> None:
        """Count a connection as closed."""
        self._opened -= 1
        self._wake_next()

    def _wake_next(self, connection: Connection | None = None) -> bool:
        """Hand the connection, or room for a new one, to the oldest request. False: none waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                if connection is not None:
                    self._used[connection] = time.monotonic()
                turn.set_result(connection)
                return True
        return False

    def _schedule_reaper(self) -> None:
        loop = asyncio.get_running_loop()
        self._reaper = loop.call_later(_IDLE_LIFETIME / 2, self._close_unused)

    def _close_unused(self) -> None:
        oldest = time.monotonic() - _IDLE_LIFETIME
        for free in self._free:
            while free and free[0][1] < oldest:
                self.discard(free.popleft()[0])
        self._schedule_reaper()
