"""Outline of a conversation: its category, and summary items with quotes under headings."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, Literal, NamedTuple, get_args

from msgspec import Struct

from domains.intelligence.dialogue import categories, extractive_summary
from domains.intelligence.dialogue.classified_items import (
    classified_items,
    classify_talk,
    competitors,
    key_points,
)
from domains.intelligence.dialogue.dialogue_acts import Utterance
from domains.intelligence.dialogue.steps import find_steps
from domains.intelligence.dialogue.turns import Said, Talk, Turn
from domains.intelligence.engine import engine
from domains.intelligence.findings import Audience
from domains.intelligence.heads.sentence_classifier import Classified
from domains.intelligence.language import detect, is_readable
from domains.intelligence.llm.prompts import conversation_found, conversation_question
from domains.intelligence.own_words.foreign import Kind as SourceKind
from domains.intelligence.own_words.reading import Speech, Statement, read_speech
from domains.kernel.models.llm_types import LLMRequest

Heading = Literal[
    "Outcome",
    "Pain Points",
    "Next Steps",
    "Key Points",
    "Decisions",
    "Objections",
    "Questions",
    "Competitors",
    "Pricing",
    "Requests",
    "Praise",
]

_HEADINGS: Final[tuple[Heading, ...]] = get_args(Heading)
_ALWAYS: Final[tuple[Heading, ...]] = ("Outcome", "Pain Points", "Next Steps", "Key Points")
_SELLING: Final[tuple[Heading, ...]] = (
    *("Decisions", "Objections", "Questions", "Competitors", "Pricing"),
)
_SERVING: Final[tuple[Heading, ...]] = ("Decisions", "Questions", "Requests", "Praise")
_OF_CATEGORY: Final[dict[str, tuple[Heading, ...]]] = {
    "prospect_discovery": _SELLING,
    "prospect_demo": (*_SELLING, "Requests", "Praise"),
    "prospect_trial": (*_SELLING, "Requests", "Praise"),
    "prospect_negotiation": _SELLING,
    "closed_lost": ("Decisions", "Objections", "Competitors", "Pricing"),
    "closed_won": ("Decisions", "Questions", "Competitors", "Pricing"),
    "customer_onboarding": _SERVING,
    "customer_support": _SERVING,
    "customer_checkin": (*_SERVING, "Objections", "Competitors"),
    "customer_commercials": (*_SELLING, "Requests"),
    "user_research": ("Questions", "Requests", "Praise"),
    "vendor_call": ("Decisions", "Questions", "Competitors", "Pricing"),
    "investor_call": ("Decisions", "Questions"),
    "advisor_call": ("Decisions", "Questions"),
    "interview": ("Questions",),
}
_OTHERWISE: Final[tuple[Heading, ...]] = ("Decisions", "Questions")
# What counts only when people from outside said it.
_THEIRS: Final[tuple[Heading, ...]] = (
    *("Pain Points", "Objections", "Questions", "Requests", "Praise"),
)

# The part of a talk in which it comes to something.
_CLOSING: Final = 0.6
_SHORT_TALK: Final = 12
_CONCLUSIONS: Final[tuple[Heading, ...]] = ("Decisions", "Next Steps")
_PARTS_OF_CALL: Final = 5
"""Key points of an external conversation or one in another language, one for each part."""


class Shown(Struct, frozen=True):
    """An item of a summary, and a slice of a turn's text that says so.

    A sentence that was cut into several turns is shown as a slice of each, in order.
    """

    item: str
    quote: str
    turn: int


class AgreedStep(Struct, frozen=True):
    """A next step: an item under `Next Steps`, its owner, and its due date if one was said."""

    item: str
    owner: str | None
    due: date | None


class Outline(Struct, frozen=True):
    """A category of the revenue record, and texts of the conversation under headings.

    `Outcome` is one text, "" if there is no decision and no next step; every other heading has a
    list, empty if nothing was said about it. `evidence` has, per heading, at least
    one sentence for each of its items. `language` is a BCP 47 code, or None if unknown.
    `competitors` are names.
    """

    engine: str
    category: str
    summary: dict[str, str | list[str]]
    evidence: dict[str, list[Shown]]
    language: str | None = None
    steps: list[AgreedStep] = []
    competitors: list[str] = []


class _Found(NamedTuple):
    """An item of a summary, and the sentence that says so: a slice of that run's text."""

    item: str
    run: int
    start: int
    end: int


_Headings = dict[Heading, list[_Found]]


