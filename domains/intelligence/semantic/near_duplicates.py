"""Near duplicates: which of some texts state the same need as another one, in any language.

All vectors are stored vectors of one embedder; similarity is the cosine. Two texts whose vectors
have the part ENGLISH are compared by it, all others by ALL_LANGUAGES.
"""

import math
import re
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from domains.intelligence.findings import Kind
from domains.intelligence.semantic.alternatives import exclude_each_other
from domains.intelligence.semantic.embeddings import ALL_LANGUAGES, ENGLISH, SIZE, embedder
from domains.intelligence.semantic.encoder_files import FALLBACK
from domains.intelligence.text.words import tokens

Floats = NDArray[np.float64]
Bytes = NDArray[np.int8]


class Statement(Struct, frozen=True):
    """A need: its text, its kind if known, and its stored vector."""

    text: str
    kind: Kind | None
    vector: bytes


def statement_text(name: str, quote: str | None) -> str:
    """Return the text of an insight to embed. A name that is cut from the quote is left out."""
    if not quote:
        return name
    is_cut = frozenset(tokens(quote)).issuperset(tokens(name))
    return quote if is_cut else f"{name}. {quote}"


class Bars(Struct, frozen=True):
    """Least cosines of two vectors.

    From `suggest` on the texts may say the same, and a person is asked; from `merge` on they are
    taken to, unless they differ in particulars.
    """

    suggest: float
    merge: float


ENGLISH_BARS: Final = Bars(suggest=0.68, merge=0.85)
"""Of all pairs of customers' questions in the development set that reach 0.68, 70 in 100 have the
same intent, one of 39; of those that reach 0.85, 90."""

ALL_LANGUAGES_BARS: Final = Bars(suggest=0.40, merge=0.75)
"""Of pairs of unrelated needs in two languages, 2 in 1,000 reach 0.40; of pairs of the same need,
64 in 100. Measured, like the rise, on `tests/intelligence/semantic/needs.jsonl`."""

WORDS_BARS: Final = Bars(suggest=0.7, merge=0.95)
"""Without encoders. Of the same pairs of questions that reach 0.7, 72 in 100 have the same intent;
13 in 100 pairs of one intent reach it."""

_FEW: Final = 50
_PER_DOUBLING: Final = 0.028
"""Among more than _FEW texts in several languages, two are more often similar by chance. Each
doubling raises the bar by this: 1 in 10,000 pairs of unrelated needs reaches 0.53."""


_MOST_LIKELY: Final = 50
"""Texts above the bar of which the particulars are compared. Bounds the work."""


def most_similar(
    name: str, statement: Statement, others: Sequence[Statement], compared: int = 1
) -> int | None:
    """Return which of the others states the same need, the most similar first, or None.

    Of several that are equally similar, the first. `name` is that of the embedder, `compared` the
    number of texts that the others were chosen from.
    """
    above = _above(name, statement.vector, [each.vector for each in others], "suggest", compared)
    for place in np.argsort(-above, kind="stable")[:_MOST_LIKELY].tolist():
        if above[place] < 0:
            return None
        if not _differ(statement, others[place]):
            return int(place)
    return None


def _differ(one: Statement, other: Statement) -> bool:
    """Return True if only one is praise, or if the texts name concepts that exclude each other."""
    is_praise = {each.kind == "praise" for each in (one, other) if each.kind is not None}
    return len(is_praise) > 1 or exclude_each_other(one.text, other.text)


