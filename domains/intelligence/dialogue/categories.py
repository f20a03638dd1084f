"""Category of a conversation: from its title, what was said in it, and the stage of its deal."""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.dialogue.category_cues import CUES, TITLE_WORDS
from domains.intelligence.dialogue.turns import Talk
from domains.intelligence.findings import Audience
from domains.intelligence.heads.features import Floats
from domains.intelligence.heads.roles import hosts
from domains.intelligence.heads.sentence_classifier import Classified, Head, encoder_kind
from domains.intelligence.semantic.embeddings import Encoder, encoder
from domains.intelligence.semantic.encoder_files import SIZES
from domains.intelligence.text import linear

OTHER: Final = "other"

# Categories without training data: found by providers only.
_UNTRAINED: Final[dict[Audience, tuple[str, ...]]] = {
    "EXTERNAL": ("partner_call", "consulting_call"),
    "INTERNAL": ("customer_service_team", "it_team", "legal_team", "consulting_team"),
}

_STAGES: Final = (
    ("closed_lost", re.compile(r"closed[- ]?lost|\blost\b", re.IGNORECASE)),
    ("closed_won", re.compile(r"closed[- ]?won|\bwon\b", re.IGNORECASE)),
    ("prospect_negotiation", re.compile(r"negotiat|contract|procurement", re.IGNORECASE)),
    ("prospect_trial", re.compile(r"trial|pilot|proof of concept", re.IGNORECASE)),
    ("prospect_demo", re.compile(r"\bdemo", re.IGNORECASE)),
    ("prospect_discovery", re.compile(r"discovery|qualif", re.IGNORECASE)),
)
_STAGE_LOGIT: Final = 1.5

# In an internal conversation: the score that the best category needs, and its least distance to
# the second, absolute and as a share of the score.
_NEEDED: Final = 2.0
_MARGIN: Final = 0.25
_SHARE: Final = 0.12

_LIKELY: Final = 0.3
"""Probability from which a sentence may say something that a summary shows."""
_FEW: Final = 8
"""Sentences below which a title that names a category decides."""
_SURE: Final = 0.2
"""Least share of the best category of an external conversation in the odds of all."""

# Characters at the beginning and the end of a long talk: there it says what it is for.
_HEAD: Final = 14_000
_TAIL: Final = 6_000

_PART_OF_CALL, _FEW_SENTENCES = 12, 3
"""The opening and the close of a conversation are a twelfth of it, and at least three sentences."""

# Scales of the features, chosen on calls by writers of whom none was in the training data.
_VECTOR, _END, _PROBABILITY, _CUE, _TITLE, _TITLE_WORD = 10.0, 2.5, 1.0, 0.5, 8.0, 4.0


def category(talk: Talk, classified: Classified, title: str, stage: str | None = None) -> str:
    """Return a category of the revenue record, "other" if nothing speaks for one clearly."""
    if talk.audience == "INTERNAL":
        return _internal_category(talk, title)
    named = named_category(title, "EXTERNAL")
    if not _has_substance(classified):
        return named or OTHER
    if named and len(talk.said) < _FEW:
        return named
    features = external_features(classified, talk.text, title, encoder("use"))
    model = linear.model(f"categories_{encoder_kind()}")
    logits = model.logits([title], features[np.newaxis])[0]
    for name, words in _STAGES:
        if stage is not None and words.search(stage):
            logits[model.heads.index(name)] += _STAGE_LOGIT
            break
    odds = np.exp(np.clip(logits, -30.0, 30.0))
    best = int(np.argmax(odds))
    return model.heads[best] if odds[best] >= _SURE * odds.sum() else OTHER


def of(audience: Audience) -> list[str]:
    """Return the categories that such a conversation can have, also those of providers only."""
    return [*CUES[audience], *_UNTRAINED[audience], OTHER]


def external_features(classified: Classified, text: str, title: str, model: Encoder) -> Floats:
    """Return the numbers that decide on the category of an external conversation.

    They are means over the sentences of each side, of the opening and of the close, cues in the
    text, and facts about the title.
    """
    size = SIZES["use"]
    vectors = classified.features[:, :size]
    likely = classified.probabilities[: len(vectors)]
    if not len(vectors):
        vectors = np.zeros((0, size), np.float32)
    is_host = _hosts(classified)
    end = max(len(vectors) // _PART_OF_CALL, _FEW_SENTENCES)
    cues = np.log1p(list(_heard(text, "EXTERNAL").values()))
    parts = [
        _mean(vectors[is_host]) * _VECTOR,
        _mean(vectors[~is_host]) * _VECTOR,
        _mean(vectors[:end]) * _END,
        _mean(vectors[-end:]) * _END,
        _mean(likely[is_host]) * _PROBABILITY,
        _mean(likely[~is_host]) * _PROBABILITY,
        [is_host.mean() if len(is_host) else 0.0, min(len(is_host), 100) / 100],
        cues * _CUE,
        title_features(title, model),
    ]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def title_features(title: str, model: Encoder) -> Floats:
    """Return the part of the features that comes from the title, zeros without one."""
    if not title:
        return np.zeros(SIZES["use"] + 1 + len(TITLE_WORDS), np.float32)
    words = [_TITLE_WORD * (pattern.search(title) is not None) for pattern in TITLE_WORDS.values()]
    vector = model.unit_vectors([title])[0] * np.float32(_TITLE)
    return np.concatenate([vector, np.asarray([1.0, *words], np.float32)])


def _hosts(classified: Classified) -> NDArray[np.bool_]:
    """Return for each sentence if its speaker is more likely a vendor or moderator than not."""
    found = hosts(classified.roles)
    return np.array([speaker in found for speaker in classified.speakers], np.bool_)


def _mean(rows: Floats) -> Floats:
    mean: Floats = rows.sum(axis=0) / np.float32(max(len(rows), 1))
    return mean


def named_category(title: str, audience: Audience) -> str | None:
    """Return the category that the title names."""
    for name, words in TITLE_WORDS.items():
        if name in CUES[audience] and words.search(title):
            return name
    return None


def _has_substance(classified: Classified) -> bool:
    """Return False for small talk: no sentence is likely to say anything that a summary shows."""
    heads: tuple[Head, ...] = ("need", "step", "price")
    return any(classified.of(head).max(initial=0.0) >= _LIKELY for head in heads)


def _internal_category(talk: Talk, title: str) -> str:
    """Return the category that the title names, else the one with the most phrases."""
    if named := named_category(title, "INTERNAL"):
        return named
    kinds = CUES["INTERNAL"]
    scores = _heard(talk.text, "INTERNAL")
    ranked = sorted(scores.items(), key=lambda item: (-item[1], list(kinds).index(item[0])))
    (best, most), (_, second) = ranked[0], ranked[1]
    is_clear = most - second >= max(_MARGIN, _SHARE * most)
    return best if most >= _NEEDED and is_clear else OTHER


def _heard(text: str, audience: Audience) -> dict[str, float]:
    """Count the different phrases of each category. Each repetition counts a little more."""
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    plain = text.lower().replace("’", "'")
    scores = {}
    for name, cues in CUES[audience].items():
        counts: dict[str, int] = {}
        for match in cues.finditer(plain):
            counts[match[0]] = counts.get(match[0], 0) + 1
        scores[name] = sum(1.0 + 0.15 * min(4, count - 1) for count in counts.values())
    return scores
