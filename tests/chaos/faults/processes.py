"""Faults of processes: the API, workers and children of `gateway up` are killed."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncpg

from domains.kernel.core.tasks import background_task
from gateway.embedded import runfile
from tests.chaos.chaos_stack import FAST_SETTINGS, MARK, ChaosStack
from tests.chaos.play import (
    check_workload,
    count_orphans,
    wait_for_states,
    without_retry_delays,
)
from tests.chaos.process_tree import children, descendants, stack_processes
from tests.chaos.results import ScenarioResult
from tests.chaos.workload import KINDS, LONG_TEXT, Workload
from tests.revenue.push_records import create_source
from tests.stack import Stack, eventually, new_tenant


async def kill_worker_during_job(stack: ChaosStack, workload: Workload) -> None:
    """Kill the worker while it analyses a long text."""
    await workload.send(text=LONG_TEXT)
    await wait_for_states(stack, workload, lambda states: states["running"] > 0)
    await stack.kill(stack.workers[0])
    async with stack.connected() as connection:
        assert (await workload.states(connection))["running"] == 1


def _more_done(count: int, states: Counter[str]) -> bool:
    return states["done"] > count


async def kill_worker_twice(stack: ChaosStack, workload: Workload) -> None:
    """Kill the worker, and the next one once it has begun to work."""
    async with stack.supervised(), stack.connected() as connection:
        for _ in range(2):
            await workload.enqueue(connection, 25, seconds=0.05)
            for kind in KINDS[:2]:
                await workload.send(kind)
            done = (await workload.states(connection))["done"]
            await wait_for_states(stack, workload, partial(_more_done, done))
            await stack.kill(stack.workers[0])


async def kill_api_under_load(stack: ChaosStack, workload: Workload) -> None:
    """Kill the API twice while clients send records."""
    async with stack.supervised(), workload.sending_in_background(pause=0.0, senders=6):
        for _ in range(2):
            await workload.until_accepted(25)
            await stack.kill(stack.api)
        await workload.until_accepted(10)


async def kill_everything_at_random(
    stack: ChaosStack, workload: Workload, *, seconds: float
) -> None:
    """Kill the API or a worker every 0.3 to 2.5 s."""
    chance = random.Random(1)
    deadline = time.monotonic() + seconds
    async with stack.supervised(), stack.connected() as connection:

        async def enqueue() -> None:
            while True:
                await workload.enqueue(connection, 40, seconds=0.02)
                await asyncio.sleep(1)

        async with workload.sending_in_background(senders=4, pause=0.1), background_task(enqueue()):
            while time.monotonic() < deadline:
                await asyncio.sleep(chance.uniform(0.3, 2.5))
                await stack.kill(chance.choice(stack.processes))
        # Requests without an answer can be sent again once their Idempotency-Key is released.
        await asyncio.gather(*(workload.resend(item, 5) for item in workload.items))
        await workload.expire_reservations(connection)
        await asyncio.gather(*(workload.resend(item, 20) for item in workload.items))
    assert all(item.accepted for item in workload.items)


async def kill_workers_of_ten_thousand_jobs(stack: ChaosStack, workload: Workload) -> None:
    """Kill a worker every 3 s until 10,000 jobs have ended."""
    async with stack.connected() as connection:
        await workload.enqueue(connection, 10_000, seconds=0.02)
        async with stack.supervised(), background_task(_kill_workers(stack)):
            await workload.wait_for_jobs(connection, 240)


async def _kill_workers(stack: ChaosStack) -> None:
    """Kill a registered worker every 3 s. An unregistered one is still starting."""
    chance = random.Random(5)
    async with stack.connected() as connection:
        while True:
            await asyncio.sleep(3)
            registered = {row["pid"] for row in await connection.fetch("select pid from workers")}
            working = [each for each in stack.workers if each.alive and each.pid in registered]
            if working:
                await stack.kill(chance.choice(working))


async def kill_children_of_up(
    stack: ChaosStack, _workload: Workload, *, seconds: float
) -> ScenarioResult:
    """Kill children of `gateway up`: API, worker, PostgreSQL, Valkey."""

    async def kill(up: RunningUp, workload: Workload) -> None:
        chance = random.Random(4)
        deadline = time.monotonic() + seconds
        async with workload.sending_in_background(pause=0.2):
            while time.monotonic() < deadline:
                await asyncio.sleep(chance.uniform(1, 3))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(children(up.pid)).pid, signal.SIGKILL)
                    stack.faults += 1

    return await play_with_up(stack, kill)


class RunningUp(NamedTuple):
    """A `gateway up` of a scenario: its process, data directory and output."""

    pid: int
    data: Path
    log: Path

    def child(self, *words: str) -> int | None:
        """The process whose command has all these words, None if there is none."""
        found = [
            each.pid for each in descendants(self.pid) if set(words) <= {*each.command.split()}
        ]
        return found[-1] if found else None


async def play_with_up(
    stack: ChaosStack,
    inject: Callable[[RunningUp, Workload], Awaitable[None]],
    *options: str,
    data: Path | None = None,
) -> ScenarioResult:
    """Inject faults into a `gateway up` with a workload, then check the workload."""
    data = data or stack.folder / "up"
    log, mark = stack.folder / "up.log", f"{stack.mark}-up"
    env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "up", "--data", str(data), "--port", "0", *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**env, **FAST_SETTINGS, MARK: mark},
        )
    result = ScenarioResult()
    try:

        async def ready() -> bool:
            assert process.returncode is None, log.read_text()
            return "READY " in log.read_text()

        await eventually(ready)
        await _check_faults(RunningUp(process.pid, data, log), stack, result, inject)
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 60)
    result.orphans = await count_orphans(lambda: stack_processes(mark, data))
    return result


async def _check_faults(
    up: RunningUp,
    stack: ChaosStack,
    result: ScenarioResult,
    inject: Callable[[RunningUp, Workload], Awaitable[None]],
) -> None:
    urls = runfile.running(up.data)
    assert urls is not None
    embedded = Stack(stack.folder, {})
    embedded.env["DATABASE_URL"] = urls["database_url"]
    embedded.base_url = urls["api_url"]
    async with new_tenant(embedded) as tenant:
        workload = Workload(tenant, await create_source(tenant))
        await inject(up, workload)
        connection = await eventually(partial(_try_to_connect, embedded.database_url))
        try:
            await check_workload(result, connection, workload, up.data / "blobs")
        finally:
            await connection.close()


async def _try_to_connect(url: str) -> asyncpg.Connection | None:
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        return await asyncpg.connect(url)
    return None


async def kill_relay_before_send(stack: ChaosStack, workload: Workload) -> None:
    """Kill the worker while Valkey hangs: jobs are marked `sent`, but no queue has their ids."""
    valkey = stack.valkey_pid()
    async with stack.connected() as connection:
        assert not await workload.states(connection)
        os.kill(valkey, signal.SIGSTOP)
        try:
            await workload.enqueue(connection, 40)
            for kind in KINDS:
                await workload.send(kind)
            await wait_for_states(stack, workload, lambda states: states["sent"] > 10)
            await stack.kill(stack.workers[0])
        finally:
            os.kill(valkey, signal.SIGCONT)


async def run_crashing_job(stack: ChaosStack, workload: Workload) -> None:
    """Run a job that kills its worker: it fails after 10 losses, and others are not held up."""
    async with stack.supervised(), stack.connected() as connection:
        await workload.enqueue(connection, 1, kind="chaos.crash", expected="failed")
        await workload.enqueue(connection, 20, seconds=0.02)
        async with without_retry_delays(stack):
            stack.faults += 10
            assert not await workload.wait_for_jobs(connection, 120)
        row = await connection.fetchrow("select losses, error from jobs where kind = 'chaos.crash'")
        assert row["losses"] == 10
        assert "abnormally" in row["error"]
