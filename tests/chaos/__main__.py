"""`make chaos`: inject faults into real processes and print a table of the results.

`python -m tests.chaos` plays all scenarios, `python -m tests.chaos valkey` those with that word in
their name, `python -m tests.chaos --list` prints the names. The exit code is 1 if anything was
lost, doubled or left over, 2 if no scenario has the word, and 130 after Ctrl-C.
"""

import asyncio
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos.chaos_stack import ChaosStack, mounts_below
from tests.chaos.play import Scenario, play
from tests.chaos.results import ScenarioResult, format_table
from tests.chaos.scenarios import SCENARIOS


async def _play(folder: Path, scenarios: list[Scenario], results: list[ScenarioResult]) -> None:
    """Play the scenarios and append their results. Stops everything, also if it is cancelled."""
    stack = ChaosStack(folder)
    try:
        await stack.start()
        for scenario in scenarios:
            click.echo(f"{scenario.name} ..")
            results.append(await play(scenario, stack))
            click.echo(f"    {results[-1].verdict}, {results[-1].seconds:.1f} s")
            _print_evidence(results[-1])
    finally:
        began = time.monotonic()
        await asyncio.to_thread(stack.stop)
        left = [*(process.command for process in stack.leftovers()), *mounts_below(folder)]
        seconds = time.monotonic() - began
        results.append(
            ScenarioResult(
                scenario="everything stopped", orphans=len(left), evidence=left, seconds=seconds
            )
        )
        _print_evidence(results[-1])


def _print_evidence(result: ScenarioResult) -> None:
    for line in result.evidence:
        click.echo(f"    {line}")


@click.command()
@click.option("--list", "only_list", is_flag=True, help="Print the names of the scenarios.")
@click.argument("words", nargs=-1)
def main(words: tuple[str, ...], only_list: bool) -> None:
    """Play the scenarios with one of the WORDS in their name, or all."""
    scenarios = [
        scenario
        for scenario in SCENARIOS
        if not words or any(word.lower() in scenario.name.lower() for word in words)
    ]
    if not scenarios:
        raise click.UsageError("no scenario has one of these words in its name: see --list")
    if only_list:
        click.echo("\n".join(scenario.name for scenario in scenarios))
    else:
        sys.exit(_report(scenarios))


def _report(scenarios: list[Scenario]) -> int:
    """Play the scenarios, print the table and return the exit code."""
    # SIGTERM ends like Ctrl-C: through the `finally` blocks, which stop all processes.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # Both log every connection that is cut.
    for name in ("asyncio", "asyncpg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    began, interrupted = time.monotonic(), False
    results: list[ScenarioResult] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        # As root, PostgreSQL runs as another user, who must be able to enter.
        Path(folder).chmod(0o711)
        try:
            asyncio.run(_play(Path(folder), scenarios, results))
        except KeyboardInterrupt:
            interrupted = True
    code = 130 if interrupted else int(any(result.bad for result in results))
    click.echo()
    click.echo("\n".join(format_table(results)))
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    click.echo(
        f"\n{'interrupted, ' if interrupted else ''}total {minutes} min {seconds} s, ", nl=False
    )
    click.echo(f"exit code {code}")
    return code


if __name__ == "__main__":
    main()
