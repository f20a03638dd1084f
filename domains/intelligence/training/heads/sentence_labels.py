"""Labels of sentences, from the labelled slices of a training document."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.heads.needs import KINDS
from domains.intelligence.heads.sentence_classifier import HEADS, Head
from domains.intelligence.text.marks import Span
from domains.intelligence.text.words import word_set
from domains.intelligence.training.heads.marked_documents import Label, MarkedDocument

Floats = NDArray[np.float32]

TRAPS: Final = word_set(
    """
    pitch recap moderator negated hypothetical smalltalk agent quoted template disclaimer autoreply
    thanks otherproduct trap
    """
)
_PLAIN_HEADS: Final[dict[str, Head]] = {
    "step": "step",
    "nostep": "not_step",
    "price": "price",
    "decision": "decision",
    "objection": "objection",
}
_BORDERLINE: Final = "opt"


def overlaps(some: Iterable[Span], span: Span) -> bool:
    """True if a slice overlaps the span by at least half of the shorter of the two."""
    start, end = span
    return any(
        0 < min(last - first, end - start) <= 2 * (min(last, end) - max(first, start))
        for first, last in some
    )


def names_by_sentence(document: MarkedDocument, labels: Sequence[Label]) -> list[set[str]]:
    """Return the names of the labels of each sentence, without the mark of indirect needs."""
    own = document.own_words
    found = []
    for sentence in own.sentences:
        spans = own.source_spans(sentence.start, sentence.end)
        found.append(
            {
                label.name.split("=")[0].rstrip("~")
                for label in labels
                if overlaps(spans, (label.start, label.end))
            }
        )
    return found


class Reading(NamedTuple):
    """Answers of one reader and their weights, both 0 or 1 with shape (sentences, HEADS)."""

    answers: Floats
    weights: Floats


def targets(document: MarkedDocument) -> tuple[Floats, Floats]:
    """Return the targets of the heads from 0 to 1, and weights, both (sentences, HEADS).

    Where two readers disagree, the target is 0.5. The weight is 0 where a head has no answer: the
    type of what is no need, and needs that the writer calls borderline.
    """
    readings = [reading(document, document.labels)]
    if document.second_labels is not None:
        readings.append(reading(document, document.second_labels))
    answers = np.array([each.answers for each in readings])
    weights = np.array([each.weights for each in readings])
    total = weights.sum(axis=0)
    mean = (answers * weights).sum(axis=0) / np.maximum(total, 1)
    return mean.astype(np.float32), (total / len(readings)).astype(np.float32)


def reading(document: MarkedDocument, labels: Sequence[Label]) -> Reading:
    """Return the answers that these labels give for the sentences of the document."""
    sentences = names_by_sentence(document, labels)
    answers = np.zeros((len(sentences), len(HEADS)), np.float32)
    weights = np.ones_like(answers)
    for place, names in enumerate(sentences):
        row = answers[place]
        types = [need for need in KINDS if need in names]
        is_need = bool(types) or "more" in names
        row[HEADS.index("need")] = is_need
        for need in types:
            row[HEADS.index(need)] = 1
        row[HEADS.index("more")] = "more" in names and not types
        for name, head in _PLAIN_HEADS.items():
            row[HEADS.index(head)] = name in names
        row[HEADS.index("trap")] = bool(names & TRAPS)
        for need in KINDS:
            weights[place, HEADS.index(need)] = bool(types)
        weights[place, HEADS.index("more")] = is_need
        if _BORDERLINE in names and not is_need:
            weights[place, HEADS.index("need")] = 0
    return Reading(answers, weights)
