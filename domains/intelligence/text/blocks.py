"""Blocks of a text: turns of speech, captions and paragraphs, each with speaker and times.

Understood are lines such as "Ana: ...", "[00:12:31] Ana: ...", "Ana (Acme) 12:31", "[Ana] 12:31",
"00:12:31 Ana" or "Ana" and "12:31" above the text, "12.03.2026, 10:05 - Ana: ...", "12:31 | Ana",
"10:05:11 From Ana to Everyone:", bullet lists, Markdown headings,
header lines of tickets and plain paragraphs. Captions have a module of their own.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from domains.intelligence.findings import Profile
from domains.intelligence.text import comment_heads, labels
from domains.intelligence.text.labels import Section

Span = tuple[int, int]


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


# A clock such as 02:03, 01:02:03.500 or 10:05 AM.
CLOCK: Final = r"(?:\d{1,2}:)?\d{1,3}:\d{2}(?:[.,]\d{1,3})?"
_TIME: Final = rf"{CLOCK}(?:[ \u202f]?[AaPp]\.?[Mm]\b\.?)?"
_DATE: Final = (
    r"(\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?[ T\u202f]"
    r"|(?:[Tt]oday|[Yy]esterday|[Hh]eute|[Gg]estern)(?:,| at| um)? )?"
)
# Chat programs put marks of direction before a time.
_STAMP: Final = re.compile(
    rf"[\s\u200e\u200f\ufeff]*(?:[\[(]{_DATE}({_TIME})[\])]|{_DATE}({_TIME})(?=\s|$))\s*"
    r"(?:[-–—:|·•]\s+)?"
)
# Behind a time: "From Ana Ruiz to Everyone:", a phone number, or the cell of a table.
_CHAT_LABEL: Final = re.compile(
    rf"From\s{{1,3}}({labels.NAME})(?:\s+to\s+[^:\n]{{1,80}})?\s*:(?:\s+|$)"
    rf"|(\+?\d[\d\s().-]{{6,20}}):\s+|({labels.NAME})\s*\|\s+(?=\S)"
)
_LABEL_STAMP: Final = re.compile(
    rf"\s*(?:\[({labels.NAME})\]|\*{{0,2}}({labels.NAME})\*{{0,2}})\s*(?:[|·•,–—-]\s*)?"
    rf"(?:[\[(]{_DATE}({_TIME})[\])]\s*:?|(?<=[\s\]|·•,–—-]){_DATE}({_TIME})\s*(?::\s|$))\s*"
)
_INLINE_LABEL: Final = re.compile(
    r"(?<![^\s.!?…\"”)])([A-Z][\w'’-]{0,20}(?: [A-Z][\w'’-]{0,20}){0,2}):(?=\s)"
)
_BULLET: Final = re.compile(r"\s*(?:[-*•‣◦–>]+|(?:\*\*)?\d{1,3}[.)]|\[[ xX]\])\s+")
# A line across the page, or an item of a checklist in a form.
_RULE: Final = re.compile(r"\s*(?:[-_=*~#]{3,}|[-*]\s+\[[ xX]\]\s.*)$")
_HEADING: Final = re.compile(r"\s*(?:#{1,6}|h[1-6]\.)\s+")

# Longest lines, in characters, that are a heading or a name.
_LONGEST_HEADING: Final = 100
_LONGEST_NAME: Final = 60

# A recording does not begin this late, in seconds: such times are times of day.
_TIME_OF_DAY: Final = 6 * 3600
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


def blocks(text: str, profile: Profile) -> list[Block]:
    """Return the blocks of a text that has lines, in order; none overlap."""
    lines = split_lines(text)
    if profile in ("transcript", "support_ticket"):
        lines = _split_inline_labels(text, lines)
    speakers = speaker_labels(text, lines, profile)
    heads = _time_heads(text, lines)
    if profile != "transcript":
        heads |= _thread_heads(text, lines)
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


def seconds(clock: str) -> float:
    """Seconds of "01:02:03.500", "02:03" or "1:05 PM"."""
    total = 0.0
    digits = clock.rstrip("AaPpMm. \u202f")
    for part in digits.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    if len(digits) < len(clock):
        # A time of day with hours and minutes.
        hours, rest = divmod(total * 60 if digits.count(":") == 1 else total, 3600)
        total = (hours % 12 + 12 * ("p" in clock.lower())) * 3600 + rest
    return round(total, 3)


class Timed(Protocol):
    """Something with times in seconds."""

    start_time: float | None
    end_time: float | None


T = TypeVar("T", bound=Timed)


def with_end_times(some: list[T]) -> list[T]:
    """Set each missing end to the next start. Times of day are counted from the first one.

    Changes the items and returns them.
    """
    _count_from_first(some)
    following: float | None = None
    for block in reversed(some):
        if block.start_time is None:
            continue
        if block.end_time is None and following is not None and following > block.start_time:
            block.end_time = following
        if following is None or block.start_time != following:
            following = block.start_time
    # Blocks of one turn share its start, so the first pass left only the last one with an end.
    for earlier, later in zip(reversed(some[:-1]), reversed(some[1:]), strict=True):
        if earlier.end_time is None and earlier.start_time == later.start_time:
            earlier.end_time = later.end_time
    return some


def _count_from_first(some: list[T]) -> None:
    """Replace times of day by seconds since the first one.

    A time that goes back by over an hour is one of the next day.
    """
    starts = [block.start_time for block in some if block.start_time is not None]
    late = sum(start >= _TIME_OF_DAY for start in starts)
    if not starts or starts[0] < _TIME_OF_DAY or 2 * late <= len(starts):
        return
    offset = previous = starts[0]
    for block in some:
        if block.start_time is None:
            continue
        if previous - block.start_time > _HOUR:
            offset -= _DAY
        previous = block.start_time
        block.start_time = max(0.0, round(block.start_time - offset, 3))
        if block.end_time is not None:
            block.end_time = max(0.0, round(block.end_time - offset, 3))


class _Mark(NamedTuple):
    """The speaker and time that a line begins with, and the offset of the text behind them."""

    speaker: str | None
    time: float | None
    end: int


def _time_heads(text: str, lines: list[Span]) -> dict[int, _Mark]:
    """Return the marks of names on a line of their own with a time on the next, by line start.

    Such a name recurs, or has a blank line above it, or all times on lines of their own have one.
    """
    pairs: list[tuple[Span, Span, str, float]] = []
    names: Counter[str] = Counter()
    times = 0
    above: Span = (0, 0)
    for line, below in pairwise(lines):
        stamp = _STAMP.match(text, below[0], min(below[1], below[0] + labels.LONGEST))
        if stamp and stamp.end() >= below[1]:
            times += 1
            name = text[slice(*line)].strip(" \t*_") if line[1] - line[0] <= _LONGEST_NAME else ""
            if labels.is_name(name) and not labels.is_header(name):
                pairs.append((line, below, name, _time_of(stamp, 1)))
                names[name] += 1 + (above[0] == above[1])
        above = line
    return {
        start: _Mark(name, time, end)
        for line, below, name, time in pairs
        if names[name] > 1 or len(pairs) == times
        for start, end in (line, below)
    }


def _thread_heads(text: str, lines: list[Span]) -> dict[int, _Mark]:
    """Return the authors of the parts of a thread, by the start of the line that names them."""
    heads = {
        start: name
        for start, end in lines
        if start < end and (name := comment_heads.author(text, start, end)) is not None
    }
    senders = {
        start: name
        for start, end in lines
        if text.find(":", start, end) >= 0
        and (name := comment_heads.sender(text, start, end)) is not None
    }
    if len(senders) > 1:
        heads |= senders
    return {start: _Mark(heads[start], None, end) for start, end in lines if start in heads}


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
    heads: dict[int, _Mark],
) -> Iterator[Block]:
    block: Block | None = None
    speaker: str | None = None
    time: float | None = None
    section: Section = ""
    section_lasts = True
    last_line = 0
    is_marked = False
    # The time on a line of its own, for the label below it.
    time_above: float | None = None
    last_time: float | None = None
    for line_start, end in lines:
        start = line_start
        if start == end or _RULE.match(text, start, end):
            if block:
                yield block
            block = None
            continue
        mark = heads.get(start) or _mark(text, start, end, speakers, profile)
        is_time_only = mark is not None and mark.speaker is None and mark.end >= end
        if mark:
            speaker = speaker if is_time_only else mark.speaker
            time = time_above if mark.time is None else _like_previous(mark.time, last_time)
            last_time = last_time if time is None else time
            start = mark.end
            section = ""
            is_marked = True
        time_above = time if is_time_only else None
        body, opened, skipped = _strip_marker(text, start, end, speakers)
        if opened is not None:
            section = opened
            section_lasts = body >= end
        elif not section_lasts and body == start:
            section = ""
        starts_block = (
            mark is not None
            or body != start
            or block is None
            or (last_line < 60 and not text[body : body + 1].islower())
        )
        last_line = end - start
        if block and (starts_block or skipped):
            yield block
            block = None
        if skipped or body >= end:
            continue
        if block:
            block.end = end
        else:
            block = Block(body, end, speaker, time, None, section, is_marked)
            is_marked = False
    if block:
        yield block


def _mark(
    text: str, start: int, end: int, speakers: frozenset[str], profile: Profile
) -> _Mark | None:
    last = min(end, start + labels.LONGEST)
    stamp = _STAMP.match(text, start, last)
    if stamp:
        return _mark_after_time(text, end, stamp, profile)
    named = _LABEL_STAMP.match(text, start, last)
    if named:
        name = (named[1] or named[2]).replace("**", "").strip()
        # A line with nothing but a handle, a date and a time.
        is_handle = named.end() >= end and " " not in name and bool(named[3] or named[5])
        if is_handle or labels.is_name(name):
            return _Mark(name, _time_of(named, 3), named.end())
    label = labels.match(text, start, end)
    if label and label.name in speakers:
        return _Mark(label.name, None, label.end)
    return None


def _mark_after_time(text: str, end: int, stamp: re.Match[str], profile: Profile) -> _Mark | None:
    time = _time_of(stamp, 1)
    rest = stamp.end()
    chat = _CHAT_LABEL.match(text, rest, min(end, rest + labels.LONGEST))
    if chat and (chat[3] is None or labels.is_name(chat[3])):
        return _Mark((chat[1] or chat[2] or chat[3]).strip(), time, chat.end())
    label = labels.match(text, rest, end)
    if label and labels.is_name(label.name):
        return _Mark(label.name, time, label.end)
    if rest < end and end - rest <= _LONGEST_NAME and labels.is_name(text[rest:end].strip()):
        return _Mark(text[rest:end].strip(), time, end)
    is_bracketed = stamp[2] is not None
    if is_bracketed or profile == "transcript":
        return _Mark(None, time, rest)
    return None


def _time_of(found: re.Match[str], group: int) -> float:
    """Seconds of the date and clock in this group and the next, or in the two behind them.

    Behind a date, 10:05 is a time of day.
    """
    date, clock = found.group(*((group, group + 1) if found[group + 1] else (group + 2, group + 3)))
    return seconds(f"{clock}:00" if date and re.fullmatch(r"\d+:\d+", clock) else clock)


def _like_previous(time: float | None, previous: float | None) -> float | None:
    """Read "9:42" behind "9:41 AM" as hours and minutes too."""
    if time is None or previous is None or time >= _HOUR or previous < _TIME_OF_DAY:
        return time
    return next((each for each in (time * 60, time * 60 + _DAY / 2) if each >= previous), time)


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
