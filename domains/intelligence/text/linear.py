"""Linear detectors: hashed n-grams and a few dense features in, one probability per head out.

Weights are files of a hundred kilobytes to a megabyte, trained by `training`, read once, and
summed with numpy. A file's content decides every score, so its hash names the model.
"""

import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.intelligence.text import ngrams


class Weights(msgspec.Struct, frozen=True):
    """One trained model, as its file holds it (MessagePack).

    Per family of n-grams (words, characters) `idf` holds 2**bits bytes in steps of 1/16, and
    `weights` that many int8 per head, in steps of the head's `steps`. `dense` are the weights of
    the dense features per head, on features as they come. `thresholds`: the probability from which
    a head says yes, as tuned in training.
    """

    name: str
    heads: list[str]
    bits: int
    longest_words: int
    characters: tuple[int, int]
    idf: list[bytes]
    weights: list[bytes]
    steps: list[list[float]]
    dense: list[list[float]]
    bias: list[float]
    thresholds: list[float]
    trained_on: str


class Linear:
    """A model, ready to score."""

    def __init__(self, weights: Weights, version: str) -> None:
        self.heads: Final = tuple(weights.heads)
        self.thresholds: Final = dict(zip(weights.heads, weights.thresholds, strict=True))
        self.version: Final = version
        self._weights = weights
        size = 1 << weights.bits
        self._dense = np.asarray(weights.dense, np.float64).reshape(len(self.heads), -1).T
        self._idf = [np.frombuffer(each, np.uint8) for each in weights.idf]
        self._tables = [
            np.frombuffer(each, np.int8).reshape(len(self.heads), size) for each in weights.weights
        ]

    def logits(
        self, texts: Sequence[str], dense: NDArray[np.float32] | None = None
    ) -> NDArray[np.float64]:
        """Log-odds, shape (texts, heads). `dense` has a row of features per text if trained so."""
        weights = self._weights
        scores = np.tile(np.asarray(weights.bias, np.float64), (len(texts), 1))
        for family, grams in enumerate(grams_of(texts, weights)):
            values = self._idf[family][grams.buckets] / IDF_STEPS
            norms = np.sqrt(np.bincount(grams.rows, values * values, len(texts))) + 1e-9
            for head, table in enumerate(self._tables[family]):
                summed = np.bincount(grams.rows, values * table[grams.buckets], len(texts))
                scores[:, head] += summed / norms * weights.steps[family][head]
        if dense is not None:
            # Summed column by column: a matrix product may round differently elsewhere.
            terms = np.empty((1 + len(self._dense), *scores.shape))
            terms[0] = scores
            np.multiply(dense.T[:, :, None], self._dense[:, None, :], out=terms[1:])
            scores = np.add.accumulate(terms)[-1]
        return scores

    def probabilities(
        self, texts: Sequence[str], dense: NDArray[np.float32] | None = None
    ) -> NDArray[np.float64]:
        """0..1, shape (texts, heads), rounded to six decimals."""
        return np.round(1.0 / (1.0 + np.exp(-np.clip(self.logits(texts, dense), -30.0, 30.0))), 6)


IDF_STEPS: Final = 16.0
"""Inverse document frequencies are stored as bytes in steps of 1/16, so up to 15.9."""


def grams_of(texts: Sequence[str], weights: Weights) -> list[ngrams.Grams]:
    """The n-grams that these weights are about: words, then characters."""
    units = ngrams.read(texts)
    return [
        ngrams.words(units, weights.longest_words, weights.bits),
        ngrams.characters(units, *weights.characters, weights.bits),
    ]


@functools.cache
def model(name: str) -> Linear:
    """The model of this name that ships with the package."""
    content = (resources.files("domains.intelligence") / "weights" / f"{name}.bin").read_bytes()
    return parsed(content)


def parsed(content: bytes) -> Linear:
    """The model in a file's bytes."""
    version = hashlib.sha256(content).hexdigest()[:8]
    return Linear(msgspec.msgpack.decode(content, type=Weights), version)


@functools.cache
def fingerprint() -> str:
    """Eight hexadecimal digits of all weight files that ship with the package."""
    folder = resources.files("domains.intelligence") / "weights"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".bin")), key=str)
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.read_bytes())
    return digest.hexdigest()[:8]
