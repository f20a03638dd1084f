"""Which sentences hurt, ask, praise or wonder, and how sure we are of it.

Evidence comes from the cue lists: single words and phrases combine as independent evidence,
negation turns them round, and talk that only sounds like feedback (pitches, courtesies,
hypotheses, small talk) is damped. For requests a learned detector has a say as well. The profile
decides how much evidence a sentence needs.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from domains.intelligence.findings import Kind, Profile
from domains.intelligence.insights import suggestions
from domains.intelligence.insights.wording import clean
from domains.intelligence.text import features, lexicon, linear
from domains.intelligence.text.labels import Section, is_role
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.text.words import STOP_WORDS, content_stems, tokens, word_set

THRESHOLDS: dict[Profile, dict[Kind, float]] = {
    "transcript": {"pain": 0.5, "request": 0.6, "praise": 0.55, "question": 0.7},
    "support_ticket": {"pain": 0.3, "request": 0.5, "praise": 0.7, "question": 0.6},
    "survey_response": {"pain": 0.4, "request": 0.5, "praise": 0.4, "question": 0.65},
    "discovery_report": {"pain": 0.4, "request": 0.45, "praise": 0.55, "question": 0.75},
    "raw": {"pain": 0.5, "request": 0.5, "praise": 0.5, "question": 0.65},
}
"""Evidence that a kind needs: a ticket reports trouble by being one, a review often only rants."""


class Detection(Struct, frozen=True):
    """A sentence that carries a finding.

    `position` is its index among all sentences, `polarity` runs from -1 (negative) to 1, `stems`
    are its topic words, `specific` grows with the words that say what it is about.
    """

    sentence: Sentence
    position: int
    kind: Kind
    score: float
    polarity: float
    stems: tuple[str, ...]
    specific: float


def detect(sentences: Sequence[Sentence], profile: Profile) -> list[Detection]:
    """The sentences over the profile's thresholds, each with the kind that it exceeds most."""
    least = 1 if profile == "support_ticket" else 2
    leading = hosts(sentences, least) if profile in _WITH_HOSTS else frozenset()
    thresholds = THRESHOLDS[profile]
    told = [(n, s, tokens(s.text)) for n, s in enumerate(sentences)]
    told = [each for each in told if each[1].section or len(each[2]) >= _MIN_WORDS[profile]]
    seen = [evidence(sentence.text, words) for _, sentence, words in told]
    learned = _learned(
        [sentence.text for _, sentence, _ in told], [words for _, _, words in told], seen, profile
    )
    found = []
    for (position, sentence, words), clues, guess in zip(told, seen, learned, strict=True):
        scores = _weighed(clues, profile, sentence.section, guess)
        # Damping only lowers, and most sentences of a talk are not even near.
        if all(scores[kind] < thresholds[kind] for kind in scores):
            continue
        _damp(scores, clues, profile, is_host=sentence.speaker in leading)
        margin, kind = max((scores[kind] - thresholds[kind], kind) for kind in scores)
        if margin < 0:
            continue
        found.append(
            Detection(
                sentence=sentence,
                position=position,
                kind=kind,
                score=scores[kind],
                polarity=scores["praise"] - scores["pain"],
                stems=tuple(content_stems(words)),
                specific=_specific(words),
            )
        )
    return found


def focus(detection: Detection, profile: Profile) -> str:
    """The part of a long sentence that carries its finding, for a title; else all of it."""
    text = detection.sentence.text
    if len(text) < _LONG:
        return text
    borders = [0, *(match.start() for match in _CLAUSES.finditer(text)), len(text)]
    parts = [text[a:b] for a, b in pairwise(borders)]
    merged = [parts[0]]
    for part in parts[1:]:
        if len(part.split()) < 4 or len(merged[-1].split()) < 4:
            merged[-1] += part
        else:
            merged.append(part)
    scored = [
        score(part, tokens(part), profile)[detection.kind] * (0.7 if _LEANS_BACK.match(part) else 1)
        for part in merged
    ]
    best = max(range(len(merged)), key=lambda index: (scored[index], -index))
    if scored[best] < 0.6 * detection.score:
        return text
    lead = clean(merged[best])
    if _SUBORDINATE.match(lead) or (_DEPENDENT.match(lead) and len(text) < _VERY_LONG):
        return text
    return merged[best]


