"""Items of a conversation's summary, found by the heads and shown in the speakers' own words."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from domains.intelligence.dialogue.turns import Said, Talk, Turn
from domains.intelligence.heads.features import ROLES, Role
from domains.intelligence.heads.needs import NeedType, find_needs, thresholds
from domains.intelligence.heads.sentence_classifier import Classified, Head, classify, heads_network
from domains.intelligence.insights.need_titles import item_text, need_title

ItemHeading = Literal[
    "Pain Points", "Requests", "Praise", "Questions", "Decisions", "Objections", "Pricing"
]

_OF_NEED: Final[dict[NeedType, ItemHeading]] = {
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
_MAX_ITEMS: Final = 12
"""Items under a heading: those with the highest probability."""


class ClassifiedItem(NamedTuple):
    """An item under a heading, and a sentence that says so. An item may have several sentences."""

    heading: ItemHeading
    text: str
    said: Said
    probability: float


def classify_talk(talk: Talk) -> tuple[Talk, Classified]:
    """Classify the sentences of a conversation.

    Sides come from the speakers who are known to be the workspace's own. If nobody is, they are
    inferred from what the speakers say, and marked in the returned conversation.
    """
    classified = classify(talk.sentences, "transcript", _known_roles(talk))
    if talk.audience == "INTERNAL" or any(turn.ours for turn in talk.turns):
        return talk, classified
    ours = {speaker for speaker, row in classified.roles.items() if _is_host(row)}
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


def _is_host(row: Sequence[float]) -> bool:
    return row[ROLES.index("vendor")] + row[ROLES.index("moderator")] > 0.5


def classified_items(
    talk: Talk, classified: Classified, language: str | None
) -> list[ClassifiedItem]:
    """Return the items in the order of the conversation, at most 12 under a heading.

    In an external conversation, needs and objections are those of external speakers only.
    """
    found = [*_needs(talk, classified, language), *_moments(talk, classified, language)]
    best: dict[tuple[ItemHeading, str], float] = {}
    for each in found:
        key = each.heading, each.text
        best[key] = max(each.probability, best.get(key, 0.0))
    kept = {
        key
        for heading in {heading for heading, _ in best}
        for key in sorted(
            (key for key in best if key[0] == heading), key=lambda key: (-best[key], key)
        )[:_MAX_ITEMS]
    }
    return [each for each in found if (each.heading, each.text) in kept]


def _needs(talk: Talk, classified: Classified, language: str | None) -> list[ClassifiedItem]:
    items = []
    for need in find_needs(talk.sentences, classified, thresholds("transcript")):
        name = need_title(talk.sentences, classified, need, language)
        if name is not None and _counts(talk, talk.said[need.main]):
            items += [
                ClassifiedItem(_OF_NEED[need.type], name, talk.said[place], need.probability)
                for place in need.places
            ]
    return items


def _moments(talk: Talk, classified: Classified, language: str | None) -> list[ClassifiedItem]:
    """Return decisions, objections and prices."""
    items = []
    for head, heading in _OF_HEAD.items():
        least = heads_network().thresholds[head]
        for said, probability in zip(talk.said, classified.of(head).tolist(), strict=True):
            if probability >= least and (head != "objection" or _counts(talk, said)):
                text = item_text(said.text, language)
                items.append(ClassifiedItem(heading, text, said, probability))
    return items


def _counts(talk: Talk, said: Said) -> bool:
    """Return True if a need or objection of this speaker counts."""
    return talk.audience == "INTERNAL" or not said.ours
