"""Feature phrases of a sentence ("export to Excel", "dark mode") and the sentiment toward each.

A linear tagger marks where phrases begin and go on; opinion words near a phrase say how it is
liked. The weights are trained by `training.phrases` and read once.
"""

import functools
import re
import zlib
from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.intelligence.findings import Sentiment
from domains.intelligence.text import lexicon
from domains.intelligence.text.words import STOP_WORDS, word_set

OUTSIDE, BEGIN, INSIDE = range(3)


class PhraseWeights(msgspec.Struct, frozen=True):
    """A trained tagger as its file holds it (MessagePack).

    `table` has three int8 (outside, begin, inside) for each of 2**bits buckets, in steps of `step`;
    `following[a][b]` is added where tag b follows tag a.
    """

    bits: int
    table: bytes
    step: float
    following: list[list[float]]
    trained_on: str


class Phrase(msgspec.Struct, frozen=True):
    """A part of a text that names a feature: `text[start:end]` of the text that was read."""

    text: str
    start: int
    end: int
    sentiment: Sentiment


class Tagger:
    """A tagger, ready to read."""

    def __init__(self, weights: PhraseWeights) -> None:
        table = np.frombuffer(weights.table, np.int8).reshape(1 << weights.bits, 3)
        self._table: Final = table.astype(np.float32) * np.float32(weights.step)
        self._following: Final = weights.following
        self._bits: Final = weights.bits

    def phrases(self, text: str) -> list[Phrase]:
        """The feature phrases of a sentence, in order."""
        found = list(WORD.finditer(text))
        if not found:
            return []
        words = [plain(match[0]) for match in found]
        buckets = features([match[0] for match in found], words, self._bits)
        tags = best_path(self._table[buckets].sum(axis=1), self._following)
        return [
            Phrase(
                text=text[found[first].start() : found[last].end()],
                start=found[first].start(),
                end=found[last].end(),
                sentiment=sentiment(words, first, last),
            )
            for first, last in spans(tags)
        ]


WORD: Final = re.compile(r"[^\W_]+(?:['’./&+-][^\W_]+)*|[^\w\s]")


def plain(word: str) -> str:
    """A word as the tagger compares it."""
    return word.lower().replace("’", "'")


@functools.cache
def tagger() -> Tagger:
    """The tagger that ships with the package."""
    content = (resources.files("domains.intelligence") / "weights" / "phrases.bin").read_bytes()
    return Tagger(msgspec.msgpack.decode(content, type=PhraseWeights))


def phrases(text: str) -> list[Phrase]:
    """The feature phrases of a sentence, each with the sentiment toward it."""
    return tagger().phrases(text)


def spans(tags: Sequence[int]) -> list[tuple[int, int]]:
    """First and last word of each marked phrase."""
    found: list[tuple[int, int]] = []
    for index, tag in enumerate(tags):
        if tag == BEGIN:
            found.append((index, index))
        elif tag == INSIDE and found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
    return found


def best_path(scores: NDArray[np.float32], following: Sequence[Sequence[float]]) -> list[int]:
    """The tags with the highest total; nothing goes on that has not begun."""
    rows: list[list[float]] = scores.tolist()
    best = [rows[0][OUTSIDE], rows[0][BEGIN], float("-inf")]
    came_from: list[list[int]] = []
    for row in rows[1:]:
        step: list[int] = []
        reached: list[float] = []
        for tag in (OUTSIDE, BEGIN, INSIDE):
            o = best[OUTSIDE] + following[OUTSIDE][tag] if tag != INSIDE else float("-inf")
            b = best[BEGIN] + following[BEGIN][tag]
            i = best[INSIDE] + following[INSIDE][tag]
            origin = OUTSIDE if o >= b and o >= i else BEGIN if b >= i else INSIDE
            step.append(origin)
            reached.append((o, b, i)[origin] + row[tag])
        best = reached
        came_from.append(step)
    tag = best.index(max(best))
    path = [tag]
    for step in reversed(came_from):
        tag = step[tag]
        path.append(tag)
    return path[::-1]


_CLASSES: Final[dict[str, str]] = {
    word: name
    for name, words in (
        ("adverb", "very really so too just also still even always never now well easily"),
        ("determiner", "a an the this that these those some any all every each no another both"),
        ("possessive", "my your his her its our their"),
        ("pronoun", "i you he she it we they me him us them who which what everything"),
        ("be", "am is are was were be been being i'm it's you're they're that's isn't aren't"),
        ("auxiliary", "do does did has have had having can could will would should may might must"),
        ("negation", "not no don't doesn't didn't can't cannot couldn't won't wouldn't"),
        ("preposition", "of in on at by for with from into over between through about across off"),
        ("to", "to"),
        ("and", "and or but & nor plus"),
        ("subordinate", "if when because since while although though as than so whenever where"),
        ("product", "app apps program software tool product application"),
        ("love", "love like enjoy hate need want use using used able wish recommend"),
    )
    for word in words.split()
}