_LONG = 90
_VERY_LONG = 160
_LEANS_BACK = re.compile(
    r"\W*(?:(?:and|but|so|because|'cause|which) )?"
    r"(?:it|it's|that|that's|they|this|these|if|when|which|instead)\b",
    re.IGNORECASE,
)
_DEPENDENT = re.compile(r"(?:it|that|they|this|these)\b", re.IGNORECASE)
_SUBORDINATE = re.compile(r"(?:if|when|which|instead|while|as)\b", re.IGNORECASE)
_CLAUSES = re.compile(
    r"(?<=,) |(?<=[;:]) | [-–—] |,? (?=(?:so|because|'cause|and|which) "
    r"(?:i|we|it|that|they|you|there|the|this|people|users|is|i'd|we'd|i'm|we're|it's|please)\b)",
    re.IGNORECASE,
)


class Evidence(Struct, frozen=True):
    """What the rules see in a sentence, whoever says it.

    `plain` is its text in lower case without misleading idioms. `request` are the weights of its
    phrases alone, `scores` lie in 0..1 and count an order ("add …") as well.
    """

    plain: str
    request: tuple[float, ...]
    is_order: bool
    scores: dict[Kind, float]


def evidence(text: str, words: list[str]) -> Evidence:
    """What the rules see in a text with these lower-case words."""
    lowered = text.lower().replace("’", "'")
    plain = lexicon.IDIOMS.sub(lambda match: "~" * len(match[0]), lowered)
    present = frozenset(words)
    asking = lexicon.FIX_IT.sub(" ", plain) if "fix" in plain else plain
    request, wished = _phrases(asking, present, lexicon.REQUEST_PHRASES)
    is_order = len(words) > 2 and lexicon.IMPERATIVE.match(asking) is not None
    pain, praise = _opinions(plain, present, wished)
    if not _FAILING.isdisjoint(present) and _FAILS_TO_ACT.search(plain):
        pain.append(_FAILS)
    scores: dict[Kind, float] = {
        "request": _combined([*request, _ORDER] if is_order else request),
        "pain": _combined(pain),
        "praise": _combined(praise),
        "question": _question(plain, words, present),
    }
    return Evidence(plain, tuple(request), is_order, scores)


def score(
    text: str, words: list[str], profile: Profile, section: Section = "", *, is_host: bool = False
) -> dict[Kind, float]:
    """Evidence of the rules alone in 0..1 for each kind.

    `is_host` marks an interviewer's or vendor's sentence.
    """
    if len(words) < _MIN_WORDS[profile] and not section:
        return {"request": 0.0, "pain": 0.0, "praise": 0.0, "question": 0.0}
    clues = evidence(text, words)
    scores = _weighed(clues, profile, section, None)
    _damp(scores, clues, profile, is_host=is_host)
    return scores


_ORDER = 0.65
_SPOKEN_ORDER = 0.5
"""In talk an order is as often one to those who sit at the table."""

_SUGGESTION_SHARE: dict[Profile, float] = {
    "transcript": 0.2,
    "support_ticket": 0.45,
    "survey_response": 0.6,
    "discovery_report": 0.25,
    "raw": 0.6,
}
"""What the learned detector, made from written sentences, counts against the rules."""

_TROUBLE_SHARE: dict[Profile, float] = {"survey_response": 0.3}
"""The same for that of bug reports, made from app reviews and at home only in reviews."""

_MOST_DOUBT = 0.15


class _Guess(NamedTuple):
    suggestion: float
    trouble: float


def _learned(
    texts: list[str], words: list[list[str]], seen: list[Evidence], profile: Profile
) -> list[_Guess]:
    """What the learned detectors say of all sentences at once, 0..1."""
    scores = [each.scores for each in seen]
    suggested: list[float] = suggestions.probabilities(texts, words, scores).tolist()
    if profile not in _TROUBLE_SHARE:
        return [_Guess(each, 0.0) for each in suggested]
    model = linear.model("reviews")
    rows = [
        features.review(text, None, [each], [suggestion])
        for text, each, suggestion in zip(texts, scores, suggested, strict=True)
    ]
    found = model.probabilities(texts, features.reviews(rows))[:, model.heads.index("bug")]
    return [_Guess(*each) for each in zip(suggested, found.tolist(), strict=True)]


