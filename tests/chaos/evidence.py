"""Log lines and job rows that help to find why a scenario failed, without texts or bodies."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import asyncpg

_LOGS: Final = ("*.log", "logs/*.log", "*/logs/*.log")
_MAX_LINES: Final = 10
_LAST_LINES: Final = 2
_MAX_WIDTH: Final = 300

# PostgreSQL quotes rows and statements in these lines, and in the lines after them.
_QUOTES: Final = re.compile(r"^\s|\b(DETAIL|STATEMENT|CONTEXT|QUERY):")
# Lines of successful requests and of jobs in order.
_ROUTINE: Final = re.compile(r'^(?!.*"status":5).*"level":"(info|debug)"')


def log_sizes(folder: Path) -> dict[Path, int]:
    """The size of each log file below a stack's folder."""
    return {path: path.stat().st_size for pattern in _LOGS for path in folder.glob(pattern)}


def log_tails(folder: Path, since: Mapping[Path, int]) -> list[str]:
    """The last lines of each log that grew since `log_sizes`, under its name.

    Routine lines are left out, except the last ones.
    """
    tails: list[str] = []
    for path, size in sorted(log_sizes(folder).items()):
        with path.open("rb") as log:
            log.seek(since.get(path, 0) if since.get(path, 0) <= size else 0)
            lines = log.read().decode(errors="replace").splitlines()
        shown = [line for line in lines if not _QUOTES.search(line)]
        notable = [line for line in shown[:-_LAST_LINES] if not _ROUTINE.search(line)]
        if shown:
            tails.append(f"{path.relative_to(folder)}, {len(lines)} lines:")
            shown = [*notable[-_MAX_LINES:], *shown[-_LAST_LINES:]]
            tails += [f"    {line[:_MAX_WIDTH]}" for line in shown]
    return tails


async def last_jobs(connection: asyncpg.Connection, workspace: str) -> list[str]:
    """The last jobs of a workspace, those that have not succeeded first; without their payload."""
    rows = await connection.fetch(
        """
        select id, kind, state, failures, losses,
            to_char(sent_at, 'HH24:MI:SS') as sent, to_char(started_at, 'HH24:MI:SS') as started,
            to_char(finished_at, 'HH24:MI:SS') as finished,
            round(extract(epoch from run_after - now())) as due_in, left(error, 120) as error
        from jobs where workspace_id = $1 order by state = 'done', id desc limit $2
        """,
        workspace,
        _MAX_LINES,
    )
    lines = [
        "    " + " ".join(f"{name}={value}" for name, value in row.items() if value is not None)
        for row in rows
    ]
    return ["jobs:", *lines] if lines else []
