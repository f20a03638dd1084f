"""Groups of texts on the same matter."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RELATED: Final = 0.58
"""Cosine of MiniLM vectors from which two English texts are about the same matter."""


def grouped(vectors: NDArray[np.int8], related: float) -> list[int]:
    """Return a group number for each vector, counted from 0 in the order of their first members.

    The vectors are one part of stored vectors, of texts that all have it. `related` is the cosine
    from which two of them are about the same matter, such as RELATED.

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
