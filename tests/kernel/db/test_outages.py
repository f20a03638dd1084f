"""A PostgreSQL server that is frozen, stopped, not yet started, or full."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import Float, bindparam, func, select, text

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import DependencyUnavailable, Problem, Unavailable
from domains.kernel.db.database import Database, Read
from domains.kernel.db.errors import translate_errors
from domains.kernel.db.statements import Statement, row, scalar
from gateway.embedded.postgres import Postgres
from tests.frozen_postgres import frozen_postgres
from tests.stack import eventually

# Seconds: twice what is promised, for busy machines.
LIMIT: Final = 4.0

_ONE = Statement(select(1), scalar)
_SLEEP: Statement[Any] = Statement(select(func.pg_sleep(bindparam("seconds", type_=Float))), row)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    started = Postgres(tmp_path_factory.mktemp("postgres"), durable=False)
    try:
        started.start()
        yield started
    finally:
        started.stop()


def _open(
    server: Postgres, *, outage_timeout: float = 1.0, **options: Any
) -> AbstractAsyncContextManager[Database]:
    return Database.open(
        server.start(), outage_timeout=outage_timeout, probe_interval=0.2, **options
    )


@contextlib.asynccontextmanager
async def _table(database: Database) -> AsyncIterator[str]:
    """A table for one test."""
    name = f"t_{secrets.token_hex(6)}"
    async with database.connection() as connection:
        await connection.execute(f"create table {name} (id uuid primary key)")
    yield name


async def _refused(work: Any) -> float:
    """Expect DependencyUnavailable. Returns the seconds until it was raised."""
    began = time.monotonic()
    with pytest.raises(DependencyUnavailable) as refused:
        await work
    assert refused.value.dependency == "database"
    assert refused.value.headers["Retry-After"]
    return time.monotonic() - began


async def _works(database: Database) -> bool:
    with contextlib.suppress(DependencyUnavailable):
        return bool(await database.read.one(_ONE) == 1)
    return False


async def test_a_frozen_server_is_detected_while_statements_wait(server: Postgres) -> None:
    """Statements in progress, transactions, waits for a connection and new connections end."""
    async with _open(server, pool_size=3) as database:

        async def transaction() -> None:
            async with database.transaction() as tx:
                await tx.one(_ONE)
                frozen.set()
                await tx.first(_SLEEP, seconds=600.0)

        frozen = asyncio.Event()
        in_progress = [
            asyncio.create_task(_refused(work))
            for work in (transaction(), database.read.first(_SLEEP, seconds=600.0))
        ]
        await frozen.wait()
        with frozen_postgres(server):
            # One of them opens a connection, the others wait for one.
            later = [asyncio.create_task(_refused(database.read.one(_ONE))) for _ in range(5)]
            began = time.monotonic()
            times = await asyncio.gather(*later)
            await asyncio.gather(*in_progress)
            assert time.monotonic() - began < LIMIT
            assert max(times) < LIMIT
            assert await _refused(database.read.one(_ONE)) < 0.1
            seconds = database.seconds_unavailable
            assert seconds is not None
            assert seconds >= 0
        await eventually(lambda: _works(database))
        assert database.seconds_unavailable is None


async def test_a_server_that_answers_may_take_long_for_a_statement(server: Postgres) -> None:
    async with _open(server, outage_timeout=0.5) as database:
        began = time.monotonic()
        await database.read.first(_SLEEP, seconds=1.5)
        assert time.monotonic() - began >= 1.5


async def test_refused_logins_end_no_statement(server: Postgres) -> None:
    role = f"r_{secrets.token_hex(6)}"
    async with _open(server) as administrator, administrator.connection() as connection:
        await connection.execute(f"create role {role} login")
        url = server.start().replace("//gateway@", f"//{role}@")
        async with Database.open(url, pool_size=1, probe_interval=0.2) as database:
            await database.read.one(_ONE)
            await connection.execute(f"alter role {role} nologin")
            # Takes long enough to be probed, on a new connection.
            await database.read.first(_SLEEP, seconds=1.0)
            await database.read.one(_ONE)
        await connection.execute(f"drop role {role}")


async def test_a_suspended_process_reads_the_answer_before_it_judges(server: Postgres) -> None:
    async with _open(server, outage_timeout=0.5) as database:
        statement = asyncio.create_task(database.read.first(_SLEEP, seconds=3.0))
        for _ in range(2):
            await asyncio.sleep(0.45)
            # Blocks the event loop while a probe is running or about to begin.
            time.sleep(0.7)  # noqa: ASYNC251
        await statement


async def test_a_server_that_refuses_connections_is_an_outage_until_it_starts(
    server: Postgres,
) -> None:
    async with _open(server) as database:
        assert await _works(database)
        await asyncio.to_thread(server.stop)
        try:
            assert await _refused(database.read.one(_ONE)) < LIMIT
            await eventually(lambda: database.seconds_unavailable is not None)
            assert await _refused(database.read.one(_ONE)) < 0.1
        finally:
            await asyncio.to_thread(server.start)
        await eventually(lambda: _works(database))


async def test_one_lost_connection_is_no_outage(server: Postgres) -> None:
    async with _open(server) as database, _open(server) as other:
        connection = await database.acquire()
        pid = await connection.fetchval("select pg_backend_pid()")
        async with other.connection() as operator:
            await operator.execute("select pg_terminate_backend($1)", pid)
        await eventually(connection.is_closed)
        database.release(connection)
        for _ in range(20):
            assert await database.read.one(_ONE) == 1
            await asyncio.sleep(0.01)
        assert database.seconds_unavailable is None


@pytest.mark.parametrize("alone", [True, False])
async def test_rollback_steps_do_not_run_if_the_server_froze_during_the_commit(
    server: Postgres, alone: bool
) -> None:
    """The outcome is unknown."""
    runs: list[str] = []

    async def step() -> None:
        runs.append("x")

    async with _open(server) as database, _table(database) as table:
        insert = Statement(text(f"insert into {table} values ('{new_id()}') returning id"), scalar)
        with contextlib.ExitStack() as frozen:

            async def write() -> None:
                async with database.transaction(alone=alone) as tx:
                    tx.on_rollback(step)
                    if alone:
                        frozen.enter_context(frozen_postgres(server))
                        await tx.write_alone(insert)
                    else:
                        await tx.first(insert)
                        frozen.enter_context(frozen_postgres(server))

            assert await _refused(write()) < LIMIT
        assert runs == []
        await eventually(lambda: _works(database))


async def test_rollback_steps_run_at_once_if_the_server_froze_before_the_commit(
    server: Postgres,
) -> None:
    runs: list[str] = []

    async def step() -> None:
        runs.append("x")

    async with _open(server) as database:
        with contextlib.ExitStack() as frozen:

            async def write() -> None:
                async with database.transaction() as tx:
                    tx.on_rollback(step)
                    await tx.one(_ONE)
                    frozen.enter_context(frozen_postgres(server))
                    await tx.one(_ONE)

            assert await _refused(write()) < LIMIT
            assert runs == ["x"]


# --- start ------------------------------------------------------------------------------------


async def test_a_database_that_starts_later_is_prepared_before_it_is_used(tmp_path: Path) -> None:
    server = Postgres(tmp_path, durable=False)
    url = await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)
    refusals = ["The first reason.", "The second reason."]
    prepared: list[int] = []

    async def prepare(read: Read) -> None:
        prepared.append(await read.one(_ONE))
        if len(prepared) <= len(refusals):
            raise Unavailable(refusals[len(prepared) - 1])

    async with Database.open(
        url, outage_timeout=1, probe_interval=0.1, prepare=prepare
    ) as database:
        assert await _refused(database.read.one(_ONE)) < 0.1
        assert database.refusal is None
        await asyncio.to_thread(server.start)
        try:
            await eventually(lambda: database.refusal == refusals[1])
            await eventually(lambda: _works(database))
            assert database.refusal is None
            assert len(prepared) == 3
        finally:
            await asyncio.to_thread(server.stop)


async def test_a_server_that_refuses_this_process_at_start_raises_the_reason(
    server: Postgres,
) -> None:
    async def prepare(_read: Read) -> None:
        raise Unavailable("Run the migrations.")

    url = server.start().replace("/gateway?", "/other?")
    for first in (None, prepare):
        with pytest.raises(Unavailable, match='"other" does not exist') as refused:
            async with Database.open(url, prepare=first):
                pass
        assert not isinstance(refused.value, DependencyUnavailable)
    with pytest.raises(Unavailable, match=r"^Run the migrations\.$"):
        async with _open(server, prepare=prepare):
            pass


async def test_without_preparation_the_server_must_answer(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        async with Database.open(f"postgresql://gateway@/gateway?host={tmp_path}"):
            pass


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "is_outage", "message"),
    [
        ("53100", True, "no room left"),
        ("53200", False, "could not complete"),
        ("53300", True, "not available"),
        ("58030", True, "its files"),
        ("58P01", True, "its files"),
        ("25006", True, "no changes"),
        ("57P03", True, "not available"),
        ("57014", False, "could not complete"),
    ],
)
async def test_errors_of_a_server_that_cannot_do_it_now_are_503(
    server: Postgres, code: str, is_outage: bool, message: str
) -> None:
    async with _open(server) as database, database.connection() as connection:
        with pytest.raises(Unavailable, match=message) as refused, translate_errors():
            await connection.execute(f"do $$ begin raise 'secret' using errcode = '{code}'; end $$")
        assert isinstance(refused.value, DependencyUnavailable) == is_outage
        assert refused.value.status == 503
        assert "secret" not in refused.value.message


async def test_a_full_disk_at_the_commit_is_a_refusal(server: Postgres) -> None:
    """Nothing is stored, so changes outside the database are undone."""
    runs: list[str] = []

    async def step() -> None:
        runs.append("x")

    async with _open(server) as database, _table(database) as table:
        async with database.connection() as connection:
            await connection.execute(
                f"create function {table}_full() returns trigger language plpgsql as"
                " $$ begin raise 'full' using errcode = '53100'; end $$;"
                f"create constraint trigger full_disk after insert on {table}"
                f" deferrable initially deferred for each row execute function {table}_full()"
            )
        insert = Statement(text(f"insert into {table} values ('{new_id()}') returning id"), scalar)
        with pytest.raises(Problem, match="no room left"):
            async with database.transaction() as tx:
                tx.on_rollback(step)
                await tx.first(insert)
        assert runs == ["x"]
        assert (
            await database.read.one(Statement(text(f"select count(*) from {table}"), scalar)) == 0
        )


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(asyncpg.UndefinedTableError), translate_errors():
        raise asyncpg.UndefinedTableError
