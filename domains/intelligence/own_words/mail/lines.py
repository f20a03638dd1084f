"""Lines of a text with their offsets, and lists of spans."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from domains.intelligence.text.marks import Span

_INVISIBLE = "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)))
)
_BLANKS = " \t\r\n\v\f\x1c\x1d\x1e\x85\xa0\u2028\u2029\u3000\ufeff" + _INVISIBLE


class Line(NamedTuple):
    """A line from `start` to `end`, line feed included.

    `text` has no white space around it, `body` is its offset. Both exclude removed quote marks.
    """

    start: int
    end: int
    body: int
    text: str


def split_lines(text: str) -> list[Line]:
    """Every line of the text, in order."""
    found: list[Line] = []
    at = 0
    for line in text.splitlines(keepends=True):
        end = at + len(line)
        tail = line.lstrip(_BLANKS)
        found.append(Line(at, end, end - len(tail), tail.rstrip(_BLANKS)))
        at = end
    return found


def without_prefix(line: Line, count: int) -> Line:
    """The line without the first `count` characters of `text`."""
    tail = line.text[count:].lstrip(_BLANKS)
    return line._replace(body=line.body + len(line.text) - len(tail), text=tail)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans sorted and without empty ones; touching and overlapping spans are joined."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def paragraphs(lines: Sequence[Line]) -> list[range]:
    """Index ranges of the lines that follow one another without a blank line or a gap."""
    found: list[range] = []
    begun = 0
    for index, line in enumerate(lines):
        if index and lines[index - 1].end != line.start and begun < index:
            found.append(range(begun, index))
            begun = index
        if not line.text:
            if begun < index:
                found.append(range(begun, index))
            begun = index + 1
    if begun < len(lines):
        found.append(range(begun, len(lines)))
    return found
