"""Pages of a list of 5 million rows beside those of 10,000 rows, each with its own servers."""

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from tests.bench import wrk
from tests.bench.growth.measures import Measure
from tests.bench.harness import report
from tests.bench.request_path.seeds import seed
from tests.bench.request_path.servers import OURS
from tests.bench.wrk import Load, Run, Server
from tests.stack import Stack, new_tenant, running_stack

SMALL: Final = 10_000
ROUNDS: Final = 7
SECONDS: Final = 2

# Share of the rows before the deep page.
_DEPTH: Final = 0.9
_LIMIT: Final = 50
_MUST: Final = 1.2
_FIRST, _DEEP = "first page", "page 90 % deep"


class _List(NamedTuple):
    """A list of rows: its servers, and the request of each page."""

    server: Server
    postgres: int
    pages: dict[str, Load]


async def measure(large: int) -> list[Measure]:
    """Ratios of the time per page, and of PostgreSQL's CPU time, in the two lists.

    One connection requests the same page again and again. The lists take turns.
    """
    async with AsyncExitStack() as opened:
        lists: dict[int, _List] = {}
        for records in (SMALL, large):
            folder = opened.enter_context(tempfile.TemporaryDirectory())
            stack = opened.enter_context(running_stack(Path(folder), worker=False, durable=True))
            lists[records] = await _fill(stack, records, opened)
            report(f"{records:,} rows are stored")
        return await asyncio.to_thread(lambda: list(_compare(lists[SMALL], lists[large], large)))


async def _fill(stack: Stack, records: int, opened: AsyncExitStack) -> _List:
    caller = await opened.enter_async_context(new_tenant(stack))
    await seed(stack, caller, records)
    connection = await asyncpg.connect(stack.database_url)
    age = int(records * _DEPTH)
    deep = await connection.fetchval("select now() - make_interval(mins => $1)", age)
    await connection.close()
    response = await caller.http.get(
        "/v1/rows", params={"limit": _LIMIT, "createdBefore": deep.isoformat()}, timeout=120
    )
    assert response.is_success, response.text
    cursor = response.json()["pagination"]["nextCursor"]
    postgres = stack.postgres.pid()
    assert postgres is not None
    pages = {
        _FIRST: Load(f"/v1/rows?limit={_LIMIT}", caller.key),
        _DEEP: Load(f"/v1/rows?cursor={cursor}", caller.key),
    }
    return _List(Server(OURS, stack.base_url, stack.api.pid), postgres, pages)


def _compare(small: _List, large: _List, records: int) -> Iterator[Measure]:
    for page in (_FIRST, _DEEP):
        rounds: list[dict[str, Run]] = []
        for number in range(ROUNDS + 1):
            turns = {"few": small, "many": large}
            names = list(turns) if number % 2 else list(reversed(turns))
            rounds.append({name: _load(turns[name], page) for name in names})
        # The first round warms up.
        pairs = [(runs["few"], runs["many"]) for runs in rounds[1:]]
        time = statistics.median(few.rps / many.rps for few, many in pairs)
        cpu = statistics.median(many.postgres_cpu / few.postgres_cpu for few, many in pairs)
        yield Measure(
            f"Time of the {page} of {records:,} rows / of {SMALL:,}",
            round(time, 2),
            "≤",
            _MUST,
            f"CPU time of PostgreSQL: {cpu:.2f}",
        )


def _load(loaded: _List, page: str) -> Run:
    return wrk.run(loaded.server, loaded.postgres, loaded.pages[page], SECONDS, connections=1)
