"""The database layer: lazy transactions, notifications, and what happens when it is away."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Integer, bindparam, func, select

from domains.kernel.core.problems import Conflict, Unauthorized, Unavailable, WriteConflict
from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.db.statements import Statement, row
from domains.kernel.tenancy import workspaces
from domains.kernel.tenancy.keyring import Keyring
from gateway.cli import admin
from gateway.embedded.postgres import Postgres
from tests.stack import Stack, eventually


async def test_every_process_speaks_utc_whatever_the_database_is_set_to(stack: Stack) -> None:
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


async def test_a_transaction_without_statements_takes_no_connection(stack: Stack) -> None:
    async with Database.open(stack.database_url, pool_size=1, timeout=0.5) as database:
        async with database.connection(), database.transaction():
            pass
        async with database.transaction() as tx:
            await workspaces.create_workspace(tx, f"w-{secrets.token_hex(6)}")
            with pytest.raises(Unavailable):
                await database.ping()


async def test_an_exception_rolls_back_and_a_cancelled_one_too(database: Database) -> None:
    name = f"w-{secrets.token_hex(6)}"

    async def create(ended: type[BaseException]) -> None:
        async with database.transaction() as tx:
            await workspaces.create_workspace(tx, name)
            raise ended

    for ended in (ValueError, asyncio.CancelledError):
        with pytest.raises(ended):
            await create(ended)
    assert name not in {each.name for each in await workspaces.list_workspaces(database.read)}


async def test_a_constraint_that_a_caller_can_break_is_a_conflict(database: Database) -> None:
    name = f"w-{secrets.token_hex(6)}"
    await admin.create_workspace(database, name)
    with pytest.raises(Conflict, match="exists already"):
        await admin.create_workspace(database, name)


async def test_of_two_that_wait_for_each_other_one_is_told_to_send_again(
    database: Database,
) -> None:
    lock = Statement(select(func.pg_advisory_xact_lock(bindparam("key", type_=Integer))), row)
    first, second = secrets.randbits(30), secrets.randbits(30)
    both_hold = asyncio.Barrier(2)

    async def take(*keys: int) -> None:
        async with database.transaction() as tx:
            await tx.first(lock, key=keys[0])
            await both_hold.wait()
            await tx.first(lock, key=keys[1])

    ended = await asyncio.gather(take(first, second), take(second, first), return_exceptions=True)
    (refused,) = (each for each in ended if each is not None)
    assert isinstance(refused, WriteConflict)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")


async def test_what_is_undone_and_when(database: Database) -> None:
    undone: list[str] = []

    async def note() -> None:
        undone.append("x")

    async with database.transaction() as tx:
        tx.on_rollback(note)
        await workspaces.create_workspace(tx, f"w-{secrets.token_hex(6)}")
    assert undone == []
    with pytest.raises(ValueError, match="no"):
        async with database.transaction() as tx:
            tx.on_rollback(note)
            raise ValueError("no")
    assert undone == ["x"]


async def test_notifications_arrive_and_the_link_knows_when_it_is_dead(tmp_path: Path) -> None:
    server = Postgres(tmp_path, durable=False)
    url = await asyncio.to_thread(server.start)
    heard: list[str] = []
    breaks: list[int] = []
    try:
        async with Database.open(url) as database:
            link = database.listener({"news": heard.append}, lambda: breaks.append(1))
            assert not link.alive
            listening = asyncio.create_task(link.run())

            async def alive() -> bool:
                return link.alive

            async def dead() -> bool:
                return not link.alive

            await eventually(alive)
            async with database.transaction() as tx:
                await tx.notify("news", "one")
                assert heard == []

            async def arrived() -> bool:
                return heard == ["one"]

            await eventually(arrived)
            database.notify_soon({"news"})

            async def woken() -> bool:
                return heard == ["one", ""]

            await eventually(woken)
            before = len(breaks)
            await asyncio.to_thread(server.stop)
            await eventually(dead, patience=2)
            await asyncio.to_thread(server.start)
            await eventually(alive)
            # It may have missed something, and says so.
            assert len(breaks) > before
            listening.cancel()
            await asyncio.wait([listening])
    finally:
        await asyncio.to_thread(server.stop)


async def test_nothing_is_cached_while_the_link_is_down(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key revoked by a process whose notification never arrives is refused all the same."""
    workspace = await admin.create_workspace(database, f"w-{secrets.token_hex(6)}")
    made = await admin.create_key(database, workspace.name, ["read"])
    keyring = Keyring(database, load_settings(stack.env))
    header = f"Bearer {made.key}"
    asked: list[Any] = []
    look_up = keyring._look_up

    async def counted(hashed: bytes) -> Any:
        asked.append(hashed)
        return await look_up(hashed)

    monkeypatch.setattr(keyring, "_look_up", counted)
    for _ in range(3):
        await keyring.authenticate(header)
    assert len(asked) == 3
    async with keyring.listening():

        async def cached() -> bool:
            before = len(asked)
            await keyring.authenticate(header)
            return len(asked) == before

        await eventually(cached)
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute("update api_keys set revoked_at = now() where id = $1::uuid", made.id)
    await connection.close()

    async def refused() -> bool:
        try:
            await keyring.authenticate(header)
        except Unauthorized:
            return True
        return False

    await eventually(refused, patience=1.5)


async def test_a_look_up_overtaken_by_a_revocation_is_not_cached(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await admin.create_workspace(database, f"w-{secrets.token_hex(6)}")
    made = await admin.create_key(database, workspace.name, ["read"])
    keyring = Keyring(database, load_settings(stack.env))
    first = database.read.first

    async def slow(*asked: Any, **given: Any) -> Any:
        found = await first(*asked, **given)
        # The notification arrives between the database's answer and the cache.
        keyring.clear_cache()
        return found

    async with keyring.listening():

        async def alive() -> bool:
            return keyring._link.alive

        await eventually(alive)
        monkeypatch.setattr(database.read, "first", slow)
        await keyring.authenticate(f"Bearer {made.key}")
        assert not keyring._cache