def _above(
    name: str,
    vector: bytes,
    others: Sequence[bytes],
    bar: Literal["suggest", "merge"],
    compared: int = 1,
) -> Floats:
    """Return by how much the similarity to each of the others is above the bar."""
    own = np.frombuffer(vector, np.int8)
    rows = np.frombuffer(b"".join(others), np.int8).reshape(-1, SIZE)
    bars = WORDS_BARS if name == FALLBACK else ALL_LANGUAGES_BARS
    doublings = max(math.log2(max(compared, 1) / _FEW), 0.0) if bars is ALL_LANGUAGES_BARS else 0.0
    least = getattr(bars, bar) + _PER_DOUBLING * doublings
    above: Floats = _cosines(rows[:, ALL_LANGUAGES], own[ALL_LANGUAGES]) - least
    are_english = rows[:, ENGLISH].any(axis=1) & own[ENGLISH].any()
    above[are_english] = _cosines(rows[are_english, ENGLISH], own[ENGLISH])
    above[are_english] -= getattr(ENGLISH_BARS, bar)
    return above


def _cosines(rows: Bytes, own: Bytes) -> Floats:
    """Return the cosine of each row to this one. Zero vectors are similar to nothing."""
    # Sums of 512 products of bytes stay below 2**24, so that floats hold them exactly.
    products = (rows.astype(np.float32) @ own.astype(np.float32)).astype(np.float64)
    lengths = np.square(rows.astype(np.float64)).sum(axis=1) * np.square(own.astype(float)).sum()
    cosines: Floats = np.where(lengths > 0, products / np.sqrt(np.maximum(lengths, 1.0)), -np.inf)
    return cosines


def sketch(vector: Bytes) -> bytes:
    """Return the signs of a vector, a bit each: those of similar vectors differ in few."""
    return np.packbits(vector > 0).tobytes()


def most_similar_sketches(sketches: bytes, queries: Sequence[bytes], count: int) -> list[list[int]]:
    """For each query, return the indices of the sketches that differ least, in order.

    These are `count` by the part ALL_LANGUAGES and, if the query has it, `count` by ENGLISH.
    `sketches` are stored ones, one after the other: 100,000 take 12 ms.
    """
    stored = np.frombuffer(sketches, np.uint64).reshape(-1, SIZE // 64)
    found: list[list[int]] = []
    for query in queries:
        own = np.frombuffer(query, np.uint64)
        places: set[int] = set()
        for part in (ALL_LANGUAGES, ENGLISH):
            words = slice(part.start // 64, part.stop // 64)
            if own[words].any():
                places.update(_least_different(stored[:, words], own[words], count))
        found.append(sorted(places))
    return found


def _least_different(stored: NDArray[np.uint64], own: NDArray[np.uint64], count: int) -> list[int]:
    differing = np.bitwise_count(stored ^ own).sum(axis=1, dtype=np.int64)
    # Of those that differ equally the first: one number for both.
    rank = differing * len(stored) + np.arange(len(stored))
    least = np.argpartition(rank, count)[:count] if count < len(rank) else np.arange(len(rank))
    return [int(place) for place in least]


def distinct(texts: Sequence[str]) -> list[str]:
    """Return the texts without those that surely say the same as one before them.

    Nobody is asked, so the higher bar counts. Texts of which one says "not", another number,
    another name or an excluding concept are not the same.
    """
    if len(texts) < 2:
        return list(texts)
    maker = embedder()
    vectors = [vector.tobytes() for vector in maker.vectors(texts)]
    kept: list[int] = []
    for place, text in enumerate(texts):
        above = _above(maker.name, vectors[place], [vectors[each] for each in kept], "merge")
        same = (
            _particulars(texts[each]) == _particulars(text)
            and not exclude_each_other(texts[each], text)
            for each, value in zip(kept, above.tolist(), strict=True)
            if value >= 0
        )
        if not any(same):
            kept.append(place)
    return [texts[place] for place in kept]


_PARTICULAR: Final = re.compile(
    r"\b(?:not|never|no|without|cannot|\w+n['’]t|one|two|three|four|five|six|seven|eight|nine|ten|"
    r"\w+teen|\w+ty|hundred|thousand|\w*\d\w*)\b|\b[A-Z]{2,}\w*|(?<!^)\b[A-Z]\w*"
)


def _particulars(text: str) -> frozenset[str]:
    """Return the negations, numbers and names of a text."""
    return frozenset(match[0].lower() for match in _PARTICULAR.finditer(text))
