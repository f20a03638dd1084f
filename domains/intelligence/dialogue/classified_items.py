"""Items of a conversation's summary, found by the heads and shown in the speakers' own words."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np
from msgspec.structs import replace

from domains.intelligence.dialogue.turns import Said, Talk, Turn
from domains.intelligence.findings import Kind
from domains.intelligence.heads.competitors import Side, find_competitors
from domains.intelligence.heads.features import Role, word_count
from domains.intelligence.heads.needs import (
    MAX_QUOTES,
    Need,
    find_needs,
    merge_repeated,
    quoted,
    split_mixed,
    thresholds,
)
from domains.intelligence.heads.roles import hosts
from domains.intelligence.heads.sentence_classifier import Classified, Head, classify, heads_network
from domains.intelligence.insights.need_titles import item_text, need_title
from domains.intelligence.text.segmentation import Sentence

ItemHeading = Literal[
    "Pain Points",
    "Requests",
    "Praise",
    "Questions",
    "Decisions",
    "Objections",
    "Pricing",
    "Key Points",
]

_OF_NEED: Final[dict[Kind, ItemHeading]] = {
    "pain": "Pain Points",
    "request": "Requests",
    "praise": "Praise",
    "question": "Questions",
}
_OF_HEAD: Final[dict[Head, ItemHeading]] = {
    "decision": "Decisions",
    "objection": "Objections",
    "price": "Pricing",
}
_INFORMING: Final[tuple[Head, ...]] = ("need", "step", "price", "decision", "objection")
_LEAST_INFORMING: Final = 0.3
"""Probability from which a sentence may be a key point."""
_FEWEST_WORDS: Final = 5
_SENTENCES_OF_PART: Final = 12
_MAX_ITEMS: Final = 12
"""Items under a heading: those with the highest probability."""


class ClassifiedItem(NamedTuple):
    """An item under a heading, and a sentence that says so. An item may have several sentences."""

    heading: ItemHeading
    text: str
    said: Said


def classify_talk(talk: Talk) -> tuple[Talk, Classified]:
    """Classify the sentences of a conversation.

    Sides come from the speakers who are known to be the workspace's own. If nobody is, they are
    inferred from what the speakers say, and marked in the returned conversation.
    """
    classified = classify(talk.sentences, "transcript", _known_roles(talk))
    if talk.audience == "INTERNAL" or any(turn.ours for turn in talk.turns):
        return talk, classified
    ours = hosts(classified.roles)
    turns = [Turn(each.speaker, each.text, each.speaker in ours) for each in talk.turns]
    return Talk(turns, talk.audience), classified


def _known_roles(talk: Talk) -> dict[str, Role]:
    """Return the roles of all speakers, or none if nobody's side is known."""
    if talk.audience == "INTERNAL":
        return dict.fromkeys(talk.speakers, "colleague")
    ours = {turn.speaker for turn in talk.turns if turn.ours}
    if not ours and len(talk.speakers) > 1:
        return {}
    return {speaker: "vendor" if speaker in ours else "customer" for speaker in talk.speakers}


def classified_items(
    talk: Talk, classified: Classified, language: str | None
) -> list[ClassifiedItem]:
    """Return the items of each heading in the order of the conversation, at most 12 a heading.

    In an external conversation, needs and objections are those of external speakers only.
    """
    return [*_needs(talk, classified, language), *_moments(talk, classified, language)]


class NamedCompetitor(NamedTuple):
    """A competing product, the sentence that names it first, and at most five that do."""

    name: str
    text: str
    said: list[Said]


def competitors(
    talk: Talk, own_names: Collection[str], language: str | None
) -> list[NamedCompetitor]:
    """Return the competing and replaced products, at most 12, in order of their first mention."""
    has_sides = talk.audience == "EXTERNAL" and any(turn.ours for turn in talk.turns)
    sides: list[Side] = [
        ("vendor" if said.ours else "customer") if has_sides else "unknown" for said in talk.said
    ]
    found = find_competitors(talk.sentences, sides, talk.speakers, own_names, language)
    named = []
    for each in found[:_MAX_ITEMS]:
        said = [talk.said[place] for place in each.places[:MAX_QUOTES]]
        named.append(NamedCompetitor(each.name, item_text(said[0].text, language), said))
    return named


def _needs(talk: Talk, classified: Classified, language: str | None) -> list[ClassifiedItem]:
    least = thresholds("transcript")
    sentences, classified, origins = split_mixed(talk.sentences, classified, least, language)
    said = [
        _part(talk.said[origin], talk.sentences[origin], sentence)
        for origin, sentence in zip(origins, sentences, strict=True)
    ]
    by_kind: dict[Kind, list[tuple[float, Need]]] = defaultdict(list)
    for need in merge_repeated(sentences, find_needs(sentences, classified, least)):
        if _counts(talk, said[need.main]):
            by_kind[need.type].append((need.probability, need))
    items = []
    for kind, heading in _OF_NEED.items():
        for need in _most_probable(by_kind[kind]):
            # Titles cost most of the time, so only what is kept has one.
            name = need_title(sentences, classified, need, language)
            if name is not None:
                items += [ClassifiedItem(heading, name, said[place]) for place in quoted(need)]
    return items


def _part(said: Said, whole: Sentence, part: Sentence) -> Said:
    start = said.start + part.start - whole.start
    return replace(said, text=part.text, start=start, end=start + len(part.text))


def _moments(talk: Talk, classified: Classified, language: str | None) -> list[ClassifiedItem]:
    """Return decisions, objections and prices."""
    items = []
    for head, heading in _OF_HEAD.items():
        least = heads_network().thresholds[head]
        said = zip(classified.of(head).tolist(), talk.said, strict=True)
        found = [
            (probability, each)
            for probability, each in said
            if probability >= least and (head != "objection" or _counts(talk, each))
        ]
        items += [
            ClassifiedItem(heading, item_text(each.text, language), each)
            for each in _most_probable(found)
        ]
    return items


def key_points(
    talk: Talk, classified: Classified, language: str | None, parts: int
) -> list[ClassifiedItem]:
    """Return the sentence of each part that is most likely to inform, with its speaker.

    There are at most `parts`, of at least 12 sentences each; a shorter conversation is one part.
    """
    informing = np.max([classified.of(head) for head in _INFORMING], axis=0)
    is_short = [word_count(said.text) < _FEWEST_WORDS for said in talk.said]
    informing = np.where(is_short, 0.0, informing)
    count = max(1, min(parts, len(talk.said) // _SENTENCES_OF_PART))
    colon = "：" if language == "ja" else ": "
    points = []
    for places in np.array_split(np.arange(len(talk.said)), count):
        best = places[np.argmax(informing[places])] if len(places) else None
        if best is not None and informing[best] >= _LEAST_INFORMING:
            said = talk.said[int(best)]
            text = f"{said.speaker}{colon}{item_text(said.text, language)}"
            points.append(ClassifiedItem("Key Points", text, said))
    return points


T = TypeVar("T")


def _most_probable(found: Iterable[tuple[float, T]]) -> list[T]:
    """Return the most probable ones in their order."""
    numbered = list(enumerate(found))
    best = sorted(numbered, key=lambda each: (-each[1][0], each[0]))[:_MAX_ITEMS]
    return [each for _, (_, each) in sorted(best, key=lambda each: each[0])]


def _counts(talk: Talk, said: Said) -> bool:
    """Return True if a need or objection of this speaker counts."""
    return talk.audience == "INTERNAL" or not said.ours