def _class(raw: str, word: str) -> str:
    known = _CLASSES.get(word)
    if known:
        return known
    if not word[0].isalnum():
        return "mark" + word
    if word in lexicon.PRAISE_WORDS:
        return "praise"
    if word in lexicon.PAIN_WORDS:
        return "pain"
    if word in STOP_WORDS:
        return "stop"
    if word[0].isdigit():
        return "number"
    if raw[0].isupper():
        return "Name"
    for ending in ("ing", "ed", "ly", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return "-" + ending
    return "word"


_CONTEXTS: Final[tuple[tuple[str, ...], ...]] = tuple(
    tuple(line.split())
    for line in """
    word0
    word-1
    word1
    word-2
    word2
    word-1 word0
    word0 word1
    word-2 word-1
    ending0
    ending-1
    ending1
    beginning0
    class0
    class-1
    class1
    class-2
    class2
    class-1 class0
    class0 class1
    class-1 class0 class1
    class-2 class-1 class0
    class0 class1 class2
    word-1 class0
    class0 word1
    """.strip().splitlines()
)
"""What is looked at together: aspects of a word and of those up to two places around it."""
_READS: Final = re.compile(r"([a-z]+)(-?\d)")
_PLAN: Final = tuple(
    tuple(
        (("word", "ending", "beginning", "class").index(read[1]), int(read[2]) + 2)
        for part in context
        if (read := _READS.fullmatch(part))
    )
    for context in _CONTEXTS
)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)
_SALTS: Final = np.arange(1, len(_PLAN) + 1, dtype=np.uint64)[:, None] * np.uint64(
    0xD6E8FEB86659FD93
)


def features(raw: Sequence[str], words: Sequence[str], bits: int) -> NDArray[np.int64]:
    """Buckets that describe each word in its surroundings: shape (words, features)."""
    crc = zlib.crc32
    classes = map(_class, raw, words)
    aspects = np.array(
        [
            _EDGE,
            _EDGE,
            *(
                (
                    crc(word.encode()),
                    crc(word[-3:].encode()),
                    crc(word[:4].encode()),
                    crc(kind.encode()),
                )
                for word, kind in zip(words, classes, strict=True)
            ),
            _EDGE,
            _EDGE,
        ],
        np.uint64,
    ).T
    size = len(words)
    hashes = np.empty((len(_PLAN), size), np.uint64)
    for row, parts in enumerate(_PLAN):
        aspect, shift = parts[0]
        mixed = aspects[aspect, shift : shift + size]
        for aspect, shift in parts[1:]:
            mixed = mixed * _MIX + aspects[aspect, shift : shift + size]
        hashes[row] = mixed
    hashes = (hashes + _SALTS) * _MIX
    hashes = (hashes ^ (hashes >> _HALF)) * _MIX
    return (hashes >> np.uint64(64 - bits)).astype(np.int64).T


_EDGE: Final = (1, 1, 1, 1)
_BORDERS: Final = word_set("but however although though except yet ; . ! ? :")
_REACH: Final = 6


def sentiment(words: Sequence[str], first: int, last: int) -> Sentiment:
    """What the opinion words near a phrase say of it, the nearer the more."""
    total = 0.0
    for direction in (-1, 1):
        at = first - 1 if direction < 0 else last + 1
        for distance in range(_REACH):
            if not 0 <= at < len(words) or words[at] in _BORDERS:
                break
            total += _polarity(words, at) / (1 + 0.25 * distance)
            at += direction
    total += 0.8 * sum(_polarity(words, at) for at in range(first, last + 1))
    return "positive" if total >= 0.3 else "negative" if total <= -0.25 else "neutral"


def _polarity(words: Sequence[str], at: int) -> float:
    word = words[at]
    value = lexicon.PRAISE_WORDS.get(word, 0.0) - lexicon.PAIN_WORDS.get(word, 0.0)
    if word in lexicon.NEGATORS:
        return -0.25 if word not in ("no", "without") else 0.0
    if not value:
        return 0.0
    negated = any(words[k] in lexicon.NEGATORS for k in range(max(0, at - 3), at))
    return -value if negated and value > 0 else value * (0.3 if negated else 1)
