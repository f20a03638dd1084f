"""Database access: transactions, error translation and notifications."""

import asyncio
import secrets
from pathlib import Path

import pytest
from sqlalchemy import Integer, bindparam, func, insert, select, update

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import Conflict, Unavailable, WriteConflict
from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Database
from domains.kernel.db.statements import Statement, parameters, row, scalar
from domains.kernel.db.tables import workspaces as workspaces_table
from domains.kernel.tenancy import workspaces
from gateway.cli import admin
from gateway.embedded.postgres import Postgres
from tests.stack import OPERATOR, Stack, eventually


async def test_connections_use_utc_whatever_the_time_zone_of_the_database(stack: Stack) -> None:
    async with Database.open(stack.database_url) as database:
        async with database.connection() as connection:
            name = await connection.fetchval("select current_database()")
            await connection.execute(f"alter database {name} set timezone = 'Europe/Berlin'")
        try:
            async with Database.open(stack.database_url) as other, other.connection() as connection:
                assert await connection.fetchval("show timezone") == "UTC"
        finally:
            async with database.connection() as connection:
                await connection.execute(f"alter database {name} reset timezone")


async def test_a_transaction_takes_a_connection_with_its_first_statement(stack: Stack) -> None:
    async with Database.open(stack.database_url, pool_size=1, timeout=0.5) as database:
        async with database.connection(), database.transaction():
            pass
        async with database.transaction() as tx:
            await workspaces.create_workspace(tx, f"w-{secrets.token_hex(6)}", OPERATOR)
            with pytest.raises(Unavailable):
                await database.read.schema_revision()


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_an_exception_rolls_back(database: Database, error: type[BaseException]) -> None:
    name = f"w-{secrets.token_hex(6)}"
    with pytest.raises(error):
        async with database.transaction() as tx:
            await workspaces.create_workspace(tx, name, OPERATOR)
            raise error
    listed = await workspaces.list_workspaces(database.read)
    assert name not in {workspace.name for workspace in listed}


async def test_a_violated_constraint_raises_its_problem(database: Database) -> None:
    name = f"w-{secrets.token_hex(6)}"
    await admin.create_workspace(database, name)
    with pytest.raises(Conflict, match="exists already"):
        await admin.create_workspace(database, name)


async def test_a_deadlock_is_a_write_conflict(database: Database) -> None:
    lock = Statement(select(func.pg_advisory_xact_lock(bindparam("key", type_=Integer))), row)
    first, second = secrets.randbits(30), secrets.randbits(30)
    both_locked = asyncio.Barrier(2)

    async def lock_both(*keys: int) -> None:
        async with database.transaction() as tx:
            await tx.first(lock, key=keys[0])
            await both_locked.wait()
            await tx.first(lock, key=keys[1])

    results = await asyncio.gather(
        lock_both(first, second), lock_both(second, first), return_exceptions=True
    )
    (conflict,) = (result for result in results if result is not None)
    assert isinstance(conflict, WriteConflict)
    assert (conflict.status, conflict.headers["Retry-After"]) == (503, "1")


async def test_rollback_steps_run_on_rollback_only(database: Database) -> None:
    runs: list[str] = []

    async def step() -> None:
        runs.append("x")

    async with database.transaction() as tx:
        tx.on_rollback(step)
        await workspaces.create_workspace(tx, f"w-{secrets.token_hex(6)}", OPERATOR)
    assert runs == []
    with pytest.raises(ValueError, match="no"):
        async with database.transaction() as tx:
            tx.on_rollback(step)
            raise ValueError("no")
    assert runs == ["x"]


