"""What the evaluation measures: F1 of labels, phrases, pairs and acts, and ROUGE."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rouge_score import rouge_scorer
from sklearn.metrics import v_measure_score

from tests.eval.rows import Rows


class Score(NamedTuple):
    """Precision, recall and their harmonic mean, 0..1."""

    precision: float
    recall: float
    f1: float


def score(hits: int, wrong: int, missed: int) -> Score:
    """From counts; 0 where nothing was there to find or found."""
    precision = hits / (hits + wrong) if hits + wrong else 0.0
    recall = hits / (hits + missed) if hits + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Score(precision, recall, f1)


def of_labels(
    gold: Sequence[Collection[str]], found: Sequence[Collection[str]], labels: Iterable[str]
) -> dict[str, float]:
    """F1 of each label over all rows, and `macro`, their mean."""
    f1 = {}
    for label in labels:
        pairs = [(label in g, label in f) for g, f in zip(gold, found, strict=True)]
        f1[label] = score(
            pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))
        ).f1
    return f1 | {"macro": sum(f1.values()) / len(f1)}


def of_pairs(gold: Sequence[str], found: Sequence[int]) -> dict[str, float]:
    """F1 of the pairs that stand in one group, and the V-measure."""

    def pairs(groups: Iterable[Any]) -> int:
        return sum(count * (count - 1) // 2 for count in Counter(groups).values())

    both = pairs(zip(gold, found, strict=True))
    f1 = score(both, pairs(found) - both, pairs(gold) - both).f1
    return {"pair F1": f1, "V": float(v_measure_score(gold, found))}


def of_summaries(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Mean ROUGE F1 in percent, with stemming, of (reference, summary)."""
    kinds = ["rouge1", "rouge2", "rougeLsum"]
    scorer = rouge_scorer.RougeScorer(kinds, use_stemmer=True)
    sums: defaultdict[str, float] = defaultdict(float)
    for reference, summary in pairs:
        for kind, found in scorer.score(_lines(reference), _lines(summary)).items():
            sums[kind] += 100 * found.fmeasure
        sums["words"] += len(summary.split())
    return {kind: value / len(pairs) for kind, value in sums.items()}


def _lines(text: str) -> str:
    return "\n".join(each for each in re.split(r"(?<=[.!?])\s+|\n", text) if each)


def of_acts(
    meetings: Rows, found: Sequence[Mapping[str, Collection[int]]], kind: str
) -> dict[str, float]:
    """F1 over the acts of the meetings that have one of this kind, and `near`, where two acts away
    is a hit.
    """
    exact, near = [0, 0, 0], [0, 0, 0]
    for meeting, labels in zip(meetings, found, strict=True):
        gold = {act["i"] for act in meeting["acts"] if kind in act["labels"]}
        if not gold:
            continue
        told = set(labels.get(kind, ()))
        for sums, reach in ((exact, 0), (near, 2)):
            hits = sum(_within(each, gold, reach) for each in told)
            sums[0] += hits
            sums[1] += len(told) - hits
            sums[2] += sum(not _within(each, told, reach) for each in gold)
    return {"F1": score(*exact).f1, "near F1": score(*near).f1}


def _within(act: int, others: Collection[int], reach: int) -> bool:
    return any(act + step in others for step in range(-reach, reach + 1))


def of_phrases(
    gold: Sequence[Sequence[Mapping[str, str]]],
    found: Sequence[Sequence[Mapping[str, str]]],
    slack: int,
) -> dict[str, float]:
    """F1 of feature phrases that differ by at most `slack` words, and how often the sentiment of
    those that match is right.
    """
    hits = wrong = missed = right = 0
    for wanted, told in zip(gold, found, strict=True):
        left = list(told)
        for each in wanted:
            at = next(
                (n for n, x in enumerate(left) if _match(each["text"], x["text"], slack)), None
            )
            if at is None:
                missed += 1
                continue
            hits += 1
            right += left.pop(at)["sentiment"] == each["sentiment"]
        wrong += len(left)
    return {"F1": score(hits, wrong, missed).f1, "sentiment": right / hits if hits else 0.0}


def _match(one: str, other: str, slack: int) -> bool:
    a, b = (re.findall(r"[a-z0-9']+", text.lower()) for text in (one, other))
    if not slack:
        return a == b
    short, long = sorted((a, b), key=len)
    return bool(short) and len(long) - len(short) <= slack and not Counter(short) - Counter(long)
