"""Database access: an asyncpg pool, reads in autocommit, and transactions with one committer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
from sqlalchemy import Text, bindparam, column, func, select, table

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import DependencyUnavailable, Problem
from domains.kernel.core.settings import Pooler
from domains.kernel.core.tasks import background_task
from domains.kernel.db.errors import NOT_AVAILABLE, cannot_be_opened, translate_errors, was_refused
from domains.kernel.db.listener import NONCE_INTERVAL, Listener
from domains.kernel.db.outage_detector import OutageDetector
from domains.kernel.db.pool import PLAN_SETTINGS, Connection, Pool
from domains.kernel.db.statements import Statement, row, scalar, statement

T = TypeVar("T")

_SCHEMA_REVISION = statement(
    select(column("version_num")).select_from(table("alembic_version")), scalar
)
_NOTIFY = statement(
    select(func.pg_notify(bindparam("channel", type_=Text), bindparam("payload", type_=Text))), row
)

# Seconds between two rounds of notifications, at least. Later ones are merged into the next round.
_NOTIFICATION_PAUSE: Final = 0.01

# Bytes of a JSON parameter from which its copies matter.
LARGE_JSON: Final = 1_000_000


class SentOnce:
    """A large JSON parameter that is released as soon as a connection has copied it.

    asyncpg keeps two copies of each parameter until the statement ends. The statement cannot be
    executed again with this parameter.
    """

    @classmethod
    def if_large(cls, json: bytes | msgspec.Raw) -> "bytes | msgspec.Raw | SentOnce":
        """Wrap a large JSON text. Returns any other unchanged."""
        return cls(json) if len(json) > LARGE_JSON else json

    def __init__(self, json: bytes | msgspec.Raw) -> None:
        self._json: bytes | msgspec.Raw | None = json

    def take(self) -> bytes | msgspec.Raw:
        """Return the JSON text, and release it."""
        json, self._json = self._json, None
        if json is None:
            raise asyncpg.InternalClientError("a parameter was sent twice")
        return json


def _json_bytes(value: Any) -> Any:
    return value.take() if isinstance(value, SentOnce) else value


async def _initialize(connection: asyncpg.Connection) -> None:
    # JSON passes as bytes, neither decoded nor encoded. 1 is the version of jsonb's binary format.
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=_json_bytes, decoder=msgspec.Raw, format="binary"
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + bytes(value),
        decoder=lambda value: msgspec.Raw(value[1:]),
        format="binary",
    )


class Read:
    """Runs each statement in autocommit: no BEGIN, no COMMIT, one round trip."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    async def _fetch(self, statement: Statement[Any], params: Mapping[str, Any]) -> list[Any]:
        arguments = statement.arguments(params)
        with translate_errors():
            return await self._database.fetch(statement, arguments)

    async def all(self, statement: Statement[T], **params: Any) -> list[T]:
        """Return every row."""
        row_factory = statement.row_factory
        return [row_factory(*record) for record in await self._fetch(statement, params)]

    async def records(self, statement: Statement[Any], **params: Any) -> list[Any]:
        """Return every row as a sequence of its columns, without the row factory."""
        return await self._fetch(statement, params)

    async def first(self, statement: Statement[T], **params: Any) -> T | None:
        """Return the first row, or None."""
        records = await self._fetch(statement, params)
        return statement.row_factory(*records[0]) if records else None

    async def one(self, statement: Statement[T], **params: Any) -> T:
        """Return the first row. Raises LookupError if there is none."""
        result = await self.first(statement, **params)
        if result is None:
            raise LookupError(f"no row from: {statement.sql}")
        return result

    async def schema_revision(self) -> str | None:
        """Return the revision of the last migration, or None if there was none."""
        try:
            return await self.first(_SCHEMA_REVISION)
        except asyncpg.UndefinedTableError:
            return None


