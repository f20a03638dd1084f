"""`make chaos`: inject faults into real processes and print a table of the results.

`python -m tests.chaos` plays all scenarios, `python -m tests.chaos valkey` those with that word in
their name. The exit code is 1 if anything was lost, doubled or left over.
"""

import asyncio
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.play import Scenario, play
from tests.chaos.results import ScenarioResult, format_table
from tests.chaos.scenarios import SCENARIOS


async def _play(folder: Path, scenarios: list[Scenario]) -> list[ScenarioResult]:
    stack = ChaosStack(folder)
    results = []
    try:
        await stack.start()
        for scenario in scenarios:
            click.echo(f"{scenario.name} ..")
            results.append(await play(scenario, stack))
            click.echo(f"    {results[-1].verdict}, {results[-1].seconds:.1f} s")
    finally:
        began = time.monotonic()
        await asyncio.to_thread(stack.stop)
    results.append(
        ScenarioResult(
            scenario="everything stopped",
            orphans=len(stack.leftovers()),
            seconds=time.monotonic() - began,
        )
    )
    return results


def main(words: list[str]) -> int:
    """Play the scenarios with one of the words in their name, or all; the exit code."""
    # Leave through the `finally` blocks, which stop all processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Both log every connection that is cut.
    for name in ("asyncio", "asyncpg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    scenarios = [
        scenario
        for scenario in SCENARIOS
        if not words or any(word in scenario.name.lower() for word in words)
    ]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        # As root, PostgreSQL runs as another user, who must be able to enter.
        Path(folder).chmod(0o711)
        results = asyncio.run(_play(Path(folder), scenarios))
    click.echo()
    click.echo("\n".join(format_table(results)))
    return int(any(result.bad for result in results))


if __name__ == "__main__":
    sys.exit(main([word.lower() for word in sys.argv[1:]]))
