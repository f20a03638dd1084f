"""`gateway import`: records of other systems out of files, in batches, each in a few transactions.

Files are read one batch ahead in a thread, so that reading and storing go on at the same time.
"""

import asyncio
import contextlib
import itertools
import random
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from domains.discovery import products
from domains.discovery.products import ProductImport
from domains.kernel.core.problems import Invalid, WriteConflict
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database, Read, Tx
from domains.kernel.tenancy import workspaces
from domains.revenue.imports import kinds
from domains.revenue.imports.kinds import Outcome, PreparedRecord
from gateway.cli import import_files
from gateway.cli.import_files import Entry, File, Interrupted, Refusal

T = TypeVar("T")

# Records of a batch, and about the bytes after which one ends earlier.
_RECORDS: Final = 1000
_BYTES: Final = 8 * 1024 * 1024

# Refused lines that are told one by one.
_TOLD: Final = 1000

# Connections that store a batch: the database has the most work with it.
_LANES: Final = 2

# Attempts to store a batch that others get in the way of.
_ATTEMPTS: Final = 6


class ImportFailed(Exception):
    """An import that cannot begin or go on; the message says why."""


class Counts(msgspec.Struct, rename="camel"):
    """What became of the records. One that a later one of the same id replaced counts as unchanged.

    In a dry run: what would become of them.
    """

    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    dry_run: bool = False


