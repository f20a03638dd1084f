"""Reading order of the glyphs of a line.

Pages show text in visual order. `read_line` restores the logical order of lines that contain
right-to-left scripts: the inverse of the Unicode bidirectional algorithm, for one level of
left-to-right text in a right-to-left line and the other way round.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

# Hebrew, Arabic, Syriac, Thaana, NKo and the presentation forms, for a character class.
RTL: Final = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"

# R: right to left, L: left to right, D: digit, N: neutral.
_Direction = Literal["R", "L", "D", "N"]

# Gaps wider than this part of the height of the line separate words.
_WORD_GAP: Final = 0.15

# Neutral characters that connect the digits of a number, and that belong to a number beside them.
_IN_NUMBER: Final = frozenset(".,:/+-")
_UNITS: Final = frozenset("%‰°#$€£¥₪")

_ALEFS: Final = frozenset("\u0622\u0623\u0625\u0627\u0671")
_LAM: Final = "\u0644"

_OPENING: Final = frozenset("([{<«")
_CLOSING: Final = frozenset(")]}>»")
_MIRRORED: Final = str.maketrans("()[]{}<>«»", ")(][}{><»«")


class Glyph(NamedTuple):
    """A character on a page, or the value of a form field. Coordinates are in points."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    is_added: bool = False
    """PDFium added it, as a space between words."""
    is_field: bool = False


def read_line(line: Sequence[Glyph]) -> str:
    """Return the text of a line in reading order."""
    is_rtl = any(_direction(glyph.text) == "R" for glyph in line)
    is_regular = not is_rtl and not any(glyph.is_field for glyph in line)
    if is_regular or _is_vertical(line):
        return "".join(glyph.text for glyph in line)
    visual = _with_spaces(_visual_order(line))
    return _logical_text(visual) if is_rtl else "".join(visual)


def _is_vertical(line: Sequence[Glyph]) -> bool:
    """True for text that was rotated. PDFium gives its words in order, or nearly so."""
    width = max(glyph.right for glyph in line) - min(glyph.left for glyph in line)
    height = max(glyph.top for glyph in line) - min(glyph.bottom for glyph in line)
    return len(line) > 4 and height > 2 * width


def _visual_order(line: Iterable[Glyph]) -> list[Glyph]:
    """Return the glyphs from left to right, each with the marks and letters that it combines."""
    glyphs: list[Glyph] = []
    marks: list[Glyph] = []
    for glyph in line:
        if glyph.is_added or not glyph.text:
            continue
        if unicodedata.combining(glyph.text[0]):
            marks.append(glyph)
        elif glyphs and _is_ligature(glyphs[-1], glyph):
            glyphs[-1] = glyphs[-1]._replace(text=_LAM + glyphs[-1].text)
        else:
            glyphs.append(glyph)
    glyphs.sort(key=lambda glyph: glyph.left)
    # Marks stand above, below or in their letter.
    for mark in sorted(marks, key=lambda mark: unicodedata.combining(mark.text[0])):
        middle = (mark.left + mark.right) / 2
        at = max(bisect_right(glyphs, middle, key=lambda glyph: glyph.left) - 1, 0)
        if glyphs:
            glyphs[at] = glyphs[at]._replace(text=glyphs[at].text + mark.text)
    return glyphs or marks


def _is_ligature(first: Glyph, second: Glyph) -> bool:
    """Recognise the letters of one glyph, which PDFium gives in the wrong order."""
    return first.text in _ALEFS and second.text == _LAM and first.left == second.left


def _with_spaces(glyphs: Sequence[Glyph]) -> list[str]:
    texts: list[str] = []
    right = 0.0
    for glyph in glyphs:
        is_apart = glyph.left - right > _WORD_GAP * (glyph.top - glyph.bottom) or glyph.is_field
        if texts and is_apart and not texts[-1].isspace() and not glyph.text.isspace():
            texts.append(" ")
        texts.append(glyph.text)
        right = max(right, glyph.right)
    return texts


def _direction(text: str) -> _Direction:
    """Return the direction of the first character that has one."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return "R"
        if kind in ("EN", "AN"):
            return "D"
        if kind == "L":
            return "L"
    return "N"


def _logical_text(visual: Sequence[str]) -> str:
    directions = [_direction(text) for text in visual]
    if not _is_left_to_right(directions):
        return _from_right(visual, directions)
    parts: list[str] = []
    done = 0
    for start, end in _right_to_left_runs(directions):
        parts += visual[done:start]
        parts.append(_from_right(visual[start:end], directions[start:end]))
        done = end
    return "".join([*parts, *visual[done:]])


def _is_left_to_right(directions: Iterable[_Direction]) -> bool:
    """Guess the direction of a line: that of both ends, or else of most letters."""
    letters = [direction for direction in directions if direction in ("L", "R")]
    if letters[0] == letters[-1]:
        return letters[0] == "L"
    return letters.count("L") > letters.count("R")


def _from_right(visual: Sequence[str], directions: Sequence[_Direction]) -> str:
    """Reverse the texts, but keep the order within left-to-right words and numbers."""
    parts: list[str] = []
    end = len(visual)
    for start, stop in reversed(_left_to_right_runs(visual, directions)):
        parts += reversed(visual[stop:end])
        parts.append("".join(visual[start:stop]))
        end = start
    parts += reversed(visual[:end])
    brackets = [part for part in parts if part in _OPENING or part in _CLOSING]
    # Some programs map the glyph of a bracket to its mirror image, which PDFium assumes.
    if brackets and brackets[0] in _CLOSING and brackets[-1] in _OPENING:
        parts = [part.translate(_MIRRORED) if len(part) == 1 else part for part in parts]
    return "".join(parts)


def _right_to_left_runs(directions: Sequence[_Direction]) -> list[tuple[int, int]]:
    """Return the ranges from one right-to-left letter to another, with no left-to-right between."""
    runs: list[tuple[int, int]] = []
    is_open = False
    for index, direction in enumerate(directions):
        if direction == "R":
            runs.append((runs.pop()[0] if is_open else index, index + 1))
        is_open = direction == "R" or (is_open and direction != "L")
    return runs


def _left_to_right_runs(
    visual: Sequence[str], directions: Sequence[_Direction]
) -> list[tuple[int, int]]:
    """Return the ranges of left-to-right words and of numbers."""
    runs: list[tuple[int, int]] = []
    for index, direction in enumerate(directions):
        if direction not in ("L", "D"):
            continue
        if runs and _is_connected(visual, directions, runs[-1][1], index):
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    for index, run in enumerate(runs):
        start, end = _with_units(visual, directions, *run)
        # A unit between two numbers belongs to the first.
        runs[index] = (max(start, runs[index - 1][1]) if index else start, end)
    return runs


def _is_connected(
    visual: Sequence[str], directions: Sequence[_Direction], end: int, start: int
) -> bool:
    """True if the letter or digit at `start` continues the run that ends before `end`."""
    between = "".join(visual[end:start])
    if "R" in directions[end:start]:
        return False
    if "L" in (directions[end - 1], directions[start]):
        return True
    return not between or between in _IN_NUMBER


def _with_units(
    visual: Sequence[str], directions: Sequence[_Direction], start: int, end: int
) -> tuple[int, int]:
    """Extend a run that begins or ends with a number by a unit such as a per cent sign."""
    if directions[end - 1] == "D" and visual[end : end + 1] and visual[end] in _UNITS:
        end += 1
    if directions[start] == "D" and start and visual[start - 1] in _UNITS:
        start -= 1
    return start, end
