"""Detections to insights: one for each thing said, with all the quotes that say it."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from domains.intelligence.findings import (
    Document,
    Insight,
    Kind,
    Profile,
    Sentiment,
)
from domains.intelligence.insights.detection import THRESHOLDS, Detection, score
from domains.intelligence.insights.feature_names import feature, is_vague
from domains.intelligence.insights.need_insights import named_product, quote_of
from domains.intelligence.insights.titles import GENERAL_PRAISE, Passage, Title, covering, headline
from domains.intelligence.insights.wording import clean, statement, title
from domains.intelligence.text import grammar
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.text.words import content_stems, tokens, word_set

MAX_INSIGHTS = 12
MAX_QUOTES = 5

_MAX_CANDIDATES = 240
_SAME = 0.4
_SAME_NEXT_DOOR = 0.18
_ROOM: dict[Profile, tuple[int, int]] = {
    "transcript": (5, 150),
    "support_ticket": (2, 40),
    "survey_response": (3, 12),
    "discovery_report": (2, 25),
    "raw": (2, 40),
}
"""Insights that any text may have, and the words that earn one more."""


def assemble(
    document: Document,
    sentences: Sequence[Sentence],
    detections: Sequence[Detection],
    *,
    internal: bool,
) -> tuple[Insight, ...]:
    """The strongest insights, at most twelve and fewer for a short text, in reading order.

    `internal` says that the makers talk among themselves, so that "we" are not the users.
    """
    seen = _stem_counts(sentences)
    told = [aspect for d in detections for aspect in _aspects(d, document.profile)]
    strength = {d.sentence.start: _strength(d, seen, document.profile) for d in told}
    least = _LEAST[document.profile] + (_INTERNAL_EXTRA if internal else 0.0)
    strong = [d for d in told if strength[d.sentence.start] >= least]
    strong.sort(key=lambda d: (-strength[d.sentence.start], d.sentence.start))
    candidates = sorted(strong[:_MAX_CANDIDATES], key=lambda d: d.sentence.start)
    room = _Room(document, sentences, strength, internal)
    ranked: list[tuple[float, Insight]] = []
    subjects = _subjects(candidates) if document.profile != "transcript" else {}
    for group in _groups(candidates, _rarity(seen, len(sentences)), subjects):
        insight = _insight(room, group)
        if insight:
            worth = max(strength[member.sentence.start] for member in group)
            ranked.append((worth * (1 + 0.15 * min(3, len(group) - 1)), insight))
    ranked.sort(key=lambda item: (-item[0], item[1].quotes[0].start, item[1].kind))
    limit = _limit(document)
    chosen = _distinct(insight for _, insight in ranked)[:limit]
    return tuple(sorted(chosen, key=lambda insight: (insight.quotes[0].start, insight.kind)))


def _distinct(insights: Iterable[Insight]) -> list[Insight]:
    """Without titles of the same words, and without general praise where some is particular."""
    by_words: dict[tuple[str, ...], Insight] = {}
    for insight in insights:
        words = sorted(set(content_stems(tokens(insight.name)))) or [insight.name.lower()]
        by_words.setdefault(tuple(words), insight)
    kept = list(by_words.values())
    if sum(insight.kind == "praise" for insight in kept) > 1:
        kept = [insight for insight in kept if insight.name != GENERAL_PRAISE]
    return kept


_DEPENDS = re.compile(r"\b(?:it|it's|its|they|them|their|this|that|these|those)\b", re.IGNORECASE)


class _Room(NamedTuple):
    """What all insights of a document are made with."""

    document: Document
    sentences: Sequence[Sentence]
    strength: dict[int, float]
    internal: bool

    def before(self, detection: Detection) -> list[Sentence]:
        """What the same speaker said shortly before, the latest first."""
        position = detection.position
        near = self.sentences[max(0, position - _REACH) : position]
        speaker = detection.sentence.speaker
        said = [each for each in reversed(near) if each.speaker == speaker]
        same_turn = [each for each in said if each.turn == detection.sentence.turn]
        return said if self.document.profile == "transcript" else same_turn

    def title(self, detection: Detection) -> Title | None:
        """The title of one passage."""
        return headline(
            Passage(
                detection.sentence.text,
                tuple(sentence.text for sentence in self.before(detection)),
            ),
            detection.kind,
            self.document.profile,
            internal=self.internal,
        )


_REACH = 8


def _aspects(detection: Detection, profile: Profile) -> Iterator[Detection]:
    """One detection for each thing said, where a written sentence says several of one kind.

    "Video freezes and there is no way to mute" are two findings, each with its part as the quote.
    """
    sentence, kind = detection.sentence, detection.kind
    parts: list[tuple[str, int, tuple[str, ...]]] = []
    if profile != "transcript" and kind in ("pain", "praise"):
        end = 0
        listed = _listed(sentence) or grammar.clauses(sentence.text)
        for part in listed if len(listed) > 1 else ():
            start = sentence.text.index(part, end)
            end = start + len(part)
            words = tokens(part)
            found = score(part, words, profile, sentence.section)[kind]
            enough = found >= THRESHOLDS[profile][kind]
            if (
                enough
                and len(words) > (1 if sentence.section else 2)
                and not (parts and _DEPENDS.search(part))
            ):
                parts.append((part.rstrip(" ,;:-"), start, tuple(content_stems(words))))
    if len(parts) < 2 or any(not stems for _, _, stems in parts):
        yield detection
        return
    for text, start, stems in parts:
        at = sentence.start + start
        yield replace(
            detection,
            sentence=replace(sentence, text=text, start=at, end=at + len(text)),
            stems=stems,
        )


def _listed(sentence: Sentence) -> list[str]:
    """The items of a list of short remarks under a heading: "great support, nice UI"."""
    items = re.split(r", (?:and )?", sentence.text) if sentence.section else []
    return items if len(items) > 1 and all(len(item.split()) <= _SHORT for item in items) else []


_SHORT = 5


def _limit(document: Document) -> int:
    words = len(document.text.split())
    base, step = _ROOM[document.profile]
    return min(MAX_INSIGHTS, base + words // step)


_LEAST: dict[Profile, float] = {
    "transcript": 0.24,
    "support_ticket": 0.12,
    "survey_response": 0.15,
    "discovery_report": 0.25,
    "raw": 0.25,
}

_INTERNAL_EXTRA = 0.05
"""Makers weigh many ideas aloud; only the plain ones are findings."""


def _strength(detection: Detection, seen: Counter[str], profile: Profile) -> float:
    """Sure, specific and readable beats sure and vague; talk off the topic of the talk is weak."""
    words = detection.sentence.text.split()
    strength = detection.score * (0.4 + 0.6 * detection.specific)
    if len(words) > 34:
        strength *= 0.8
    if profile == "transcript":
        readable = len(clean(detection.sentence.text).split()) / max(1, len(words))
        strength *= min(1.0, 0.45 + 0.65 * readable)
        recurring = sum(seen[stem] >= 3 for stem in set(detection.stems))
        if len(seen) > 400 and recurring < 2:
            strength *= 0.85 if recurring else 0.55
        if len(seen) > 400 and detection.specific < 0.5:
            strength *= 0.8
    return strength


def _stem_counts(sentences: Sequence[Sentence]) -> Counter[str]:
    """In how many sentences of this text each stem occurs."""
    seen: Counter[str] = Counter()
    for sentence in sentences:
        seen.update(set(content_stems(tokens(sentence.text))))
    return seen


def _rarity(seen: Counter[str], sentences: int) -> dict[str, float]:
    """Weight of each stem; what the whole text is about tells its passages apart no more."""
    common = max(4, sentences // 30)
    return {
        word: 0.15 if count > common else math.log((sentences + 1) / count) + 0.5
        for word, count in seen.items()
    }


def _subjects(candidates: Sequence[Detection]) -> dict[int, tuple[str, ...]]:
    """What each written passage is about, where it says so and it is not the product at large."""
    found = {}
    for detection in candidates:
        subject = grammar.subject(clean(detection.sentence.text))
        if subject and not is_vague(subject):
            found[detection.sentence.start] = tuple(content_stems(tokens(subject)))
    return found


def _groups(
    candidates: Sequence[Detection],
    rarity: dict[str, float],
    subjects: dict[int, tuple[str, ...]],
) -> list[list[Detection]]:
    """Detections of one kind that speak of the same thing; greedy, in reading order."""
    groups: dict[Kind, list[list[Detection]]] = defaultdict(list)
    vectors = {d.sentence.start: _vector(d.stems, rarity) for d in candidates}
    for detection in candidates:
        home: list[Detection] | None = None
        closest = 0.0
        for group in groups[detection.kind]:
            likeness = max(
                _likeness(detection, member, vectors, subjects) for member in group[-MAX_QUOTES:]
            )
            if likeness > closest:
                home, closest = group, likeness
        if home is not None:
            home.append(detection)
        else:
            groups[detection.kind].append([detection])
    return [group for kind in groups for group in groups[kind]]


def _likeness(
    one: Detection,
    other: Detection,
    vectors: dict[int, dict[str, float]],
    subjects: dict[int, tuple[str, ...]],
) -> float:
    """Cosine of the two if it is enough for one insight, else 0."""
    a, b = vectors[one.sentence.start], vectors[other.sentence.start]
    shared = a.keys() & b.keys()
    cosine = sum(a[word] * b[word] for word in sorted(shared))
    near = one.sentence.turn == other.sentence.turn and abs(one.position - other.position) <= 2
    if near and one.position != other.position and (_REFERS_BACK.match(one.sentence.text)):
        return max(cosine, _SAME)
    subject = subjects.get(one.sentence.start)
    if subject and subject == subjects.get(other.sentence.start):
        return max(cosine, _SAME)
    if cosine >= _SAME and (len(shared) > 1 or cosine >= 0.6):
        return cosine
    return cosine if near and cosine >= _SAME_NEXT_DOOR else 0.0


_REFERS_BACK = re.compile(
    r"(?:(?:and|so|but|also|then|please|pls|just) )*(?:it|it's|this|that|that's|they|these|"
    r"fix (?:it|this|that))\b",
    re.IGNORECASE,
)


def _vector(stems: tuple[str, ...], rarity: dict[str, float]) -> dict[str, float]:
    counts = Counter(stems)
    weights = {
        word: (1 + math.log(count)) * rarity.get(word, 1.0) for word, count in counts.items()
    }
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {word: weight / length for word, weight in weights.items()}


def _insight(room: _Room, group: list[Detection]) -> Insight | None:
    profile = room.document.profile
    best_first = sorted(
        group,
        key=lambda d: (
            -room.strength[d.sentence.start] * _headline_fit(d, profile),
            d.sentence.start,
        ),
    )[:_MOST_TITLED]
    titled = [(d, made) for d in best_first if (made := room.title(d))]
    plain = best_first[0]
    if not titled and plain.score >= _CERTAIN:
        # No clause can stand as a title: the statement itself, shortened, is better than none.
        titled = [(plain, Title(title(clean(plain.sentence.text), plain.kind), None))]
    if not titled:
        return None
    lead, first = titled[0]
    rest = [d for d in best_first if d is not lead][: MAX_QUOTES - 1]
    kept = sorted([lead, *rest], key=lambda d: d.sentence.start)
    # Only what is quoted may stand in the title.
    name = covering([made.text for d, made in titled if d is lead or d in rest])
    lent = [room.before(lead)[first.leans]] if first.leans is not None else []
    quoted = {d.start: d for d in [*lent, *(detection.sentence for detection in kept)]}
    quotes = tuple(quote_of(quoted[start]) for start in sorted(quoted))
    named = feature(name, [quote.text for quote in quotes])
    description = _description(profile, lead, group, internal=room.internal)
    if lent and named and named not in description.lower():
        description += f" This is about {named}."
    return Insight(
        kind=lead.kind,
        name=name,
        description=description,
        quotes=quotes,
        sentiment=_sentiment(lead.kind, group),
        confidence=_confidence(group),
        product_id=named_product(room.document.products, quotes),
        feature=named,
    )


_MOST_TITLED = 12
_CERTAIN = 0.8


def _headline_fit(detection: Detection, profile: Profile) -> float:
    words = len(detection.sentence.text.split())
    if profile == "support_ticket" and detection.position == 0 and 3 <= words <= 12:
        # The first line of a ticket is its subject, which its author wrote as a title.
        return 1.8
    fit = 1.0 if 5 <= words <= 24 else 0.8
    return fit * 0.8 if _REFERS_BACK.match(detection.sentence.text) else fit


_SOURCES: dict[Profile, str] = {
    "transcript": "A participant",
    "support_ticket": "The customer",
    "survey_response": "A respondent",
    "discovery_report": "The report",
    "raw": "The text",
}
_VERBS: dict[Kind, str] = {
    "pain": "describes a problem",
    "request": "asks for a change",
    "praise": "speaks well of something",
    "question": "has a question",
}
_ROLES = word_set("customer client user participant interviewee respondent prospect buyer caller")
_REPORTING: dict[Kind, str] = {"pain": "says that", "praise": "says that"}


def _description(
    profile: Profile, lead: Detection, group: list[Detection], *, internal: bool
) -> str:
    """Who says what in the third person, and how often; no word that the quotes do not carry."""
    speaker = lead.sentence.speaker
    role = speaker.lower() if speaker else ""
    source = f"The {role}" if role in _ROLES else speaker or _SOURCES[profile]
    said = statement(lead.sentence.text, internal=internal)
    asked = lead.kind == "question" or lead.sentence.text.rstrip().endswith("?")
    mark = "?" if asked else "" if said.endswith("…") else "."
    told = grammar.within(said) if grammar.is_statement(said) else None
    if told and lead.kind in _REPORTING:
        text = f"{source} {_REPORTING[lead.kind]} {told}{mark}"
    else:
        text = f"{source} {_VERBS[lead.kind]}: {said}{mark}"
    if len(group) > 1:
        speakers = {d.sentence.speaker for d in group if d.sentence.speaker}
        who = f" by {len(speakers)} speakers" if len(speakers) > 1 else ""
        text += f" Raised in {len(group)} passages{who}."
    return text


def _sentiment(kind: Kind, group: list[Detection]) -> Sentiment:
    if kind == "pain":
        return "negative"
    if kind == "praise":
        return "positive"
    polarity = sum(detection.polarity for detection in group) / len(group)
    return "negative" if polarity <= -0.4 else "positive" if polarity >= 0.5 else "neutral"


def _confidence(group: list[Detection]) -> float:
    """The best evidence, a little more for every further passage and less for a vague one."""
    best = max(d.score * (0.75 + 0.25 * d.specific) for d in group)
    doubt = (1 - best) * 0.88 ** min(4, len(group) - 1)
    return round(min(0.97, max(0.05, 1 - doubt)), 3)
