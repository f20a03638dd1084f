"""Quoted history of mails: attributions, quote marks, heads of mails, marks of help desks.

A reply that quotes below or above its own words, or answers between quoted lines, keeps its own
words. A mail that only passes another one on keeps the words of that mail, as it has no others.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from domains.intelligence.own_words.mail import signatures
from domains.intelligence.own_words.mail.lines import Line, without_prefix
from domains.intelligence.own_words.mail.openings import (
    Opening,
    OpeningKind,
    find_attributions,
    find_opening,
    next_text,
    quote_marks,
)
from domains.intelligence.own_words.phrases.mail import COVER_NOTE, REPLY_NOTE
from domains.intelligence.text.marks import Span

_SHORT_NOTE: Final = 80  # characters that a note above a forwarded mail may have
_LONGEST_NOTE: Final = 600
_UNQUOTE_LEVELS: Final = 3
_LONG_QUOTED_LINE: Final = 60  # characters from which a program wraps quoted lines

_NUMBER: Final = re.compile(r"\W*\d")
_DIGIT: Final = re.compile(r"\d")
_LETTER: Final = re.compile(r"[^\W\d_]")


class Segment(NamedTuple):
    """Own lines between two stretches of quoted text; `ends_part` if a mail could end there."""

    lines: list[Line]
    ends_part: bool


class Quoted(NamedTuple):
    """Spans of quoted text, and the writer's own lines around them."""

    spans: list[Span]
    segments: list[Segment]


def find_quoted(lines: Sequence[Line]) -> Quoted:
    """Separate quoted mail from the writer's own lines."""
    prefixes: list[Span] = []
    found = _Scanner(lines).run()
    for _ in range(_UNQUOTE_LEVELS):
        own = any(_LETTER.search(line.text) for part in found.segments for line in part.lines)
        if own or not any(quote_marks(line.text) for line in lines):
            break
        lines = _unquoted(lines, prefixes)
        found = _Scanner(lines).run()
    return Quoted(prefixes + found.spans, found.segments)


class _Scanner:
    """One pass over the lines of a mail."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = list(lines)
        self._spans: list[Span] = []
        self._segments: list[Segment] = []
        self._own: list[Line] = []
        self._note: list[Line] = []
        self._has_quotes = False
        self.find_attributions = find_attributions(self._lines)

    def run(self) -> Quoted:
        index = 0
        while index < len(self._lines):
            line = self._lines[index]
            end = _end_of_quote(self._lines, index)
            if end > index:
                self._close(ends_part=False)
                self._has_quotes = True
                self._spans.append((line.start, self._lines[end - 1].end))
                index = end
            elif opening := self._opening(index):
                index = self._open(opening)
            else:
                self._own.append(line)
                index += 1
        self._close(ends_part=True)
        return Quoted(self._spans, self._segments)

    def _close(self, *, ends_part: bool) -> None:
        """End the current stretch of own lines."""
        own, self._own = self._own, []
        if any(line.text for line in own):
            self._segments.append(Segment(own, ends_part))
            self._note += own
        elif ends_part and self._segments:
            self._segments[-1] = self._segments[-1]._replace(ends_part=True)

    def _opening(self, index: int) -> Opening | None:
        if index in self.find_attributions:
            return Opening("attribution", index, self.find_attributions[index] + 1)
        return find_opening(self._lines, index)

    def _open(self, opening: Opening) -> int:
        """Handle an opening; the index of the next line to look at."""
        lines = self._lines
        first, following = lines[opening.start], next_text(lines, opening.end)
        quoted = following < len(lines) and quote_marks(lines[following].text) > 0
        self._close(ends_part=True)
        passes_on = self._passes_on(opening.kind) or _is_ticket_title(lines, opening.start)
        if (not quoted or opening.kind == "forward") and passes_on:
            self._note = []
            self._has_quotes = False
            for index in range(opening.start, opening.end):
                if index != opening.subject:
                    self._spans.append((lines[index].start, lines[index].end))
            if quoted:
                end = _end_of_quote(lines, following, unsure=True)
                lines[following:end] = _unquoted(lines[following:end], self._spans)
            return following
        if quoted:
            self._spans.append((first.start, lines[opening.end - 1].end))
            end = _end_of_quote(lines, following, unsure=True)
            self._spans.append((lines[following].start, lines[end - 1].end))
            self._has_quotes = True
            return end
        self._spans.append((first.start, lines[-1].end))
        return len(lines)

    def _passes_on(self, kind: OpeningKind) -> bool:
        """True if the words above the opening only forward the mail below it."""
        if self._has_quotes:
            return False
        if kind == "attribution":
            return not any(_LETTER.search(line.text) for line in self._note)
        note = " ".join(line.text for line in signatures.without_signature(self._note)).strip()
        if kind == "forward":
            return len(note) <= _SHORT_NOTE or (
                len(note) <= _LONGEST_NOTE and COVER_NOTE.search(note) is not None
            )
        if any(REPLY_NOTE.search(line.text) for line in self._note):
            return False
        if not _LETTER.search(note):
            return True
        return kind != "above" and len(note) <= _SHORT_NOTE and COVER_NOTE.search(note) is not None


def _is_ticket_title(lines: Sequence[Line], head: int) -> bool:
    """True for one line with a number directly above a head, as help desks export tickets."""
    if head != 1 or not 0 < len(lines[0].text) <= _SHORT_NOTE:
        return False
    return _DIGIT.search(lines[0].text) is not None and lines[0].text[-1] not in ".!?:,"


def _end_of_quote(lines: Sequence[Line], index: int, *, unsure: bool = False) -> int:
    """Index behind the quoted lines that begin at `index`; `index` if none do.

    A single line such as "> 500 rows fail" or "| note" is taken as quoted only if `unsure` is set.
    """
    end = index
    while end < len(lines):
        text = lines[end].text
        if not quote_marks(text) and not (end > index and _is_wrapped_rest(lines, end)):
            break
        end += 1
    if end == index + 1 and not unsure:
        text = lines[index].text
        if text.startswith("|") or _NUMBER.match(text):
            return index
    return end


def _is_wrapped_rest(lines: Sequence[Line], index: int) -> bool:
    """True if the line is the wrapped end of a long quoted line, without its own mark."""
    before, text = lines[index - 1].text, lines[index].text
    return (
        index + 1 < len(lines)
        and bool(text)
        and len(before) >= _LONG_QUOTED_LINE
        and len(text) < _LONG_QUOTED_LINE // 2
        and before[-1] not in ".?!:"
        and not text[0].isupper()
        and quote_marks(before) > 0
        and quote_marks(lines[index + 1].text) > 0
    )


def _unquoted(lines: Sequence[Line], prefixes: list[Span]) -> list[Line]:
    """The lines without their outer quote mark, whose span is added to `prefixes`."""
    found = []
    for line in lines:
        if quote_marks(line.text):
            bare = without_prefix(line, 1)
            prefixes.append((line.start, bare.body))
            found.append(bare)
        else:
            found.append(line)
    return found
