"""Blocks of a text: turns of speech, captions and paragraphs, each with speaker and times.

Understood are lines with marks, bullet lists, Markdown headings, header lines of tickets and plain
paragraphs. Captions have a module of their own.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from domains.intelligence.findings import Profile
from domains.intelligence.text import comment_heads, labels
from domains.intelligence.text.labels import Section
from domains.intelligence.text.marks import (
    Mark,
    Span,
    like_previous,
    mark_of,
    thread_heads,
    time_heads,
    with_end_times,
)


class Block(Struct):
    """A stretch of text: `text[start:end]`, by one speaker. Times are in seconds.

    `is_marked`: the block begins with a speaker's label or a time of its own.
    """

    start: int
    end: int
    speaker: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    section: Section = ""
    is_marked: bool = False


_INLINE_LABEL: Final = re.compile(
    r"(?<![^\s.!?…\"”)])([A-Z][\w'’-]{0,20}(?: [A-Z][\w'’-]{0,20}){0,2}):(?=\s)"
)
_BULLET: Final = re.compile(r"\s*(?:[-*•‣◦–>]+|(?:\*\*)?\d{1,3}[.)]|\[[ xX]\])\s+")
# A line across the page, or an item of a checklist in a form.
_RULE: Final = re.compile(r"\s*(?:[-_=*~#]{3,}|[-*]\s+\[[ xX]\]\s.*)$")
_HEADING: Final = re.compile(r"\s*(?:#{1,6}|h[1-6]\.)\s+")

# A line that is shorter, in characters, was not wrapped.
_SHORT_LINE: Final = 60
# Longest line that is a heading, in characters.
_LONGEST_HEADING: Final = 100


def blocks(text: str, profile: Profile) -> list[Block]:
    """Return the blocks of a text that has lines, in order; none overlap."""
    lines = split_lines(text)
    if profile in ("transcript", "support_ticket"):
        lines = _split_inline_labels(text, lines)
    speakers = speaker_labels(text, lines, profile)
    heads = time_heads(text, lines)
    if profile != "transcript":
        heads |= thread_heads(text, lines)
    return with_end_times(list(_line_blocks(text, lines, speakers, profile, heads)))


def split_lines(text: str) -> list[Span]:
    """Return the spans of all lines, without white space at their ends."""
    spans = []
    offset = 0
    for line in text.splitlines(keepends=True):
        spans.append((offset, offset + len(line.rstrip())))
        offset += len(line)
    return spans


def speaker_labels(text: str, lines: list[Span], profile: Profile) -> frozenset[str]:
    """Return the labels "Name:" that mark speakers.

    A label that occurs once counts in a transcript if most lines are labelled, or at least two
    other speakers recur, and if it can only be a person's name.
    """
    counts: Counter[str] = Counter()
    with_text: set[str] = set()
    filled = 0
    for start, end in lines:
        filled += start < end
        label = labels.match(text, start, end)
        if label and not labels.is_header(label.name):
            counts[label.name] += 1
            if label.end < end:
                with_text.add(label.name)
    recurring = {name for name, count in counts.items() if count > 1}
    capital = {name for name in counts if labels.is_name(name)}
    if profile != "transcript":
        is_dialogue = len(capital) > 1 and (
            len(recurring & capital) > 1 or profile == "support_ticket"
        )
        return frozenset(
            name for name in capital if labels.is_role(name) or (name in recurring and is_dialogue)
        )
    labelled = sum(counts[name] for name in capital)
    once = capital & with_text if 2 * labelled >= filled else set()
    if len(recurring & capital) > 1:
        once |= {name for name in capital & with_text if labels.is_personal(name)}
    lower = {name for name in recurring - capital if labels.is_lower_name(name)}
    if len(lower | (recurring & capital)) < 2:
        lower = set()
    return frozenset(
        {name for name in capital if labels.is_role(name)} | (recurring & capital) | once | lower
    )


def thread_bodies(text: str) -> list[Span]:
    """Return the spans of the mails of an exported thread without their heads; else nothing.

    Such a text begins with the head of a mail, and has the heads of others.
    """
    heads: list[int] = []
    bodies: list[int] = []
    in_head = follows_blank = True
    for start, end in split_lines(text):
        if start == end:
            follows_blank = True
            continue
        if comment_heads.sender(text, start, end) is not None and (in_head or follows_blank):
            heads.append(start)
            in_head = True
        label = labels.match(text, start, end)
        if in_head and (label is None or labels.header_kind(label.name) is None):
            if not heads:
                return []
            bodies.append(start)
            in_head = False
        follows_blank = False
    return list(zip(bodies, [*heads[1:], len(text)], strict=False)) if len(bodies) > 1 else []


def _line_blocks(
    text: str,
    lines: list[Span],
    speakers: frozenset[str],
    profile: Profile,
    heads: dict[int, Mark],
) -> Iterator[Block]:
    reader = _LineReader(text, speakers)
    for start, end in lines:
        if start == end or _RULE.match(text, start, end):
            yield from reader.end_block()
        else:
            mark = heads.get(start) or mark_of(text, start, end, speakers, profile)
            yield from reader.read(start, end, mark)
    yield from reader.end_block()


class _LineReader:
    """Joins lines into blocks. Speaker, time and section hold until a line changes them."""

    def __init__(self, text: str, speakers: frozenset[str]) -> None:
        self._text = text
        self._speakers = speakers
        self._block: Block | None = None
        self._speaker: str | None = None
        self._time: float | None = None
        self._section: Section = ""
        # False: the section is that of one line, such as "Cons: slow".
        self._section_lasts = True
        # The next block begins with a mark.
        self._is_marked = False
        # The time on a line of its own, for the label below it.
        self._time_above: float | None = None
        self._last_time: float | None = None
        self._last_length = 0

    def read(self, line_start: int, end: int, mark: Mark | None) -> Iterator[Block]:
        """Read a line that is not blank. Iterate over the block that it ends, if any."""
        start = line_start if mark is None else mark.end
        self._read_mark(mark, end)
        body, opened, skipped = _strip_marker(self._text, start, end, self._speakers)
        if opened is not None:
            self._section = opened
            self._section_lasts = body >= end
        elif not self._section_lasts and body == start:
            self._section = ""
        follows_short = self._last_length < _SHORT_LINE
        is_new_sentence = follows_short and not self._text[body : body + 1].islower()
        self._last_length = end - start
        if mark is not None or body != start or is_new_sentence or skipped:
            yield from self.end_block()
        if skipped or body >= end:
            return
        if self._block:
            self._block.end = end
            return
        self._block = Block(
            body, end, self._speaker, self._time, None, self._section, self._is_marked
        )
        self._is_marked = False

    def end_block(self) -> Iterator[Block]:
        """Close the open block. Iterate over it, if there is one."""
        if self._block:
            yield self._block
        self._block = None

    def _read_mark(self, mark: Mark | None, end: int) -> None:
        if mark is None:
            self._time_above = None
            return
        is_time_only = mark.speaker is None and mark.end >= end
        if not is_time_only:
            self._speaker = mark.speaker
        if mark.time is None:
            self._time = self._time_above
        else:
            self._time = like_previous(mark.time, self._last_time)
        self._last_time = self._last_time if self._time is None else self._time
        self._time_above = self._time if is_time_only else None
        self._section = ""
        self._is_marked = True


def _strip_marker(
    text: str, start: int, end: int, speakers: frozenset[str]
) -> tuple[int, Section | None, bool]:
    """Offset behind a bullet, heading or header; the section it opens; True to skip the line."""
    body = start
    heading = _HEADING.match(text, start, end)
    bullet = None if heading else _BULLET.match(text, start, end)
    if heading or bullet:
        body = (heading or bullet).end()  # type: ignore[union-attr]
    if end - body <= _LONGEST_HEADING:
        opened = labels.section_of(text[body:end])
        if opened is not None:
            return end, opened, True
    label = labels.match(text, body, end)
    if label and label.name not in speakers:
        opened = labels.section_of(label.name)
        if opened is not None:
            return label.end, opened, False
        if label.end >= end and labels.is_header(label.name):
            return end, "", False
        kind = labels.header_kind(label.name)
        if kind == "meta":
            return end, None, end - label.end <= 160
        if kind == "text":
            return label.end, None, False
    return body, "" if heading else None, False


def _split_inline_labels(text: str, lines: list[Span]) -> list[Span]:
    """Cut lines such as "Agent: Hello. Customer: It fails." where a repeated label begins."""
    if not any(end - start > 200 or text.count(":", start, end) > 1 for start, end in lines):
        return lines
    found = [match for match in _INLINE_LABEL.finditer(text) if not labels.is_header(match[1])]
    counts = Counter(match[1] for match in found)
    wanted = {name for name, count in counts.items() if count > 1 or labels.is_role(name)}
    if len(wanted) < 2:
        return lines
    cuts = [match.start() for match in found if match[1] in wanted]
    pieces: list[Span] = []
    at = 0
    for line_start, end in lines:
        start = line_start
        while at < len(cuts) and cuts[at] < end:
            if cuts[at] > start and not _leads(text, start, cuts[at]):
                pieces.append((start, start + len(text[start : cuts[at]].rstrip())))
                start = cuts[at]
            at += 1
        pieces.append((start, end))
    return pieces


def _leads(text: str, start: int, cut: int) -> bool:
    """True if only a time mark or an emphasis stands between the line's start and the label."""
    return cut - start <= 24 and not re.search(r"[^\W\d_]", text[start:cut])