def _weighed(
    clues: Evidence, profile: Profile, section: Section, guess: _Guess | None
) -> dict[Kind, float]:
    """The scores as they count in a source of this profile, before anything is damped."""
    scores = dict(clues.scores)
    request = list(clues.request)
    if clues.is_order:
        request.append(_SPOKEN_ORDER if profile == "transcript" else _ORDER)
    if profile == "discovery_report":
        if _REPORTED_NEED.search(clues.plain):
            request.append(0.6)
        elif lexicon.REPORTED_WANT.search(clues.plain):
            request.append(0.5)
    scores["request"] = _combined(request)
    if guess is not None:
        share = _SUGGESTION_SHARE[profile]
        scores["request"] = (1 - share) * scores["request"] + share * guess.suggestion
        if share := _TROUBLE_SHARE.get(profile, 0.0):
            pain = scores["pain"]
            # Whole reviews taught it what a report is, so it may doubt a short plain one too much.
            scores["pain"] = max(
                (1 - _MOST_DOUBT) * pain, (1 - share) * pain + share * guess.trouble
            )
    if profile == "support_ticket" and _SHORT_QUESTION.fullmatch(clues.plain):
        scores["question"] = max(scores["question"], _ASKED_SHORTLY)
    _apply_section(scores, section)
    return scores


_SHORT_QUESTION = re.compile(
    r"(?:where|what|how much|how many|who) (?:is|are|does|do|can)\b(?: [\w'-]+){1,4}\?+"
)
_ASKED_SHORTLY = 0.65
_REPORTED_NEED = re.compile(
    r"\b(?:customers|users|clients|teams|admins|managers|people|respondents|interviewees|"
    r"participants|they|everyone|buyers|prospects|most|many|some) (?:\w+ly |all |also |still )?"
    r"(?:want|wants|need|needs|request|requested|asked for|ask for|expect|expected)"
    r" (?!to\b|it\b|them\b|help\b)[a-z]{3,}"
)
_FAILING = word_set("never rarely hardly just only simply keeps spins")
_FAILS_TO_ACT = re.compile(
    r"\b[a-z]+ (?:never|rarely|hardly ever) (?:actually |really |even |fully )?"
    r"(?:finds|loads|opens|saves|shows|updates|syncs|remembers|arrives|sends|finishes|completes|"
    r"responds|refreshes|connects|starts|works|displays|returns|appears)\b"
    r"|\b(?!(?:will|would|can|could|to|should|may|might|i|we|you|they|users|people)\b)[a-z]+s "
    r"never (?:load|open|save|show|"
    r"update|sync|arrive|finish|complete|respond|refresh|connect|start|work|appear)\b"
    r"|\b(?:just|only|simply) (?:spins|hangs|sits there|loops|keeps (?:loading|spinning|waiting))\b"
    r"|\bkeeps (?:spinning|loading)\b|\bspins (?:forever|endlessly|and spins)\b"
)
_FAILS = 0.55


_MIN_WORDS: dict[Profile, int] = {
    "transcript": 3,
    "support_ticket": 3,
    "survey_response": 1,
    "discovery_report": 4,
    "raw": 2,
}
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[,;:.!?~]")
_NEGATED_TAIL = re.compile(r"(?:\b(?:no|not|never|without|hardly|cannot)|n't)(?: [\w']+){0,2} $")
_CONDITIONAL = word_set(
    """
    would could if wish hope i'd we'd should might
    """
)
_INTENSE = word_set(
    """
    so very really extremely super incredibly totally absolutely too always
    """
)
_OPINIONS = lexicon.PAIN_WORDS.keys() | lexicon.PRAISE_WORDS.keys()
_CONTRAST_WORDS = word_set(
    """
    but however although though except yet
    """
)


