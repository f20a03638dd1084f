"""Next steps of a conversation: who promised what, and by when."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from domains.intelligence.dialogue.due_dates import due_date
from domains.intelligence.dialogue.turns import Said, Talk
from domains.intelligence.heads.sentence_classifier import Classified, heads_network
from domains.intelligence.text.words import content_stems, tokens
from domains.intelligence.wording.descriptions import step

MAX_STEPS: Final = 12
_MAX_CANDIDATES: Final = 300
"""Most probable promises that are looked at. Each is compared with those before it."""
_SAME_SHARE: Final = 0.75
"""Share of common topic words from which two promises with one due date are the same."""


class PromisedStep(Struct, frozen=True):
    """Something to be done after the talk. `due` only if the words name a date."""

    text: str
    owner: str | None
    due: date | None
    said: Said


def find_steps(
    talk: Talk, classified: Classified, held_on: date | None, language: str | None
) -> list[PromisedStep]:
    """Return the next steps in the order in which they were promised, each once."""
    least = heads_network().thresholds["step"]
    likely, unlikely = classified.of("step"), classified.of("not_step")
    places = [
        place
        for place in range(len(talk.said))
        if likely[place] >= least and likely[place] > unlikely[place]
    ]
    found: list[tuple[float, PromisedStep]] = []
    for place in sorted(places, key=lambda place: -likely[place])[:_MAX_CANDIDATES]:
        said = talk.said[place]
        owner = _owner(talk, said)
        due = due_date(said.text, held_on, language) if held_on else None
        text = step(said.text, said.speaker, owner, due, language)
        found.append((float(likely[place]), PromisedStep(text, owner, due, said)))
    best = sorted(_once(found), key=lambda each: -each[0])[:MAX_STEPS]
    return [
        each for _, each in sorted(best, key=lambda pair: (pair[1].said.turn, pair[1].said.start))
    ]


def _once(found: Sequence[tuple[float, PromisedStep]]) -> list[tuple[float, PromisedStep]]:
    """Keep the more probable of two steps of one owner that say the same."""
    kept: list[tuple[float, PromisedStep, frozenset[str]]] = []
    for likely, each in sorted(found, key=lambda pair: -pair[0]):
        about = frozenset(content_stems(tokens(each.said.text)))
        if not any(_is_same(each, about, other, words) for _, other, words in kept):
            kept.append((likely, each, about))
    return [(likely, each) for likely, each, _ in kept]


def _is_same(
    one: PromisedStep, about: frozenset[str], other: PromisedStep, words: frozenset[str]
) -> bool:
    """Return True if one has all topic words of the other, or most of them and its due date."""
    if one.owner != other.owner or not about or not words:
        return False
    share = len(about & words) / min(len(about), len(words))
    is_due_together = one.due is not None and one.due == other.due
    return share >= (_SAME_SHARE if is_due_together else 1)


_YOU: Final = re.compile(
    r"(?:\W*(?:and|so|then|ok(?:ay)?|great|perfect|alright)\b,? ?)*"
    r"(?:(?:can|could|would|will) you\b|you(?:['’]ll| will|['’]re going to)\b|please\b|"
    r"(?:just )?(?:send|let|get|give|email|e-mail|forward|drop) (?:me|us|it|that|them)\b)",
    re.IGNORECASE,
)
_WILL: Final = r"(?:['’]ll|['’]s (?:going to|gonna)| will| is going to| can| to)\b"
_I_WILL: Final = re.compile(
    r"\b(?:(?:I|we)(?:['’]ll| will| can|['’](?:m|re) going to)|let me)\b", re.IGNORECASE
)


def _owner(talk: Talk, said: Said) -> str | None:
    """Return the person who is named or addressed, else the speaker."""
    text = said.text
    promise = _I_WILL.search(text)
    # In "I'll introduce Ana to the team", the speaker promises.
    before = text if promise is None else text[: promise.start()]
    for name in talk.speakers:
        for part in (name, next(iter(name.split()), "")):
            is_named = len(part) > 1 and part in before
            if is_named and re.search(rf"\b{re.escape(part)}{_WILL}", before):
                return name
            if part and text.startswith(f"{part},") and _YOU.match(text[len(part) + 1 :].lstrip()):
                return name
    addressed = talk.addressed(said) if _YOU.match(text) else None
    return addressed or said.speaker.strip() or None
