"""Metrics of the evaluation: F1 of labels, pairs and dialogue acts, and ROUGE."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rouge_score import rouge_scorer
from sklearn.metrics import v_measure_score

from tests.eval.rows import Rows


class Score(NamedTuple):
    """Precision, recall and their harmonic mean, each from 0 to 1."""

    precision: float
    recall: float
    f1: float


def score(hits: int, wrong: int, missed: int) -> Score:
    """Compute the score from counts. It is 0 if there is nothing to divide by."""
    precision = hits / (hits + wrong) if hits + wrong else 0.0
    recall = hits / (hits + missed) if hits + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Score(precision, recall, f1)


def label_f1(
    gold: Sequence[Collection[str]], predicted: Sequence[Collection[str]], labels: Iterable[str]
) -> dict[str, float]:
    """F1 of each label over all rows, and their mean as `macro`."""
    f1 = {}
    for label in labels:
        pairs = [
            (label in expected, label in found)
            for expected, found in zip(gold, predicted, strict=True)
        ]
        f1[label] = score(
            pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))
        ).f1
    return f1 | {"macro": sum(f1.values()) / len(f1)}


def cluster_scores(gold: Sequence[str], predicted: Sequence[int]) -> dict[str, float]:
    """F1 of the pairs of rows in the same cluster, and the V-measure."""

    def pairs(clusters: Iterable[Any]) -> int:
        return sum(count * (count - 1) // 2 for count in Counter(clusters).values())

    both = pairs(zip(gold, predicted, strict=True))
    f1 = score(both, pairs(predicted) - both, pairs(gold) - both).f1
    return {"pair F1": f1, "V": float(v_measure_score(gold, predicted))}


def summary_rouge(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Mean ROUGE F1 in percent, with stemming, of pairs (reference, summary)."""
    kinds = ["rouge1", "rouge2", "rougeLsum"]
    scorer = rouge_scorer.RougeScorer(kinds, use_stemmer=True)
    sums: defaultdict[str, float] = defaultdict(float)
    for reference, summary in pairs:
        scores = scorer.score(_sentence_lines(reference), _sentence_lines(summary))
        for kind, rouge in scores.items():
            sums[kind] += 100 * rouge.fmeasure
        sums["words"] += len(summary.split())
    return {kind: value / len(pairs) for kind, value in sums.items()}


def _sentence_lines(text: str) -> str:
    return "\n".join(filter(None, re.split(r"(?<=[.!?])\s+|\n", text)))


def act_f1(
    meetings: Rows, predicted: Sequence[Mapping[str, Collection[int]]], kind: str
) -> dict[str, float]:
    """F1 of the dialogue acts of a kind, in the meetings that have acts of that kind.

    `near F1` also counts a prediction at most two acts away from a true one.
    """
    exact, near = [0, 0, 0], [0, 0, 0]
    for meeting, labels in zip(meetings, predicted, strict=True):
        gold = {act["i"] for act in meeting["acts"] if kind in act["labels"]}
        if not gold:
            continue
        found = set(labels.get(kind, ()))
        for counts, distance in ((exact, 0), (near, 2)):
            hits = sum(_is_near(act, gold, distance) for act in found)
            counts[0] += hits
            counts[1] += len(found) - hits
            counts[2] += sum(not _is_near(act, found, distance) for act in gold)
    return {"F1": score(*exact).f1, "near F1": score(*near).f1}


def _is_near(act: int, others: Collection[int], distance: int) -> bool:
    return any(act + step in others for step in range(-distance, distance + 1))