class _ReadOn(Read):
    """Reads on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _fetch(self, statement: Statement[Any], params: Mapping[str, Any]) -> list[Any]:
        arguments = statement.arguments(params)
        with translate_errors():
            records: list[Any] = await self._connection.fetch(statement.sql, *arguments)
            return records


class Tx(Read):
    """A transaction. It begins with the first statement; only `Database.transaction` commits it.

    `alone`: nothing is committed with the statements of the caller, so that a write of one
    statement needs no transaction: see `write_alone`.
    """

    def __init__(self, database: "Database", *, alone: bool) -> None:
        super().__init__(database)
        self._alone = alone
        self._committed = False
        self._open: tuple[Connection, Any] | None = None
        self._channels: set[str] = set()
        self._rollback_steps: list[Callable[[], Awaitable[None]]] = []

    async def _fetch(self, statement: Statement[Any], params: Mapping[str, Any]) -> list[Any]:
        arguments = statement.arguments(params)
        with translate_errors():
            records: list[Any] = await (await self._begun()).fetch(statement.sql, *arguments)
            return records

    async def _begun(self) -> Connection:
        """Return the connection of the transaction, which begins now unless it has begun."""
        if self._open is None:
            if self._committed:
                raise RuntimeError("a statement after `write_alone`, which has committed")
            connection = await self._database.acquire()
            try:
                transaction = connection.transaction()
                await transaction.start()
                if self._database.transaction_settings:
                    await connection.execute(self._database.transaction_settings)
            except BaseException:
                self._database.discard(connection)
                raise
            self._open = (connection, transaction)
        return self._open[0]

    async def before(self, statement: Statement[T], **params: Any) -> T | None:
        """Return the first row of a statement that reads, without beginning the transaction."""
        read = self._database.read if self._open is None else self
        return await read.first(statement, **params)

    async def write_alone(self, statement: Statement[T], **params: Any) -> T | None:
        """Return the first row of the only statement that writes.

        PostgreSQL commits it by itself, which saves the round trips of BEGIN and COMMIT. It runs in
        the transaction if that has begun, or stores more than the caller's statements. None:
        the statement returned no row, and other statements may follow.
        """
        if self._open is not None or not self._alone:
            return await self.first(statement, **params)
        arguments = statement.arguments(params)
        with translate_errors():
            connection = await self._database.acquire(reuses_plans=statement.reuses_plan)
            try:
                records = await connection.fetch(statement.sql, *arguments)
            except BaseException as error:
                self._release_after(connection, error)
                raise
            self._database.release(connection)
        if not records:
            return None
        self._committed = True
        return statement.row_factory(*records[0])

    async def execute_many(
        self, statement: Statement[Any], params: Sequence[Mapping[str, Any]]
    ) -> None:
        """Run a statement once per set of parameters, pipelined. Returns no rows."""
        if params:
            arguments = [statement.arguments(values) for values in params]
            with translate_errors():
                await (await self._begun()).executemany(statement.sql, arguments)

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
        if self._open is not None:
            connection, transaction = self._open
            self._open = None
            try:
                with translate_errors():
                    await self._commit_on(connection, transaction)
            except BaseException:
                await self._run_rollback_steps()
                raise
        self._database.notify_soon(self._channels)

    async def _commit_on(self, connection: Connection, transaction: Any) -> None:
        try:
            await transaction.commit()
        except BaseException as error:
            self._release_after(connection, error)
            raise
        self._database.release(connection)

    def _release_after(self, connection: Connection, error: BaseException) -> None:
        """Return the connection of a commit that failed, or that has an unknown outcome."""
        self._database.release_after(connection, error)
        if not was_refused(error):
            # The outcome is unknown, so changes outside the database are not undone.
            self._rollback_steps.clear()

    async def _rollback(self) -> None:
        if self._open is not None:
            connection, transaction = self._open
            self._open = None
            try:
                with translate_errors():
                    await transaction.rollback()
            except (Problem, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._database.discard(connection)
            except BaseException:
                self._database.discard(connection)
                raise
            else:
                self._database.release(connection)
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

    def __init__(
        self, pool: Pool, direct_url: str, breaker: Breaker, detector: OutageDetector
    ) -> None:
        self._pool = pool
        self._direct_url = direct_url
        self._breaker = breaker
        self._detector = detector
        self._channels: set[str] = set()
        self._channels_added = asyncio.Event()
        # Run at the begin of each transaction, unless it is empty.
        self.transaction_settings = ""
        self.read: Final = Read(self)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        name: str = "gateway",
        pool_size: int = 4,
        timeout: float = 10.0,
        outage_timeout: float = 10.0,
        probe_interval: float = 1.0,
        prepare: Callable[[Read], Awaitable[None]] | None = None,
        pooler: Pooler = "off",
        direct_url: str = "",
    ) -> AsyncIterator["Database"]:
        """Connect, and close the pool on leaving. Raises Unavailable with the server's reason.

        With `prepare`, the server need not respond: statements raise DependencyUnavailable until it
        does and `prepare` has succeeded, which is called once, before all other statements. Raises
        the Unavailable of `prepare` if the server responds at once.

        `timeout`: maximum seconds for a statement, and for waiting for a connection.
        `outage_timeout`: seconds after which a server without a response is unavailable.
        `probe_interval`: seconds between two probes of an unavailable server.
        `pooler`: `transaction` if `url` is that of a pooler that gives each transaction another
        connection. `direct_url`: URL for listeners, by default `url`.
        """
        pooled = pooler == "transaction"
        # The time zone overrides that of the database's configuration. Poolers know both settings.
        startup = {"application_name": name, "timezone": "UTC"}
        settings = {
            "jit": "off",
            "idle_in_transaction_session_timeout": "60000",
            # In milliseconds: 0.3 of `timeout`, so that a lock wait is reported as a write conflict
            # and not as a timeout. A statement may wait twice: for its place in the lock's queue,
            # and for the lock's holder.
            "lock_timeout": str(int(timeout * 300)),
        }

        async def connect(reuses_plans: bool, address: str = url) -> Connection:
            connection: Connection = await asyncpg.connect(
                address,
                timeout=timeout,
                command_timeout=timeout,
                connection_class=Connection,
                # A named statement exists on one connection of the server only.
                statement_cache_size=0 if pooled else 500,
                server_settings=startup
                if pooled
                else {**startup, **settings, **PLAN_SETTINGS[reuses_plans]},
            )
            try:
                await _initialize(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

        breaker = Breaker("database", NOT_AVAILABLE, probe_interval)
        # A pooler lets a new connection wait until the server has one free.
        connect_timeout = timeout if pooled else outage_timeout
        pool = Pool(connect, breaker, pool_size, timeout, connect_timeout, two_kinds=not pooled)
        detector = OutageDetector(
            pool,
            breaker,
            # The server itself: a pooler without a free connection is no outage.
            lambda reuses_plans: connect(reuses_plans, direct_url or url),
            None if prepare is None else lambda connection: prepare(_ReadOn(connection)),
            outage_timeout,
            probe_interval,
        )
        if prepare is None:
            await _connect_first(pool)
        else:
            await detector.start()
        database = cls(pool, direct_url or url, breaker, detector)
        if pooled:
            database.transaction_settings = "".join(
                f"set local {name} = {value};" for name, value in settings.items()
            )
        try:
            async with (
                background_task(database._send_notifications()),
                background_task(detector.run()),
            ):
                yield database
        finally:
            await pool.close()

    @property
    def refusal(self) -> str | None:
        """Message for operators if the server answers, but `prepare` refuses the database."""
        return self._detector.refusal

    @property
    def seconds_unavailable(self) -> float | None:
        """Duration of the outage of the server in seconds. None: there is none."""
        return self._breaker.seconds_open

    def transaction(self, *, alone: bool = False) -> "_Transaction":
        """Begin a transaction. Commits if the block succeeds, else rolls back.

        `alone`: the block is all that is committed; see `Tx.write_alone`.
        """
        # Without a transaction, the settings of transactions would not hold.
        return _Transaction(Tx(self, alone=alone and not self.transaction_settings))

    def listener(
        self,
        handlers: Mapping[str, Callable[[str], None]],
        resync: Callable[[], None],
        nonce_interval: float = NONCE_INTERVAL,
    ) -> Listener:
        """Create a listener with a connection of its own. Run it as a task."""
        return Listener(self._direct_url, handlers, resync, self._send_nonce, nonce_interval)

    async def _send_nonce(self, channel: str, nonce: str) -> bool:
        try:
            await self.read.one(_NOTIFY, channel=channel, payload=nonce)
        except (Problem, asyncpg.PostgresError):
            return False
        return True

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
            await asyncio.sleep(_NOTIFICATION_PAUSE)

    async def fetch(self, statement: Statement[Any], arguments: Sequence[Any]) -> list[Any]:
        """Run a statement in autocommit, on a connection of the kind it needs."""
        connection = await self.acquire(reuses_plans=statement.reuses_plan)
        try:
            records: list[Any] = await connection.fetch(statement.sql, *arguments)
        except BaseException as error:
            self.release_after(connection, error)
            raise
        self.release(connection)
        return records

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Acquire a connection for the duration of a block."""
        connection = await self.acquire()
        try:
            yield connection
        except BaseException as error:
            self.release_after(connection, error)
            raise
        self.release(connection)

    async def acquire(self, *, reuses_plans: bool = False) -> Connection:
        """Acquire a connection, of the kind for all statements unless it `reuses_plans`.

        Return it with `release` or `discard`.
        """
        return self._pool.take(reuses_plans) or await self._pool.acquire(reuses_plans)

    def release(self, connection: Connection) -> None:
        """Return a connection on which no statement runs."""
        self._pool.release(connection)

    def release_after(self, connection: Connection, error: BaseException) -> None:
        """Return a connection after an error, but close it if a statement may still run on it."""
        if isinstance(error, asyncpg.PostgresError):
            self.release(connection)
        else:
            self.discard(connection)

    def discard(self, connection: Connection) -> None:
        """Close a connection that cannot be used again."""
        self._pool.discard(connection)


async def _connect_first(pool: Pool) -> None:
    """Open the pool's first connection. Raises Unavailable with the server's reason."""
    try:
        pool.release(await pool.acquire(False))
    except (DependencyUnavailable, TimeoutError) as problem:
        error = problem.__cause__ or problem
        raise cannot_be_opened(error) from error


class _Transaction:
    """Async context manager of a transaction: commits it or rolls it back."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def __aenter__(self) -> Tx:
        return self._tx

    async def __aexit__(self, error: type[BaseException] | None, *_details: object) -> None:
        if error is None:
            await self._tx._commit()
        else:
            await self._tx._rollback()
