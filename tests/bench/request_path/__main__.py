"""`make bench`: the request path beside a bare server and a FastAPI + ORM peer.

`python -m tests.bench.request_path --rounds 3 --seconds 1 --records 10000 rows` measures only the
requests whose name contains `rows`. `--write` writes the figures to docs/benchmarks.md.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from domains.kernel.tenancy.api_keys import RateLimitOverrides, Scope
from tests.bench import wrk
from tests.bench.harness import report, run
from tests.bench.request_path.cases import CASES, Case
from tests.bench.request_path.chart import chart
from tests.bench.request_path.comparison import compare
from tests.bench.request_path.documents import Documents, encoded
from tests.bench.request_path.figures import Figures, figures_of
from tests.bench.request_path.seeds import Seeded, seed
from tests.bench.request_path.servers import BARE, OURS, PEER, running_servers
from tests.bench.request_path.table import table
from tests.bench.results import CHART, write_section
from tests.bench.wrk import Load, Run, Server
from tests.stack import Stack, Tenant, new_tenant

_SCOPES: Final[list[Scope]] = ["read", "ingest", "signals:read", "signals:write", "insights:read"]
# High enough to refuse nothing. The limiter counts all the same.
_LIMITS: Final = RateLimitOverrides(minute=100_000_000)
_KINDS: Final = ("rows", "insights", "conversations", "deals")
_BODIES: Final = 97


class Options(argparse.Namespace):
    """The options of the command."""

    rounds: int
    seconds: int
    records: int
    write: bool
    names: list[str]


def _parse() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.request_path")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each request (7)")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of a run (2)")
    parser.add_argument("--records", type=int, default=100_000, help="of each kind (100,000)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("names", nargs="*", help="parts of the names of the requests to measure")
    options = parser.parse_args(namespace=Options())
    if options.write and options.names:
        parser.error("--write needs the figures of all requests")
    return options


async def _measure(stack: Stack) -> None:
    options = _parse()
    cases = [
        case
        for case in CASES
        if not options.names or any(name in case.name for name in options.names)
    ]
    async with new_tenant(stack, _SCOPES, limits=_LIMITS) as caller:
        begun = time.perf_counter()
        seeded = await seed(stack, caller, options.records, _KINDS)
        seconds = time.perf_counter() - begun
        report(f"{options.records:,} records of each kind in {seconds:.0f} s")
        with running_servers(stack, caller) as servers:
            loads = {case: _load(case, stack, caller, seeded) for case in cases}
            for case, load in loads.items():
                await compare(stack, servers, case, load)
            report("The servers give the same bodies and store the same rows.")
            measured = [
                await asyncio.to_thread(_measure_case, stack, servers, case, load, options)
                for case, load in loads.items()
            ]
    text = table(measured, options.rounds, options.seconds, options.records)
    report(f"\n{text}")
    if options.write:
        CHART.write_text(chart(measured), encoding="utf-8")
        write_section("request path", text)


def _load(case: Case, stack: Stack, caller: Tenant, seeded: Seeded) -> Load:
    newest = httpx.get(
        f"{stack.base_url}/v1/rows?limit=1", headers={"Authorization": f"Bearer {caller.key}"}
    ).json()["rows"][0]["rowId"]
    target = case.target.format(row=newest)
    bodies = None if case.posts is None else _bodies(case.posts, stack.folder, seeded)
    return Load(target, caller.key, bodies)


def _bodies(kind: str, folder: Path, seeded: Seeded) -> Path:
    """Write bodies to POST to a file, one per line."""
    documents = Documents(seed=17)
    path = folder / f"{kind}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for _ in range(_BODIES):
            if kind == "rows":
                body = documents.row_request(seeded.source, seeded.object_type)
            else:
                body = documents.signal_request()
            file.write(f"{encoded(body)}\n")
    return path


def _measure_case(
    stack: Stack, servers: Mapping[str, Server], case: Case, load: Load, options: Options
) -> Figures:
    """Load the servers in turn. The order rotates from round to round."""
    names = [OURS, BARE, *([PEER] if case.has_peer else [])]
    postgres = stack.postgres.pid()
    assert postgres is not None
    for name in names:
        wrk.run(servers[name], postgres, load, 1)
    rounds: list[dict[str, Run]] = []
    for number in range(options.rounds):
        first = number % len(names)
        rounds.append(
            {
                name: wrk.run(servers[name], postgres, load, options.seconds)
                for name in names[first:] + names[:first]
            }
        )
    figures = figures_of(case, rounds)
    report(
        f"{case.name:<36} rps/bare {figures.rps_to_bare.spread.median:.2f}"
        f"   CPU/bare {figures.cpu_to_bare.spread.median:.2f}"
        f"   PostgreSQL {figures.postgres_ms.spread.median:.3f} ms"
    )
    return figures


if __name__ == "__main__":
    if not wrk.is_installed():
        report(wrk.MISSING)
        sys.exit(2)
    _parse()
    run(_measure, worker=False, durable=True)
