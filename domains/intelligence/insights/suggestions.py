"""How probably sentences suggest a change: the learned detector behind requests."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.text import features, linear
from domains.intelligence.text.cue_evidence import Cue


def probabilities(
    texts: Sequence[str],
    words: Sequence[list[str]],
    evidence: Sequence[Mapping[Cue, float]],
) -> NDArray[np.float64]:
    """0..1 per sentence, from its text, its lower-case words and cue evidence."""
    dense = features.forms(
        [
            features.form(text, each, scores)
            for text, each, scores in zip(texts, words, evidence, strict=True)
        ]
    )
    return linear.model("suggestions").probabilities(texts, dense)[:, 0]
