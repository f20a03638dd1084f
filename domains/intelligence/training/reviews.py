"""The review model: bug report, feature request, user experience, plain rating."""

from pathlib import Path
from typing import Final

import numpy as np

from domains.intelligence.insights import classifiers
from domains.intelligence.text import linear
from domains.intelligence.training.fitting import Head, Shape, best_threshold, fit, held_out
from domains.intelligence.training.json_lines import read_json_lines

SHAPE: Final = Shape(bits=15, longest_words=2, characters=(2, 4), least_texts=4)
_STRENGTH: Final = 1.0


def train(data: Path) -> bytes:
    """The weight file. Reads `reviews/train.jsonl` below `data`; needs the suggestion model.

    Every review is learned twice, with its stars and without, as callers may not know them.
    Thresholds are those of the best F1 in cross-validation over reviews with their stars.
    """
    # The suggestion model is a feature here, and may have been written a moment ago.
    linear.model.cache_clear()
    rows = read_json_lines(data / "reviews" / "train.jsonl")
    once: list[str] = [row["text"] for row in rows]
    texts = once * 2
    ratings = [row["stars"] for row in rows] + [None] * len(rows)
    dense = classifiers.review_forms(texts, ratings)
    groups = np.tile(np.arange(len(rows)), 2)
    heads: dict[str, Head] = {}
    for label in classifiers.REVIEW_LABELS:
        yes = np.asarray([label in row["labels"] for row in rows] * 2, np.bool_)
        heads[label] = Head(yes, _STRENGTH, positive_weight=float((~yes).sum() / yes.sum()))
    guessed = held_out(texts, heads, SHAPE, groups=groups, dense=dense)[: len(rows)]
    tuned = {
        label: head._replace(threshold=best_threshold(head.answers[: len(rows)], column))
        for (label, head), column in zip(heads.items(), guessed.T, strict=True)
    }
    return fit(
        "reviews",
        texts,
        tuned,
        SHAPE,
        dense=dense,
        trained_on="app reviews labelled by Maalej et al. 2016, as republished under CC0 1.0",
    )
