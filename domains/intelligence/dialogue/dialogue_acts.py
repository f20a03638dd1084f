"""Which utterances of a meeting carry an action item, a decision, an open problem or the gist.

Two linear stages: what an utterance says and where it stands, then the same of its neighbours,
because a decision is seldom stated in one breath. Trained on the AMI meetings by `training.acts`.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.intelligence.text import linear
from domains.intelligence.text.words import STOP_WORDS, word_set

Floats = NDArray[np.float64]
ActKind = Literal["action", "decision", "problem", "abstract"]

KINDS: Final[tuple[ActKind, ...]] = ("action", "decision", "problem", "abstract")
"""Somebody takes something on; something is settled; something stays open; the summary has it."""

NEAR: Final = 2
"""A decision or problem counts as found if a predicted utterance lies this close to its own."""


class Utterance(NamedTuple):
    """Something said at one go, as its speaker said it; times are seconds from the start."""

    speaker: str
    text: str
    start_time: float | None = None


class Scores(NamedTuple):
    """Probabilities 0..1 per utterance and kind, in the order of `KINDS`.

    `near`: something of this kind is said here or within two utterances; for "action" and
    "abstract" it is said in this one. `stated`: it is said in this very utterance, for choosing
    the best quote of a stretch.
    """

    near: Floats
    stated: Floats


class ActWeights(msgspec.Struct, frozen=True):
    """The content of `weights/acts.bin`.

    `first` is a `linear.Weights` file over `HEADS`, its dense features less `centre` over `scale`.
    `second` has a row of weights on `context` for each kind of `Scores.near`, then of
    `Scores.stated`; `bias` and `thresholds` (of `near`, from tuning in cross-validation) likewise.
    """

    first: bytes
    centre: list[float]
    scale: list[float]
    second: list[list[float]]
    bias: list[float]
    thresholds: list[float]


HEADS: Final = (*KINDS, "near action", "near decision", "near problem")
"""What the first stage is asked of each utterance."""


def score(utterances: Sequence[Utterance]) -> Scores:
    """What each utterance carries. Pure; about 50 ms for 1,000 utterances."""
    if not utterances:
        return Scores(np.zeros((0, len(KINDS))), np.zeros((0, len(KINDS))))
    weights, first = _model()
    texts = [plain(each.text) for each in utterances]
    placed = (features(utterances, texts) - weights.centre) / weights.scale
    logits = first.logits(texts, placed.astype(np.float32))
    around = context(logits, placed)
    # Row by row: a matrix product may round differently from machine to machine.
    rows = [
        bias + (around * np.asarray(row)).sum(axis=1)
        for row, bias in zip(weights.second, weights.bias, strict=True)
    ]
    chances = np.round(1.0 / (1.0 + np.exp(-np.clip(np.array(rows).T, -30.0, 30.0))), 6)
    return Scores(chances[:, : len(KINDS)], chances[:, len(KINDS) :])


def marked(scores: Scores) -> dict[ActKind, list[int]]:
    """Per kind the utterances at or over its threshold: where a reader would find it."""
    return {
        kind: [int(each) for each in np.flatnonzero(scores.near[:, column] >= threshold(kind))]
        for column, kind in enumerate(KINDS)
    }


def threshold(kind: ActKind) -> float:
    """The probability from which an utterance counts, tuned in cross-validation on AMI."""
    return _model()[0].thresholds[KINDS.index(kind)]


@functools.cache
def _model() -> tuple[ActWeights, linear.Linear]:
    content = (resources.files("domains.intelligence") / "weights" / "acts.bin").read_bytes()
    weights = msgspec.msgpack.decode(content, type=ActWeights)
    return weights, linear.parsed(weights.first)


_FILLER: Final = re.compile(
    r"\b(?:um+|uh+|mm+|hmm+|mm-hmm|uh-huh|er|erm|ah|oh)\b[,.]?\s*|\b(\w+)(?: \1\b)+", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"[^\W]+(?:['’]\w+)*")
_BACK: Final = word_set(
    """
    yeah yep yes okay ok right mm hmm mhm sure no alright cool great good exactly true fine nice
    well so and but absolutely definitely perfect thanks
    """
)
_AGREE: Final = word_set(
    "okay ok yeah yes agreed agree fine right good great sure alright decided perfect"
)
_NUMBERS: Final = word_set(
    """
    one two three four five six seven eight nine ten twelve fifteen twenty thirty forty fifty
    hundred thousand million percent euro euros dollars
    """
)


def plain(text: str) -> str:
    """The text without fillers and stutters, as both stages read it; never for quoting."""
    return _FILLER.sub(lambda match: match[1] or "", text)


class _Read(NamedTuple):
    """What the features are made of: per utterance words, topic words and its speaker's number."""

    words: list[list[str]]
    topics: list[list[str]]
    who: NDArray[np.int64]


def features(utterances: Sequence[Utterance], texts: Sequence[str]) -> Floats:
    """What an utterance is like and where it stands: one row each, without any of its words.

    `texts` are the utterances' plain texts.
    """
    read = _read(utterances, texts)
    lengths = np.array([len(each) for each in read.words], np.float64)
    columns = [
        *_position(len(texts)),
        *_topicality(read),
        *_voices(read.who, lengths),
        *_surroundings(read, texts, lengths),
    ]
    return np.array(columns, np.float64).T


