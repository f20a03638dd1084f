"""Inputs of the heads: sentence vectors, and facts about the sentence and its neighbours."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.findings import Profile
from domains.intelligence.text.cue_evidence import Cue, cue_evidence
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.text.words import tokens

Floats = NDArray[np.float32]

Role = Literal["customer", "vendor", "moderator", "colleague"]
"""Side of a speaker. In an internal meeting everybody is a colleague."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
_TRAINED_PROFILES: Final[tuple[Profile, ...]] = (
    "transcript",
    "support_ticket",
    "survey_response",
    "discovery_report",
    "raw",
)
_CUES: Final[tuple[Cue, ...]] = get_args(Cue)

SpeakerRoles = Mapping[str, Sequence[float]]
"""Probability of each of ROLES by speaker. Unknown speakers are left out."""

_UNKNOWN: Final = (0.0,) * len(ROLES)
_NEIGHBOURS: Final = (-2, -1, 1, 2)
_LONG, _SHORT, _VERY_SHORT = 25, 7, 4
"""Words of a sentence."""
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Lao, kana and Chinese characters."""
_CHARACTERS_A_WORD: Final = 2.5
_FEW, _SEVERAL = 4, 12
"""Sentences of a document."""


def trained_profile(profile: Profile) -> Profile:
    """Return the profile of the training documents that are most like those of the profile.

    Feedback records are read like the posts of feedback portals.
    """
    return "raw" if profile == "feedback_record" else profile


def sentence_features(
    sentences: Sequence[Sentence],
    profile: Profile,
    roles: SpeakerRoles,
    vectors: Floats,
    projected: Floats,
) -> Floats:
    """Return a row for each sentence.

    It holds the sentence's vector, the projected vectors of its neighbours, and about 50 numbers
    between 0 and 2.
    """
    sides = [roles.get(each.speaker or "", _UNKNOWN) for each in sentences]
    questions = [is_question(each.text) for each in sentences]
    rows = [
        [
            *_form(each, profile, sides[place]),
            *_cues(each.text),
            *_position(place, len(sentences)),
            *_neighbours(place, sentences, sides, questions),
        ]
        for place, each in enumerate(sentences)
    ]
    if not rows:
        return np.zeros((0, 0), np.float32)
    context = [_shifted(projected, distance) for distance in _NEIGHBOURS]
    return np.concatenate([vectors, *context, np.asarray(rows, np.float32)], axis=1)


def _shifted(rows: Floats, distance: int) -> Floats:
    """Return for each place the row at that distance, zeros outside."""
    shifted = np.zeros_like(rows)
    if distance > 0:
        shifted[:-distance] = rows[distance:]
    else:
        shifted[-distance:] = rows[:distance]
    return shifted


def word_count(text: str) -> float:
    """Count the words. In scripts without spaces, estimate them from the characters."""
    unspaced = len(_UNSPACED.findall(text))
    if unspaced > len(text) / 2:
        return len(text) / _CHARACTERS_A_WORD
    return len(text.split())


def is_question(text: str) -> bool:
    return text.rstrip(" \"'”’»）)」").endswith(("?", "？"))


def _form(sentence: Sentence, profile: Profile, side: Sequence[float]) -> list[float]:
    text = sentence.text
    words = word_count(text)
    return [
        *side,
        float(sentence.speaker is None),
        float(not any(side)),
        *(float(trained_profile(profile) == each) for each in _TRAINED_PROFILES),
        min(words, 40) / 20,
        float(words < _VERY_SHORT),
        float(words < _SHORT),
        float(words > _LONG),
        float(is_question(text)),
        float("!" in text or "！" in text),
        float(any(map(str.isdigit, text))),
        float(text[:1].islower()),
        float(sentence.section == "pros"),
        float(sentence.section == "cons"),
        float(sentence.section == "wishes"),
    ]


def _cues(text: str) -> list[float]:
    """Evidence of English cue words. It sees negation better than vectors do."""
    found = cue_evidence(text, tokens(text))
    return [found[cue] for cue in _CUES]


def _position(place: int, count: int) -> list[float]:
    return [
        place / max(count - 1, 1),
        float(place == 0),
        float(place == count - 1),
        float(count < _FEW),
        float(count < _SEVERAL),
    ]


def _neighbours(
    place: int,
    sentences: Sequence[Sentence],
    sides: Sequence[Sequence[float]],
    questions: Sequence[bool],
) -> list[float]:
    row: list[float] = []
    here = sentences[place]
    for distance in _NEIGHBOURS:
        other = place + distance
        if not 0 <= other < len(sentences):
            row += [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
            continue
        there = sentences[other]
        customer, vendor, *_ = sides[other]
        row += [
            float(there.speaker == here.speaker),
            float(there.turn == here.turn),
            0.0,
            float(questions[other]),
            customer,
            vendor,
        ]
    return row
