"""Split the text of a table into rows, and recover after a quote that is not closed."""

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.cli.importing.entries import MAX_RECORD_BYTES

_MAX_CELL_LENGTH: Final = 1024 * 1024
# Characters that are read again before their number is limited by that of the file.
_READ_AGAIN: Final = 1024 * 1024
# Characters of broken lines that are kept for the report.
_MAX_KEPT: Final = 64 * 1024


class Row(NamedTuple):
    """A row and the number of its first line."""

    line: int
    cells: list[str]


class BrokenLines(NamedTuple):
    """Lines that are no row, the reason, and the beginning of their text."""

    line: int
    reason: str
    text: str


class _TooLong(Exception):
    """A line or row is longer than MAX_RECORD_BYTES characters."""


class RowReader:
    """Iterates over the rows of a text. Blank lines are rows without cells.

    `width`: number of cells of the header, None to accept any. After a quote that is not closed, it
    continues at the next line that is a row of this width; a row of several lines and another
    width counts as such a quote.
    """

    def __init__(self, text: io.TextIOBase, delimiter: str) -> None:
        self.width: int | None = None
        self._text = text
        self._delimiter = delimiter
        # The lines of the current row, and lines to read again.
        self._taken: list[str] = []
        self._again: deque[str] = deque()
        # Characters that are done with, and characters that were read more than once.
        self._passed = 0
        self._read_again = 0
        csv.field_size_limit(_MAX_CELL_LENGTH)

    def __iter__(self) -> Iterator[Row | BrokenLines]:
        line = 1
        broken: _Broken | None = None
        # True after a broken line that seemed to close its quotes.
        is_doubtful = False
        reader = self._reader()
        while True:
            taken = self._taken
            taken.clear()
            error = ""
            cells: list[str] | None = None
            try:
                cells = next(reader)
            except StopIteration:
                break
            except (csv.Error, _TooLong) as raised:
                error = str(raised).replace("unexpected end of data", "a quote is not closed")
                reader = self._reader()
            lost = is_doubtful and cells is not None and self._has_stray_quote(cells)
            is_doubtful = False
            if cells is not None and not lost and self._is_row(cells, resuming=broken is not None):
                if broken is not None:
                    yield broken.result(line - 1)
                    broken = None
                self._passed += sum(map(len, taken))
                yield Row(line, cells)
                line += len(taken)
                continue
            if broken is None:
                broken = _Broken(line, error or "a quote is not closed")
                if self.width is None or (len(taken) == 1 and taken[0].count('"') % 2 == 0):
                    # No quote is open after this line.
                    yield broken.result(line, taken[0] if taken else "")
                    broken, is_doubtful = None, self.width is not None
            if broken is not None and taken:
                broken.keep(taken[0])
            line += self._back_to_second_line()
        if broken is not None:
            yield broken.result(line - 1)

    def _back_to_second_line(self) -> int:
        """Read again from the second line of the current row on. Returns the lines passed over.

        Passes over the whole row if too much would be read again, so that the work stays linear.
        """
        first, *others = self._taken or [""]
        self._read_again += sum(map(len, others))
        if self._read_again > _READ_AGAIN + 2 * self._passed:
            self._passed += sum(map(len, self._taken))
            return len(self._taken)
        self._passed += len(first)
        self._again.extendleft(reversed(others))
        return 1

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._lines(), delimiter=self._delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        read, taken, again = self._text.readline, self._taken, self._again
        length = 0
        while line := again.popleft() if again else read(MAX_RECORD_BYTES):
            length = length + len(line) if taken else len(line)
            taken.append(line)
            if length >= MAX_RECORD_BYTES:
                while not line.endswith(("\n", "\r")) and (line := read(MAX_RECORD_BYTES)):
                    pass
                raise _TooLong(f"is longer than {MAX_RECORD_BYTES // 1024 // 1024} MB")
            yield line

    def _is_row(self, cells: list[str], *, resuming: bool) -> bool:
        if self.width is None or len(cells) == self.width:
            return not resuming or not self._has_stray_quote(cells)
        return not resuming and len(self._taken) == 1

    def _has_stray_quote(self, cells: list[str]) -> bool:
        """True if a cell has a quote that no doubled quote explains: the end of a lost row."""
        return '""' not in self._taken[0] and any('"' in cell for cell in cells)


class _Broken:
    """Lines that are no row, while more of them are read."""

    def __init__(self, line: int, error: str) -> None:
        self._line = line
        self._error = error
        self._text = ""

    def keep(self, text: str) -> None:
        if len(self._text) < _MAX_KEPT:
            self._text += text[:_MAX_KEPT]

    def result(self, last: int, text: str | None = None) -> BrokenLines:
        """Return the lines up to `last`."""
        reason = f"not a valid CSV row: {self._error}"
        if last > self._line:
            reason += f"; lines {self._line} to {last} are not read"
        return BrokenLines(self._line, reason, self._text if text is None else text[:_MAX_KEPT])
