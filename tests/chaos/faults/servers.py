"""Faults of PostgreSQL and Valkey: killed, stopped, hanging, emptied, connections cut."""

import asyncio
import os
import random
import signal
import time
from typing import Final

import asyncpg

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.play import wait_for_states
from tests.chaos.workload import KINDS, LONG_TEXT, Workload

# --- Valkey -----------------------------------------------------------------------------------


async def lose_queue(stack: ChaosStack, workload: Workload, loss: str) -> None:
    """Flush, kill or empty Valkey while job ids wait in it. The worker survives."""
    worker = stack.workers[0]
    async with stack.connected() as connection:
        await workload.enqueue(connection, 300, seconds=0.1)
        for kind in KINDS:
            await workload.send(kind)
        await wait_for_states(
            stack, workload, lambda states: states["done"] >= 5 and states["sent"] >= 2
        )
    stack.faults += 1
    if loss == "flushed":
        with stack.redis() as client:
            client.flushall()
    elif loss == "killed":
        os.kill(stack.valkey_pid(), signal.SIGKILL)
        await asyncio.to_thread(stack.valkey.start)
    else:
        await asyncio.to_thread(stack.valkey.stop)
        for file in (stack.folder / "valkey").glob("appendonlydir/*"):
            file.unlink()
        await asyncio.to_thread(stack.valkey.start)
    assert worker.alive


async def stop_valkey(stack: ChaosStack, workload: Workload) -> None:
    """Accept records while Valkey is stopped."""
    await asyncio.to_thread(stack.valkey.stop)
    stack.faults += 1
    async with stack.connected() as connection:
        await workload.enqueue(connection, 10)
    for kind in KINDS:
        await workload.send(kind)
    await asyncio.to_thread(stack.valkey.start)


async def freeze_valkey(stack: ChaosStack, workload: Workload) -> None:
    """Freeze Valkey for longer than a lease."""
    valkey = stack.valkey_pid()
    async with stack.connected() as connection, workload.sending_in_background():
        await workload.enqueue(connection, 100, seconds=0.05)
        await wait_for_states(stack, workload, lambda states: states["done"] >= 5)
        stack.faults += 1
        os.kill(valkey, signal.SIGSTOP)
        try:
            await workload.until_accepted(5)
            await asyncio.sleep(2.5)
        finally:
            os.kill(valkey, signal.SIGCONT)


async def break_valkey_at_random(stack: ChaosStack, workload: Workload, *, seconds: float) -> None:
    """Flush, kill or restart Valkey every 0.3 to 2 s."""
    chance = random.Random(2)
    deadline = time.monotonic() + seconds
    async with stack.connected() as connection, workload.sending_in_background():
        while time.monotonic() < deadline:
            await workload.enqueue(connection, 60, seconds=0.02)
            await asyncio.sleep(chance.uniform(0.3, 2))
            stack.faults += 1
            match chance.choice(["flush", "kill", "restart"]):
                case "flush":
                    with stack.redis() as client:
                        client.flushall()
                case "kill":
                    os.kill(stack.valkey_pid(), signal.SIGKILL)
                    await asyncio.sleep(chance.uniform(0, 1))
                case "restart":
                    await asyncio.to_thread(stack.valkey.stop)
            await asyncio.to_thread(stack.valkey.start)


# --- PostgreSQL -------------------------------------------------------------------------------


async def stop_postgres(stack: ChaosStack, workload: Workload) -> None:
    """Stop PostgreSQL immediately during a job; requests get 503 until it runs again."""
    await workload.send(text=LONG_TEXT)
    await wait_for_states(stack, workload, lambda states: states["running"] > 0)
    await asyncio.to_thread(stack.postgres.stop, hard=True)
    stack.faults += 1
    refused = await workload.tenant.http.post(
        "/external/v1/signals", json={"text": "x", "signalType": "review"}
    )
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "postgres" not in refused.json()["detail"].lower()
    await asyncio.to_thread(stack.postgres.start)


async def restart_postgres_at_random(
    stack: ChaosStack, workload: Workload, *, seconds: float
) -> None:
    """Stop PostgreSQL, mostly immediately, every 1 to 3 s."""
    chance = random.Random(3)
    deadline = time.monotonic() + seconds
    async with workload.sending_in_background():
        while time.monotonic() < deadline:
            async with stack.connected() as connection:
                await workload.enqueue(connection, 60, seconds=0.02)
            await asyncio.sleep(chance.uniform(1, 3))
            stack.faults += 1
            await asyncio.to_thread(stack.postgres.stop, hard=chance.random() < 0.7)
            await asyncio.sleep(chance.uniform(0, 1))
            await asyncio.to_thread(stack.postgres.start)


# Connections in a transaction first.
_TERMINATE_CONNECTIONS: Final = """
    select count(*) filter (where busy and pg_terminate_backend(pid)),
        count(*) filter (where not busy and pg_terminate_backend(pid))
    from (
        select pid, backend_xid is not null or state like 'idle in transaction%' as busy
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
            and application_name <> 'chaos'
        order by 2 desc, random() limit $1
    ) victims
"""


async def cut_connections(stack: ChaosStack, workload: Workload, seconds: float) -> None:
    """Terminate connections for at least `seconds`, until one of them was in a transaction."""
    connection = await asyncpg.connect(
        stack.database_url, server_settings={"application_name": "chaos"}
    )
    deadline = time.monotonic() + seconds
    in_transactions = 0
    try:
        async with workload.sending_in_background():
            while time.monotonic() < deadline or not in_transactions:
                assert time.monotonic() < deadline + 30
                await workload.enqueue(connection, 20, seconds=0.01)
                for _ in range(10):
                    busy, idle = await connection.fetchrow(_TERMINATE_CONNECTIONS, 2)
                    in_transactions += busy
                    stack.faults += busy + idle
                    await asyncio.sleep(0.03)
    finally:
        await connection.close()
