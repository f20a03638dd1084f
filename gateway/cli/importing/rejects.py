"""Write refused rows of a table to a file, to be corrected and imported again."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.cli.importing.entries import Header
from gateway.cli.importing.tables.columns import REASON_COLUMN, normalise
from gateway.cli.importing.tables.encoding import UNDECODABLE


class RejectsFile:
    """A table of the refused rows of one table, with the reason in the first column.

    It is UTF-8 with a byte order mark, as Excel expects. It is created with the first row. Lines
    that are no row are written as they are, into the second column. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self.count = 0
        self._header: Header | None = None

    def begin(self, header: Header) -> None:
        """Set the header of the table, before its rows are added."""
        self._header = header

    def add(self, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Append rows: the reason and the cells of each. Does nothing without a header."""
        header = self._header
        if not rows or header is None:
            return
        names = [normalise(name) for name in header.cells]
        former = names.index(normalise(REASON_COLUMN)) if normalise(REASON_COLUMN) in names else -1
        first = self.count == 0
        with self._path.open(
            "w" if first else "a", encoding="utf-8-sig" if first else "utf-8", newline=""
        ) as file:
            writer = csv.writer(file, delimiter=header.delimiter)
            if first:
                writer.writerow([REASON_COLUMN, *_without(header.cells, former)])
            for reason, cells in rows:
                kept = [cell.replace(UNDECODABLE, "\N{REPLACEMENT CHARACTER}") for cell in cells]
                # Lines that are no row have a single cell, without the reason of a former import.
                writer.writerow([reason, *(_without(kept, former) if len(kept) > 1 else kept)])
        self.count += len(rows)


def _without(cells: Sequence[str], place: int) -> list[str]:
    return [cell for number, cell in enumerate(cells) if number != place]
