"""Sides of speakers: as known from participants, else inferred from what the speakers say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from domains.intelligence.heads.features import (
    ROLES,
    Floats,
    Role,
    SpeakerRoles,
    is_question,
    word_count,
)
from domains.intelligence.heads.network import Network
from domains.intelligence.text.segmentation import Sentence

_MANY_WORDS: Final = 20

_PRIOR: Final = np.array([0.65, 0.25, 0.05, 0.05], np.float32)
"""Roles of a speaker who says little: most texts are sent for what a customer says."""

_PRIOR_SENTENCES: Final = 2
"""Sentences that the prior is worth."""


def speaker_roles(
    sentences: Sequence[Sentence], vectors: Floats, known: Mapping[str, Role], network: Network
) -> SpeakerRoles:
    """Return the probability of each role by speaker: 0 or 1 for those that are known."""
    roles: dict[str, Sequence[float]] = {
        speaker: [float(role == each) for each in ROLES] for speaker, role in known.items()
    }
    speakers, features = speaker_features(sentences, vectors)
    unknown = [place for place, speaker in enumerate(speakers) if speaker not in known]
    if unknown:
        said = Counter(sentence.speaker for sentence in sentences)
        counts = np.array([[said[speakers[each]]] for each in unknown])
        rows = network.probabilities(features[unknown])
        rows = rows / rows.sum(axis=1, keepdims=True)
        rows = (counts * rows + _PRIOR_SENTENCES * _PRIOR) / (counts + _PRIOR_SENTENCES)
        roles |= {speakers[place]: row.tolist() for place, row in zip(unknown, rows, strict=True)}
    return roles


def speaker_features(sentences: Sequence[Sentence], vectors: Floats) -> tuple[list[str], Floats]:
    """Return the named speakers in order of appearance, and a row of features for each.

    A row holds the mean of the speaker's sentence vectors, then shares between 0 and 1.
    """
    places: dict[str, list[int]] = {}
    for place, sentence in enumerate(sentences):
        if sentence.speaker is not None:
            places.setdefault(sentence.speaker, []).append(place)
    words = [word_count(sentence.text) for sentence in sentences]
    total = max(sum(words), 1)
    rows = []
    for number, own in enumerate(places.values()):
        said = sum(words[place] for place in own)
        shares = [
            len(own) / len(sentences),
            said / total,
            sum(is_question(sentences[place].text) for place in own) / len(own),
            min(said / len(own), _MANY_WORDS) / _MANY_WORDS,
            float(number == 0),
            1 / len(places),
        ]
        rows.append(np.concatenate([vectors[own].mean(axis=0), np.asarray(shares, np.float32)]))
    return list(places), np.asarray(rows, np.float32)
