"""Trains `weights/acts.bin` on the AMI meetings (CC BY 4.0) and our own lines of calls.

The second stage learns from what the first says about meetings that it has not seen, fold by
fold; a series of meetings lies within one fold.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from domains.intelligence.dialogue import dialogue_acts
from domains.intelligence.dialogue.dialogue_acts import (
    HEADS,
    KINDS,
    NEAR,
    ActWeights,
    Floats,
    Utterance,
)
from domains.intelligence.text import linear
from domains.intelligence.training import calls, fitting
from domains.intelligence.training.json_lines import read_json_lines

_FOLDS: Final = 5
_SHAPE: Final = fitting.Shape(bits=15, longest_words=3)
_STRENGTHS: Final = (4.0, 1.0, 0.3, 0.2, 1.0, 0.2, 0.15)
_DENSE: Final = 0.3
"""Dense features are given this standard deviation, so that words are not punished for them."""


class Meetings(NamedTuple):
    """The meetings one after the other: `lengths` has their numbers of utterances."""

    series: list[str]
    lengths: list[int]
    utterances: list[list[Utterance]]
    answers: NDArray[np.bool_]


def read(path: Path) -> Meetings:
    """The meetings of a file, `answers` with a column for each of `HEADS`."""
    rows = read_json_lines(path)
    return Meetings(
        [row["id"][:-1] for row in rows],
        [len(row["acts"]) for row in rows],
        [[_utterance(each) for each in row["acts"]] for row in rows],
        np.concatenate([_answers(row["acts"]) for row in rows]),
    )


def train(data: Path) -> bytes:
    """The weight file, made of `acts/train.jsonl`. Deterministic to the byte.

    On one thread: sums over several come out different in the last digits.
    """
    with threadpool_limits(limits=1):
        return _trained(data)


def _trained(data: Path) -> bytes:
    meetings = read(data / "acts" / "train.jsonl")
    texts = [[dialogue_acts.plain(each.text) for each in said] for said in meetings.utterances]
    raw = np.concatenate(
        [
            dialogue_acts.features(said, read)
            for said, read in zip(meetings.utterances, texts, strict=True)
        ]
    )
    centre = np.array([_rounded(each) for each in raw.mean(axis=0)])
    scale = np.array([_rounded(each / _DENSE) or 1.0 for each in raw.std(axis=0)])
    placed = (raw - centre) / scale
    flat = [each for said in texts for each in said]
    fold = _folds(meetings)
    logits = _unseen(flat, placed, meetings.answers, fold)
    around = _around(logits, placed, meetings.lengths)
    second, bias = _second(around, meetings.answers)
    chances = _held_out(around, meetings.answers, fold)
    return msgspec.msgpack.encode(
        ActWeights(
            first=_first(flat, placed, meetings.answers),
            centre=centre.tolist(),
            scale=scale.tolist(),
            second=second,
            bias=bias,
            thresholds=_thresholds(chances, meetings),
        )
    )


def _utterance(act: dict[str, Any]) -> Utterance:
    return Utterance(act["speaker"], act["text"], act["start"])


def _answers(said: Sequence[dict[str, Any]]) -> NDArray[np.bool_]:
    exact = np.array([[kind in each["labels"] for kind in KINDS] for each in said])
    near = np.zeros_like(exact)
    for index, column in zip(*np.nonzero(exact), strict=True):
        near[max(0, index - NEAR) : index + NEAR + 1, column] = True
    return np.concatenate((exact, near[:, :3]), axis=1)


def _folds(meetings: Meetings) -> NDArray[np.int64]:
    """The fold of each utterance: series dealt out in turn, longest first."""
    sizes: dict[str, int] = {}
    for series, length in zip(meetings.series, meetings.lengths, strict=True):
        sizes[series] = sizes.get(series, 0) + length
    filled = [0] * _FOLDS
    of_series: dict[str, int] = {}
    for series in sorted(sizes, key=lambda each: (-sizes[each], each)):
        of_series[series] = filled.index(min(filled))
        filled[of_series[series]] += sizes[series]
    return np.repeat([of_series[each] for each in meetings.series], meetings.lengths)


def _first(texts: Sequence[str], placed: Floats, answers: NDArray[np.bool_]) -> bytes:
    """The first stage, with our own lines of calls placed nowhere in particular."""
    every = [*texts, *(dialogue_acts.plain(line) for _, line in calls.LINES)]
    own = np.array(
        [[head.removeprefix("near ") in kinds for head in HEADS] for kinds, _ in calls.LINES]
    )
    dense = np.concatenate((placed, np.zeros((len(own), placed.shape[1]))))
    together = np.concatenate((answers, own))
    heads = {
        name: fitting.Head(together[:, column], strength)
        for column, (name, strength) in enumerate(zip(HEADS, _STRENGTHS, strict=True))
    }
    return fitting.fit(
        "acts",
        every,
        heads,
        _SHAPE,
        dense=dense.astype(np.float32),
        trained_on="AMI meeting corpus, manual annotations 1.6 (CC BY 4.0); own lines",
    )


def _unseen(
    texts: Sequence[str], placed: Floats, answers: NDArray[np.bool_], fold: NDArray[np.int64]
) -> Floats:
    logits = np.zeros(answers.shape)
    for number in range(_FOLDS):
        out = np.flatnonzero(fold == number).tolist()
        rest = np.flatnonzero(fold != number).tolist()
        model = linear.parsed(_first([texts[each] for each in rest], placed[rest], answers[rest]))
        logits[out] = model.logits([texts[each] for each in out], placed[out].astype(np.float32))
    return logits


def _around(logits: Floats, placed: Floats, lengths: Sequence[int]) -> Floats:
    cuts = np.cumsum(lengths)[:-1]
    pairs = zip(np.split(logits, cuts), np.split(placed, cuts), strict=True)
    return np.concatenate([dialogue_acts.context(here, where) for here, where in pairs])


# Of the second stage: per row of `ActWeights.second` the heads that it mixes, with their shares.
_MIXES: Final[tuple[tuple[tuple[str, float], ...], ...]] = (
    (("action", 0.6), ("near action", 0.4)),
    (("near decision", 1.0),),
    (("near problem", 1.0),),
    (("abstract", 1.0),),
    (("action", 1.0),),
    (("decision", 1.0),),
    (("problem", 1.0),),
    (("abstract", 1.0),),
)
_SECOND_STRENGTHS: Final = {
    "action": 0.006,
    "near action": 0.003,
    "decision": 0.001,
    "near decision": 0.001,
    "problem": 0.001,
    "near problem": 0.001,
    "abstract": 0.03,
}


_AS_GOOD: Final = 0.97
_EXACT: Final = (0.5, 0.0, 0.0, 1.0)
"""Per kind how much hits on the very utterance count, against hits within two utterances."""


def _second(around: Floats, answers: NDArray[np.bool_]) -> tuple[list[list[float]], list[float]]:
    mean, spread = around.mean(axis=0), around.std(axis=0) + 1e-9
    normal = (around - mean) / spread
    learned: dict[str, tuple[Floats, float]] = {}
    for name, strength in _SECOND_STRENGTHS.items():
        model = LogisticRegression(C=strength, max_iter=400)
        model.fit(normal, answers[:, HEADS.index(name)])
        weights = model.coef_[0] / spread
        learned[name] = (weights, float(model.intercept_[0] - (weights * mean).sum()))
    rows = [sum(learned[name][0] * share for name, share in mix) for mix in _MIXES]
    bias = [sum(learned[name][1] * share for name, share in mix) for mix in _MIXES]
    return (
        [[_rounded(each) for each in np.asarray(row)] for row in rows],
        [_rounded(each) for each in bias],
    )


def _held_out(around: Floats, answers: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    chances = np.zeros((len(around), len(KINDS)))
    for number in range(_FOLDS):
        rows, bias = _second(around[fold != number], answers[fold != number])
        for column in range(len(KINDS)):
            scored = (around[fold == number] * rows[column]).sum(axis=1) + bias[column]
            chances[fold == number, column] = 1 / (1 + np.exp(-scored))
    return chances


def _thresholds(chances: Floats, meetings: Meetings) -> list[float]:
    """The lowest that is as good as the best in cross-validation: a reader can skip a find.

    Exact hits and near ones count as `_EXACT` weighs them.
    """
    chosen = []
    for column in range(len(KINDS)):
        grid = np.quantile(chances[:, column], 1 - np.geomspace(0.002, 0.4, 60))
        exact = _EXACT[column]
        scored = []
        for each in grid:
            hits, near = f_scores(chances[:, column] >= each, column, meetings)
            scored.append((exact * hits + (1 - exact) * near, -float(each)))
        good = max(scored)[0] * _AS_GOOD
        chosen.append(_rounded(min(-each for value, each in scored if value >= good)))
    return chosen


def f_scores(predicted: NDArray[np.bool_], column: int, meetings: Meetings) -> tuple[float, float]:
    """F1 of exact hits and of hits within two utterances, over meetings that have the kind."""
    exact, near = np.zeros(3), np.zeros(3)
    at = 0
    for length in meetings.lengths:
        gold = meetings.answers[at : at + length, column]
        said = predicted[at : at + length]
        at += length
        if not gold.any():
            continue
        exact += ((gold & said).sum(), (said & ~gold).sum(), (gold & ~said).sum())
        hits = (said & _dilated(gold)).sum()
        near += (hits, said.sum() - hits, (gold & ~_dilated(said)).sum())
    return _f1(exact), _f1(near)


def _dilated(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.convolve(flags, np.ones(2 * NEAR + 1), "full")[NEAR : NEAR + len(flags)] > 0.5


def _f1(counts: Floats) -> float:
    hits, wrong, missed = counts.tolist()
    return 2 * hits / (2 * hits + wrong + missed) if hits else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
