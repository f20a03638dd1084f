"""Entries of a conversation as they were recorded: captions, lines or objects of a JSON file."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from msgspec import Struct

from domains.intelligence.text.labels import Section
from domains.kernel.core.mapped_text import MappedText

# Slowest speech, in words per second. Slower speech has its times in milliseconds.
_MIN_RATE: Final = 0.02
# Times in this range are dates in seconds. Below are times of a call, above dates in milliseconds.
_DATES: Final = (1e9, 1e11)


class Entry(Struct):
    """A piece of speech, which may begin or end within a sentence. Times are in seconds.

    `is_continuation`: a further line of the entry before, without a label or time of its own.
    `is_separate`: never a part of the same sentence as its neighbours, such as a cell of a table.
    """

    text: MappedText
    speaker: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    section: Section = ""
    is_continuation: bool = False
    is_separate: bool = False

    @property
    def is_spoken(self) -> bool:
        """True if the entry has a speaker or a time."""
        return self.speaker is not None or self.start_time is not None


def set_seconds(entries: Iterable[Entry]) -> None:
    """Divide the times of all entries by 1,000 if they are milliseconds."""
    timed = [entry for entry in entries if entry.start_time is not None]
    starts = [entry.start_time for entry in timed if entry.start_time is not None]
    words = sum(len(entry.text.text.split()) for entry in timed)
    is_date = bool(starts) and _DATES[0] <= min(starts) < _DATES[1]
    if len(starts) < 2 or is_date or words >= _MIN_RATE * (max(starts) - min(starts)):
        return
    for entry in timed:
        entry.start_time = _divided(entry.start_time)
        entry.end_time = _divided(entry.end_time)


def days(iso_date: str | None) -> int:
    """Number of the day of a date such as "2026-03-04", or 0."""
    try:
        return date.fromisoformat(iso_date).toordinal() if iso_date else 0
    except ValueError:
        return 0


def _divided(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 3)
