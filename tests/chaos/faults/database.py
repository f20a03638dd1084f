"""Faults of PostgreSQL that hang: frozen under load, and not yet started."""

import asyncio
import time
from typing import Final

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.play import wait_for_states
from tests.chaos.workload import KINDS, Workload
from tests.frozen_postgres import frozen_postgres
from tests.stack import eventually

# Seconds within which every request is answered while PostgreSQL is frozen.
_REQUEST_LIMIT: Final = 2.0


async def freeze_postgres(stack: ChaosStack, workload: Workload) -> None:
    """Freeze PostgreSQL for longer than a lease, during requests and jobs. Twice."""
    async with workload.sending_in_background():
        for _ in range(2):
            async with stack.connected() as connection:
                await workload.enqueue(connection, 100, seconds=0.05)
            await wait_for_states(stack, workload, lambda states: states["running"] > 0)
            stack.faults += 1
            refused = workload.refused[503]
            with frozen_postgres(stack.postgres):
                times = await asyncio.gather(*(_time_of_503(workload) for _ in range(10)))
                assert max(times) < _REQUEST_LIMIT, f"a request took {max(times):.1f} s"
                await asyncio.sleep(3)
                assert workload.refused[503] > refused
                assert all(process.alive for process in stack.processes)
            await workload.until_accepted(5)


async def _time_of_503(workload: Workload) -> float:
    """Seconds until a request is refused."""
    began = time.monotonic()
    response = await workload.tenant.http.get("/external/v1/signals")
    assert response.status_code == 503
    return time.monotonic() - began


async def start_before_postgres(stack: ChaosStack, workload: Workload) -> None:
    """Start the API and a worker while PostgreSQL is stopped; jobs wait in it."""
    async with stack.connected() as connection:
        await workload.enqueue(connection, 50, seconds=0.02)
    for kind in KINDS:
        await workload.send(kind)
    for process in stack.processes:
        await asyncio.to_thread(process.kill)
    await asyncio.to_thread(stack.postgres.stop)
    stack.faults += 1
    for worker in stack.workers:
        worker.start()
    await asyncio.to_thread(stack.start_api)
    async with workload.sending_in_background():
        await eventually(lambda: workload.refused[503] >= 20)
        await asyncio.to_thread(stack.postgres.start)
        await workload.until_accepted(10)
