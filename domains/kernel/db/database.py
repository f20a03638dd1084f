"""Database access: an asyncpg pool, reads in autocommit, and transactions with one committer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
from sqlalchemy import Text, bindparam, column, func, select, table

from domains.kernel.core.problems import Conflict, Invalid, Problem, Unavailable, WriteConflict
from domains.kernel.core.tasks import background_task
from domains.kernel.db.errors import UNAVAILABLE, translate_errors
from domains.kernel.db.listener import Listener
from domains.kernel.db.statements import Statement, row, scalar, statement

T = TypeVar("T")

_SCHEMA_REVISION = statement(
    select(column("version_num")).select_from(table("alembic_version")), scalar
)
_NOTIFY = statement(
    select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))), row
)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is not reset on release: no statement leaves session state behind."""

    def get_reset_query(self) -> str:
        return ""


async def _initialize(connection: asyncpg.Connection) -> None:
    # JSON passes as bytes, neither decoded nor encoded. 1 is the version of jsonb's binary format.
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


def _terminate(connection: asyncpg.Connection) -> None:
    # The pool raises InterfaceError for a connection that the server has closed already.
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


class Read:
    """Runs each statement in autocommit: no BEGIN, no COMMIT, one round trip."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._database.connection() as connection:
            yield connection

    async def all(self, statement: Statement[T], **params: Any) -> list[T]:
        """Return every row."""
        arguments = statement.arguments(params)
        with translate_errors():
            async with self._connected() as connection:
                records = await connection.fetch(statement.sql, *arguments)
        row_factory = statement.row_factory
        return [row_factory(*record) for record in records]

    async def first(self, statement: Statement[T], **params: Any) -> T | None:
        """Return the first row, or None."""
        arguments = statement.arguments(params)
        with translate_errors():
            async with self._connected() as connection:
                record = await connection.fetchrow(statement.sql, *arguments)
        return None if record is None else statement.row_factory(*record)

    async def one(self, statement: Statement[T], **params: Any) -> T:
        """Return the first row. Raises LookupError if there is none."""
        result = await self.first(statement, **params)
        if result is None:
            raise LookupError(f"no row from: {statement.sql}")
        return result


class Tx(Read):
    """A transaction. It begins with the first statement; only `Database.transaction` commits it."""

    def __init__(self, database: "Database") -> None:
        super().__init__(database)
        self._open: tuple[asyncpg.Connection, Any] | None = None
        self._channels: set[str] = set()
        self._rollback_steps: list[Callable[[], Awaitable[None]]] = []

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

    async def execute_many(
        self, statement: Statement[Any], params: Sequence[Mapping[str, Any]]
    ) -> None:
        """Run a statement once per set of parameters, pipelined. Returns no rows."""
        if params:
            arguments = [statement.arguments(values) for values in params]
            with translate_errors():
                async with self._connected() as connection:
                    await connection.executemany(statement.sql, arguments)

    async def notify(self, channel: str, payload: str) -> None:
        """Notify the channel's listeners when, and only if, this transaction commits."""
        await self.one(_NOTIFY, channel=channel, payload=payload)

    def notify_after_commit(self, channel: str) -> None:
        """Notify the channel's listeners soon after the commit, outside the transaction.

        The notification may be lost, so listeners must poll too. NOTIFY inside the transaction
        would serialize all commits of the server.
        """
        self._channels.add(channel)

    def on_rollback(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run `step` if this transaction is rolled back, but not if its outcome is unknown.

        Steps undo changes outside the database, such as stored objects. The last step runs first.
        """
        self._rollback_steps.append(step)

    async def _commit(self) -> None:
        if self._open is None:
            return
        connection, transaction = self._open
        self._open = None
        try:
            with translate_errors():
                await transaction.commit()
        except (asyncpg.PostgresError, Conflict, WriteConflict, Invalid):
            # The server refused the commit.
            await self._run_rollback_steps()
            raise
        except BaseException:
            # The outcome is unknown, so changes outside the database are not undone.
            _terminate(connection)
            raise
        finally:
            await self._database.release(connection)
        self._database.notify_soon(self._channels)

    async def _rollback(self) -> None:
        if self._open is not None:
            connection, transaction = self._open
            self._open = None
            try:
                with translate_errors():
                    await transaction.rollback()
            except (Problem, asyncpg.PostgresError, asyncpg.InterfaceError):
                _terminate(connection)
            finally:
                await self._database.release(connection)
        await self._run_rollback_steps()

    async def _run_rollback_steps(self) -> None:
        for step in reversed(self._rollback_steps):
            # Best effort: no record refers to an object that a failed step did not remove.
            with contextlib.suppress(Problem):
                await asyncio.shield(step())


class Database:
    """A connection pool with `read` for single statements and `transaction` for changes.

    Open it with `async with Database.open(url)`.
    """

    def __init__(self, pool: asyncpg.Pool, dsn: str, timeout: float) -> None:
        self._pool = pool
        self._dsn = dsn
        self._timeout = timeout
        self._channels: set[str] = set()
        self._channels_added = asyncio.Event()
        self.read: Final = Read(self)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, *, name: str = "gateway", pool_size: int = 4, timeout: float = 10.0
    ) -> AsyncIterator["Database"]:
        """Connect, and close the pool on leaving. Raises Unavailable with the server's reason.

        `timeout`: maximum seconds for a statement, and for waiting for a connection.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                timeout=timeout,
                command_timeout=timeout,
                connection_class=_Connection,
                init=_initialize,
                statement_cache_size=500,
                server_settings={
                    "application_name": name,
                    "jit": "off",
                    # Overrides the time zone in the database's configuration.
                    "timezone": "UTC",
                    # A generic plan treats every filter value as a common one.
                    "plan_cache_mode": "force_custom_plan",
                    "idle_in_transaction_session_timeout": "60000",
                    # In milliseconds: 0.3 of `timeout`, so that a lock wait is reported as a write
                    # conflict and not as a timeout. A statement may wait twice: for its place in
                    # the lock's queue, and for the lock's holder.
                    "lock_timeout": str(int(timeout * 300)),
                },
            )
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise Unavailable(
                f"The database cannot be opened: {str(error) or type(error).__name__}"
            ) from error
        database = cls(pool, url, timeout)
        try:
            async with background_task(database._send_notifications()):
                yield database
        finally:
            try:
                async with asyncio.timeout(5):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Begin a transaction. Commits if the block succeeds, else rolls back."""
        tx = Tx(self)
        try:
            yield tx
        except BaseException:
            await tx._rollback()
            raise
        await tx._commit()

    def listener(
        self, handlers: Mapping[str, Callable[[str], None]], resync: Callable[[], None]
    ) -> Listener:
        """Create a listener with a connection of its own. Run it as a task."""
        return Listener(self._dsn, handlers, resync)

    async def schema_revision(self) -> str | None:
        """Return the revision of the last migration, or None if there was none."""
        try:
            return await self.read.first(_SCHEMA_REVISION)
        except asyncpg.UndefinedTableError:
            return None

    def notify_soon(self, channels: set[str]) -> None:
        """Notify the channels without waiting. Notifications of a channel are merged.

        They may be lost.
        """
        if channels:
            self._channels |= channels
            self._channels_added.set()

    async def _send_notifications(self) -> None:
        while True:
            await self._channels_added.wait()
            self._channels_added.clear()
            channels, self._channels = self._channels, set()
            for channel in channels:
                # Listeners poll too, so a lost notification only delays them.
                with contextlib.suppress(Problem, asyncpg.PostgresError):
                    await self.read.one(_NOTIFY, channel=channel, payload="")

    def connection(self) -> Any:
        """Return a context manager that acquires a pooled connection."""
        return self._pool.acquire(timeout=self._timeout)

    async def acquire(self) -> asyncpg.Connection:
        """Acquire a pooled connection. Return it with `release`."""
        return await self._pool.acquire(timeout=self._timeout)

    async def release(self, connection: asyncpg.Connection) -> None:
        """Return a connection to the pool, even if the caller is cancelled meanwhile."""
        # A connection that the server closes at this moment has left the pool by itself.
        with contextlib.suppress(asyncpg.InternalClientError):
            await asyncio.shield(self._pool.release(connection))
