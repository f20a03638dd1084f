"""Texts derived from a source text, with a map of offsets back to the source."""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Self

_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")

# Kinds of pieces. The text of a copied piece is its source; a replacement stands for all of its
# source; an insertion has no source.
_COPY: Final = 0
_REPLACEMENT: Final = 1
_INSERTION: Final = 2


class _Piece(NamedTuple):
    kind: int
    start: int
    end: int
    source_start: int
    source_end: int


class _Pieces:
    """The pieces of a text in its order, as columns. Offsets of the text are the first column."""

    __slots__ = ("kinds", "source_ends", "source_starts", "starts")

    def __init__(self) -> None:
        self.starts = array("q")
        self.source_starts = array("q")
        self.source_ends = array("q")
        self.kinds = bytearray()

    def add(self, kind: int, start: int, source_start: int, source_end: int) -> None:
        """Append a piece. A copy that continues a copy becomes part of it."""
        kinds, source_ends = self.kinds, self.source_ends
        if kind == _COPY and kinds and kinds[-1] == _COPY and source_ends[-1] == source_start:
            source_ends[-1] = source_end
            return
        kinds.append(kind)
        self.starts.append(start)
        self.source_starts.append(source_start)
        source_ends.append(source_end)

    def within(self, start: int, end: int) -> Iterator[_Piece]:
        """The parts of pieces in `start:end`, with empty pieces at its start, not at its end."""
        starts = self.starts
        index = bisect_left(starts, start)
        if index == len(starts) or starts[index] > start:
            index = max(index - 1, 0)
        for each in range(index, bisect_left(starts, end)):
            following = starts[each + 1] if each + 1 < len(starts) else end
            yield self._part(each, max(start, starts[each]), min(end, following))

    def at(self, offset: int) -> _Piece:
        """The part of a piece that has the character at the offset."""
        return self._part(bisect_right(self.starts, offset) - 1, offset, offset + 1)

    def _part(self, index: int, start: int, end: int) -> _Piece:
        kind, source_start = self.kinds[index], self.source_starts[index]
        if kind == _COPY:
            offset = source_start - self.starts[index]
            return _Piece(kind, start, end, start + offset, end + offset)
        return _Piece(kind, start, end, source_start, self.source_ends[index])