async def test_a_listener_receives_notifications_and_detects_a_lost_connection(
    tmp_path: Path,
) -> None:
    server = Postgres(tmp_path, durable=False)
    url = await asyncio.to_thread(server.start)
    received: list[str] = []
    resyncs: list[int] = []
    try:
        async with Database.open(url) as database:
            listener = database.listener({"news": received.append}, lambda: resyncs.append(1))
            assert not listener.proven
            async with background_task(listener.run()):
                await eventually(lambda: listener.proven)
                async with database.transaction() as tx:
                    await tx.notify("news", "one")
                    assert received == []
                await eventually(lambda: received == ["one"])
                database.notify_soon({"news"})
                await eventually(lambda: received == ["one", ""])
                before = len(resyncs)
                await asyncio.to_thread(server.stop)
                await eventually(lambda: not listener.proven)
                await asyncio.to_thread(server.start)
                await eventually(lambda: listener.proven)
                # Notifications may have been missed meanwhile.
                assert len(resyncs) > before
    finally:
        await asyncio.to_thread(server.stop)


# --- a write of one statement -----------------------------------------------------------------

_ADD = Statement(
    insert(workspaces_table).values(**parameters("id", "name")).returning(workspaces_table.c.id),
    scalar,
)
_FIND_NONE = Statement(
    update(workspaces_table)
    .where(workspaces_table.c.id == bindparam("workspace_id"))
    .values(name="x")
    .returning(workspaces_table.c.id),
    scalar,
)


async def _names(database: Database) -> set[str]:
    return {workspace.name for workspace in await workspaces.list_workspaces(database.read)}


async def test_a_write_alone_is_committed_without_a_transaction(database: Database) -> None:
    name = f"w-{secrets.token_hex(6)}"
    async with database.transaction(alone=True) as tx:
        await tx.write_alone(_ADD, id=new_id(), name=name)
        assert name in await _names(database)
        with pytest.raises(RuntimeError, match="write_alone"):
            await tx.first(_ADD, id=new_id(), name=f"{name}-2")


@pytest.mark.parametrize("alone", [True, False])
async def test_a_write_is_part_of_a_transaction_that_stores_more(
    database: Database, alone: bool
) -> None:
    """The transaction has begun, or its owner stores more."""
    name = f"w-{secrets.token_hex(6)}"
    with pytest.raises(ValueError, match="no"):
        async with database.transaction(alone=alone) as tx:
            if alone:
                await tx.first(_ADD, id=new_id(), name=f"{name}-2")
            await tx.write_alone(_ADD, id=new_id(), name=name)
            assert name not in await _names(database)
            raise ValueError("no")
    assert name not in await _names(database)


async def test_other_statements_may_follow_a_write_alone_that_wrote_nothing(
    database: Database,
) -> None:
    name = f"w-{secrets.token_hex(6)}"
    async with database.transaction(alone=True) as tx:
        assert await tx.write_alone(_FIND_NONE, workspace_id=new_id()) is None
        await tx.first(_ADD, id=new_id(), name=name)
    assert name in await _names(database)


async def test_rollback_steps_of_a_write_alone_run_if_it_is_known_to_have_failed(
    database: Database,
) -> None:
    runs: list[str] = []

    async def step() -> None:
        runs.append("x")

    name = f"w-{secrets.token_hex(6)}"
    await admin.create_workspace(database, name)
    with pytest.raises(Conflict):
        async with database.transaction(alone=True) as tx:
            tx.on_rollback(step)
            await tx.write_alone(_ADD, id=new_id(), name=name)
    assert runs == ["x"]


async def test_rollback_steps_of_a_write_alone_with_an_unknown_outcome_do_not_run(
    stack: Stack,
) -> None:
    runs: list[str] = []

    async def step() -> None:
        runs.append("x")

    sleep: Statement[object] = Statement(select(func.pg_sleep(600)), scalar)
    async with (
        Database.open(stack.database_url, name="alone") as database,
        Database.open(stack.database_url) as operator,
        operator.connection() as killer,
    ):

        async def killed() -> bool:
            return bool(
                await killer.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'alone' and query like '%pg_sleep%'"
                )
            )

        async def write() -> None:
            async with database.transaction(alone=True) as tx:
                tx.on_rollback(step)
                await tx.write_alone(sleep)

        writing = asyncio.create_task(write())
        await eventually(killed)
        with pytest.raises(Unavailable):
            await writing
    assert runs == []
