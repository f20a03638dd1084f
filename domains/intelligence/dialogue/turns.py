"""A conversation for the engine: its turns, their sentences, and the side of each speaker."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from domains.intelligence.findings import Audience
from domains.intelligence.text.segmentation import Sentence, spoken


class Turn(Struct, frozen=True):
    """Something said by one speaker. Times are in seconds.

    `ours`: the speaker is one of the workspace's own people.
    """

    speaker: str
    text: str
    ours: bool = False
    start_time: float | None = None
    end_time: float | None = None


class Said(Struct, frozen=True):
    """A sentence of a turn: `turns[turn].text[start:end] == text`."""

    text: str
    turn: int
    start: int
    end: int
    speaker: str
    ours: bool


class Talk:
    """A conversation: its turns, sentences and speakers."""

    def __init__(self, turns: Sequence[Turn], audience: Audience) -> None:
        self.turns: Final = tuple(turns)
        self.audience: Final = audience
        self.text: Final = "\n".join(each.text for each in turns)
        self.sentences: Final = spoken([(each.speaker, each.text) for each in turns])
        starts = _starts(turns)
        self.said: Final = tuple(_said(each, starts, self.turns) for each in self.sentences)
        self.speakers: Final = tuple(dict.fromkeys(each.speaker for each in turns))
        self._ours = frozenset(each.speaker for each in turns if each.ours)

    def addressed(self, said: Said) -> str | None:
        """Return the person addressed: by name, or as the only other one. None if unclear."""
        others = [name for name in self.speakers if name != said.speaker]
        named = [(at, name) for name in others if (at := _called(name, said.text)) is not None]
        if named:
            return min(named)[1]
        across = [name for name in others if (name in self._ours) != said.ours]
        for some in (others, across):
            if len(some) == 1:
                return some[0]
        return None


def _starts(turns: Sequence[Turn]) -> list[int]:
    starts, at = [], 0
    for turn in turns:
        starts.append(at)
        at += len(turn.text) + 1
    return starts


def _said(sentence: Sentence, starts: Sequence[int], turns: Sequence[Turn]) -> Said:
    at = starts[sentence.turn]
    turn = turns[sentence.turn]
    return Said(
        text=sentence.text,
        turn=sentence.turn,
        start=sentence.start - at,
        end=sentence.end - at,
        speaker=turn.speaker,
        ours=turn.ours,
    )


def _called(name: str, text: str) -> int | None:
    """Offset at which somebody is called by full or first name, as in "Ana, could you"."""
    for each in (name, next(iter(name.split()), "")):
        at = text.find(each) if len(each) > 2 else -1
        alone = at == 0 or (at > 0 and text[:at].rstrip()[-1:] in ",.!?;")
        if alone and text[at + len(each) : at + len(each) + 1] in (",", "?", ".", "!"):
            return at
    return None
