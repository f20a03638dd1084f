"""`make bench`: speed and memory of importing a million lines, new and unchanged.

Uses durable servers, and a worker that links the records. `python -m tests.bench.importing N`
imports N lines.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tests.bench.harness import report, run
from tests.stack import Stack, new_tenant

RECORDS = 1_000_000
STAGES = ("Discovery", "Evaluation", "Negotiation", "Closed Won", "Closed Lost")


def write_lines(path: Path, count: int) -> None:
    """Write records to a file, one per line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in _lines(count))


def _lines(count: int) -> Iterator[dict[str, Any]]:
    """Accounts, deals and conversations in turn."""
    for number in range(count):
        account = number // 3
        kind = number % 3
        owner = {"name": f"Rep {account % 40}", "email": f"rep{account % 40}@ours.io"}
        contact = {"name": f"Ann {account}", "email": f"ann@company{account}.example"}
        if kind == 0:
            yield {
                "kind": "account",
                "accountId": f"001{account:015}",
                "name": f"Company {account} of the north",
                "website": f"https://www.company{account}.example",
                "owner": owner,
                "createdDate": "2025-09-01T10:30:00Z",
                "syncedCrmFields": {"Industry": "Technology", "Employees": str(account % 5000)},
            }
        elif kind == 1:
            yield {
                "kind": "deal",
                "dealId": f"006{account:015}",
                "name": f"Company {account} new business {account % 97}",
                "accountId": f"001{account:015}",
                "accountName": f"Company {account} of the north",
                "stage": STAGES[account % 5],
                "pipeline": "Sales Pipeline",
                "amount": account % 90_000 + 0.5,
                "closeDate": "2026-12-01T00:00:00Z",
                "closed": account % 5 > 2,
                "createdDate": "2025-10-01T10:30:00Z",
                "owner": owner,
                "contacts": [contact],
            }
        else:
            yield {
                "kind": "conversation",
                "conversationId": str(UUID(int=account)),
                "sourceId": "gong",
                "title": f"Weekly with company {account}",
                "startTime": "2026-03-11T14:00:00Z",
                "endTime": "2026-03-11T14:30:00Z",
                "participants": [contact, owner],
                "transcript": [
                    {"speaker": "Ann", "text": "It fails.", "startTime": 0, "endTime": 4},
                    {"speaker": "Rep", "text": "I see.", "startTime": 4, "endTime": 5},
                ],
            }


class Imported(NamedTuple):
    """Result of an import: its output, number of lines, time and CPU time in seconds, and bytes."""

    output: str
    lines: int
    seconds: float
    cpu_seconds: float
    peak: int

    @property
    def rate(self) -> float:
        """Lines per second."""
        return self.lines / self.seconds


def run_import(
    stack: Stack, workspace: str, *arguments: str, started: Callable[[int], object] | None = None
) -> Imported:
    """Run `gateway import`, which must succeed. `started` is called with its process id."""
    environment = {**os.environ, **stack.env}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "import", "--workspace", workspace, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if started is not None:
            started(process.pid)
        output = process.stdout.read().strip() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output
    counts = [int(part.rpartition(": ")[2].replace(",", "")) for part in output.split(";")]
    cpu = used.ru_utime + used.ru_stime
    seconds = time.perf_counter() - began
    return Imported(output, sum(counts), seconds, cpu, used.ru_maxrss * 1024)


def _report_import(stack: Stack, workspace: str, *arguments: str) -> None:
    done = run_import(stack, workspace, *arguments)
    report(
        f"{' '.join(arguments[:-1]) or 'import':<10} {done.output:<50} {done.rate:8,.0f} records/s"
        f"   {done.seconds:6.1f} s, {done.cpu_seconds:6.1f} s of them CPU"
        f"   peak {done.peak / 2**20:5.0f} MB"
    )


async def _measure(stack: Stack) -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with new_tenant(stack) as caller:
        small, large = stack.folder / "small.jsonl", stack.folder / "large.jsonl"
        for path, lines in ((small, min(count, 30_000)), (large, count)):
            write_lines(path, lines)
        report(f"{count:,} lines, {large.stat().st_size / 1e6:,.0f} MB")
        for arguments in ([small], [large], [large], ["--dry-run", large]):
            await asyncio.to_thread(_report_import, stack, caller.workspace, *map(str, arguments))
    # The peak memory of a child includes that of this process at the time of the fork.
    report(f"(the measuring process had {own / 1024:.0f} MB)")


if __name__ == "__main__":
    run(_measure, durable=True)
