"""Evidence of cue words and phrases in English sentences, as features of classifiers.

Words and phrases combine as independent evidence, and negation turns it round.
"""

import re
from typing import Literal

from domains.intelligence.text import lexicon
from domains.intelligence.text.words import word_set

Cue = Literal["pain", "request", "praise", "question", "relief"]
"""Kinds of needs, and `relief`: the absence of a pain, as in "it never crashes"."""


def cue_evidence(text: str, words: list[str]) -> dict[Cue, float]:
    """Return evidence from 0 to 1 of each cue in a text with these lower-case words."""
    lowered = text.lower().replace("’", "'")
    plain = lexicon.IDIOMS.sub(lambda match: "~" * len(match[0]), lowered)
    present = frozenset(words)
    asking = lexicon.FIX_IT.sub(" ", plain) if "fix" in plain else plain
    request, wished = _phrases(asking, present, lexicon.REQUEST_PHRASES)
    if len(words) > 2 and lexicon.IMPERATIVE.match(asking) is not None:
        request.append(_ORDER)
    pain, praise, relief = _opinions(plain, present, wished)
    if not _FAILING.isdisjoint(present) and _FAILS_TO_ACT.search(plain):
        pain.append(_FAILS)
    return {
        "request": _combined(request),
        "pain": _combined(pain),
        "praise": _combined(praise),
        "question": _question(plain, words, present),
        "relief": _combined(relief),
    }


_ORDER = 0.65
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
) -> tuple[list[float], list[float], list[float]]:
    """Return evidence of pain, praise and relief. A negated word counts for the other side."""
    pain, pain_spans = _phrases(plain, present, lexicon.PAIN_PHRASES)
    praise, praise_spans = _phrases(plain, present, lexicon.PRAISE_PHRASES)
    relief = [
        weight
        for weight, (start, end) in zip(praise, praise_spans, strict=True)
        if not wished and not lexicon.NEGATORS.isdisjoint(plain[start:end].split())
    ]
    if wished:
        praise = []
    if _OPINIONS.isdisjoint(present):
        return pain, praise, relief
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
                relief.append(weight)
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
    return pain, praise, relief


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
