"""Competing and replaced products among the names in a conversation."""

from collections.abc import Collection, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from domains.intelligence.heads.features import Floats
from domains.intelligence.heads.names import Mention, find_names, is_mixed_case
from domains.intelligence.heads.sentence_classifier import encoder_kind
from domains.intelligence.semantic.embeddings import Encoder, encoder
from domains.intelligence.text import linear
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.text.words import word_set

Side = Literal["vendor", "customer", "unknown"]
Head = Literal["english", "other", "context"]
"""The first two see the form of a name and its surroundings, `context` mostly the surroundings."""

_WINDOW: Final = 70
"""Characters on each side of a name."""
_FEW: Final = 25
"""Characters before a name from which the sentence before it counts, too."""
_MAX_MENTIONS: Final = 6
_MAX_NAMES: Final = 300
_WELL_KNOWN: Final = word_set(
    """
    whatsapp excel word outlook slack teams google youtube linkedin facebook instagram zoom
    powerpoint windows mac android iphone ipad ipads sap salesforce hubspot docusign gmail chrome
    safari firefox sharepoint dropbox github jira zapier stripe paypal amazon microsoft apple gdpr
    iso soc csv pdf api sso crm erp onedrive macbook powerbi quickbooks minecraft notion trello
    airtable asana figma xero datev lexware shopify webex skype
    """
)
"""Names that are seldom those of a competitor. Customers use these products with every vendor."""
_VECTOR_SCALE: Final = 1.5
_SEPARATOR: Final = " | "
_ANY_NAME: Final = "Xylo"
"""Stands for the name in the text of which the vector is computed."""


class Candidate(NamedTuple):
    """A name with what the classifier reads: the name with its surroundings, and numbers."""

    name: str
    mentions: list[Mention]
    text: str
    numbers: list[float]
    surroundings: str

    def renamed(self, name: str) -> "Candidate":
        """Return the same surroundings with another name."""
        _, separator, windows = self.text.partition(_SEPARATOR)
        numbers = [*self.numbers[: -len(_form(name))], *_form(name)]
        return self._replace(name=name, text=f"{name}{separator}{windows}", numbers=numbers)


class Competitor(NamedTuple):
    """A competing product as named, and the places of the sentences that name it."""

    name: str
    places: list[int]


def find_competitors(
    sentences: Sequence[Sentence],
    sides: Sequence[Side],
    speakers: Collection[str],
    own: Collection[str],
    language: str | None,
) -> list[Competitor]:
    """Return competing and replaced products in order of their first mention.

    `own`: see `find_names`. At most 300 names are looked at.
    """
    found = candidates(sentences, sides, speakers, own)
    if not found:
        return []
    model = linear.model(f"competitors_{encoder_kind()}")
    likely = model.probabilities(
        [each.text for each in found], dense_features(found, encoder("use"))
    )
    # Most names in the training data stand in English texts, so others have a lower threshold.
    heads: tuple[Head, ...] = ("english" if language in (None, "en") else "other", "context")
    columns = [model.heads.index(head) for head in heads]
    least = [model.thresholds[head] for head in heads]
    places = np.flatnonzero((likely[:, columns] >= np.asarray(least)).any(axis=1))
    return [
        Competitor(each.name, sorted({mention.sentence for mention in each.mentions}))
        for each in (found[place] for place in places.tolist())
    ]


def candidates(
    sentences: Sequence[Sentence],
    sides: Sequence[Side],
    speakers: Collection[str],
    own: Collection[str],
) -> list[Candidate]:
    """Return the names of a conversation with what the classifier reads of them."""
    texts = [" ".join(sentence.text.split()) for sentence in sentences]
    names = find_names(texts, speakers, own)
    return [
        _candidate(name, mentions, texts, sides)
        for name, mentions in list(names.items())[:_MAX_NAMES]
    ]


def dense_features(found: Sequence[Candidate], model: Encoder) -> Floats:
    """Return a row for each candidate: its numbers and the vector of its first surroundings."""
    vectors = model.unit_vectors([each.surroundings for each in found])
    numbers = np.asarray([each.numbers for each in found], np.float32)
    return np.concatenate([numbers, vectors * np.float32(_VECTOR_SCALE)], axis=1)


def _candidate(
    name: str, mentions: list[Mention], texts: Sequence[str], sides: Sequence[Side]
) -> Candidate:
    windows = [
        _window(mention, texts, sides[mention.sentence]) for mention in mentions[:_MAX_MENTIONS]
    ]
    by = [sides[mention.sentence] for mention in mentions]
    count = len(mentions)
    numbers = [
        min(count, 5) / 5,
        float(count == 1),
        by.count("vendor") / count,
        float("vendor" not in by),
        float("customer" in by),
        mentions[0].sentence / len(texts),
        *_form(name),
    ]
    before, after = _around(mentions[0], texts)
    surroundings = " ".join(f"{before}{_ANY_NAME}{after}".split())
    text = f"{name}{_SEPARATOR}{' | '.join(windows)}"
    return Candidate(name, mentions, text, numbers, surroundings)


def _form(name: str) -> list[float]:
    """Return the numbers that depend on the name alone."""
    is_well_known = any(word in _WELL_KNOWN for word in name.lower().split())
    return [float(is_mixed_case(name)), float(" " in name), 2.0 * is_well_known]


def _window(mention: Mention, texts: Sequence[str], side: Side) -> str:
    before, after = _around(mention, texts)
    return f"side_{side} {before}_name_{after}"


def _around(mention: Mention, texts: Sequence[str]) -> tuple[str, str]:
    at, start, end = mention
    text = texts[at]
    earlier = f"{texts[at - 1][-50:]} " if start < _FEW and at else ""
    return earlier + text[max(0, start - _WINDOW) : start], text[end : end + _WINDOW]
