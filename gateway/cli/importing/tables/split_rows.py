"""Find rows that were split by a line end in a cell without quotes, or cut off."""

from typing import Final

# Parts of rows, after which a table counts as one that omits empty cells.
_MAX_PARTS: Final = 10_000
# Excel omits the last cells of many rows in succession, if all of them are empty.
_MAX_REPEATS: Final = 3


class SplitRows:
    """Collects the lines of short rows that add up to a whole one, or end the table.

    Some programs omit empty cells at the end of a row. So no row counts as split if a short row
    before the end adds up to nothing, or if three short rows in succession have as many cells.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._has_whole_rows = False
        self._omits_cells = False
        self._lines: list[int] = []
        # Lines of the short rows so far, and the cells that they have together.
        self._open: list[int] = []
        self._cells = 0
        self._after_blank = False
        # Number of cells of the last short row, and of short rows in succession that have as many.
        self._last_count, self._repeats = 0, 0

    def add(self, line: int, count: int) -> None:
        """Take note of a row and its number of cells. A blank line has none."""
        if self._omits_cells:
            return
        if count >= self._width:
            self._has_whole_rows = True
            self._after_blank = False
            self._last_count = 0
            self._omits_cells = bool(self._open)
        elif not count:
            self._after_blank = self._after_blank or not self._open
        elif self._open or not (count == 1 or self._after_blank):
            # Other short rows say something about the report, such as a total.
            self._add_part(line, count)

    def _add_part(self, line: int, count: int) -> None:
        # The line end within a cell makes two cells of one.
        self._cells += count - bool(self._open)
        self._open.append(line)
        if self._cells == self._width:
            self._lines += self._open
            self._open, self._cells = [], 0
        self._repeats = self._repeats + 1 if count == self._last_count else 1
        self._last_count = count
        self._omits_cells = (
            self._cells > self._width
            or len(self._lines) > _MAX_PARTS
            or (count > 1 and self._repeats >= _MAX_REPEATS)
        )

    @property
    def lines(self) -> frozenset[int]:
        """First lines of the parts of split rows, after all rows were added."""
        certain = self._has_whole_rows and not self._omits_cells
        # Short rows at the end may be those of a file that was cut off.
        return frozenset([*self._lines, *self._open] if certain else ())
