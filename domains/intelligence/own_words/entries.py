"""Entries of a conversation as they were recorded: captions, lines or objects of a JSON file."""

from msgspec import Struct

from domains.intelligence.text.labels import Section
from domains.kernel.core.mapped_text import MappedText


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
