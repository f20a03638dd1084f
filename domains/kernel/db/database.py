"""The database: one asyncpg pool, reads without transactions, one committer, notifications.

Only this module touches a connection.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
import structlog
from sqlalchemy import Text, bindparam, column, func, literal_column, select, table

from domains.kernel.core.problems import Conflict, Invalid, Problem, Unavailable, WriteConflict
from domains.kernel.db.statements import Statement, row, scalar, statement

T = TypeVar("T")

log = structlog.get_logger()

# A constraint that a caller can break, and the refusal that says so. Tables modules fill it.
CONSTRAINT_PROBLEMS: Final[dict[str, Callable[[], Problem]]] = {}

# Seconds for which a notification link is trusted after a question that it answered.
LINK_TRUST: Final = 1.0
_LINK_PING: Final = 0.3

_PING = statement(select(literal_column("1")), scalar)
_SCHEMA = statement(select(column("version_num")).select_from(table("alembic_version")), scalar)
_NOTIFY = statement(
    select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))), row
)

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Statements here leave no session state behind, so the pool's reset is a wasted round trip."""

    def get_reset_query(self) -> str:
        return ""


async def _prepare(connection: asyncpg.Connection) -> None:
    # Both go through as bytes: no decoding, no encoding. 1 is the binary format's version of jsonb.
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=bytes, decoder=msgspec.Raw, format="binary"
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + bytes(value),
        decoder=lambda value: msgspec.Raw(value[1:]),
        format="binary",
    )


def _give_up(connection: asyncpg.Connection) -> None:
    """Close it at once. Of one that the server closed, the pool has taken leave already."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn what a caller may have caused, and a database that is away, into Problems."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        refusal = CONSTRAINT_PROBLEMS.get(error.constraint_name or "")
        if refusal is None:
            raise
        raise refusal() from error
    except (
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
        asyncpg.LockNotAvailableError,
    ) as error:
        raise WriteConflict(
            "Another request changed the same record. Send this one again."
        ) from error
    except _AWAY as error:
        log.warning("database_away", error=type(error).__name__)
        raise Unavailable("The database is not reachable. Try again in a moment.") from error


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end."""
    while not task.done():
        task.cancel()
        # Before Python 3.12 a time-out that is met at this moment swallows the cancellation.
        await asyncio.wait([task], timeout=1)


class Read:
    """Runs statements, each on its own in autocommit: no BEGIN, no COMMIT, one round trip."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._database.connection() as connection:
            yield connection

    async def all(self, asked: Statement[T], **given: Any) -> list[T]:
        """Every row."""
        arguments = asked.arguments(given)
        with _explained():
            async with self._connected() as connection:
                rows = await connection.fetch(asked.sql, *arguments)
        into = asked.into
        return [into(*found) for found in rows]

    async def first(self, asked: Statement[T], **given: Any) -> T | None:
        """The first row, or None."""
        arguments = asked.arguments(given)
        with _explained():
            async with self._connected() as connection:
                found = await connection.fetchrow(asked.sql, *arguments)
        return None if found is None else asked.into(*found)

    async def one(self, asked: Statement[T], **given: Any) -> T:
        """The row of a statement that always answers with one."""
        found = await self.first(asked, **given)
        if found is None:
            raise LookupError(f"no row from: {asked.sql}")
        return found


class Tx(Read):
    """A transaction: begins with its first statement, committed by `Database.transaction` alone."""

    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self._open: tuple[asyncpg.Connection, Any] | None = None
        self._wakes: set[str] = set()
        self._undo: list[Callable[[], Awaitable[None]]] = []

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        if self._open is None:
            connection = await self._database.acquire()
            try:
                transaction = connection.transaction()
                await transaction.start()
            except BaseException:
                await self._database.release(connection)
                raise
            self._open = (connection, transaction)
        yield self._open[0]

    async def execute_many(self, asked: Statement[Any], given: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of arguments, pipelined; no rows come back."""
        if given:
            arguments = [asked.arguments(each) for each in given]
            with _explained():
                async with self._connected() as connection:
                    await connection.executemany(asked.sql, arguments)

    async def notify(self, channel: str, payload: str) -> None:
        """Tell every listener when, and only if, this transaction commits."""
        await self.one(_NOTIFY, channel=channel, payload=payload)

    def notify_after_commit(self, channel: str) -> None:
        """Wake the channel's listeners soon after the commit; wakes may be lost, so they poll too.

        NOTIFY inside the transaction would make all commits of the server wait for one another.
        """
        self._wakes.add(channel)

    def on_rollback(self, step: Callable[[], Awaitable[None]]) -> None:
        """What to do outside the database if this transaction surely comes to nothing."""
        self._undo.append(step)

    async def _commit(self) -> None:
        if self._open is None:
            return
        connection, transaction = self._open
        self._open = None
        try:
            with _explained():
                await transaction.commit()
        except (asyncpg.PostgresError, Conflict, WriteConflict, Invalid):
            # The server refused it.
            await self._take_back()
            raise
        except BaseException:
            # It may have been committed: nothing is undone, and the connection is given up.
            _give_up(connection)
            raise
        finally:
            await self._database.release(connection)
        self._database.notify_soon(self._wakes)

    async def _rollback(self) -> None:
        if self._open is not None:
            connection, transaction = self._open
            self._open = None
            try:
                with _explained():
                    await transaction.rollback()
            except (Problem, asyncpg.PostgresError, asyncpg.InterfaceError):
                _give_up(connection)
            finally:
                await self._database.release(connection)
        await self._take_back()

    async def _take_back(self) -> None:
        for step in reversed(self._undo):
            # Best effort: what stays behind is referred to by nothing.
            with contextlib.suppress(Problem):
                await asyncio.shield(step())


