"""Output of commands: JSON, tables, times."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def standard_output() -> Console:
    """Standard output. Wraps lines on a terminal only, so that scripts get ids in one piece."""
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    return console


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True
) -> None:
    """Print rows in aligned columns."""
    table = Table(box=None, pad_edge=False, show_header=header)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As Text: a name may look like markup.
        table.add_row(*map(Text, row))
    standard_output().print(table)


def to_minute(time: datetime) -> str:
    """Format a time in UTC, to the minute."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def to_second(time: datetime | None) -> str:
    """Format a time in UTC, to the second. Empty for None."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(length: timedelta) -> str:
    """Format a duration in its largest unit: `3 h`."""
    seconds = max(0, int(length.total_seconds()))
    for unit, seconds_per_unit in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= seconds_per_unit:
            return f"{seconds // seconds_per_unit} {unit}"
    return f"{seconds} s"
