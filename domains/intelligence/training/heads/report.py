"""Figures of the heads for MODELS.md: agreement of two readers, and held-out predictions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.heads.needs import KINDS
from domains.intelligence.heads.sentence_classifier import HEADS
from domains.intelligence.training.fitting import best_threshold
from domains.intelligence.training.heads.fitting import Example, Trained
from domains.intelligence.training.heads.sentence_labels import reading

Answers = NDArray[np.bool_]


class Agreement(NamedTuple):
    """Agreement of two readers on yes or no: F1 of one against the other, and Cohen's kappa."""

    f1: float
    kappa: float


def agreement(one: Answers, other: Answers) -> Agreement:
    """Compute the agreement. Both are 0 where nobody says yes."""
    both = float((one & other).sum())
    f1 = 2 * both / max(float(one.sum() + other.sum()), 1.0)
    observed = float((one == other).mean())
    expected = float(one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean()))
    return Agreement(f1, (observed - expected) / max(1 - expected, 1e-9))


def heads_table(trained: Trained) -> str:
    """Return tables of all heads, and of needs by language and kind of document."""
    twice = [each for each in trained.examples if each.document.second_labels is not None]
    first, second = (np.concatenate(rows) for rows in _readings(twice))
    sentences = sum(len(each.vectors) for each in trained.examples)
    lines = [
        f"{len(trained.examples):,} documents with {sentences:,} sentences; {len(twice):,} of them "
        "were labelled by a second reader who did not",
        "see the first labels.",
        "",
        "| head | sentences | two readers: F1 | kappa | held out: P | R | F1 |",
        "|---|---|---|---|---|---|---|",
    ]
    for column, head in enumerate(HEADS):
        count, scores = _held_out(trained, column, trained.examples)
        agreed = agreement(first[:, column], second[:, column])
        cells = [f"{agreed.f1:.2f}", f"{agreed.kappa:.2f}"]
        lines.append(f"| {head} | {count:,} | {' | '.join([*cells, *scores])} |")
    lines += ["", "| needs in | sentences | P | R | F1 |", "|---|---|---|---|---|"]
    for name in ("lang", "kind"):
        for value in sorted({getattr(each.document, name) for each in trained.examples}):
            some = [each for each in trained.examples if getattr(each.document, name) == value]
            count, scores = _held_out(trained, HEADS.index("need"), some)
            lines.append(f"| {value} | {count:,} | {' | '.join(scores)} |")
    share = _type_accuracy(trained)
    lines += ["", f"The type of {share:.0%} of the needs is right."]
    return "\n".join(lines)


def _readings(examples: Sequence[Example]) -> tuple[list[Answers], list[Answers]]:
    first, second = [], []
    for example in examples:
        document = example.document
        first.append(reading(document, document.labels).answers > 0)
        second.append(reading(document, document.second_labels or []).answers > 0)
    return first, second


def _held_out(
    trained: Trained, column: int, examples: Sequence[Example]
) -> tuple[int, tuple[str, str, str]]:
    """Return the number of positive sentences, and P, R and F1 at the best threshold."""
    chosen = {id(each) for each in examples}
    answers, found, counted = [], [], []
    for example, rows in zip(trained.examples, trained.held_out, strict=True):
        if id(example) in chosen:
            answers.append(example.answers[:, column])
            counted.append(example.weights[:, column] > 0)
            found.append(rows[:, column])
    keep = np.concatenate(counted)
    positive = np.concatenate(answers)[keep] > 0.5
    probabilities = np.concatenate(found)[keep].astype(np.float64)
    said = probabilities >= best_threshold(positive, probabilities)
    hits = float((said & positive).sum())
    precision, recall = hits / max(float(said.sum()), 1), hits / max(float(positive.sum()), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return int(positive.sum()), (f"{precision:.2f}", f"{recall:.2f}", f"{f1:.2f}")


def _type_accuracy(trained: Trained) -> float:
    columns = [HEADS.index(need) for need in KINDS]
    right = total = 0
    for example, rows in zip(trained.examples, trained.held_out, strict=True):
        given = example.answers[:, columns]
        typed = given.max(axis=1) > 0.5
        right += int((given.argmax(axis=1) == rows[:, columns].argmax(axis=1))[typed].sum())
        total += int(typed.sum())
    return right / max(total, 1)