class Listener:
    """Listens to notification channels, reconnecting for ever, and knows whether it may be trusted.

    `handlers` get a payload each. `broken` is called whenever messages may have been missed: when
    the link is lost and when it is back.
    """

    def __init__(
        self,
        dsn: str,
        handlers: Mapping[str, Callable[[str], None]],
        broken: Callable[[], None],
    ) -> None:
        self._dsn = dsn
        self._handlers = handlers
        self._broken = broken
        self._answered = float("-inf")

    @property
    def alive(self) -> bool:
        """True while the server answered on this link a question asked at most LINK_TRUST ago."""
        return time.monotonic() - self._answered < LINK_TRUST

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (*_AWAY, asyncpg.PostgresError) as error:
                log.warning("listener_away", error=type(error).__name__)
            self._answered = float("-inf")
            self._broken()
            await asyncio.sleep(_LINK_PING)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=5,
            command_timeout=LINK_TRUST,
            server_settings={"application_name": "gateway-listener"},
        )
        try:
            for channel, handler in self._handlers.items():
                await connection.add_listener(channel, _payload_only(handler))
            self._broken()
            while True:
                asked = time.monotonic()
                await connection.execute(_PING.sql)
                self._answered = asked
                await asyncio.sleep(_LINK_PING)
        finally:
            connection.terminate()


def _payload_only(handler: Callable[[str], None]) -> Callable[[object, int, str, str], None]:
    return lambda _connection, _pid, _channel, payload: handler(payload)


class Database:
    """The pool and what is built on it. Open it with `async with Database.open(url)`."""

    def __init__(self, pool: asyncpg.Pool, dsn: str, timeout: float) -> None:
        self._pool = pool
        self._dsn = dsn
        self._timeout = timeout
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        self.read: Final = Read(self)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, *, name: str = "gateway", pool_size: int = 4, timeout: float = 10.0
    ) -> AsyncIterator["Database"]:
        """Connect; Unavailable, with the server's reason, if that fails. Closed on leaving.

        `timeout`: seconds that a statement, or waiting for a connection, may take.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                timeout=timeout,
                command_timeout=timeout,
                connection_class=_Connection,
                init=_prepare,
                statement_cache_size=500,
                server_settings={
                    "application_name": name,
                    "jit": "off",
                    # Whatever zone the database is set to.
                    "timezone": "UTC",
                    # A plan for every value at once takes any filter for a common one.
                    "plan_cache_mode": "force_custom_plan",
                    "idle_in_transaction_session_timeout": "60000",
                    # Waiting for somebody else's change is told apart from a slow server. There may
                    # be two waits: for the place in the queue, and for who is at its head.
                    "lock_timeout": str(int(timeout * 300)),
                },
            )
        except (*_AWAY, asyncpg.PostgresError) as error:
            raise Unavailable(
                f"The database cannot be opened: {str(error) or type(error).__name__}"
            ) from error
        database = cls(pool, url, timeout)
        waker = asyncio.create_task(database._wake_listeners())
        try:
            yield database
        finally:
            await cancel_and_wait(waker)
            try:
                async with asyncio.timeout(5):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """The one place that commits: on leaving without an exception, else it rolls back."""
        tx = Tx(self)
        try:
            yield tx
        except BaseException:
            await tx._rollback()
            raise
        await tx._commit()

    def listener(
        self, handlers: Mapping[str, Callable[[str], None]], broken: Callable[[], None]
    ) -> Listener:
        """A link of its own for notifications; run it as a task."""
        return Listener(self._dsn, handlers, broken)

    async def ping(self) -> None:
        """Return if the server answers, else Unavailable."""
        await self.read.one(_PING)

    async def schema_revision(self) -> str | None:
        """The revision that migrations have brought the schema to; None before the first."""
        try:
            return await self.read.first(_SCHEMA)
        except asyncpg.UndefinedTableError:
            return None

    def notify_soon(self, channels: set[str]) -> None:
        """Notify the channels soon, many wakes at once as one."""
        if channels:
            self._due |= channels
            self._wake.set()

    async def _wake_listeners(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, set()
            for channel in due:
                # Listeners poll as well, so a wake that cannot be sent only costs them time.
                with contextlib.suppress(Problem, asyncpg.PostgresError):
                    await self.read.one(_NOTIFY, channel=channel, payload="")

    def connection(self) -> Any:
        """A pooled connection as a context manager."""
        return self._pool.acquire(timeout=self._timeout)

    async def acquire(self) -> asyncpg.Connection:
        """A pooled connection, to be given back with `release`."""
        return await self._pool.acquire(timeout=self._timeout)

    async def release(self, connection: asyncpg.Connection) -> None:
        """Give a connection back, also when the request was cancelled meanwhile."""
        # One that the server closes at this moment has left the pool by itself.
        with contextlib.suppress(asyncpg.InternalClientError):
            await asyncio.shield(self._pool.release(connection))
