"""Write refused records to a file, to be corrected and imported again."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from gateway.cli.importing.batches import Refused
from gateway.cli.importing.entries import Entry, Header
from gateway.cli.importing.tables.columns import REASON_COLUMN, normalise
from gateway.cli.importing.tables.encoding import UNDECODABLE

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RejectsFile:
    """The refused records of one file, with the reason.

    Rows of a table are written as a table, with the reason in the first column; lines that are no
    row as they are, into the second column. Other records are written as JSON Lines with the fields
    `reason` and `kind`. Tables have a byte order mark, as Excel expects. The methods raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._header: Header | None = None
        # Records that were written.
        self.count = 0

    def create(self) -> None:
        """Create the file, or empty it, so that it has no records of an earlier import."""
        self._path.write_bytes(b"")

    def begin(self, header: Header) -> None:
        """Set the header of the table, before its rows are added."""
        self._header = header

    def add(self, refused: Sequence[Refused]) -> None:
        """Append refused records. Leaves out parts of a file that are none."""
        if self._header is not None:
            rows = [(each.reason, each.cells) for each in refused if each.cells]
            if rows:
                with self._open("utf-8-sig" if self.count == 0 else "utf-8") as file:
                    self._write_rows(file, rows, self._header)
                self.count += len(rows)
            return
        lines = [line for each in refused if (line := _json_line(each.reason, each.entry))]
        if lines:
            with self._open("utf-8") as file:
                file.writelines(lines)
            self.count += len(lines)

    def _open(self, encoding: str) -> IO[str]:
        return self._path.open("a", encoding=encoding, newline="")

    def _write_rows(
        self, file: IO[str], rows: Sequence[tuple[str, Sequence[str]]], header: Header
    ) -> None:
        names = [normalise(name) for name in header.cells]
        old_reason = (
            names.index(normalise(REASON_COLUMN)) if normalise(REASON_COLUMN) in names else -1
        )
        writer = csv.writer(file, delimiter=header.delimiter)
        if self.count == 0:
            writer.writerow([REASON_COLUMN, *_without(header.cells, old_reason)])
        for reason, cells in rows:
            kept = [cell.replace(UNDECODABLE, "\N{REPLACEMENT CHARACTER}") for cell in cells]
            # Lines that are no row have a single cell, without an old reason.
            writer.writerow([reason, *(_without(kept, old_reason) if len(kept) > 1 else kept)])


def _without(cells: Sequence[str], position: int) -> list[str]:
    return [cell for number, cell in enumerate(cells) if number != position]


def _json_line(reason: str, entry: Entry | None) -> str:
    """A record with the reason and its kind; empty if it is no JSON object."""
    if entry is None or not isinstance(entry.content, bytes):
        return ""
    try:
        # Undecoded, so that the values are written as they were read.
        record = _OBJECT.decode(entry.content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    fields: dict[str, Any] = {"reason": reason, "kind": entry.kind}
    others = {name: value for name, value in record.items() if name not in fields}
    # Line ends occur between values only.
    return " ".join(msgspec.json.encode(fields | others).decode().split("\n")) + "\n"
