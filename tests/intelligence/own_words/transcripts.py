"""One call in the notations of many programs."""

from typing import Final, NamedTuple

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Insight, Profile


class Line(NamedTuple):
    """A statement of a call. Times are in seconds."""

    speaker: str
    text: str
    start: float
    end: float


CALL: Final = (
    Line("Mira Kohl", "The invoice import is really slow, and it fails every Monday.", 5.5, 9.5),
    Line("Tom Vend", "Thank you, that is good to know.", 10.0, 12.0),
    Line("Mira Kohl", "We would love an option to import credit notes.", 13.25, 17.0),
)
PAIN, REQUEST = CALL[0], CALL[2]


def insights(text: str, profile: Profile = "transcript") -> tuple[Insight, ...]:
    """The insights of a text, after a check that all quotes are exact slices."""
    found = analyse(Document(text=text, profile=profile)).insights
    for insight in found:
        for quote in insight.quotes:
            assert text[quote.start : quote.end] == quote.text
    return found


def evidence(text: str) -> list[tuple[str | None, float | None, str]]:
    """Speaker, start and text of each quote, with white space made single."""
    return [
        (quote.speaker, quote.start_time, " ".join(quote.text.split()))
        for insight in insights(text)
        for quote in insight.quotes
    ]


def pieces(text: str, words: int) -> list[str]:
    """Cut a text after every `words` words."""
    all_words = text.split(" ")
    return [" ".join(all_words[at : at + words]) for at in range(0, len(all_words), words)]
