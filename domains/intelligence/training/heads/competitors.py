"""Train the classifier of competitors on names in the project's own conversations."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.heads.competitors import Candidate, Side, candidates, dense_features
from domains.intelligence.heads.features import Role
from domains.intelligence.heads.names import organisations
from domains.intelligence.semantic.embeddings import Encoder
from domains.intelligence.training.fitting import Head, Shape, best_threshold, fit, held_out
from domains.intelligence.training.heads.marked_documents import (
    DATA,
    UNLABELLED,
    MarkedDocument,
    read_documents,
)

_SHAPE: Final = Shape(bits=15, longest_words=2, characters=(2, 5), tolerance=1e-3)
_STRENGTH: Final = 3.0
_POSITIVE_WEIGHT: Final = 4.0
_FOLDS: Final = 5
_SIDES: Final[dict[Role, Side]] = {
    "vendor": "vendor",
    "moderator": "vendor",
    "customer": "customer",
    "colleague": "unknown",
}


_PRECISION: Final = 0.72
_SWAPPED: Final = 0.15
"""Share of other names that get the name of a competitor in a copy."""


class Names(NamedTuple):
    """Names of all conversations, with answers, and the document and language of each."""

    found: list[Candidate]
    answers: list[bool]
    documents: list[int]
    is_english: list[bool]


def train(name: str, encoder: Encoder) -> bytes:
    """Return the weight file for this encoder.

    Two heads with different thresholds see names as they stand in the data, the head `context` also
    sees names that were swapped.
    """
    names = read_names()
    count = len(names.found)
    _add_swapped(names)
    texts = [each.text for each in names.found]
    answers = np.asarray(names.answers)
    dense = dense_features(names.found, encoder)
    is_original = np.arange(len(texts)) < count
    head = Head(answers, _STRENGTH, _POSITIVE_WEIGHT, weights=is_original.astype(np.float64))
    heads = {"named": head, "context": head._replace(weights=None)}
    likely = held_out(
        texts, heads, _SHAPE, groups=np.asarray(names.documents), dense=dense, folds=_FOLDS
    )
    is_english = np.asarray(names.is_english)
    chosen = {
        language: head._replace(threshold=best_threshold(answers[some], likely[some, 0]))
        for language, some in (
            ("english", is_original & is_english),
            ("other", is_original & ~is_english),
        )
    }
    chosen["context"] = heads["context"]._replace(
        threshold=_precise_threshold(answers[is_original], likely[is_original, 1])
    )
    return fit(name, texts, chosen, _SHAPE, dense=dense, trained_on="own documents (CC0)")


def _precise_threshold(answers: NDArray[np.bool_], likely: NDArray[np.float64]) -> float:
    """Return the lowest threshold from which _PRECISION of the names are right."""
    order = np.argsort(-likely, kind="stable")
    precision = np.cumsum(answers[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= _PRECISION)
    return round(float(likely[order[enough[-1]]]), 3) if len(enough) else 1.0


def read_names() -> Names:
    """Read the names in all calls and in other documents with competitors."""
    names = Names([], [], [], [])
    for number, document in enumerate(_documents()):
        for each in _candidates(document):
            names.found.append(each)
            names.answers.append(each.name.lower() in {name.lower() for name in document.rivals})
            names.documents.append(number)
            names.is_english.append(document.lang == "en")
    return names


def _add_swapped(names: Names) -> None:
    """Add copies in which a name has the surroundings of another one.

    Each competitor occurs again under any name of the data, some other names under a competitor's.
    """
    draw = np.random.default_rng(0)
    everyone = [each.name for each in names.found]
    rivals = [each.name for each, answer in zip(names.found, names.answers, strict=True) if answer]
    for number in range(len(everyone)):
        each, answer = names.found[number], names.answers[number]
        if answer or draw.random() < _SWAPPED:
            pool = everyone if answer else rivals
            names.found.append(each.renamed(pool[int(draw.integers(len(pool)))]))
            names.answers.append(answer)
            names.documents.append(names.documents[number])
            names.is_english.append(names.is_english[number])


def _documents() -> Iterator[MarkedDocument]:
    for folder in (DATA, UNLABELLED):
        for document in read_documents(folder):
            if document.kind == "call" or document.rivals:
                yield document


def _candidates(document: MarkedDocument) -> list[Candidate]:
    sentences = document.own_words.sentences
    roles = document.known_roles()
    sides = [
        _SIDES[roles[each.speaker]] if each.speaker in roles else "unknown" for each in sentences
    ]
    speakers = {each.speaker for each in sentences if each.speaker}
    addresses = [*(person.email for person in document.people), document.vendor_domain]
    names = speakers | {person.name for person in document.people}
    return candidates(sentences, sides, names, organisations(addresses))
