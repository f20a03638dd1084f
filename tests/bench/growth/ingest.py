"""Rate of an import of a million records, and whether it falls while the tables grow.

The CPU time of each tenth is measured too, because other load on the machine disturbs the rates.
"""

import asyncio
import itertools
import time
from bisect import bisect
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from tests.bench.growth.measures import Measure
from tests.bench.importing import run_import, write_lines
from tests.bench.processes import cpu_seconds
from tests.stack import Stack, new_tenant

_MIN_RATE: Final = 8_000
_MAX_SLOWDOWN: Final = 0.85
_MAX_CPU_GROWTH: Final = 1.15

_SAMPLE_INTERVAL: Final = 0.2

# Every third record is an account, whose id is its number. `stored_at` is the time of the
# transaction that stored it. The first tenth thus lacks the time of one batch (3,000 lines), which
# is much in an import of fewer than 500,000 lines.
_TIMES: Final = """
    select min(stored_at), max(stored_at) from accounts where workspace_id = $1
    group by substr(id, 4)::bigint * 10 / (select count(*) from accounts where workspace_id = $1)
    order by min(stored_at)
"""

_BACKENDS: Final = "select pid from pg_stat_activity where application_name = 'gateway-cli'"


class _Sample(NamedTuple):
    """CPU seconds used until a time: by the import, and by its connections to PostgreSQL."""

    time: float
    process: float
    backends: float


class _CpuSampler:
    """Samples the CPU time of an import, whose process id is set when it has started."""

    def __init__(self) -> None:
        self.samples: list[_Sample] = []
        self._pid: int | None = None

    def started(self, pid: int) -> None:
        self._pid = pid

    async def run(self, connection: Any) -> None:
        """Sample until cancelled."""
        backends: dict[int, float] = {}
        while True:
            await asyncio.sleep(_SAMPLE_INTERVAL)
            for (pid,) in await connection.fetch(_BACKENDS):
                backends[pid] = cpu_seconds(pid)
            # 0 when it has ended.
            if self._pid is not None and (process := cpu_seconds(self._pid)):
                self.samples.append(_Sample(time.time(), process, sum(backends.values())))

    def between(self, start: float, end: float) -> tuple[float, float]:
        """CPU seconds of the process and of its connections between two times."""
        first, last = self._at(start), self._at(end)
        return last.process - first.process, last.backends - first.backends

    def _at(self, moment: float) -> _Sample:
        """Interpolate between the samples."""
        number = bisect(self.samples, moment, key=lambda each: each.time)
        if number in (0, len(self.samples)):
            return self.samples[min(number, len(self.samples) - 1)]
        before, after = self.samples[number - 1 : number + 1]
        share = (moment - before.time) / (after.time - before.time)
        return _Sample(*(a + share * (b - a) for a, b in zip(before, after, strict=True)))


async def measure(stack: Stack, lines: int, label: str) -> list[Measure]:
    """Import accounts, deals and conversations.

    `label`, for the names of the figures: whether a worker links and analyses the records at the
    same time, on the same processors.
    """
    path = stack.folder / "lines.jsonl"
    write_lines(path, lines)
    cpu = _CpuSampler()
    connection = await asyncpg.connect(stack.database_url)
    async with new_tenant(stack) as caller:
        sampling = asyncio.create_task(cpu.run(connection))
        done = await asyncio.to_thread(
            run_import, stack, caller.workspace, str(path), started=cpu.started
        )
        sampling.cancel()
        await asyncio.wait([sampling])
        times = await connection.fetch(_TIMES, caller.workspace)
    await connection.close()
    starts = [times[0][0], *(last for _, last in times)]
    tenths = list(itertools.pairwise(start.timestamp() for start in starts))
    rates = [lines / 10 / (end - start) for start, end in tenths]
    used = [[part / lines * 10 * 1e6 for part in cpu.between(*tenth)] for tenth in tenths]
    sums = [sum(parts) for parts in used]
    return [
        Measure(
            f"Records per second of `gateway import`, {label}",
            round(done.rate),
            "≥",
            _MIN_RATE,
            f"{done.cpu_seconds:.0f} s of CPU time in {done.seconds:.0f} s",
        ),
        Measure(
            f"Rate of the last tenth of {lines:,} records / of the first, {label}",
            round(rates[-1] / rates[0], 2),
            "≥",
            _MAX_SLOWDOWN,
            f"records per second of each tenth: {_listed(rates)}",
        ),
        Measure(
            f"CPU time per record of the last tenth of {lines:,} / of the first, {label}",
            round(sums[-1] / sums[0], 2),
            "≤",
            _MAX_CPU_GROWTH,
            f"microseconds of `gateway import`: {_listed([process for process, _ in used])};"
            f" of PostgreSQL for it: {_listed([backends for _, backends in used])}",
        ),
    ]


def _listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)