class MappedText:
    """A text derived from a source text, with the place in the source of every part."""

    __slots__ = ("_pieces", "source", "text")

    def __init__(self, text: str, source: str, pieces: _Pieces | None = None) -> None:
        self.text: Final = text
        self.source: Final = source
        # None: the text is the source.
        self._pieces: Final = pieces

    @classmethod
    def of(cls, source: str) -> Self:
        """The source itself as a mapped text."""
        return cls(source, source)

    def __len__(self) -> int:
        return len(self.text)

    def source_slices(self, start: int, end: int) -> list[tuple[int, int]]:
        """The slices of the source that `text[start:end]` was taken from, in the text's order.

        Contiguous parts are one slice. Outer white space is trimmed. Slices without a letter or
        digit are left out, unless none would be left.
        """
        trimmed = [self._trimmed(*run) for run in self._runs(start, end)]
        ranges = [(first, last) for first, last in trimmed if first < last]
        worded = [run for run in ranges if _LETTER_OR_DIGIT.search(self.text, *run)]
        return [self._source_range(*run) for run in worded or ranges]

    def without(self, spans: Iterable[tuple[int, int]]) -> "MappedText":
        """The text without `spans`, which are disjoint and in order."""
        builder = MappedTextBuilder(self)
        position = 0
        for start, end in spans:
            builder.copy(position, start)
            position = end
        if position == 0:
            return self
        builder.copy(position, len(self.text))
        return builder.build()

    def part(self, start: int, end: int) -> "MappedText":
        """The text `text[start:end]`, mapped to the same source."""
        builder = MappedTextBuilder(self)
        builder.copy(start, end)
        return builder.build()

    def _runs(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of `text[start:end]` that have a contiguous source."""
        if self._pieces is None:
            return [(start, end)] if start < end else []
        runs: list[tuple[int, int]] = []
        previous: _Piece | None = None
        for piece in self._pieces.within(start, end):
            if piece.kind == _INSERTION:
                previous = None
                continue
            if previous is not None and _continues(previous, piece):
                runs[-1] = runs[-1][0], piece.end
            else:
                runs.append((piece.start, piece.end))
            previous = piece
        return [run for run in runs if run[0] < run[1]]

    def _has_insertion(self, start: int, end: int) -> bool:
        if self._pieces is None:
            return False
        return any(piece.kind == _INSERTION for piece in self._pieces.within(start, end))

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        text = self.text[start:end]
        stripped = text.lstrip()
        start += len(text) - len(stripped)
        return start, start + len(stripped.rstrip())

    def _source_range(self, start: int, end: int) -> tuple[int, int]:
        """The source of a range that has a contiguous source."""
        if self._pieces is None:
            return start, end
        return self._pieces.at(start).source_start, self._pieces.at(end - 1).source_end


class MappedTextBuilder:
    """Derives a text from a base, piece by piece.

    Offsets are offsets in the text of the base. The result maps to the source of the base, so maps
    compose. Pieces that follow one another in the source are one slice: "Q", "&" for "&amp;" and
    "A" have the slice "Q&amp;A".
    """

    def __init__(self, base: MappedText | str) -> None:
        self._base = base if isinstance(base, MappedText) else MappedText.of(base)
        self._parts: list[str] = []
        self._length = 0
        self._pieces = _Pieces()

    def __len__(self) -> int:
        """Length of the text built so far."""
        return self._length

    def copy(self, start: int, end: int) -> None:
        """Append a part of the base as it is."""
        if start >= end:
            return
        self._copy_from(self._base, start, end)

    def replace(self, text: str, start: int, end: int) -> None:
        """Append a text that stands for a part of the base, such as an entity or a run of spaces.

        Every slice that holds some of the text holds the whole part of the base. White space for
        a part that has no contiguous source is an insertion.
        """
        base = self._base
        if base._pieces is None and start < end:
            self._pieces.add(_REPLACEMENT, self._length, start, end)
            self._append(text)
            return
        ranges = [base._source_range(*run) for run in base._runs(start, end)]
        is_broken = len(ranges) != 1 or base._has_insertion(start, end)
        if not ranges or (is_broken and not text.strip()):
            self.insert(text)
            return
        self._pieces.add(_REPLACEMENT, self._length, *ranges[0])
        self._append(text)
        for source_range in ranges[1:]:
            self.insert("")
            self._pieces.add(_REPLACEMENT, self._length, *source_range)

    def insert(self, text: str) -> None:
        """Append a separator that is not in the source. No slice runs across it."""
        self._pieces.add(_INSERTION, self._length, 0, 0)
        self._append(text)

    def append(self, text: MappedText) -> None:
        """Append a text with the same source."""
        self._copy_from(text, 0, len(text.text))

    def build(self) -> MappedText:
        """The text of all pieces."""
        return MappedText("".join(self._parts), self._base.source, self._pieces)

    def _copy_from(self, text: MappedText, start: int, end: int) -> None:
        if text._pieces is None:
            self._pieces.add(_COPY, self._length, start, end)
        else:
            offset = self._length - start
            for piece in text._pieces.within(start, end):
                self._pieces.add(
                    piece.kind, piece.start + offset, piece.source_start, piece.source_end
                )
        self._append(text.text[start:end])

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def _continues(previous: _Piece, piece: _Piece) -> bool:
    """The piece follows in the source, or is another part of the same replacement."""
    if piece.source_start == previous.source_end:
        return True
    return (
        piece.kind == previous.kind == _REPLACEMENT
        and piece.source_start == previous.source_start
        and piece.source_end == previous.source_end
    )
