"""Texts with labels to a weight file: logistic regression, then int8. Deterministic to the byte."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from domains.intelligence.text import linear
from domains.intelligence.text.linear import IDF_STEPS, Weights

_SMALLEST: Final = 1e-12


class Shape(NamedTuple):
    """What a model looks at; an n-gram that fewer than `least_texts` texts hold counts nothing."""

    bits: int = 16
    longest_words: int = 2
    characters: tuple[int, int] = (3, 5)
    least_texts: int = 2
    tolerance: float = 1e-5


_USUAL: Final = Shape()


class Head(NamedTuple):
    """One yes-or-no question: the answer of each text, and how it is learned."""

    answers: NDArray[np.bool_]
    strength: float = 1.0
    positive_weight: float = 1.0
    threshold: float = 0.5
    weights: NDArray[np.float64] | None = None


def fit(
    name: str,
    texts: Sequence[str],
    heads: Mapping[str, Head],
    shape: Shape = _USUAL,
    *,
    dense: NDArray[np.float32] | None = None,
    trained_on: str = "",
    are_exclusive: bool = False,
) -> bytes:
    """Return the weight file of a model with these heads, all trained on the same texts.

    `are_exclusive`: each text has one head with the answer yes. Then one model learns all heads,
    with the strength of the first.
    """
    empty = _empty(name, shape, trained_on)
    idf, together = _features(texts, empty, shape, dense)
    size = 1 << shape.bits
    tables: list[list[bytes]] = [[], []]
    steps: list[list[float]] = [[], []]
    dense_weights: list[list[float]] = []
    bias: list[float] = []
    if are_exclusive:
        found = _learned_together(together, list(heads.values()), shape.tolerance)
    else:
        found = [_learned(together, head, shape.tolerance) for head in heads.values()]
    for learned, intercept in found:
        for family in (0, 1):
            part = learned[family * size : (family + 1) * size]
            step = _rounded(float(np.abs(part).max()) / 127.0) or _SMALLEST
            tables[family].append(np.round(part / step).astype(np.int8).tobytes())
            steps[family].append(step)
        dense_weights.append([_rounded(float(each)) for each in learned[2 * size :]])
        bias.append(_rounded(intercept))
    return msgspec.msgpack.encode(
        msgspec.structs.replace(
            empty,
            heads=list(heads),
            idf=[each.tobytes() for each in idf],
            weights=[b"".join(each) for each in tables],
            steps=steps,
            dense=dense_weights,
            bias=bias,
            thresholds=[head.threshold for head in heads.values()],
        )
    )


def held_out(
    texts: Sequence[str],
    heads: Mapping[str, Head],
    shape: Shape = _USUAL,
    *,
    groups: NDArray[np.int64],
    dense: NDArray[np.float32] | None = None,
    folds: int = 5,
) -> NDArray[np.float64]:
    """Probabilities, shape (texts, heads), each by a model that did not see the text's group."""
    _, together = _features(texts, _empty("", shape, ""), shape, dense)
    found = np.zeros((len(texts), len(heads)))
    for fold in range(folds):
        aside = groups % folds == fold
        for column, head in enumerate(heads.values()):
            learned, intercept = _learned(
                together[~aside],
                head._replace(
                    answers=head.answers[~aside],
                    weights=None if head.weights is None else head.weights[~aside],
                ),
                shape.tolerance,
            )
            logits = together[aside] @ learned + intercept
            found[aside, column] = 1.0 / (1.0 + np.exp(-logits))
    return found


def best_threshold(answers: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> float:
    """The probability from which a yes gives the highest F1, between two of those seen."""
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(answers[order])
    scores = 2 * hits / (np.arange(1, len(order) + 1) + answers.sum())
    return _below(probabilities[order], int(np.argmax(scores)))


def precise_threshold(
    answers: NDArray[np.bool_], probabilities: NDArray[np.float64], precision: float
) -> float:
    """Return the lowest probability from which a yes is right as often as `precision`.

    Unlike the one with the highest F1, it hardly moves if F1 is about the same over a wide range.
    """
    order = np.argsort(-probabilities, kind="stable")
    precisions = np.cumsum(answers[order]) / np.arange(1, len(order) + 1)
    reached = np.flatnonzero(precisions >= precision)
    return _below(probabilities[order], int(reached[-1]) if len(reached) else 0)


def _below(descending: NDArray[np.float64], place: int) -> float:
    """Return a number between the probability at this place and the next lower one."""
    following = descending[min(place + 1, len(descending) - 1)]
    return round(float(descending[place] + following) / 2, 3)


def _rounded(value: float) -> float:
    """To six significant digits: enough, and the same on every machine."""
    return float(f"{value:.6g}")


def _learned(features: Any, head: Head, tolerance: float) -> tuple[NDArray[np.float64], float]:
    model = LogisticRegression(
        C=head.strength,
        class_weight={False: 1.0, True: head.positive_weight},
        solver="liblinear",
        intercept_scaling=10.0,
        random_state=7,
        max_iter=300,
        tol=tolerance,
    )
    model.fit(features, head.answers, sample_weight=head.weights)
    return model.coef_[0], float(model.intercept_[0])


def _learned_together(
    features: Any, heads: Sequence[Head], tolerance: float
) -> list[tuple[NDArray[np.float64], float]]:
    numbers = np.argmax([head.answers for head in heads], axis=0)
    model = LogisticRegression(C=heads[0].strength, max_iter=500, tol=tolerance)
    model.fit(features, numbers)
    return list(zip(model.coef_, map(float, model.intercept_), strict=True))


def _empty(name: str, shape: Shape, trained_on: str) -> Weights:
    return Weights(
        name=name,
        heads=[],
        bits=shape.bits,
        longest_words=shape.longest_words,
        characters=shape.characters,
        idf=[],
        weights=[],
        steps=[],
        dense=[],
        bias=[],
        thresholds=[],
        trained_on=trained_on,
    )


def _features(
    texts: Sequence[str], empty: Weights, shape: Shape, dense: NDArray[np.float32] | None
) -> tuple[list[NDArray[np.uint8]], Any]:
    idf, columns = _matrices(texts, empty, shape)
    if dense is not None:
        columns.append(sparse.csr_matrix(dense.astype(np.float64)))
    return idf, sparse.hstack(columns, format="csr")


def _matrices(
    texts: Sequence[str], empty: Weights, shape: Shape
) -> tuple[list[NDArray[np.uint8]], list[Any]]:
    """Per family the idf as bytes, and the features as `Linear` weighs them."""
    size = 1 << shape.bits
    idfs, matrices = [], []
    for grams in linear.grams_of(texts, empty):
        counts = sparse.coo_matrix(
            (np.ones(len(grams.rows)), (grams.rows, grams.buckets)), (len(texts), size)
        ).tocsr()
        seen = np.asarray((counts > 0).sum(axis=0)).ravel()
        idf = np.log((1 + len(texts)) / (1 + seen)) + 1.0
        stored = np.where(
            seen >= shape.least_texts, np.clip(np.round(idf * IDF_STEPS), 1, 255), 0
        ).astype(np.uint8)
        weight = stored.astype(np.float64) / IDF_STEPS
        norms = np.sqrt(np.asarray(counts @ (weight * weight)).ravel()) + 1e-9
        matrices.append(sparse.diags(1.0 / norms) @ counts @ sparse.diags(weight))
        idfs.append(stored)
    return idfs, matrices
