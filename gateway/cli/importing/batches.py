"""Read files in batches of checked records, one batch ahead of the one being stored."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from domains.discovery import products
from domains.discovery.products import ProductImport
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Invalid
from domains.kernel.db.database import Read, Tx
from domains.revenue.imports import kinds
from domains.revenue.imports.contacts import Contacts
from domains.revenue.imports.kinds import Kind
from domains.revenue.imports.prepared import Outcome, PreparedRecord
from gateway.cli.importing import json_files
from gateway.cli.importing.entries import (
    Conventions,
    Entries,
    Entry,
    Note,
    Refusal,
    not_imported,
)
from gateway.cli.importing.files import InputFile, Interrupted, read_entries

# A batch ends at this number of records, or at about this many bytes. Batches of 1,000 records take
# 6 % more CPU time. Three batches are in memory: two that are stored, and one that is read ahead.
_BATCH_RECORDS: Final = 3000
_BATCH_BYTES: Final = 4 * 1024 * 1024


class ImportFailed(Exception):
    """An import cannot start or continue. The message is for the operator."""


class _Products:
    """The kind of products, which belong to discovery. All other kinds are revenue records."""

    struct: Final = ProductImport
    id_field: Final = "id"

    def prepare(self, product: ProductImport, _own_domains: Sequence[str]) -> PreparedRecord:
        return PreparedRecord(product.id, {"name": product.name})

    async def store(
        self, tx: Tx, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        return Outcome(await products.store(tx, workspace, self._names(batch)), {})

    async def preview(
        self, read: Read, workspace: WorkspaceId, batch: Sequence[PreparedRecord]
    ) -> Outcome:
        return Outcome(await products.changed_ids(read, workspace, self._names(batch)), {})

    def _names(self, batch: Sequence[PreparedRecord]) -> dict[Any, str]:
        return {record.id: record.values["name"] for record in batch}


# In the order in which they are stored.
KINDS: Final[Mapping[str, _Products | Kind[Any] | Contacts]] = {
    "products": _Products(),
    **kinds.KINDS,
}
_DECODERS: Final = {name: msgspec.json.Decoder(kind.struct) for name, kind in KINDS.items()}
# Fields of JSON records that need no note: of a line, and what the API computes.
_EXPECTED_FIELDS: Final = {"kind", "reason", "processing", "language", "latestDeal"}


def _strict_decoder(struct: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    """Decoder of records that have no unknown fields, which almost all records are."""
    names = {field.encode_name for field in msgspec.structs.fields(struct)}
    expected = [(name, msgspec.Raw, msgspec.Raw()) for name in _EXPECTED_FIELDS - names]
    strict = msgspec.defstruct(
        f"Strict{struct.__name__}",
        expected,
        bases=(struct,),
        forbid_unknown_fields=True,
        kw_only=True,
    )
    return msgspec.json.Decoder(strict)


_STRICT_DECODERS: Final = {name: _strict_decoder(kind.struct) for name, kind in KINDS.items()}
_FIELDS: Final = {
    name: _EXPECTED_FIELDS | {field.encode_name for field in msgspec.structs.fields(kind.struct)}
    for name, kind in KINDS.items()
}
_NAMES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Unknown fields at which no more are collected.
_MAX_NAMES: Final = 1000


class Location(NamedTuple):
    """Index of a file, and a line in it."""

    file: int
    line: int


class Record(NamedTuple):
    """A checked record, with the entry of the file that it was read from."""

    location: Location
    entry: Entry
    prepared: PreparedRecord

    @property
    def kind(self) -> str:
        return self.entry.kind


class Refused(NamedTuple):
    """A refused part of a file and the reason.

    `cells`: of a row of a table. `entry`: the record, if the part is one.
    """

    location: Location
    reason: str
    cells: Sequence[str] = ()
    entry: Entry | None = None


class Batch:
    """Records that are stored together, and the lines between them that were refused."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.refused: list[Refused] = []
        # Notes about files, by the index of the file.
        self.notes: list[tuple[int, Note]] = []
        self.bytes = 0
        # Bytes of all files that were read before the batch was complete.
        self.bytes_read = 0

    @property
    def full(self) -> bool:
        count = len(self.records) + len(self.refused)
        return count >= _BATCH_RECORDS or self.bytes >= _BATCH_BYTES


def _check(entry: Entry, own_domains: Sequence[str], unknown: set[str]) -> PreparedRecord:
    """Decode and check the record of an entry. Raises Invalid.

    Adds the names of unknown JSON fields to `unknown`.
    """
    kind: Any = KINDS[entry.kind]
    if isinstance(entry.content, bytes):
        decoded = _decode(entry.kind, entry.content, unknown)
    else:
        try:
            decoded = msgspec.convert(entry.content, kind.struct)
        except msgspec.ValidationError as error:
            raise json_files.to_invalid(error) from None
    prepared: PreparedRecord = kind.prepare(decoded, own_domains)
    return prepared


def _decode(kind: str, text: bytes, unknown: set[str]) -> Any:
    try:
        return _STRICT_DECODERS[kind].decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        _add_unknown_fields(kind, text, unknown)
        return json_files.decode(_DECODERS[kind], text)