def outline(
    turns: Sequence[Turn],
    audience: Audience,
    title: str = "",
    *,
    held_on: date | None = None,
    stage: str | None = None,
    kind: SourceKind = "speech",
    max_length: int | None = None,
    own_names: Collection[str] = (),
) -> Outline:
    """Find the category of a conversation, and what was said in it.

    Deterministic on one machine. In an external conversation, pain points, requests, praise,
    objections and questions are those of external speakers only. Due dates are counted from
    `held_on`, the date of the conversation. `stage` is the stage of its deal. A message is a
    conversation of one turn, of the kind `mail`. At most `max_length` characters of each turn are
    read. `own_names` are those of organisations that take part, as in `names.find_names`.
    """
    speech = _speech(turns, kind, max_length)
    language = detect(speech.words())
    if not is_readable(language):
        named = categories.named_category(title, audience) or categories.OTHER
        return _made(engine(), named, {heading: [] for heading in _HEADINGS}, speech, language)
    talk, classified = classify_talk(Talk(_runs(speech, turns), audience))
    category = categories.category(talk, classified, title, stage)
    found: _Headings = {heading: [] for heading in _HEADINGS}
    for item in classified_items(talk, classified, language):
        found[item.heading].append(_found(item.text, item.said))
    rivals = competitors(talk, own_names, language)
    found["Competitors"] = [_found(each.text, said) for each in rivals for said in each.said]
    agreed = find_steps(talk, classified, held_on, language)
    found["Next Steps"] = [_found(step.text, step.said) for step in agreed]
    found["Key Points"] = _key_points(talk, classified, language)
    found["Outcome"] = _outcome(talk, found)
    promised = [AgreedStep(step.text, step.owner, step.due) for step in agreed]
    names = [each.name for each in rivals]
    return _made(engine(), category, found, speech, language, promised, names)


def _outcome(talk: Talk, found: _Headings) -> list[_Found]:
    """Return the last decision in the closing part, else the last next step in it."""
    late = 0 if len(talk.turns) < _SHORT_TALK else len(talk.turns) * _CLOSING
    for heading in _CONCLUSIONS:
        closing = [each for each in found[heading] if each.run >= late]
        if closing:
            return closing[-1:]
    return []


def _speech(turns: Sequence[Turn], kind: SourceKind, max_length: int | None = None) -> Speech:
    statements = [
        Statement(turn.speaker, turn.text, turn.start_time, turn.end_time) for turn in turns
    ]
    return read_speech(statements, kind, max_length)


def _runs(speech: Speech, turns: Sequence[Turn]) -> list[Turn]:
    """Turns joined into whole sentences."""
    ours = {turn.speaker for turn in turns if turn.ours}
    return [Turn(speaker, text, speaker in ours) for speaker, text in speech.runs]


def _made(
    maker: str,
    category: str,
    found: _Headings,
    speech: Speech,
    language: str | None,
    agreed: Sequence[AgreedStep] = (),
    rivals: Sequence[str] = (),
) -> Outline:
    summary: dict[str, str | list[str]] = {}
    evidence: dict[str, list[Shown]] = {}
    # The headings of the category first, then others under which something was found.
    for heading in dict.fromkeys((*headings(category), *found)):
        texts = list(dict.fromkeys(each.item for each in found[heading]))
        summary[heading] = texts if heading != "Outcome" else next(iter(texts), "")
        evidence[heading] = [
            Shown(each.item, place.quote, place.statement)
            for each in found[heading]
            for place in speech.places(each.run, each.start, each.end)
        ]
    return Outline(maker, category, summary, evidence, language, list(agreed), list(rivals))


def choices(audience: Audience) -> tuple[list[str], list[str]]:
    """Return the categories and the headings that a provider may choose from."""
    return categories.of(audience), list(_HEADINGS)


def answered(turns: Sequence[Turn], audience: Audience, content: bytes, model: str) -> Outline:
    """Make an outline from a provider's response. Items without a quote in a turn are left out.

    Raises Unusable if the response does not match its schema.
    """
    of_category, _ = choices(audience)
    theirs = _THEIRS if audience == "EXTERNAL" else ()
    speech = _speech(turns, "speech")
    talk = Talk(_runs(speech, turns), audience)
    if audience == "EXTERNAL" and not any(turn.ours for turn in talk.turns):
        talk, _ = classify_talk(talk)
    told = conversation_found(talk.turns, of_category, _HEADINGS, content, model, theirs=theirs)
    found: _Headings = {
        heading: [
            _Found(each.text, each.turn, each.start, each.end) for each in told.points[heading]
        ]
        for heading in _HEADINGS
    }
    found["Outcome"] = found["Outcome"][-1:]
    return _made(told.engine, told.category, found, speech, detect(speech.words()))


def asked(turns: Sequence[Turn], audience: Audience, title: str) -> LLMRequest:
    """Build the request to a provider for an outline."""
    return conversation_question(_runs(_speech(turns, "speech"), turns), *choices(audience), title)


def headings(category: str) -> tuple[Heading, ...]:
    """Return the headings that come first in the summary of a conversation of this category."""
    return (*_ALWAYS, *_OF_CATEGORY.get(category, _OTHERWISE))


def _key_points(talk: Talk, classified: Classified, language: str | None) -> list[_Found]:
    """Return the key points. Topics are named in English meetings only."""
    if language not in (None, "en"):
        points = key_points(talk, classified, language, _PARTS_OF_CALL)
        return [_found(point.text, point.said) for point in points]
    utterances = [Utterance(each.speaker, each.text) for each in talk.turns]
    internal = talk.audience == "INTERNAL"
    parts = extractive_summary.PARTS if internal else _PARTS_OF_CALL
    return [
        _Found(point.text, source.utterance, source.start, source.end)
        for point in extractive_summary.digest(utterances, parts, with_topics=internal)
        for source in point.sources
    ]


def _found(text: str, said: Said) -> _Found:
    return _Found(text, said.turn, said.start, said.end)
