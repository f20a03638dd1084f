"""Frozen processes: `gateway up` replaces processes that are stopped by SIGSTOP."""

import os
import signal

from gateway.embedded.process_info import process_alive
from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.faults.processes import RunningUp, play_with_up
from tests.chaos.process_tree import listening_sockets
from tests.chaos.results import ScenarioResult
from tests.chaos.workload import LONG_TEXT, Workload
from tests.stack import eventually


async def freeze_api(stack: ChaosStack, _workload: Workload) -> ScenarioResult:
    """Freeze the only API process under load."""

    async def freeze(up: RunningUp, workload: Workload) -> None:
        async with workload.sending_in_background():
            await workload.until_accepted(5)
            await _freeze(stack, up, "gateway.serve")
            await workload.until_accepted(5)

    return await play_with_up(stack, freeze)


async def freeze_one_api_process(stack: ChaosStack, _workload: Workload) -> ScenarioResult:
    """Freeze the second of two API processes under load."""

    async def freeze(up: RunningUp, workload: Workload) -> None:
        async with workload.sending_in_background():
            port = workload.tenant.http.base_url.port
            assert port is not None
            # Both serve: a process is not judged before.
            await eventually(lambda: listening_sockets(port) == 2)
            await workload.until_accepted(20)
            await _freeze(stack, up, "gateway.serve", "2")
            await workload.until_accepted(20)

    return await play_with_up(stack, freeze, "--api-processes", "2")


async def freeze_worker(stack: ChaosStack, _workload: Workload) -> ScenarioResult:
    """Freeze the worker while it analyses a long text."""

    async def freeze(up: RunningUp, workload: Workload) -> None:
        first = await workload.send()
        await eventually(lambda: _is_processed(workload, first.name))
        await workload.send(text=LONG_TEXT)
        await _freeze(stack, up, "workers")
        await workload.send()

    return await play_with_up(stack, freeze)


async def _is_processed(workload: Workload, name: str) -> bool:
    signals = await workload.tenant.get("signals")
    return any(each["name"] == name and each["status"] == "processed" for each in signals)


async def _freeze(stack: ChaosStack, up: RunningUp, *words: str) -> None:
    """Stop a process, and wait until it was replaced by another one."""
    frozen = up.child(*words)
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    stack.faults += 1
    await eventually(lambda: not process_alive(frozen))
    await eventually(lambda: up.child(*words) not in (None, frozen))
