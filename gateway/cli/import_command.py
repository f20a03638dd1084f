"""`gateway import`: import records of other systems from files."""

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.tenancy import audit, workspaces
from domains.kernel.tenancy.audit import Actor
from gateway.cli.deployment import by_option, data_option, in_database, operator
from gateway.cli.importing.batches import Batch, BatchReader, ImportFailed, Refused
from gateway.cli.importing.entries import Conventions
from gateway.cli.importing.files import InputFile
from gateway.cli.importing.rejects import RejectsFile
from gateway.cli.importing.storage import Counts, Importer
from gateway.cli.output import json_option, print_json

# Refused lines reported individually; the rest are counted.
_MAX_REPORTED: Final = 1000

# New objects after which the garbage collector runs. Records have no cycles, and Python's 700 would
# run it several times per batch for nothing.
_GC_THRESHOLD: Final = 100_000


@click.command("import")
@click.option("--workspace", required=True, help="Id or name of the workspace.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option("--strict", is_flag=True, help="Stop at the first record that is refused.")
@click.option(
    "--decimal",
    type=click.Choice(["point", "comma"]),
    help="Decimal sign of ambiguous amounts of tables, such as 1.234.",
)
@click.option(
    "--dates",
    type=click.Choice(["mdy", "dmy"]),
    help="Order of ambiguous dates of tables, such as 03/04/2026: month or day first.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the refused records to this file, with the reason.",
)
@by_option
@data_option
@json_option
def import_records(
    workspace: str,
    files: tuple[Path, ...],
    dry_run: bool,
    strict: bool,
    decimal: Literal["point", "comma"] | None,
    dates: Literal["mdy", "dmy"] | None,
    rejects: Path | None,
    by: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Import records of other systems from FILES; `-` reads standard input.

    A file is one JSON object with the fields products, deals, accounts, contacts, conversations,
    messages and documents, each an array of records in the form in which the API returns them; or
    JSON Lines with the kind in each record; or a CSV export of deals, accounts or contacts from
    Salesforce or HubSpot.

    A record replaces the one with the same id in the workspace. The exit code is 1 if any record is
    refused.
    """
    if rejects is not None and (len(files) > 1 or _is_same_file(rejects, files[0])):
        raise click.UsageError("--rejects needs one FILE to import, and another file to write.")
    rejects_file = None if rejects is None else RejectsFile(rejects)
    conventions = Conventions(decimal, dates)
    with _rare_garbage_collection():
        counts = in_database(
            data,
            lambda database: _run(
                database,
                workspace,
                files,
                conventions,
                rejects_file,
                strict=strict,
                dry_run=dry_run,
                actor=operator(by),
            ),
        )
    if as_json:
        print_json(counts)
    else:
        stored = "Would be stored" if dry_run else "Stored"
        click.echo(
            f"{stored}: {counts.stored:,}; unchanged: {counts.unchanged:,}; "
            f"refused: {counts.refused:,}"
            + (f"; skipped: {counts.skipped:,}" if counts.skipped else "")
        )
    if counts.refused:
        sys.exit(1)


@contextlib.contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Run the garbage collector rarely, and not on objects that exist already, such as modules."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _is_same_file(output: Path, source: Path) -> bool:
    """Return True if the output exists and is the source, which is standard input for `-`."""
    try:
        source_facts = os.fstat(sys.stdin.fileno()) if str(source) == "-" else source.stat()
        return os.path.samestat(output.stat(), source_facts)
    except (OSError, ValueError):
        return False


async def _run(
    database: Database,
    id_or_name: str,
    paths: Sequence[Path],
    conventions: Conventions,
    rejects: RejectsFile | None,
    *,
    strict: bool,
    dry_run: bool,
    actor: Actor,
) -> Counts:
    """Import files into a workspace. Refusals and progress go to standard error."""
    workspace = await workspaces.find_workspace(database.read, id_or_name)
    importer = Importer(database, workspace.id, strict=strict, dry_run=dry_run)
    async with BatchReader(paths, workspace.domains, strict, conventions) as reader:
        if rejects is not None:
            with _writing_rejects():
                rejects.create()
        with _Report(reader.files) as report:
            try:
                async with _audited(database, actor, workspace.id, importer.counts):
                    await _store_all(reader, importer, report, rejects, strict=strict)
            except asyncio.CancelledError:
                report.print(f"Interrupted: {importer.counts.stored:,} records are stored.")
                raise
            if rejects is not None and rejects.count < importer.counts.refused:
                missing = importer.counts.refused - rejects.count
                report.print(
                    f"{missing:,} refused parts are no records, and not in the file of --rejects"
                )
    return importer.counts


@contextlib.asynccontextmanager
async def _audited(
    database: Database, actor: Actor, workspace: WorkspaceId, counts: Counts
) -> AsyncIterator[None]:
    """Record the import in the audit log: at its start, and with its counts at its end.

    An entry without counts is that of an import that was killed. A dry run has none.
    """
    if counts.dry_run:
        yield
        return
    async with database.transaction() as tx:
        entry = await audit.record(tx, workspace, actor, "import", "workspace", workspace)
    try:
        yield
    finally:
        numbers = {name: getattr(counts, name) for name in ("stored", "unchanged", "refused")}
        async with database.transaction() as tx:
            await audit.set_details(tx, workspace, entry, **numbers)


async def _store_all(
    reader: BatchReader,
    importer: Importer,
    report: "_Report",
    rejects: RejectsFile | None,
    *,
    strict: bool,
) -> None:
    """Store all batches, two at a time. Their results are reported in order.

    On an error or a cancellation, the batches in progress are stored before it is raised.
    """

    async def store(batch: Batch, previous: asyncio.Task[bool] | None) -> bool:
        """Store and report a batch. Returns True if it has refused records."""
        refused = await importer.store(batch)
        if previous is not None:
            await previous
        report.notes(batch)
        report.refused(refused)
        if rejects is not None:
            _write_rejects(rejects, batch, refused)
        report.progress(batch.bytes_read, importer.counts)
        return bool(refused)

    previous: asyncio.Task[bool] | None = None
    running: list[asyncio.Task[bool]] = []
    try:
        while (batch := await reader.next()) is not None:
            current = asyncio.create_task(store(batch, previous))
            running = [task for task in (previous, current) if task is not None]
            if previous is not None:
                await asyncio.shield(previous)
            if not importer.may_overlap(batch):
                refused = await asyncio.shield(current)
                if strict and refused:
                    return
            previous = current
        if previous is not None:
            await asyncio.shield(previous)
    finally:
        if running:
            finished, _ = await asyncio.wait(running)
            for task in finished:
                # Marks the exception as handled: the first one is being raised.
                task.exception()


def _write_rejects(rejects: RejectsFile, batch: Batch, refused: Sequence[Refused]) -> None:
    """Add the refused rows of a batch to the file of --rejects. Raises ImportFailed."""
    for _, note in batch.notes:
        if note.header is not None:
            rejects.begin(note.header)
    with _writing_rejects():
        rejects.add(refused)


@contextlib.contextmanager
def _writing_rejects() -> Iterator[None]:
    """Raise ImportFailed if the file of --rejects cannot be written."""
    try:
        yield
    except OSError as error:
        raise ImportFailed(f"the file of --rejects cannot be written: {error.strerror}") from None


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

    def notes(self, batch: Batch) -> None:
        """Report how the files are read."""
        for number, note in batch.notes:
            self.print(f"{self._files[number].name}: {note.text}")

    def refused(self, refused: Sequence[Refused]) -> None:
        """Report refused lines, at most `_MAX_REPORTED` individually."""
        for location, reason, *_ in refused:
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
