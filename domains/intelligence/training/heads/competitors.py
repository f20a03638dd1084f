"""Train the classifier of competitors on names in the project's own conversations."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from domains.intelligence.heads.competitors import Candidate, Side, candidates, dense_features
from domains.intelligence.heads.features import Role
from domains.intelligence.heads.names import organisation
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


class Names(NamedTuple):
    """Names of all conversations, with answers, and the document and language of each."""

    found: list[Candidate]
    answers: list[bool]
    documents: list[int]
    is_english: list[bool]


def train(encoder: Encoder) -> bytes:
    """Return the weight file for this encoder. Its two heads differ in their thresholds only."""
    names = read_names()
    texts = [each.text for each in names.found]
    answers = np.asarray(names.answers)
    dense = dense_features(names.found, encoder)
    head = Head(answers, _STRENGTH, _POSITIVE_WEIGHT)
    likely = held_out(
        texts,
        {"english": head},
        _SHAPE,
        groups=np.asarray(names.documents),
        dense=dense,
        folds=_FOLDS,
    )[:, 0]
    is_english = np.asarray(names.is_english)
    heads = {
        name: head._replace(threshold=best_threshold(answers[some], likely[some]))
        for name, some in (("english", is_english), ("other", ~is_english))
    }
    return fit("competitors", texts, heads, _SHAPE, dense=dense, trained_on="own documents (CC0)")


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
    domains = [person.email.rpartition("@")[2] for person in document.people if person.email]
    own = {organisation(domain) for domain in (*domains, document.vendor_domain) if domain}
    return candidates(sentences, sides, speakers | {person.name for person in document.people}, own)
