"""The pool of database connections: bounds, two kinds, and connections that break."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Float, Text, bindparam, func, select

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import Unavailable
from domains.kernel.db import pool as pool_module
from domains.kernel.db.database import Database
from domains.kernel.db.pool import PLAN_SETTINGS, Connection, Pool
from domains.kernel.db.statements import Statement, row, scalar
from tests.stack import Stack, eventually

_PID = Statement(select(func.pg_backend_pid()), scalar)
_SLEEP: Statement[Any] = Statement(select(func.pg_sleep(bindparam("seconds", type_=Float))), row)
_MODE = select(func.current_setting(bindparam("name", type_=Text)))


Connect = Callable[[bool], Awaitable[Connection]]


def _pool(connect: Connect, size: int) -> Pool:
    return Pool(connect, Breaker("database", "Unavailable.", 1), size, 5, 5)


@pytest.fixture
def connect(stack: Stack) -> Connect:
    async def connect_of_kind(reuses_plans: bool) -> Connection:
        opened: Connection = await asyncpg.connect(
            stack.database_url,
            connection_class=Connection,
            server_settings=dict(PLAN_SETTINGS[reuses_plans]),
        )
        return opened

    return connect_of_kind


async def test_a_statement_runs_on_a_connection_of_its_kind(stack: Stack) -> None:
    """Also if all connections are of the other kind."""
    custom = Statement(_MODE, scalar)
    generic = Statement(_MODE, scalar, reuses_plan=True)
    async with Database.open(stack.database_url, pool_size=1) as database:
        for _ in range(2):
            for statement, settings in zip((custom, generic), PLAN_SETTINGS, strict=True):
                for name, value in settings.items():
                    assert await database.read.one(statement, name=name) == value


async def test_no_more_connections_are_open_than_allowed(stack: Stack) -> None:
    async with Database.open(stack.database_url, pool_size=3) as database:
        pids = await asyncio.gather(*(database.read.one(_PID) for _ in range(50)))
        assert 1 <= len(set(pids)) <= 3


async def test_waiting_for_a_connection_ends_after_the_timeout(stack: Stack) -> None:
    async with Database.open(stack.database_url, pool_size=1, timeout=0.2) as database:
        async with database.connection():
            with pytest.raises(Unavailable):
                await database.read.one(_PID)
        assert await database.read.one(_PID)


async def test_a_cancelled_statement_ends_and_frees_its_place(stack: Stack) -> None:
    async with (
        Database.open(stack.database_url, name="victim", pool_size=1) as database,
        Database.open(stack.database_url) as observer,
        observer.connection() as watching,
    ):

        async def sleeping() -> bool:
            return bool(
                await watching.fetchval(
                    "select count(*) from pg_stat_activity"
                    " where application_name = 'victim' and query like '%pg_sleep%'"
                    " and state = 'active'"
                )
            )

        task = asyncio.create_task(database.read.first(_SLEEP, seconds=600.0))
        await eventually(sleeping)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await database.read.one(_PID)

        async def ended() -> bool:
            return not await sleeping()

        await eventually(ended)


async def test_a_cancelled_wait_passes_its_turn_on(
    connect: Connect,
) -> None:
    pool = _pool(connect, 1)
    held = await pool.acquire(False)
    first = asyncio.create_task(pool.acquire(False))
    second = asyncio.create_task(pool.acquire(False))
    await eventually(lambda: len(pool._waiting) == 2)
    # The connection becomes free at the moment of the cancellation.
    pool.release(held)
    first.cancel()
    results = await asyncio.gather(first, second, return_exceptions=True)
    taken = [result for result in results if isinstance(result, Connection)]
    assert taken == [held]
    pool.release(held)
    await pool.close()


async def test_a_released_connection_goes_to_the_request_that_waits(
    connect: Connect,
) -> None:
    """A later request cannot take it first, so no request waits for ever under load."""
    pool = _pool(connect, 1)
    held = await pool.acquire(False)
    waiting = asyncio.create_task(pool.acquire(True))
    await eventually(lambda: len(pool._waiting) == 1)
    pool.release(held)
    assert pool.take(False) is None
    assert await waiting is held
    assert held.reuses_plans
    pool.release(held)
    await pool.close()


async def test_a_connection_that_the_server_closed_is_replaced(stack: Stack) -> None:
    async with (
        Database.open(stack.database_url, pool_size=1) as database,
        Database.open(stack.database_url) as operator,
        operator.connection() as killer,
    ):
        pid = await database.read.one(_PID)
        await killer.execute("select pg_terminate_backend($1)", pid)

        async def replaced() -> bool:
            try:
                return bool(await database.read.one(_PID) != pid)
            except Unavailable:
                # The statement was sent before the connection was known to be closed.
                return False

        await eventually(replaced)


async def test_a_connection_left_in_a_transaction_is_not_used_again(stack: Stack) -> None:
    async with Database.open(stack.database_url, pool_size=1) as database:
        connection = await database.acquire()
        pid = await connection.fetchval("select pg_backend_pid()")
        await connection.execute("begin")
        database.release(connection)
        assert await database.read.one(_PID) != pid


async def test_unused_connections_are_closed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_IDLE_LIFETIME", 0.05)
    pool = _pool(connect, 2)
    connections = [await pool.acquire(kind) for kind in (False, True)]
    for connection in connections:
        pool.release(connection)
    await eventually(lambda: all(connection.is_closed() for connection in connections))
    replacement = await pool.acquire(False)
    assert not replacement.is_closed()
    pool.release(replacement)
    await pool.close()


async def test_a_closed_pool_gives_no_connection_and_closes_those_released_later(
    connect: Connect,
) -> None:
    pool = _pool(connect, 2)
    free, used = await pool.acquire(False), await pool.acquire(False)
    pool.release(free)
    await pool.close()
    assert free.is_closed()
    with pytest.raises(asyncpg.InterfaceError):
        await pool.acquire(False)
    pool.release(used)
    await eventually(used.is_closed)
