"""Choose thresholds of needs for each profile, on documents that the networks did not see."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.findings import Profile
from domains.intelligence.heads.needs import KINDS, Thresholds, find_needs
from domains.intelligence.heads.sentence_classifier import Classified
from domains.intelligence.text.marks import Span
from domains.intelligence.training.heads.marked_documents import MarkedDocument
from domains.intelligence.training.heads.sentence_labels import overlaps

_NEED: Final = (0.4, 0.45, 0.5)
_MORE: Final = (0.15, 0.25, 0.35, 0.5)
_RECALL_WEIGHT: Final = 0.6
"""A wrong finding costs readers more than a missed one."""


_NEARLY: Final = 0.002
"""Difference of scores that counts nothing."""


class _Counts(NamedTuple):
    right: int
    found: int
    true: int

    @property
    def f_measure(self) -> float:
        """F-measure that weighs precision by 1 and recall by _RECALL_WEIGHT."""
        wrong, missed = self.found - self.right, self.true - self.right
        right = (1 + _RECALL_WEIGHT) * self.right
        return right / max(right + wrong + _RECALL_WEIGHT * missed, 1)


def need_thresholds(
    documents: Sequence[MarkedDocument], held_out: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Return `need_{profile}` and `more_{profile}` for each profile with documents."""
    chosen: dict[str, float] = {}
    for profile in get_args(Profile):
        some = [
            (document, Classified(rows, {}, rows, []))
            for document, rows in zip(documents, held_out, strict=True)
            if document.profile == profile
        ]
        if some:
            scores = {
                pair: _score(some, pair).f_measure
                for pair in map(Thresholds._make, product(_NEED, _MORE))
            }
            # Scores hardly differ near the best one. A higher threshold has fewer wrong findings.
            best = max(
                pair for pair, score in scores.items() if score >= max(scores.values()) - _NEARLY
            )
            chosen |= {f"need_{profile}": best.need, f"more_{profile}": best.more}
    return chosen


def _score(some: Sequence[tuple[MarkedDocument, Classified]], least: Thresholds) -> _Counts:
    right = found = true = 0
    for document, classified in some:
        own = document.own_words
        needs = [
            [
                span
                for place in each.places
                for span in own.source_spans(own.sentences[place].start, own.sentences[place].end)
            ]
            for each in find_needs(own.sentences, classified, least)
        ]
        borderline = [label[:2] for label in document.labels if label.name == "opt"]
        gold = list(true_needs(document))
        for spans in needs:
            match = next(
                (each for each in gold if any(overlaps(spans, piece) for piece in each)), None
            )
            if match is not None:
                gold.remove(match)
                right += 1
                true += 1
            elif any(overlaps(spans, span) for span in borderline):
                continue
            found += 1
        true += len(gold)
    return _Counts(right, found, true)


def true_needs(document: MarkedDocument) -> Iterator[list[Span]]:
    """Iterate over the writer's needs: the slices of each, with those that continue it."""
    current: list[Span] = []
    for label in document.labels:
        name = label.name.rstrip("~")
        if name in KINDS:
            if current:
                yield current
            current = [(label.start, label.end)]
        elif name == "more":
            current.append((label.start, label.end))
    if current:
        yield current