def _add_unknown_fields(kind: str, text: bytes, unknown: set[str]) -> None:
    """Add the names of the unknown fields of a record to those of its file."""
    if len(unknown) < _MAX_NAMES:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            unknown.update(_NAMES.decode(text).keys() - _FIELDS[kind])


def _reason(entry: Entry, problem: Invalid) -> str:
    """Message of a problem, which names the column and the value of a row instead of the field."""
    if not (problem.field_errors and isinstance(entry.content, dict)):
        return problem.message
    field, message = problem.field_errors[0].field, problem.field_errors[0].message
    column = entry.columns.get(field)
    if column is None:
        return problem.message
    value = entry.content.get(field)
    return f"{column}: {str(value)[:64]!r} {message}" if value else f"{column}: {message}"


def read_batches(
    files: Sequence[InputFile],
    own_domains: Sequence[str],
    strict: bool,
    stop: threading.Event,
    conventions: Conventions = Conventions(),  # noqa: B008
) -> Iterator[Batch]:
    """Read all records. Ends early if `stop` is set and, if `strict`, at the first refusal."""
    batch = Batch()
    # Names of the unknown JSON fields of each file.
    unknown: list[set[str]] = [set() for _ in files]
    for number, entry in _entries(files, conventions, unknown):
        if stop.is_set():
            return
        _add(batch, number, entry, own_domains, unknown[number])
        if batch.full or (strict and batch.refused):
            batch.bytes_read = sum(file.bytes_read for file in files)
            yield batch
            if strict and batch.refused:
                return
            batch = Batch()
    batch.bytes_read = sum(file.bytes_read for file in files)
    yield batch


def _entries(
    files: Sequence[InputFile], conventions: Conventions, unknown: Sequence[set[str]]
) -> Iterator[tuple[int, Entry | Refusal | Note]]:
    """Iterate over the entries of all files, with the index of the file.

    Tables of contacts come last, because contacts need their accounts.
    """
    contacts: list[tuple[int, Note, Entries]] = []
    for number, file in enumerate(files):
        entries = _note_unknown_fields(read_entries(file, conventions), unknown[number])
        for entry in entries:
            if isinstance(entry, Note) and entry.kind == "contacts" and len(files) > 1:
                contacts.append((number, entry, entries))
                break
            yield number, entry
    for number, note, entries in contacts:
        yield number, note
        for entry in entries:
            yield number, entry


def _note_unknown_fields(entries: Entries, unknown: set[str]) -> Entries:
    """Iterate over the entries of a file, and end with a note about its unknown JSON fields.

    `unknown` has their names as soon as all entries are checked.
    """
    yield from entries
    if unknown:
        yield Note(f"fields {not_imported(sorted(unknown))}")


def _add(
    batch: Batch,
    number: int,
    entry: Entry | Refusal | Note,
    own_domains: Sequence[str],
    unknown: set[str],
) -> None:
    """Add an entry of the file `number` to a batch, checked."""
    if isinstance(entry, Note):
        batch.notes.append((number, entry))
        return
    location = Location(number, entry.line)
    if isinstance(entry, Refusal):
        batch.refused.append(Refused(location, entry.reason, entry.cells))
        return
    if isinstance(entry.content, bytes):
        batch.bytes += len(entry.content)
    else:
        batch.bytes += sum(map(len, entry.cells))
    try:
        prepared = _check(entry, own_domains, unknown)
        batch.records.append(Record(location, entry, prepared))
    except Invalid as problem:
        batch.refused.append(Refused(location, _reason(entry, problem), entry.cells, entry))


class BatchReader:
    """Reads batches in a thread. Leaving the context stops it within 0.1 s of waiting for input."""

    def __init__(
        self,
        paths: Sequence[Path],
        own_domains: Sequence[str],
        strict: bool,
        conventions: Conventions,
    ) -> None:
        self._stop = threading.Event()
        with contextlib.ExitStack() as opened:
            self.files = [opened.enter_context(_open(path, self._stop)) for path in paths]
            self._opened = opened.pop_all()
        self._batches = read_batches(self.files, own_domains, strict, self._stop, conventions)
        self._next = self._read_next()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        # Errors of a batch that is not awaited are ignored.
        await asyncio.gather(self._next, return_exceptions=True)
        self._opened.close()

    async def next(self) -> Batch | None:
        """Return the next batch, None at the end. Starts reading the batch after it."""
        batch = await asyncio.shield(self._next)
        if batch is not None:
            self._next = self._read_next()
        return batch

    def _read_next(self) -> asyncio.Task[Batch | None]:
        return asyncio.create_task(asyncio.to_thread(self._read_in_thread))

    def _read_in_thread(self) -> Batch | None:
        try:
            return next(self._batches, None)
        except Interrupted:
            return None
        except OSError as error:
            raise ImportFailed(f"a file cannot be read: {error.strerror}") from None


def _open(path: Path, stop: threading.Event) -> InputFile:
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        return InputFile(path, stop)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not open"
        raise ImportFailed(f"{path} cannot be read: {reason}") from None
