"""`gateway import`: import records of other systems from files."""

import asyncio
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from domains.kernel.db.database import Database
from domains.kernel.tenancy import workspaces
from gateway.cli.deployment import data_option, in_database
from gateway.cli.importing.batches import BatchReader, Location
from gateway.cli.importing.files import InputFile
from gateway.cli.importing.storage import Counts, Importer
from gateway.cli.output import json_option, print_json

T = TypeVar("T")

# Refused lines reported individually; the rest are counted.
_MAX_REPORTED: Final = 1000


@click.command("import")
@click.option("--workspace", required=True, help="Id or name of the workspace.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option("--strict", is_flag=True, help="Stop at the first record that is refused.")
@data_option
@json_option
def import_records(
    workspace: str, files: tuple[Path, ...], dry_run: bool, strict: bool, data: Path, as_json: bool
) -> None:
    """Import records of other systems from FILES; `-` reads standard input.

    A file is one JSON object with the fields products, deals, accounts, conversations, messages and
    documents, each an array of records in the form in which the API returns them; or JSON Lines
    with the kind in each record; or a CSV export of deals or accounts from Salesforce or HubSpot.

    A record replaces the one with the same id in the workspace. The exit code is 1 if any record is
    refused.
    """
    counts = in_database(
        data, lambda database: _run(database, workspace, files, strict=strict, dry_run=dry_run)
    )
    if as_json:
        print_json(counts)
    else:
        stored = "Would be stored" if dry_run else "Stored"
        click.echo(
            f"{stored}: {counts.stored:,}; unchanged: {counts.unchanged:,}; "
            f"refused: {counts.refused:,}"
        )
    if counts.refused:
        sys.exit(1)


async def _run(
    database: Database, id_or_name: str, paths: Sequence[Path], *, strict: bool, dry_run: bool
) -> Counts:
    """Import files into a workspace. Refusals and progress go to standard error."""
    workspace = await workspaces.find_workspace(database.read, id_or_name)
    importer = Importer(database, workspace.id, strict=strict, dry_run=dry_run)
    async with BatchReader(paths, workspace.domains, strict) as reader:
        with _Report(reader.files) as report:
            try:
                while (batch := await reader.next()) is not None:
                    refused = await _finish(importer.store(batch))
                    report.refused(refused)
                    report.progress(batch.bytes_read, importer.counts)
                    if strict and refused:
                        break
            except asyncio.CancelledError:
                report.print(f"Interrupted: {importer.counts.stored:,} records are stored.")
                raise
    return importer.counts


async def _finish(work: Coroutine[Any, Any, T]) -> T:
    """Await the work. If cancelled, let the work finish before raising CancelledError."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class _Report:
    """Reports refused lines on standard error, and progress if that is a terminal."""

    def __init__(self, files: Sequence[InputFile]) -> None:
        self._files = files
        self._reported = 0
        self._unreported = 0
        self._console = Console(stderr=True)
        sizes = [file.size for file in files]
        total = None if None in sizes else sum(filter(None, sizes))
        self._bar = Progress(
            TextColumn("Importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[records]:,} records, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, records=0, rate=0.0)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._unreported:
            self.print(f"... and {self._unreported:,} more lines were refused")

    def progress(self, bytes_read: int, counts: Counts) -> None:
        """Advance the bar to this number of bytes of all files."""
        records = counts.stored + counts.unchanged + counts.refused
        rate = records / max(time.monotonic() - self._started, 0.001)
        self._bar.update(self._task, completed=bytes_read, records=records, rate=rate)

    def refused(self, refused: Sequence[tuple[Location, str]]) -> None:
        """Report refused lines, at most `_MAX_REPORTED` individually."""
        for location, reason in refused:
            if self._reported < _MAX_REPORTED:
                self._reported += 1
                self.print(f"{self._files[location.file].name}:{location.line}: {reason}")
            else:
                self._unreported += 1

    def print(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        # Text from files must not contain control sequences for the terminal.
        printable = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
            for character in text
        )
        self._console.print(Text(printable), soft_wrap=True)
