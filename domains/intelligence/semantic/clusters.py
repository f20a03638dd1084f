"""Near-duplicates: which stored texts say what a new one says, and which of many belong together.

Vectors are those of one embedder, rows of signed bytes; nearness is the cosine, from -1 to 1.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from domains.intelligence.semantic.embeddings import SIZE, Words, embedder

Floats = NDArray[np.float64]


class Bars(Struct, frozen=True):
    """Cosines between two texts of one embedder.

    From `suggest` on they may say the same, and a person is asked; from `merge` on they are taken
    to, provided that they agree in kind and sentiment, which vectors hardly see ("users love X" and
    "users hate X" reach 0.90). From `related` on they are about the same matter.
    """

    suggest: float
    merge: float
    related: float


SAME: Final = Bars(suggest=0.68, merge=0.85, related=0.58)
"""Of all pairs of customers' questions in the development set that reach 0.68, 70 in 100 have the
same intent, one of 39; of those that reach 0.85, 90. Of 14 paraphrased findings about products 11
reach 0.68, of 17 pairs made to mislead 4."""

SAME_WORDS: Final = Bars(suggest=0.7, merge=0.95, related=0.42)
"""Without the model: 71 in 100 at 0.7, and three paraphrases in four are missed."""


def bars(name: str) -> Bars:
    """The bars for vectors of the embedder with that name."""
    return SAME_WORDS if name == Words.name else SAME


def nearest(
    vectors: NDArray[np.int8], query: NDArray[np.int8], at_least: float
) -> list[tuple[int, float]]:
    """The rows whose cosine to the query reaches that bar: (row, cosine), the nearest first.

    Rows of equal cosine stay in their order; zero vectors are near to nothing. Looks at all of
    them, 100,000 in about 0.1 s, and the result is the same on every machine.
    """
    aim = query.astype(np.float32)
    own = float(aim @ aim)
    found: list[tuple[int, float]] = []
    for start in range(0, len(vectors) if own else 0, _CHUNK):
        # Sums of 384 products of bytes stay below 2**24, so that floats hold them exactly.
        rows = vectors[start : start + _CHUNK].astype(np.float32)
        lengths = np.einsum("ij,ij->i", rows, rows).astype(np.float64) * own
        cosines = (rows @ aim) / np.sqrt(np.maximum(lengths, 1.0))
        cosines[lengths == 0] = -np.inf
        found += [
            (start + int(row), float(cosines[row])) for row in np.flatnonzero(cosines >= at_least)
        ]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


_CHUNK: Final = 8192


def grouped(vectors: NDArray[np.int8], related: float = SAME.related) -> list[int]:
    """A group number for each vector, counted from 0 in the order of their first members.

    The partition depends on which vectors there are, not on their order or number of copies; equal
    vectors share a group, the zero vectors one of their own.

    A body of texts that have few others at `related` is joined while the mean cosine between two
    groups reaches that. In a denser one there are neighbourhoods to go by: each vector is moved
    toward its nearest, which draws the dense regions together, and Ward's method joins those; who
    is not near to any other of his group stands alone. Time and memory grow with the square: 1,600
    texts take 1 s and 150 MB, 5,000 ten times that.
    """
    if not len(vectors):
        return []
    different, members = np.unique(vectors, axis=0, return_inverse=True)
    values = different.astype(np.float64)
    full = np.flatnonzero(different.any(axis=1))
    group = np.arange(len(different)) + len(full)
    if len(full):
        group[full] = _groups(_unit(values[full]), related)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(group[member]), len(numbers)) for member in members.ravel()]


_MOST_NEIGHBOURS: Final = 15
_SHARE: Final = 3
_STEPS: Final = 4
_SPREAD: Final = 4.0
"""Squared growth of the scatter that a join may cost. Chosen with the other three on the
development set, in parts with 2 to 40 texts of each of 5 to 39 intents."""
_ASIDE: Final = 0.08
"""So far below `related` nearness ends."""


def _groups(units: Floats, related: float) -> NDArray[np.intp]:
    cosines = units @ units.T
    company = float(np.median((cosines >= related).sum(axis=1))) - 1
    neighbours = min(_MOST_NEIGHBOURS, round(company / _SHARE))
    if neighbours < 2:
        return _joined(1 - cosines, 1 - related, ward=False)
    drawn = _drawn_together(units, neighbours)
    group = _joined(np.maximum(2 - 2 * drawn @ drawn.T, 0), _SPREAD, ward=True)
    cosines[group[:, None] != group] = -1
    np.fill_diagonal(cosines, -1)
    alone = np.flatnonzero(cosines.max(axis=1) < related - _ASIDE)
    group[alone] = -1 - alone
    return group


def _unit(values: Floats) -> Floats:
    lengths: Floats = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.maximum(lengths, 1e-9)


def _drawn_together(units: Floats, neighbours: int) -> Floats:
    """Each vector replaced, four times over, by the weighted mean of its neighbours."""
    centred = _unit(units - units.mean(axis=0))
    cosines = centred @ centred.T
    np.fill_diagonal(cosines, -2)
    near = np.argpartition(-cosines, neighbours, axis=1)[:, :neighbours]
    links = np.zeros_like(cosines)
    np.put_along_axis(links, near, np.maximum(np.take_along_axis(cosines, near, 1), 0), 1)
    links += links.T
    # By the roots of both degrees: a text that is everybody's neighbour pulls less.
    roots = np.sqrt(links.sum(axis=1)) + 1e-9
    links /= roots[:, None] * roots
    for _ in range(_STEPS):
        centred = links @ centred
    return _unit(centred)


def _joined(distances: Floats, limit: float, *, ward: bool) -> NDArray[np.intp]:
    """Agglomerative clustering by chains of nearest neighbours: the group of each row.

    Joins at most as far as the limit count. Average linkage, or Ward's on squared distances; both
    are monotone, so that the order in which the chains find the joins has no influence.
    """
    count = len(distances)
    np.fill_diagonal(distances, np.inf)
    sizes = np.ones(count)
    group = np.arange(count)
    alive = np.ones(count, bool)
    chain: list[int] = []
    for _ in range(count - 1):
        if not chain:
            chain.append(int(alive.argmax()))
        while True:
            last = chain[-1]
            following = int(distances[last].argmin())
            if len(chain) > 1 and distances[last, chain[-2]] <= distances[last, following]:
                break
            chain.append(following)
        one, two = sorted((chain.pop(), chain.pop()))
        distance = distances[one, two]
        if distance <= limit:
            group[group == two] = one
        # What Lance and Williams give for the distances to the joined group.
        if ward:
            total = sizes + sizes[one] + sizes[two]
            row = (sizes + sizes[one]) * distances[one] + (sizes + sizes[two]) * distances[two]
            row = (row - sizes * distance) / total
        else:
            row = sizes[one] * distances[one] + sizes[two] * distances[two]
            row /= sizes[one] + sizes[two]
        sizes[one] += sizes[two]
        alive[two] = False
        row[one] = np.inf
        row[~alive] = np.inf
        distances[one], distances[:, one] = row, row
        distances[two], distances[:, two] = np.inf, np.inf
    return group


def most_alike(name: str, vector: bytes, others: Sequence[bytes]) -> int | None:
    """Which of the others says the same as the vector, most of all; all of the embedder's `name`.

    Of several that are equally near the first. Vectors as `tobytes` writes them.
    """
    rows = np.frombuffer(b"".join(others), np.int8).reshape(len(others), -1) if others else _NONE
    found = nearest(rows, np.frombuffer(vector, np.int8), bars(name).suggest)
    return found[0][0] if found else None


def sketch(vector: NDArray[np.int8]) -> bytes:
    """The signs of a vector, a bit each: those of near vectors differ in few."""
    return np.packbits(vector > 0).tobytes()


def likeliest(sketches: bytes, asked: Sequence[bytes], count: int) -> list[list[int]]:
    """For each sketch asked, the indices of so many of the stored ones (one after the other) that
    differ least, in their order: 100,000 take 3 ms.
    """
    width = SIZE // 64
    stored = np.frombuffer(sketches, np.uint64).reshape(-1, width)
    found: list[list[int]] = []
    for each in asked:
        own = np.frombuffer(each, np.uint64)
        differing = np.bitwise_count(stored ^ own).sum(axis=1, dtype=np.int64)
        # Of those that differ equally the first: one number for both.
        rank = differing * len(stored) + np.arange(len(stored))
        least = np.argpartition(rank, count)[:count] if count < len(rank) else np.arange(len(rank))
        found.append(sorted(int(index) for index in least))
    return found


def distinct(texts: Sequence[str]) -> list[str]:
    """The texts without those that surely say the same as one before them.

    Nobody is asked, so the higher bar counts, and who says "not", another number or another name
    says something else.
    """
    if len(texts) < 2:
        return list(texts)
    maker = embedder()
    vectors = maker.vectors(texts)
    kept: list[int] = []
    for index, vector in enumerate(vectors):
        near = nearest(vectors[kept], vector, bars(maker.name).merge)
        if not any(_particulars(texts[kept[at]]) == _particulars(texts[index]) for at, _ in near):
            kept.append(index)
    return [texts[index] for index in kept]


_PARTICULAR: Final = re.compile(
    r"\b(?:not|never|no|without|cannot|\w+n['’]t|one|two|three|four|five|six|seven|eight|nine|ten|"
    r"\w+teen|\w+ty|hundred|thousand|\w*\d\w*)\b|\b[A-Z]{2,}\w*|(?<!^)\b[A-Z]\w*"
)


def _particulars(text: str) -> frozenset[str]:
    """Negations, numbers and names of a text."""
    return frozenset(match[0].lower() for match in _PARTICULAR.finditer(text))


_NONE: Final = np.zeros((0, SIZE), np.int8)
