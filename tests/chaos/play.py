"""Play a scenario: inject faults into a stack under load, then check the records and jobs."""

import asyncio
import contextlib
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Database
from gateway.embedded.errors import EmbeddedError
from tests.chaos.chaos_stack import ORPHAN_TIMEOUT, ChaosStack
from tests.chaos.evidence import last_jobs, log_sizes, log_tails
from tests.chaos.process_tree import ProcessInfo
from tests.chaos.results import ScenarioResult
from tests.chaos.workload import Workload
from tests.revenue.push_records import create_source
from tests.stack import eventually, new_tenant

_FAULTS: Final = Path(__file__).parent / "faults"
# Seconds for all jobs to end after the last fault.
_RECOVERY_TIMEOUT: Final = 120.0
# Seconds that a scenario may take before that.
_SCENARIO_TIMEOUT: Final = 270.0


class NotRun(Exception):
    """This machine does not allow the scenario; the message has the reason."""


class Scenario(msgspec.Struct, frozen=True):
    """Faults in a stack under load.

    `run` may return a result of its own; else the workload is checked.
    """

    name: str
    run: Callable[[ChaosStack, Workload], Awaitable[ScenarioResult | None]]
    workers: int = 1
    # Further API servers, by their numbers of processes. Successive scenarios share them.
    servers: tuple[int, ...] = ()


async def play(scenario: Scenario, stack: ChaosStack) -> ScenarioResult:
    """Run a scenario. Check that each accepted record exists once and that all jobs have ended."""
    result = ScenarioResult(scenario=scenario.name)
    began = time.monotonic()
    stack.faults = 0
    sizes = log_sizes(stack.folder)
    try:
        await stack.repair(scenario.workers, scenario.servers)
    except (AssertionError, OSError, EmbeddedError) as error:
        result.failed = f"not started: {_one_line(error)}"
        result.evidence = log_tails(stack.folder, sizes)
        return result
    async with (
        Database.open(stack.database_url) as database,
        new_tenant(stack, database=database) as tenant,
    ):
        workload = Workload(tenant, await create_source(tenant))
        own_result: ScenarioResult | None = None
        try:
            async with asyncio.timeout(_SCENARIO_TIMEOUT):
                own_result = await scenario.run(stack, workload)
        except NotRun as reason:
            result.not_run = str(reason)
        except Exception as error:  # noqa: BLE001 - reported in the result
            result.failed = _one_line(error)
        if own_result is not None:
            result = own_result
            result.scenario = scenario.name
        elif not result.not_run:
            with contextlib.suppress(Exception):
                await stack.repair(scenario.workers, scenario.servers)
            await check_stack(result, stack, workload)
        if result.bad:
            result.evidence = log_tails(stack.folder, sizes) + await _jobs(stack, workload)
    result.faults = stack.faults
    result.seconds = time.monotonic() - began
    return result


async def _jobs(stack: ChaosStack, workload: Workload) -> list[str]:
    try:
        async with stack.connected() as connection:
            return await last_jobs(connection, workload.tenant.workspace)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [f"jobs: not read, {_one_line(error)}"]


async def check_stack(result: ScenarioResult, stack: ChaosStack, workload: Workload) -> None:
    """Add the state of the workload, and orphaned processes, to the result."""
    try:
        # Delays between attempts are not under test.
        async with stack.connected() as connection, without_retry_delays(stack):
            await check_workload(result, connection, workload, stack.blobs)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        result.failed = result.failed or _one_line(error)
    result.orphans = await count_orphans(stack.orphans)


async def check_workload(
    result: ScenarioResult, connection: asyncpg.Connection, workload: Workload, blobs: Path
) -> None:
    """Add the state of the workload to the result."""
    tally = await workload.tally(connection, blobs, _RECOVERY_TIMEOUT)
    result.accepted, result.unfinished = tally.accepted, tally.unfinished
    result.once = tally.outcomes["once"]
    result.lost = tally.outcomes["lost"]
    result.doubled = tally.outcomes["doubled"]
    if tally.wrong and not result.failed:
        result.failed = ", ".join(tally.wrong[:3])
    result.open_transactions = await _count_open_transactions(connection)


def _one_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    # The lines of the scenario, the innermost last.
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == _FAULTS
    ]
    return f"{text} ({' > '.join(places)})" if places else text


async def _count_open_transactions(connection: asyncpg.Connection) -> int:
    """Count the transactions that stay idle for a second."""
    idle = (
        "select pid, xact_start from pg_stat_activity"
        " where datname = current_database() and state like 'idle in transaction%'"
    )
    left = {tuple(row) for row in await connection.fetch(idle)}

    async def none_left() -> bool:
        nonlocal left
        left &= {tuple(row) for row in await connection.fetch(idle)}
        return not left

    with contextlib.suppress(AssertionError):
        await eventually(none_left, 1)
    return len(left)


async def count_orphans(find: Callable[[], list[ProcessInfo]]) -> int:
    """Count the processes that still run some time after the death of their parent."""
    left: list[ProcessInfo] = []

    async def none_left() -> bool:
        nonlocal left
        left = find()
        return not left

    with contextlib.suppress(AssertionError):
        await eventually(none_left, ORPHAN_TIMEOUT)
    return len(left)


async def wait_for_states(
    stack: ChaosStack, workload: Workload, condition: Callable[[Counter[str]], bool]
) -> None:
    """Wait for a condition on the numbers of jobs by state."""
    async with stack.connected() as connection:

        async def met() -> bool:
            return condition(await workload.states(connection))

        await eventually(met, 30)


@contextlib.asynccontextmanager
async def without_retry_delays(stack: ChaosStack) -> AsyncIterator[None]:
    """Make all queued jobs due, repeatedly, within the block."""

    async def make_due() -> None:
        async with stack.connected() as connection:
            while True:
                await connection.execute(
                    "update jobs set run_after = now() where state = 'queued' and run_after > now()"
                )
                await asyncio.sleep(0.1)

    async with background_task(make_due()):
        yield
