"""`make bench`: whether time and memory stay the same while data grows.

`python -m tests.bench.growth pages memory bodies ingest` measures these parts; default: all.
`--write` writes the figures to docs/benchmarks.md.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from tests.bench import wrk
from tests.bench.growth import ingest, memory, pages
from tests.bench.growth.measures import Measure, table
from tests.bench.harness import report
from tests.bench.results import write_section
from tests.stack import Stack, running_stack


class Options(argparse.Namespace):
    """The options of the command."""

    rows: int
    requests: int
    lines: int
    write: bool
    parts: list[str]


_PARTS: Final = ("pages", "memory", "bodies", "ingest")


def _parse() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth")
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the long list (5 million)")
    parser.add_argument("--requests", type=int, default=100_000, help="of memory (100,000)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="to import (1 million)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(_PARTS))
    options = parser.parse_args(namespace=Options())
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"no such part: {', '.join(unknown)}")
    if options.write and options.parts:
        parser.error("--write needs the figures of all parts")
    return options


async def _measure(options: Options) -> list[Measure]:
    parts: dict[str, Callable[[], Coroutine[Any, Any, list[Measure]]]] = {
        "pages": lambda: pages.measure(options.rows),
        "memory": lambda: _on_stack(lambda stack: memory.measure_requests(stack, options.requests)),
        "bodies": lambda: _on_stack(memory.measure_bodies),
        "ingest": lambda: _measure_ingest(options.lines),
    }
    measures: list[Measure] = []
    for part in options.parts or _PARTS:
        for measure in await parts[part]():
            report(str(measure))
            measures.append(measure)
    return measures


async def _measure_ingest(lines: int) -> list[Measure]:
    alone = await _on_stack(lambda stack: ingest.measure(stack, lines, "without a worker"))
    with_worker = await _on_stack(
        lambda stack: ingest.measure(stack, lines, "while a worker processes the records"),
        worker=True,
    )
    return alone + with_worker


async def _on_stack(
    measure: Callable[[Stack], Coroutine[Any, Any, list[Measure]]], *, worker: bool = False
) -> list[Measure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder), worker=worker, durable=True) as stack,
    ):
        return await measure(stack)


def main() -> None:
    """Measure the parts, print the figures and write them if asked to."""
    options = _parse()
    measures = asyncio.run(_measure(options))
    if options.write:
        write_section("growth", table(measures))


if __name__ == "__main__":
    if not wrk.is_installed():
        report(wrk.MISSING)
        sys.exit(2)
    main()
