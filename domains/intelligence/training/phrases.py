"""The phrase tagger's weights: an averaged structured perceptron over labelled review sentences."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.intelligence.text.phrases import (
    BEGIN,
    INSIDE,
    OUTSIDE,
    WORD,
    PhraseWeights,
    best_path,
    features,
    plain,
)
from domains.intelligence.training.json_lines import read_json_lines

_BITS: Final = 17
_ROUNDS: Final = 8
_MARGIN: Final = 55.0
"""What the words of a phrase have to win by while learning.

Phrases are rarer than other words; learned against this margin, as many are found as there are.
"""
_TRAINED_ON: Final = "IS-22 feature opinions by Jacek Dąbrowski, MIT"


class _Sentence(NamedTuple):
    buckets: NDArray[np.int64]
    tags: list[int]


def train(data: Path) -> bytes:
    """The weight file from DATA/opinions/dev.jsonl, the same bytes every time."""
    return msgspec.msgpack.encode(fit(read_json_lines(data / "opinions" / "dev.jsonl")))


def fit(rows: Sequence[Mapping[str, Any]]) -> PhraseWeights:
    """A tagger from rows with "text" and "features"."""
    sentences = [each for row in rows if (each := _labelled(row)) is not None]
    size = 1 << _BITS
    weights = np.zeros((size, 3), np.float64)
    summed = np.zeros((size, 3), np.float64)
    following = np.zeros((3, 3), np.float64)
    summed_following = np.zeros((3, 3), np.float64)
    order = np.random.default_rng(7)
    seen = 0
    for _ in range(_ROUNDS):
        for index in order.permutation(len(sentences)):
            sentence = sentences[int(index)]
            seen += 1
            scores = weights[sentence.buckets].sum(axis=1)
            scores[:, OUTSIDE] += _MARGIN * (np.array(sentence.tags) != OUTSIDE)
            guess = best_path(scores.astype(np.float32), following.tolist())
            if guess == sentence.tags:
                continue
            # Sums of (weight x time of change) give the average over all steps without a copy each.
            for at, (wrong, right) in enumerate(zip(guess, sentence.tags, strict=True)):
                if wrong != right:
                    row = sentence.buckets[at]
                    np.add.at(weights, (row, right), 1.0)
                    np.add.at(weights, (row, wrong), -1.0)
                    np.add.at(summed, (row, right), float(seen))
                    np.add.at(summed, (row, wrong), -float(seen))
            for path, sign in ((sentence.tags, 1.0), (guess, -1.0)):
                for a, b in pairwise(path):
                    following[a, b] += sign
                    summed_following[a, b] += sign * seen
    averaged = weights - summed / (seen + 1)
    averaged_following = following - summed_following / (seen + 1)
    step = float(f"{np.abs(averaged).max() / 127.0:.6g}")
    return PhraseWeights(
        bits=_BITS,
        table=np.round(averaged / step).astype(np.int8).tobytes(),
        step=step,
        following=[[float(f"{each:.6g}") for each in row] for row in averaged_following.tolist()],
        trained_on=_TRAINED_ON,
    )


def _labelled(row: Mapping[str, Any]) -> _Sentence | None:
    text = str(row["text"])
    found = list(WORD.finditer(text))
    if not found:
        return None
    words = [plain(match[0]) for match in found]
    tags = [OUTSIDE] * len(words)
    for feature in sorted(row["features"], key=lambda each: -len(each["text"])):
        wanted = [plain(match[0]) for match in WORD.finditer(str(feature["text"]))]
        start = _where(words, wanted, tags)
        if start is not None:
            tags[start : start + len(wanted)] = [BEGIN] + [INSIDE] * (len(wanted) - 1)
    return _Sentence(features([match[0] for match in found], words, _BITS), tags)


def _where(words: list[str], wanted: list[str], tags: list[int]) -> int | None:
    """Where a phrase stands, at its first place that no longer phrase takes."""
    for start in range(len(words) - len(wanted) + 1):
        here = slice(start, start + len(wanted))
        if words[here] == wanted and not any(tags[here]):
            return start
    return None
