"""Marks at the beginning of a line: who speaks, and when.

Understood are "Ana: ...", "[00:12:31] Ana: ...", "Ana (Acme) 12:31", "[Ana] 12:31", "00:12:31 Ana",
"Ana" and "12:31" above the text, "12.03.2026, 10:05 - Ana: ...", "12:31 | Ana", and
"10:05:11 From Ana to Everyone:". Times are in seconds.
"""

import re
from collections import Counter
from itertools import pairwise
from typing import Final, NamedTuple, Protocol, TypeVar

from domains.intelligence.findings import Profile
from domains.intelligence.text import comment_heads, labels

Span = tuple[int, int]

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
# Longest line that is a name, in characters.
_LONGEST_NAME: Final = 60

# A recording does not begin this late, in seconds: such times are times of day.
_TIME_OF_DAY: Final = 6 * 3600
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR


class Mark(NamedTuple):
    """The speaker and time that a line begins with, and the offset of the text behind them."""

    speaker: str | None
    time: float | None
    end: int


def mark_of(
    text: str, start: int, end: int, speakers: frozenset[str], profile: Profile
) -> Mark | None:
    """Return the mark that a line begins with. `speakers` are the labels that mark speakers."""
    last = min(end, start + labels.LONGEST)
    stamp = _STAMP.match(text, start, last)
    if stamp:
        return _mark_after_time(text, end, stamp, speakers, profile)
    named = _LABEL_STAMP.match(text, start, last)
    if named:
        name = (named[1] or named[2]).replace("**", "").strip()
        # A line with nothing but a handle, a date and a time.
        is_handle = named.end() >= end and " " not in name and bool(named[3] or named[5])
        if is_handle or labels.is_name(name):
            return Mark(name, _time_of(named, 3), named.end())
    label = labels.match(text, start, end)
    if label and label.name in speakers:
        return Mark(label.name, None, label.end)
    return None


def _mark_after_time(
    text: str, end: int, stamp: re.Match[str], speakers: frozenset[str], profile: Profile
) -> Mark | None:
    time = _time_of(stamp, 1)
    rest = stamp.end()
    chat = _CHAT_LABEL.match(text, rest, min(end, rest + labels.LONGEST))
    if chat and (chat[3] is None or labels.is_name(chat[3])):
        return Mark((chat[1] or chat[2] or chat[3]).strip(), time, chat.end())
    label = labels.match(text, rest, end)
    if label and labels.is_name(label.name):
        return Mark(label.name, time, label.end)
    if rest < end and end - rest <= _LONGEST_NAME and labels.is_name(text[rest:end].strip()):
        return Mark(text[rest:end].strip(), time, end)
    is_bracketed = stamp[2] is not None
    # In a labelled text, "10:30 is when it fails" is a sentence.
    if is_bracketed or (profile == "transcript" and (rest >= end or not speakers)):
        return Mark(None, time, rest)
    return None


def _time_of(found: re.Match[str], group: int) -> float:
    """Seconds of the date and clock in this group and the next, or in the two behind them.

    Behind a date, 10:05 is a time of day.
    """
    date, clock = found.group(*((group, group + 1) if found[group + 1] else (group + 2, group + 3)))
    return seconds(f"{clock}:00" if date and re.fullmatch(r"\d+:\d+", clock) else clock)


def like_previous(time: float | None, previous: float | None) -> float | None:
    """Read "9:42" behind "9:41 AM" as hours and minutes too."""
    if time is None or previous is None or time >= _HOUR or previous < _TIME_OF_DAY:
        return time
    return next((each for each in (time * 60, time * 60 + _DAY / 2) if each >= previous), time)


def time_heads(text: str, lines: list[Span]) -> dict[int, Mark]:
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
        start: Mark(name, time, end)
        for line, below, name, time in pairs
        if names[name] > 1 or len(pairs) == times
        for start, end in (line, below)
    }


def thread_heads(text: str, lines: list[Span]) -> dict[int, Mark]:
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
    return {start: Mark(heads[start], None, end) for start, end in lines if start in heads}


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