def _read(utterances: Sequence[Utterance], texts: Sequence[str]) -> _Read:
    words = [_TOKEN.findall(text.lower()) for text in texts]
    topics = [[each for each in row if len(each) > 2 and each not in STOP_WORDS] for row in words]
    numbers: dict[str, int] = {}
    who = [numbers.setdefault(each.speaker, len(numbers)) for each in utterances]
    return _Read(words, topics, np.array(who, np.int64))


def _position(count: int) -> list[Floats]:
    at = np.arange(count, dtype=np.float64)
    left = count - 1 - at
    part = (at + 0.5) / count
    return [
        part,
        part * part,
        np.exp(-at / 20),
        np.exp(-left / 15),
        np.exp(-left / 50),
        (part > 0.9).astype(np.float64),
        (part < 0.1).astype(np.float64),
        # The meetings that we learn from have no fewer utterances: nothing is known of less.
        np.full(count, np.log(np.clip(count, 150, 2500)) / 7),
    ]


def _topicality(read: _Read) -> list[Floats]:
    counts = Counter(word for row in read.topics for word in row)
    familiar = {word: float(np.log(count)) for word, count in counts.items()}
    size = np.array([len(row) for row in read.topics], np.float64)
    heard: set[str] = set()
    new = np.zeros(len(size))
    for index, row in enumerate(read.topics):
        new[index] = sum(word not in heard for word in row)
        heard.update(row)
    weight = np.array([sum(familiar[word] for word in row) for row in read.topics], np.float64)
    once = np.array([sum(counts[word] == 1 for word in row) for row in read.topics], np.float64)
    divisor = np.maximum(size, 1)
    return [np.log1p(size), np.log1p(weight), weight / divisor, new / divisor, once / divisor]


def _voices(who: NDArray[np.int64], lengths: Floats) -> list[Floats]:
    heard = np.bincount(who, lengths + 1e-9)
    share = heard / heard.sum()
    same = np.array([False, *(a == b for a, b in pairwise(who.tolist()))])
    turn = np.cumsum(~same) - 1
    spoken = np.bincount(turn, lengths)
    return [
        share[who],
        (share[who] == share.max()).astype(np.float64),
        (who == 0).astype(np.float64),
        same.astype(np.float64),
        np.append(same[1:], False).astype(np.float64),
        np.log1p(spoken[turn]),
    ]


def _surroundings(read: _Read, texts: Sequence[str], lengths: Floats) -> list[Floats]:
    asks = _flags("?" in text for text in texts)
    back = _flags(all(word in _BACK for word in row) for row in read.words)
    agree = _flags(any(word in _AGREE for word in row[:3]) for row in read.words)
    number = _flags(
        any(word in _NUMBERS or word[0].isdigit() for word in row) for row in read.words
    )
    size = np.log1p(lengths)
    return [
        size,
        *((lengths >= least).astype(np.float64) for least in (4, 8, 15)),
        asks,
        number,
        back,
        agree,
        _sum(size, -3, 3) / 7,
        _sum(size, -15, 15) / 31,
        _sum(back, -5, 5) / 11,
        _sum(asks, -10, 10) / 21,
        _sum(agree, 1, 3),
        _sum(asks, 1, 3),
        _sum(asks, -3, -1),
        _sum(back, 1, 3),
    ]


def _flags(values: Iterable[bool]) -> Floats:
    return np.fromiter(values, np.float64)


def _sum(values: Floats, start: int, end: int) -> Floats:
    """Per place the sum of the values from `start` to `end` places on, ends cut off."""
    total = np.concatenate(([0.0], np.cumsum(values)))
    at = np.arange(len(values))
    low = np.clip(at + start, 0, len(values))
    high = np.clip(at + end + 1, 0, len(values))
    return np.asarray(total[high] - total[low])


_REACH: Final = 5
_OUTSIDE: Final = -8.0
"""Log-odds of what lies before the first and after the last utterance."""


def context(logits: Floats, placed: Floats) -> Floats:
    """What the second stage sees: the first stage's log-odds here, around and over the meeting."""
    count, heads = logits.shape
    reach = np.full((_REACH, heads), _OUTSIDE)
    padded = np.concatenate((reach, logits, reach))
    shifted = [padded[offset : offset + count] for offset in range(2 * _REACH + 1)]
    close = np.stack(shifted[_REACH - NEAR : _REACH + NEAR + 1])
    wide = np.stack(shifted)
    far = np.full((15, heads), _OUTSIDE)
    summed = np.concatenate((far[:1] * 0, np.cumsum(np.concatenate((far, logits, far)), axis=0)))
    overall = np.log(np.exp(logits).mean(axis=0))
    parts = [
        *shifted,
        close.max(axis=0),
        wide.max(axis=0),
        np.log(np.exp(close).sum(axis=0)),
        np.log(np.exp(wide).sum(axis=0)),
        (summed[31:] - summed[:-31]) / 31,
        np.tile(overall, (count, 1)),
        logits - logits.max(axis=0),
        placed,
    ]
    return np.concatenate(parts, axis=1)
