"""`make chaos`: every fault that must be survived, on real processes, and what came of each.

`python -m tests.chaos` plays all scenarios, `python -m tests.chaos valkey` those whose name has the
word in it. The exit code is 1 where anything was lost, doubled or left behind.
"""

import asyncio
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos.scenarios import SCENARIOS, Scenario, play
from tests.chaos.site import Site
from tests.chaos.table import Row, rendered


async def _played(folder: Path, chosen: list[Scenario]) -> list[Row]:
    site = Site(folder)
    rows = []
    try:
        await site.begin()
        for scenario in chosen:
            click.echo(f"{scenario.name} ..")
            rows.append(await play(scenario, site))
            click.echo(f"    {rows[-1].verdict}, {rows[-1].seconds:.1f} s")
    finally:
        began = time.monotonic()
        await asyncio.to_thread(site.stop)
    rows.append(
        Row(
            scenario="everything stopped",
            orphans=len(site.remains()),
            seconds=time.monotonic() - began,
        )
    )
    return rows


def main(words: list[str]) -> int:
    """Play what is named, all if nothing is."""
    # Ended by whoever started it: what runs here must end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Both tell of each connection that was cut, at length; here that is what was wanted.
    for name in ("asyncio", "asyncpg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    chosen = [
        each for each in SCENARIOS if not words or any(word in each.name.lower() for word in words)
    ]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        # As root, PostgreSQL runs as another user, who must get there.
        Path(folder).chmod(0o711)
        rows = asyncio.run(_played(Path(folder), chosen))
    click.echo()
    click.echo("\n".join(rendered(rows)))
    return int(any(row.bad for row in rows))


if __name__ == "__main__":
    sys.exit(main([each.lower() for each in sys.argv[1:]]))