class Kind(Protocol):
    """How one kind of record is imported; see `domains.revenue.imports.kinds.Kind`."""

    @property
    def struct(self) -> type[msgspec.Struct]: ...
    @property
    def id_field(self) -> str: ...
    def prepare(self, given: Any, own_domains: Sequence[str]) -> PreparedRecord: ...
    async def store(
        self, tx: Tx, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome: ...
    async def preview(
        self, read: Read, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome: ...


class _Products:
    """Products, which belong to discovery."""

    struct: Final = ProductImport
    id_field: Final = "id"

    def prepare(self, given: ProductImport, _own_domains: Sequence[str]) -> PreparedRecord:
        return PreparedRecord(given.id, {"name": given.name})

    async def store(
        self, tx: Tx, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        return Outcome(await products.store(tx, workspace, self._names(batch)), [])

    async def preview(
        self, read: Read, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        return Outcome(await products.different(read, workspace, self._names(batch)), [])

    def _names(self, batch: Sequence[PreparedRecord]) -> dict[Any, str]:
        return {each.id: each.values["name"] for each in batch}


# In the order in which they are stored.
KINDS: Final[Mapping[str, Kind]] = {"products": _Products(), **kinds.KINDS}
_DECODERS: Final = {name: msgspec.json.Decoder(kind.struct) for name, kind in KINDS.items()}


class Place(NamedTuple):
    """Where a record is: the number of its file, and its line there."""

    file: int
    line: int


class _Record(NamedTuple):
    place: Place
    kind: str
    prepared: PreparedRecord


class _Batch:
    """Records that are stored together, and what was refused among them."""

    def __init__(self) -> None:
        self.records: list[_Record] = []
        self.refused: list[tuple[Place, str]] = []
        self.bytes = 0
        # Of all files, when this was read.
        self.passed = 0

    @property
    def full(self) -> bool:
        count = len(self.records) + len(self.refused)
        return count >= _RECORDS or self.bytes >= _BYTES


# --- reading ----------------------------------------------------------------------------------


def _read(entry: Entry, own_domains: Sequence[str]) -> PreparedRecord:
    """The record of an entry, checked; Invalid."""
    kind = KINDS[entry.kind]
    given = entry.given
    if isinstance(given, bytes):
        return kind.prepare(import_files.decoded(_DECODERS[entry.kind], given), own_domains)
    try:
        return kind.prepare(msgspec.convert(given, kind.struct), own_domains)
    except msgspec.ValidationError as error:
        raise import_files.invalid_of(error) from None


def _batches(
    files: Sequence[File], own_domains: Sequence[str], strict: bool, stop: threading.Event
) -> Iterator[_Batch]:
    """All that is in the files; ends early with `stop`, and if `strict` with the first refusal."""
    batch = _Batch()
    for number, file in enumerate(files):
        for found in import_files.read(file):
            if stop.is_set():
                return
            place = Place(number, found.line)
            if isinstance(found, Refusal):
                batch.refused.append((place, found.reason))
            else:
                if isinstance(found.given, bytes):
                    batch.bytes += len(found.given)
                try:
                    batch.records.append(_Record(place, found.kind, _read(found, own_domains)))
                except Invalid as problem:
                    batch.refused.append((place, problem.message))
            if batch.full or (strict and batch.refused):
                batch.passed = sum(each.passed for each in files)
                yield batch
                if strict and batch.refused:
                    return
                batch = _Batch()
    batch.passed = sum(each.passed for each in files)
    yield batch


class _Reading:
    """Batches, each read in a thread; leaving ends that within moments."""

    def __init__(self, paths: Sequence[Path], own_domains: Sequence[str], strict: bool) -> None:
        self._stop = threading.Event()
        with contextlib.ExitStack() as opened:
            self.files = [opened.enter_context(_opened(path, self._stop)) for path in paths]
            self._opened = opened.pop_all()
        self._batches = _batches(self.files, own_domains, strict, self._stop)
        self._next = asyncio.create_task(self._read())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        # What went wrong with a batch that nobody waits for is nobody's concern.
        await asyncio.gather(self._next, return_exceptions=True)
        self._opened.close()

    async def next(self) -> _Batch | None:
        """The next batch, with the one behind it being read from now on; None at the end."""
        batch = await asyncio.shield(self._next)
        if batch is not None:
            self._next = asyncio.create_task(self._read())
        return batch

    async def _read(self) -> _Batch | None:
        return await asyncio.to_thread(self._read_now)

    def _read_now(self) -> _Batch | None:
        try:
            return next(self._batches, None)
        except Interrupted:
            return None
        except OSError as error:
            raise ImportFailed(f"a file cannot be read: {error.strerror}") from None


def _opened(path: Path, stop: threading.Event) -> File:
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        return File(path, stop)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not open"
        raise ImportFailed(f"{path} cannot be read: {reason}") from None


# --- storing ----------------------------------------------------------------------------------


class _Import:
    """An import into a workspace."""

    def __init__(
        self, database: Database, workspace: WorkspaceId, *, strict: bool, dry_run: bool
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._strict = strict
        self.counts: Final = Counts(dry_run=dry_run)

    async def put(self, batch: _Batch) -> list[tuple[Place, str]]:
        """Store a batch, or only look if it is a dry run; what of it was refused, in its order.

        If it is strict, nothing from the first refused record on is stored.
        """
        records, refused = batch.records, batch.refused
        if self._strict:
            pushed = _pushed(records, await self._look(records))
            if pushed:
                records = records[: pushed[0]]
                refused = [_refusal(batch.records[pushed[0]])]
        outcomes = await (self._look if self.counts.dry_run else self._store_all)(records)
        pushed = _pushed(records, outcomes)
        changed = sum(len(each.changed) for each in outcomes.values())
        refused = sorted([*refused, *(_refusal(records[number]) for number in pushed)])
        self.counts.stored += changed
        self.counts.unchanged += len(records) - len(pushed) - changed
        self.counts.refused += len(refused)
        return refused

    async def _look(self, records: Sequence[_Record]) -> dict[str, Outcome]:
        read = self._database.read
        return {
            name: await KINDS[name].preview(read, self._workspace, batch)
            for name, batch in _by_kind(records).items()
        }

    async def _store_all(self, records: Sequence[_Record]) -> dict[str, Outcome]:
        """On several connections at once; what has the same id stays on one, in its order."""
        lanes: list[list[_Record]] = [[] for _ in range(_LANES)]
        for record in records:
            lanes[hash(record.prepared.id) % _LANES].append(record)
        stored = await asyncio.gather(*map(self._store, lanes))
        return {
            name: Outcome(*map(list, map(itertools.chain.from_iterable, zip(*parts, strict=True))))
            for name in KINDS
            if (parts := [each[name] for each in stored if name in each])
        }

    async def _store(self, records: Sequence[_Record]) -> dict[str, Outcome]:
        """All or nothing, again where others get in the way."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._database.transaction() as tx:
                    return {
                        name: await KINDS[name].store(tx, self._workspace, batch)
                        for name, batch in _by_kind(records).items()
                    }
            except WriteConflict:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt * (0.5 + random.random()))  # noqa: S311
        raise AssertionError  # pragma: no cover


def _by_kind(records: Sequence[_Record]) -> dict[str, list[PreparedRecord]]:
    """The records of each kind that there is, in the order in which kinds are stored."""
    found = {name: [each.prepared for each in records if each.kind == name] for name in KINDS}
    return {name: batch for name, batch in found.items() if batch}


def _pushed(records: Sequence[_Record], outcomes: Mapping[str, Outcome]) -> list[int]:
    """Where the records are whose ids belong to records that were pushed."""
    ids = {(name, each) for name, outcome in outcomes.items() for each in outcome.refused}
    if not ids:
        return []
    return [number for number, each in enumerate(records) if (each.kind, each.prepared.id) in ids]


def _refusal(record: _Record) -> tuple[Place, str]:
    field = KINDS[record.kind].id_field
    return record.place, f"{field}: is the id of a record that was pushed"


# --- what the command shows -------------------------------------------------------------------


class _Report:
    """Tells what is refused, and on a terminal how far it is, on standard error."""

    def __init__(self, files: Sequence[File]) -> None:
        self._files = files
        self._told = 0
        self._silent = 0
        self._console = Console(stderr=True)
        sizes = [file.size for file in files]
        self._total = None if None in sizes else sum(filter(None, sizes))
        self._progress = Progress(
            TextColumn("Importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[records]:,} records, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=self._total, records=0, rate=0.0)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._silent:
            self.say(f"... and {self._silent:,} more lines were refused")

    def reached(self, passed: int, counts: Counts) -> None:
        """So many bytes of the files are done."""
        records = counts.stored + counts.unchanged + counts.refused
        rate = records / max(time.monotonic() - self._started, 0.001)
        self._progress.update(self._task, completed=passed, records=records, rate=rate)

    def refused(self, refused: Sequence[tuple[Place, str]]) -> None:
        """These were; only the first so many are told one by one."""
        for place, reason in refused:
            if self._told < _TOLD:
                self._told += 1
                self.say(f"{self._files[place.file].name}:{place.line}: {reason}")
            else:
                self._silent += 1

    def say(self, text: str) -> None:
        """A line of its own, above the bar if there is one."""
        # What stands in files must not steer a terminal.
        shown = "".join(
            each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text
        )
        self._console.print(Text(shown), soft_wrap=True)


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """What the work answers; an interrupt waits for its end."""
    working = asyncio.create_task(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


async def run(
    database: Database, workspace: str, paths: Sequence[Path], *, strict: bool, dry_run: bool
) -> Counts:
    """Import files into a workspace named by id or name, telling what is refused."""
    found = await workspaces.find_workspace(database.read, workspace)
    work = _Import(database, found.id, strict=strict, dry_run=dry_run)
    async with _Reading(paths, found.domains, strict) as reading:
        with _Report(reading.files) as report:
            try:
                while (batch := await reading.next()) is not None:
                    refused = await _whole(work.put(batch))
                    report.refused(refused)
                    report.reached(batch.passed, work.counts)
                    if strict and refused:
                        break
            except asyncio.CancelledError:
                report.say(f"Interrupted: {work.counts.stored:,} are stored.")
                raise
    return work.counts
