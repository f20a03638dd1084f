"""Train the classifier of categories of external conversations."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from domains.intelligence.dialogue.categories import external_features, title_features
from domains.intelligence.dialogue.category_cues import CUES
from domains.intelligence.heads.features import Floats
from domains.intelligence.heads.sentence_classifier import Classified
from domains.intelligence.semantic.embeddings import Encoder
from domains.intelligence.training.fitting import Head, Shape, fit
from domains.intelligence.training.heads.marked_documents import UNLABELLED, MarkedDocument

_SHAPE: Final = Shape(bits=12, longest_words=2, characters=(3, 5), tolerance=1e-3)
_STRENGTH: Final = 0.3
_LEAST: Final = 5
"""Conversations that a category needs."""


class Conversations(NamedTuple):
    """Titles, features and categories. A conversation with a title occurs without it (""), too."""

    titles: list[str]
    features: list[Floats]
    categories: list[str]


def train(
    name: str,
    documents: Sequence[MarkedDocument],
    classified: Sequence[Classified],
    encoder: Encoder,
) -> bytes:
    """Return the weight file. `classified` are held-out predictions for the documents."""
    data = read_conversations(documents, classified, encoder)
    counts = Counter(data.categories)
    names = [each for each in CUES["EXTERNAL"] if counts[each] >= _LEAST]
    kept = [place for place, each in enumerate(data.categories) if each in names]
    given = np.asarray([data.categories[place] for place in kept])
    return fit(
        name,
        [data.titles[place] for place in kept],
        {each: Head(given == each, _STRENGTH) for each in names},
        _SHAPE,
        dense=np.asarray([data.features[place] for place in kept]),
        trained_on="own documents (CC0)",
        are_exclusive=True,
    )


def read_conversations(
    documents: Sequence[MarkedDocument], classified: Sequence[Classified], encoder: Encoder
) -> Conversations:
    """Return the external calls among the documents, and titles that stand alone."""
    data = Conversations([], [], [])
    for document, each in zip(documents, classified, strict=True):
        if document.kind == "call" and document.category in CUES["EXTERNAL"]:
            for title in dict.fromkeys(("", document.title or "")):
                data.titles.append(title)
                data.features.append(external_features(each, document.plain, title, encoder))
                data.categories.append(document.category)
    size = len(data.features[0])
    for line in (UNLABELLED / "titles.tsv").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            _, category, title = line.split("\t")
            numbers = np.zeros(size, np.float32)
            of_title = title_features(title, encoder)
            numbers[-len(of_title) :] = of_title
            data.titles.append(title)
            data.features.append(numbers)
            data.categories.append(category)
    return data
