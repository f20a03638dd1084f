"""The product behind a connection pooler in transaction mode."""

import asyncio
import base64
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import asyncpg
import pytest
from sqlalchemy import Float, Text, bindparam, func, select

from domains.kernel.core.problems import Unavailable, WriteConflict
from domains.kernel.db.database import Database
from domains.kernel.db.statements import Statement, row, scalar
from domains.kernel.db.tables import workspaces as workspaces_table
from domains.kernel.tenancy import workspaces
from tests.fakes.postgres_proxy import TransactionPooler, running_pooler
from tests.revenue.push_records import create_source, listed_ids
from tests.stack import OPERATOR, Stack, Tenant, eventually, new_tenant

_SETTING = Statement(select(func.current_setting(bindparam("name", type_=Text))), scalar)
_PID = Statement(select(func.pg_backend_pid()), scalar, reuses_plan=True)
TALK = [
    {"text": text, "speakerName": "Ana Ruiz", "timestamp": f"2026-03-11T14:00:{at:02}Z"}
    for at, text in enumerate(["The export fails every morning.", "We want a dark mode."])
]
CONTENT = base64.b64encode(b"The export fails every morning.").decode()

_SLEEP: Statement[Any] = Statement(select(func.pg_sleep(bindparam("seconds", type_=Float))), row)


class PooledStack(NamedTuple):
    """A stack whose API and worker reach PostgreSQL through a pooler."""

    stack: Stack
    pooler: TransactionPooler


@pytest.fixture(scope="module")
def behind_pooler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PooledStack]:
    """The servers and the pooler. The processes of the product are not started."""
    stack = Stack(tmp_path_factory.mktemp("pooler"), {"GATEWAY_DATABASE_TIMEOUT": "3"})
    try:
        stack.start_servers()
        with running_pooler(stack.database_url) as pooler:
            stack.env |= {
                "GATEWAY_DATABASE_POOLER": "transaction",
                "GATEWAY_DATABASE_DIRECT_URL": stack.database_url,
                "DATABASE_URL": pooler.url,
            }
            yield PooledStack(stack, pooler)
            stack.api.stop()
            stack.worker.stop()
    finally:
        stack.stop()


@pytest.fixture
def pooler(behind_pooler: PooledStack) -> TransactionPooler:
    return behind_pooler.pooler


@pytest.fixture
async def direct(behind_pooler: PooledStack) -> AsyncIterator[Database]:
    """The database without the pooler."""
    async with Database.open(behind_pooler.stack.database_url) as opened:
        yield opened


@pytest.fixture
async def pooled(behind_pooler: PooledStack) -> AsyncIterator[Database]:
    """The database through the pooler, with more connections than the pooler has."""
    async with Database.open(
        behind_pooler.pooler.url,
        pool_size=10,
        timeout=3.0,
        pooler="transaction",
        direct_url=behind_pooler.stack.database_url,
    ) as opened:
        yield opened


async def test_a_pooler_without_a_free_connection_is_no_outage(behind_pooler: PooledStack) -> None:
    """The statements together take longer than the server may be silent."""
    async with Database.open(
        behind_pooler.pooler.url,
        pool_size=10,
        outage_timeout=1.0,
        pooler="transaction",
        direct_url=behind_pooler.stack.database_url,
    ) as database:
        await asyncio.gather(*(database.read.first(_SLEEP, seconds=1.6) for _ in range(7)))


# --- the pooler of these tests is as strict as PgBouncer --------------------------------------


async def test_the_pooler_refuses_the_settings_of_a_direct_connection(
    pooler: TransactionPooler,
) -> None:
    with pytest.raises(Unavailable, match="GATEWAY_DATABASE_POOLER") as raised:
        async with Database.open(pooler.url):
            pass
    assert "unsupported startup parameter: jit" in str(raised.value)


async def test_the_pooler_loses_named_statements_and_notifications(
    pooler: TransactionPooler, direct: Database
) -> None:
    connection = await asyncpg.connect(pooler.url)
    received: list[str] = []
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await connection.fetch("select $1::int", 1)
    await connection.close()
    connection = await asyncpg.connect(pooler.url, statement_cache_size=0)
    await connection.add_listener("news", lambda *_: received.append("x"))
    async with direct.transaction() as tx:
        await tx.notify("news", "one")
    pids = {await connection.fetchval("select pg_backend_pid()") for _ in range(6)}
    assert len(pids) > 1
    assert received == []
    await connection.close()


# --- statements and transactions --------------------------------------------------------------


async def test_the_settings_of_connections_hold_in_transactions(pooled: Database) -> None:
    async def settings(name: str) -> set[str]:
        return {await pooled.read.one(_SETTING, name=name) for _ in range(6)}

    expected = {"jit": "off", "lock_timeout": "900ms", "TimeZone": "UTC"}
    async with pooled.transaction() as tx:
        for name, value in expected.items():
            assert await tx.one(_SETTING, name=name) == value
        idle = await tx.one(_SETTING, name="idle_in_transaction_session_timeout")
        assert idle == "1min"
    # No transaction changes the connection that it ran on.
    assert await settings("lock_timeout") == {"0"}
    assert await settings("TimeZone") == {"UTC"}


async def test_all_connections_are_of_one_kind(pooled: Database) -> None:
    plain = Statement(select(func.pg_backend_pid()), scalar)
    pids = await asyncio.gather(
        *(pooled.read.one(_PID if number % 2 else plain) for number in range(40))
    )
    assert 1 < len(set(pids)) <= 3
    mode = Statement(_SETTING.core, scalar, reuses_plan=True)
    assert {await pooled.read.one(mode, name="plan_cache_mode") for _ in range(6)} == {"auto"}


