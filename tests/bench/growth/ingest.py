"""Rate of an import of a million records, and whether it falls while the tables grow."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import asyncpg

from tests.bench.growth.measures import Measure
from tests.bench.importing import run_import, write_lines
from tests.stack import Stack, new_tenant

_MIN_RATE: Final = 8_000
_MAX_SLOWDOWN: Final = 0.85

# Every third record is an account, whose id is its number. `stored_at` is the time of the
# transaction that stored it.
_TIMES: Final = """
    select min(stored_at), max(stored_at) from accounts where workspace_id = $1
    group by substr(id, 4)::bigint * 10 / (select count(*) from accounts where workspace_id = $1)
    order by min(stored_at)
"""


async def measure(stack: Stack, lines: int) -> list[Measure]:
    """Import accounts, deals and conversations while a worker links them."""
    path = stack.folder / "lines.jsonl"
    write_lines(path, lines)
    async with new_tenant(stack) as caller:
        done = await asyncio.to_thread(run_import, stack, caller.workspace, str(path))
        connection = await asyncpg.connect(stack.database_url)
        times = await connection.fetch(_TIMES, caller.workspace)
        await connection.close()
    starts = [times[0][0], *(last for _, last in times)]
    seconds = [(end - start).total_seconds() for start, end in itertools.pairwise(starts)]
    rates = [lines / 10 / each for each in seconds]
    return [
        Measure(
            "Records per second of `gateway import`",
            round(done.rate),
            "≥",
            _MIN_RATE,
            f"{done.cpu_seconds:.0f} s of CPU time in {done.seconds:.0f} s",
        ),
        Measure(
            f"Rate of the last tenth of {lines:,} records / of the first",
            round(rates[-1] / rates[0], 2),
            "≥",
            _MAX_SLOWDOWN,
            f"records per second of each tenth: {_listed(rates)}",
        ),
    ]


def _listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)
