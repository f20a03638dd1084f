"""Servers, timing and output of the benchmarks. They print figures without pass or fail."""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx

from domains.kernel.core.problems import Conflict
from domains.kernel.db.database import Database
from gateway.cli import admin
from tests.stack import Stack, Tenant, new_tenant, running_stack

# A first page should take less.
SLOW_MS: Final = 50.0
ROUNDS: Final = 7
# Seconds.
FILL_TIMEOUT: Final = 3_600


# Option of the benchmarks of lists: a folder in which the filled database is kept for the next run.
DATA_OPTION: Final = "--data="


def run(measure: Callable[[Stack], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a benchmark with its own servers, started by `running_stack` with `options`."""
    kept = [each[len(DATA_OPTION) :] for each in sys.argv[1:] if each.startswith(DATA_OPTION)]
    with contextlib.ExitStack() as closing:
        if kept:
            folder = Path(kept[-1])
            folder.mkdir(parents=True, exist_ok=True)
            # A durable stack does not copy its database as a template of others.
            options |= {"durable": True}
        else:
            folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(measure(closing.enter_context(running_stack(folder, **options))))


@contextlib.asynccontextmanager
async def named_tenant(stack: Stack, name: str) -> AsyncIterator[Tenant]:
    """A new key of the workspace with this name, which is created if it does not exist."""
    async with Database.open(stack.database_url) as database:
        with contextlib.suppress(Conflict):
            await admin.create_workspace(database, name)
    async with new_tenant(stack, workspace=name) as tenant:
        yield tenant


async def refill(
    connection: asyncpg.Connection, table: str, fill: str, counts: Mapping[Tenant, int]
) -> bool:
    """Fill an empty table with `fill`, which has the parameter `:all`. True if it was empty.

    `counts`: number of records for each workspace. Indexes that are not unique are created after
    the insert, which is faster.
    """
    if await connection.fetchval(f"select exists (select from {table})"):
        return False
    indexes = await connection.fetch(
        "select indexname, indexdef from pg_indexes where tablename = $1 and indexname like 'ix%'",
        table,
    )
    for name, _ in indexes:
        await connection.execute(f"drop index {name}")
    for tenant, records in counts.items():
        inserted = fill.replace(":all", str(records))
        await connection.execute(inserted, UUID(tenant.workspace), timeout=FILL_TIMEOUT)
    for _, definition in indexes:
        await connection.execute(definition, timeout=FILL_TIMEOUT)
    await connection.execute(f"vacuum analyze {table}", timeout=FILL_TIMEOUT)
    return True


class FirstPages:
    """Times first pages. Prints those that take longer than SLOW_MS, and a summary of all."""

    def __init__(self, caller: Tenant) -> None:
        self._caller = caller
        self._medians: list[tuple[float, str]] = []

    async def time(self, label: str, path: str, mark: str = "") -> None:
        """Time a page: the median of 2 requests, or of ROUNDS if these are not clearly fast."""
        response, milliseconds = await time_requests(self._caller, "GET", path, rounds=2, warm_up=1)
        if max(milliseconds) > SLOW_MS / 2:
            _, milliseconds = await time_requests(self._caller, "GET", path, rounds=ROUNDS)
        median = statistics.median(milliseconds)
        self._medians.append((median, label))
        if median >= SLOW_MS or mark:
            body = response.json()
            page = body if isinstance(body, list) else next(iter(body.values()))
            report(f"{label:<64} {len(page):>3} records   {median_and_worst(milliseconds)}{mark}")

    def report(self, name: str) -> None:
        """Print the summary."""
        medians = sorted(self._medians)
        fast = sum(median < SLOW_MS for median, _ in medians)
        p50, p90 = (medians[int(share * len(medians))][0] for share in (0.5, 0.9))
        worst, label = medians[-1]
        report(
            f"{name}: {fast} of {len(medians)} first pages under {SLOW_MS:.0f} ms;"
            f" p50 {p50:.1f} ms, p90 {p90:.1f} ms, worst {worst:.1f} ms ({label})"
        )


def report(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


async def time_requests(
    caller: Tenant, method: str, path: str, body: object = None, *, rounds: int, warm_up: int = 0
) -> tuple[httpx.Response, list[float]]:
    """Repeat a request, which must succeed. Returns the last response and each round's ms."""

    async def send() -> tuple[httpx.Response, float]:
        started = time.perf_counter()
        response = await caller.http.request(method, path, json=body, timeout=120)
        elapsed = (time.perf_counter() - started) * 1000
        assert response.is_success, (path, response.text)
        return response, elapsed

    sent = [await send() for _ in range(warm_up + rounds)]
    return sent[-1][0], [milliseconds for _, milliseconds in sent[warm_up:]]


def median_and_worst(milliseconds: list[float]) -> str:
    """Format the median and the maximum for one line of output."""
    return f"p50 {statistics.median(milliseconds):7.1f} ms   worst {max(milliseconds):7.1f} ms"