def _phrases(
    plain: str, present: frozenset[str], table: dict[str, tuple[lexicon.Cue, ...]]
) -> tuple[list[float], list[tuple[int, int]]]:
    """Weights of the phrases that occur, and where."""
    weights: list[float] = []
    spans: list[tuple[int, int]] = []
    tried: set[int] = set()
    for word in sorted(filter(table.__contains__, present)):
        for cue in table[word]:
            if id(cue) in tried:
                continue
            tried.add(id(cue))
            match = cue.pattern().search(plain)
            if not match:
                continue
            if cue.negatable and _NEGATED_TAIL.search(
                plain[max(0, match.start() - 40) : match.start()]
            ):
                continue
            weights.append(cue.weight)
            spans.append(match.span())
    return weights, spans


def _opinions(
    plain: str, present: frozenset[str], wished: list[tuple[int, int]]
) -> tuple[list[float], list[float]]:
    """Evidence for pain and for praise; a negated word counts for the other side."""
    pain, pain_spans = _phrases(plain, present, lexicon.PAIN_PHRASES)
    praise, praise_spans = _phrases(plain, present, lexicon.PRAISE_PHRASES)
    if wished:
        praise = []
    if _OPINIONS.isdisjoint(present):
        return pain, praise
    covered = pain_spans + praise_spans
    negated_for = 0
    conditional = intense = False
    for match in _TOKEN.finditer(plain):
        word = match[0]
        if not word[0].isalnum():
            negated_for = 0
            continue
        if word in lexicon.NEGATORS:
            negated_for = 4
            continue
        if word in _CONTRAST_WORDS:
            negated_for, conditional = 0, False
            continue
        negated_for = max(0, negated_for - 1)
        conditional = conditional or word in _CONDITIONAL
        inside = any(start <= match.start() < end for start, end in covered)
        weight = lexicon.PAIN_WORDS.get(word, 0.0)
        if weight and not inside:
            if negated_for:
                praise.append(weight * 0.5)
            else:
                pain.append(min(0.8, weight + 0.1) if intense else weight)
        weight = lexicon.PRAISE_WORDS.get(word, 0.0)
        if weight and not inside:
            if negated_for:
                pain.append(weight * 0.8)
            elif conditional or any(start <= match.start() < end for start, end in wished):
                praise.append(weight * 0.2)
            else:
                praise.append(min(0.8, weight + 0.1) if intense else weight)
        intense = word in _INTENSE
    return pain, praise


def _combined(weights: list[float]) -> float:
    """Independent pieces of evidence together: 1 - (1 - a)(1 - b)…"""
    doubt = 1.0
    for weight in weights:
        doubt *= 1.0 - weight
    return 1.0 - doubt


def _question(plain: str, words: list[str], present: frozenset[str]) -> float:
    if len(words) < 5:
        return 0.0
    asked = plain.rstrip(" \"')*_").endswith("?")
    weights, _ = _phrases(plain, present, lexicon.QUESTION_PHRASES)
    if not weights:
        return 0.0
    topical = bool(present & lexicon.TOPIC_WORDS)
    if not asked and not (topical and present & {"wondering", "wonder", "curious"}):
        return 0.0
    if topical:
        weights.append(0.45)
    if asked:
        weights.append(0.15)
    return _combined(weights) * (1.0 if topical else 0.75)


def _apply_section(scores: dict[Kind, float], section: Section) -> None:
    """What stands under "Cons" is a complaint, unless its words say otherwise clearly."""
    if section == "cons":
        scores["pain"] = max(scores["pain"], 0.55)
        scores["praise"] *= 0.3
    elif section == "pros":
        scores["praise"] = max(scores["praise"], 0.55)
        scores["pain"] *= 0.3
    elif section == "wishes":
        scores["request"] = max(scores["request"], 0.6)