@pytest.mark.parametrize("alone", [True, False])
async def test_a_lock_wait_is_a_write_conflict(
    direct: Database, pooled: Database, alone: bool
) -> None:
    workspace = (await _create_workspace(pooled)).id
    async with direct.connection() as connection, connection.transaction():
        await connection.execute("select 1 from workspaces where id = $1 for update", workspace)
        with pytest.raises(WriteConflict):
            async with pooled.transaction(alone=alone) as tx:
                await tx.write_alone(_TOUCH, workspace=workspace)


_TOUCH: Statement[Any] = Statement(
    workspaces_table.update()
    .where(workspaces_table.c.id == bindparam("workspace"))
    .values(hides_private=True)
    .returning(workspaces_table.c.id),
    scalar,
)


async def _create_workspace(database: Database) -> workspaces.Workspace:
    async with database.transaction() as tx:
        return await workspaces.create_workspace(tx, f"w-{secrets.token_hex(6)}", OPERATOR)


async def test_transactions_of_more_clients_than_connections_do_not_mix(
    pooled: Database,
) -> None:
    async def write(fails: bool) -> workspaces.Workspace | None:
        with contextlib.suppress(ZeroDivisionError):
            async with pooled.transaction() as tx:
                name = f"w-{secrets.token_hex(6)}"
                pid = await tx.one(_PID)
                created = await workspaces.create_workspace(tx, name, OPERATOR)
                await tx.execute_many(_TOUCH, [{"workspace": created.id}] * 50)
                assert await tx.one(_PID) == pid
                if fails:
                    raise ZeroDivisionError
                return created
        return None

    results = await asyncio.gather(*(write(number % 3 == 0) for number in range(30)))
    created = {each.id for each in results if each is not None}
    assert len(created) == 20
    listed = {each.id: each for each in await workspaces.list_workspaces(pooled.read)}
    assert created <= listed.keys()
    assert all(listed[each].hides_private for each in created)


async def test_a_cancelled_statement_ends(direct: Database, pooled: Database) -> None:
    running = asyncio.create_task(pooled.read.first(_SLEEP, seconds=600.0))

    async def sleeping() -> bool:
        async with direct.connection() as connection:
            return bool(
                await connection.fetchval(
                    "select count(*) from pg_stat_activity"
                    " where query like '%pg_sleep%' and state = 'active'"
                    " and pid <> pg_backend_pid()"
                )
            )

    await eventually(sleeping)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async def ended() -> bool:
        return not await sleeping()

    await eventually(ended)
    assert await asyncio.gather(*(pooled.read.one(_PID) for _ in range(10)))


# --- processes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(behind_pooler: PooledStack) -> Stack:
    """The stack with an API process and a worker behind the pooler."""
    behind_pooler.stack.worker.start()
    behind_pooler.stack.start_api()
    return behind_pooler.stack


@pytest.fixture
async def tenant(running: Stack, direct: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(running, database=direct) as created:
        yield created


async def test_requests_and_jobs_work(tenant: Tenant) -> None:
    """All kinds of statements: lists, filters, upserts, counts, jobs, and many at once."""
    source = await create_source(tenant)
    texts = [f"Customer {n}: the export fails. We want a dark mode." for n in range(8)]
    signals = await asyncio.gather(*(tenant.create_signal(text) for text in texts))
    conversations = await asyncio.gather(
        *(
            source.push("conversations", f"c{number}", recordingUrl=None, transcript=TALK)
            for number in range(8)
        )
    )
    await asyncio.gather(
        *(source.push("rows", f"r{number % 4}") for number in range(20)),
        *(source.push("documents", f"d{number}", url=None, content=CONTENT) for number in range(3)),
    )
    for signal in signals:
        processed = await tenant.wait_until_processed(signal["id"])
        assert processed["status"] == "processed"
        assert processed["insightIds"]
    assert len(await tenant.get("signals?limit=100")) == len(texts)
    insights = await tenant.get("insights?limit=100")
    renamed = await tenant.patch(f"insights/{insights[0]['id']}", name="Renamed")
    assert renamed["name"] == "Renamed"
    await tenant.delete(f"signals/{signals[1]['id']}")
    assert sorted(await listed_ids(tenant, "conversations")) == sorted(conversations)
    assert len(await listed_ids(tenant, "rows")) == 4
    assert (await source.patch("documents", "d0", title="x")).status_code == 200
    assert (await source.delete("rows", "r0")).status_code == 200


async def test_a_request_that_waits_for_a_lock_is_a_conflict(
    tenant: Tenant, direct: Database
) -> None:
    source = await create_source(tenant)
    await source.push("rows", "one")
    async with direct.connection() as connection, connection.transaction():
        await connection.execute("select 1 from rows where source_id = $1 for update", source.id)
        assert (await source.post("rows", "one")).status_code == 409


async def test_a_key_revoked_by_the_command_is_refused(running: Stack, tenant: Tenant) -> None:
    assert await tenant.get("signals") == []
    command = [sys.executable, "-m", "gateway", "keys", "revoke", tenant.key_id]
    await asyncio.to_thread(subprocess.run, command, env={**os.environ, **running.env}, check=True)

    async def refused() -> bool:
        return (await tenant.http.get("/external/v1/signals")).status_code == 401

    await eventually(refused, 2)
