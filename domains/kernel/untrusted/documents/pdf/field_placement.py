"""Placement of form values on the lines of a page."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from domains.kernel.untrusted.documents.pdf.annotations import Field
from domains.kernel.untrusted.documents.pdf.text_order import Glyph

# Bounds of the work for hostile pages: the height of a line in points, lines at one height.
_MAX_HEIGHT: Final = 200
_MAX_LINES: Final = 16


# Longer lines keep the underscores or dots that mark the place of a field.
_MAX_LENGTH: Final = 1000
_FILLERS: Final = ("_", ".", "…")


class LinePositions:
    """Finds the line of a field: the nearest one at its height, the one on its left first."""

    def __init__(self, lines: Sequence[list[Glyph]]) -> None:
        self._lines = lines
        self._extents: list[tuple[float, float]] = []
        # The indexes of the lines at each height in points.
        self._by_height: defaultdict[int, list[int]] = defaultdict(list)
        for index, line in enumerate(lines):
            shown = [glyph for glyph in line if glyph.text.strip()] or line
            left = min(glyph.left for glyph in shown)
            self._extents.append((left, max(glyph.right for glyph in shown)))
            bottom = int(min(glyph.bottom for glyph in shown))
            top = int(max(glyph.top for glyph in shown))
            for height in range(bottom, min(top, bottom + _MAX_HEIGHT) + 1):
                self._by_height[height].append(index)

    def place(self, field: Field) -> bool:
        """Add a field to its line. Return False if there is no line at its height."""
        candidates = self._by_height.get(int((field.bottom + field.top) / 2), [])[:_MAX_LINES]
        if not candidates:
            return False
        line = self._lines[min(candidates, key=lambda index: self._distance(field, index))]
        if len(line) <= _MAX_LENGTH:
            line[:] = [glyph for glyph in line if not _is_filler(glyph, field)]
        line.append(Glyph(field.value, *field[2:], is_field=True))
        return True

    def _distance(self, field: Field, index: int) -> tuple[bool, float]:
        left, right = self._extents[index]
        if field.left >= left:
            return False, max(field.left - right, 0)
        return True, left - field.right


def _is_filler(glyph: Glyph, field: Field) -> bool:
    """True for an underscore or dot that marks the place of a field."""
    return glyph.text in _FILLERS and field.left <= (glyph.left + glyph.right) / 2 <= field.right
