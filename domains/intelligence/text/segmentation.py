"""Sentences of a text, each with its offsets, its speaker and its times.

The work grows linearly with the text.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from domains.intelligence.findings import Profile
from domains.intelligence.text.blocks import Block, blocks
from domains.intelligence.text.labels import Section
from domains.intelligence.text.sentence_borders import sentence_spans


class Sentence(Struct, frozen=True):
    """A readable unit of the document: `document.text[start:end] == text`.

    `turn` numbers the stretch of speech or the text block; `section` says that the author put the
    sentence under a heading such as "Cons".
    """

    text: str
    start: int
    end: int
    speaker: str | None
    start_time: float | None
    end_time: float | None
    turn: int
    section: Section


def sentences(text: str, profile: Profile) -> list[Sentence]:
    """Return the sentences of a text that has lines, in order; none overlap and none is blank."""
    return [
        sentence
        for number, block in enumerate(blocks(text, profile))
        for sentence in sentences_of(text, block, number)
    ]


def sentences_of(text: str, block: Block, turn: int) -> Iterator[Sentence]:
    """Iterate over the sentences of a block."""
    for start, end in sentence_spans(text, block.start, block.end):
        yield Sentence(
            text=text[start:end],
            start=start,
            end=end,
            speaker=block.speaker,
            start_time=block.start_time,
            end_time=block.end_time,
            turn=turn,
            section=block.section,
        )


def spoken(turns: Sequence[tuple[str, str]]) -> list[Sentence]:
    """Return the sentences of turns that are (speaker, text), in order.

    Offsets are into the texts joined by line feeds; `turn` is the index of the turn.
    """
    text = "\n".join(said for _, said in turns)
    found: list[Sentence] = []
    at = 0
    for number, (speaker, said) in enumerate(turns):
        found += sentences_of(text, Block(at, at + len(said), speaker), number)
        at += len(said) + 1
    return found
