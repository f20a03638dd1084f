"""Detections to insights: one for each thing said, with all the quotes that say it."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from domains.intelligence.detection import Detection, focus
from domains.intelligence.findings import (
    Document,
    Insight,
    Kind,
    Product,
    Profile,
    Quote,
    Sentiment,
)
from domains.intelligence.segmentation import Sentence
from domains.intelligence.wording import clean, reads_well, statement, title
from domains.intelligence.words import content_stems, tokens

MAX_INSIGHTS = 12
MAX_QUOTES = 5

_MAX_CANDIDATES = 240
_SAME = 0.4
_SAME_NEXT_DOOR = 0.18
_ROOM: dict[Profile, tuple[int, int]] = {
    "transcript": (5, 150),
    "support_ticket": (2, 40),
    "survey_response": (1, 12),
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
    strength = {d.position: _strength(d, seen, document.profile) for d in detections}
    least = _LEAST[document.profile] + (_INTERNAL_EXTRA if internal else 0.0)
    strong = [d for d in detections if strength[d.position] >= least]
    strong.sort(key=lambda d: (-strength[d.position], d.sentence.start))
    candidates = sorted(strong[:_MAX_CANDIDATES], key=lambda d: d.sentence.start)
    ranked: list[tuple[float, Insight]] = []
    for group in _groups(candidates, _rarity(seen, len(sentences))):
        insight = _insight(document, group, strength, internal=internal)
        if insight:
            worth = max(strength[member.position] for member in group)
            ranked.append((worth * (1 + 0.15 * min(3, len(group) - 1)), insight))
    ranked.sort(key=lambda item: (-item[0], item[1].quotes[0].start, item[1].kind))
    limit = _limit(document)
    chosen: list[Insight] = []
    names: set[str] = set()
    for _, insight in ranked:
        if len(chosen) == limit:
            break
        if insight.name.lower() not in names:
            names.add(insight.name.lower())
            chosen.append(insight)
    return tuple(sorted(chosen, key=lambda insight: (insight.quotes[0].start, insight.kind)))


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


def _groups(candidates: Sequence[Detection], rarity: dict[str, float]) -> list[list[Detection]]:
    """Detections of one kind that speak of the same thing; greedy, in reading order."""
    groups: dict[Kind, list[list[Detection]]] = defaultdict(list)
    vectors = {d.position: _vector(d.stems, rarity) for d in candidates}
    for detection in candidates:
        home: list[Detection] | None = None
        closest = 0.0
        for group in groups[detection.kind]:
            likeness = max(_likeness(detection, member, vectors) for member in group[-MAX_QUOTES:])
            if likeness > closest:
                home, closest = group, likeness
        if home is not None:
            home.append(detection)
        else:
            groups[detection.kind].append([detection])
    return [group for kind in groups for group in groups[kind]]


def _likeness(one: Detection, other: Detection, vectors: dict[int, dict[str, float]]) -> float:
    """Cosine of the two if it is enough for one insight, else 0."""
    a, b = vectors[one.position], vectors[other.position]
    shared = a.keys() & b.keys()
    cosine = sum(a[word] * b[word] for word in sorted(shared))
    near = one.sentence.turn == other.sentence.turn and abs(one.position - other.position) <= 2
    if near and one.position != other.position and (_REFERS_BACK.match(one.sentence.text)):
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


def _insight(
    document: Document, group: list[Detection], strength: dict[int, float], *, internal: bool
) -> Insight | None:
    best_first = sorted(
        group,
        key=lambda d: (
            -strength[d.position] * _headline_fit(d, document.profile),
            d.sentence.start,
        ),
    )
    lead, name = next(
        (
            (detection, name)
            for detection in best_first
            if (
                name := title(focus(detection, document.profile), detection.kind, internal=internal)
            )
            and (document.profile != "transcript" or reads_well(name))
        ),
        (None, ""),
    )
    if lead is None:
        return None
    kept = sorted(best_first[:MAX_QUOTES], key=lambda d: d.sentence.start)
    quotes = tuple(_quote(detection.sentence) for detection in kept)
    return Insight(
        kind=lead.kind,
        name=name,
        description=_description(document.profile, lead, group, internal=internal),
        quotes=quotes,
        sentiment=_sentiment(lead.kind, group),
        confidence=_confidence(group),
        product_id=_product_id(document.products, quotes),
    )


def _headline_fit(detection: Detection, profile: Profile) -> float:
    words = len(detection.sentence.text.split())
    if profile == "support_ticket" and detection.position == 0 and 3 <= words <= 12:
        # The first line of a ticket is its subject, which its author wrote as a title.
        return 1.8
    fit = 1.0 if 5 <= words <= 24 else 0.8
    return fit * 0.8 if _REFERS_BACK.match(detection.sentence.text) else fit


def _quote(sentence: Sentence) -> Quote:
    return Quote(
        text=sentence.text,
        start=sentence.start,
        end=sentence.end,
        speaker=sentence.speaker,
        start_time=sentence.start_time,
        end_time=sentence.end_time,
    )


_SOURCES: dict[Profile, str] = {
    "transcript": "A participant",
    "support_ticket": "The customer",
    "survey_response": "A respondent",
    "discovery_report": "The report",
    "raw": "The text",
}
_VERBS: dict[Kind, str] = {
    "pain_point": "describes a problem",
    "request": "asks for a change",
    "praise": "speaks well of something",
    "question": "has a question",
}


def _description(
    profile: Profile, lead: Detection, group: list[Detection], *, internal: bool
) -> str:
    """Who says what in the third person, and how often; no word that the quotes do not carry."""
    source = lead.sentence.speaker or _SOURCES[profile]
    said = statement(lead.sentence.text, internal=internal)
    mark = "?" if lead.kind == "question" else "" if said.endswith("…") else "."
    text = f"{source} {_VERBS[lead.kind]}: {said}{mark}"
    if len(group) > 1:
        speakers = {d.sentence.speaker for d in group if d.sentence.speaker}
        who = f" by {len(speakers)} speakers" if len(speakers) > 1 else ""
        text += f" Raised in {len(group)} passages{who}."
    return text


def _sentiment(kind: Kind, group: list[Detection]) -> Sentiment:
    if kind == "pain_point":
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


def _product_id(products: tuple[Product, ...], quotes: tuple[Quote, ...]) -> str | None:
    """The product that the quotes name most often, the longer name first among equals."""
    said = " ".join(_plain(quote.text) for quote in quotes)
    named: list[tuple[int, int, int, str]] = []
    for index, product in enumerate(products):
        name = _plain(product.name).strip()
        count = f" {said} ".count(f" {name} ") if name else 0
        if count:
            named.append((-count, -len(name), index, product.id))
    return min(named)[3] if named else None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