def _damp(scores: dict[Kind, float], clues: Evidence, profile: Profile, *, is_host: bool) -> None:
    plain = clues.plain
    factors: dict[Kind, float] = dict.fromkeys(scores, 1.0)
    if lexicon.COURTESY.search(plain):
        factors = {"pain": 0.7, "request": 0.5, "praise": 0.3, "question": 0.45}
    if lexicon.SMALL_TALK.search(plain):
        factors = {kind: factor * 0.4 for kind, factor in factors.items()}
    if lexicon.HYPOTHETICAL.search(plain):
        factors["pain"] *= 0.45
    if lexicon.RESOLVED.search(plain):
        factors["pain"] *= 0.4
    if lexicon.ONCE_GOOD.search(plain) or lexicon.FIX_IT.search(plain):
        factors["praise"] *= 0.3
    if is_host:
        for kind, factor in _HOST_FACTORS.items():
            factors[kind] *= factor
    if profile in ("transcript", "raw", "support_ticket") and lexicon.VENDOR_PITCH.search(plain):
        factors["praise"] *= 0.3
        factors["request"] *= 0.4
        factors["pain"] *= 0.7
    for kind, factor in factors.items():
        scores[kind] *= factor
    asks = plain.rstrip().endswith("?")
    if scores["question"] >= 0.5 and asks and not (clues.request or clues.is_order):
        # "Why is the export so slow?" still reports trouble, but less plainly than a statement.
        scores["pain"] *= 0.8
        scores["praise"] *= 0.3


_HOST_FACTORS: dict[Kind, float] = {
    "pain": 0.35,
    "request": 0.3,
    "praise": 0.25,
    "question": 0.2,
}
_HOST_ROLES = re.compile(
    r"\b(?:agent|interviewer|support|rep|representative|host|moderator|facilitator|researcher|"
    r"sales|"
    r"seller|assistant|consultant|vendor|csm|ae|bot|success|operator|account executive|q|"
    r"maintainer|developer|engineer|staff|helpdesk|service desk|product manager)\b|"
    r"^(?:hello|hi|info|help|service|orders|contact|team|care|noreply|no-reply)@"
)


def hosts(sentences: Sequence[Sentence], least: int = 2) -> frozenset[str | None]:
    """Speakers who lead the talk for us: by their label, by what only a seller or helper says, else
    the one who mostly asks.

    `least`: number of sentences that only a seller or helper says.
    """
    said: dict[str, int] = defaultdict(int)
    asked: Counter[str] = Counter()
    served: Counter[str] = Counter()
    for sentence in sentences:
        if sentence.speaker is not None:
            said[sentence.speaker] += 1
            asked[sentence.speaker] += sentence.text.endswith("?")
            served[sentence.speaker] += _serves(sentence.text)
    named = frozenset(name for name in said if _HOST_ROLES.search(name.lower()))
    if named and len(named) < len(said):
        return named
    if outsiders := _without_guests(said):
        return outsiders
    guests = [name for name in said if is_role(name)]
    if not 1 < len(said) <= 6 or len(guests) == len(said):
        return frozenset()
    (server, most), *others = served.most_common()
    if most >= least and all(2 * count <= most for _, count in others):
        return frozenset({server})
    if len(said) > 3:
        return frozenset()
    top = max(said, key=lambda name: (asked[name] / said[name], name))
    rest = sum(count for name, count in said.items() if name != top)
    rest_asked = sum(asked[name] for name in said if name != top)
    rate = asked[top] / said[top]
    if asked[top] >= 3 and rate >= 0.25 and rate >= 2 * rest_asked / max(1, rest):
        return frozenset({top})
    return frozenset()


def _without_guests(names: Iterable[str]) -> frozenset[str | None]:
    """Speakers of another organisation than the guests, as in "Ana (customer)", "Bo (Vendor)"."""
    notes = {name: note.lower() for name in names if (note := name.partition("(")[2])}
    others = {name for name in notes if not _GUEST.search(notes[name])}
    return frozenset(others if len(others) < len(notes) else ())


_GUEST = re.compile(
    r"\b(?:customer|client|user|prospect|participant|interviewee|respondent|guest|patient|member"
    r"|kunde|kundin|cliente|klant)\b"
)
_WITH_HOSTS: tuple[Profile, ...] = ("transcript", "support_ticket")


def _serves(text: str) -> bool:
    plain = text.lower().replace("’", "'")
    return bool(lexicon.SERVING.search(plain) or lexicon.VENDOR_PITCH.search(plain))


def _specific(words: list[str]) -> float:
    """0..1: how much a sentence says about its topic beyond opinion and function words."""
    topical = {
        word
        for word in words
        if word not in STOP_WORDS
        and word not in lexicon.PAIN_WORDS
        and word not in lexicon.PRAISE_WORDS
        and len(word) > 2
    }
    return min(1.0, len(topical) / 4)
