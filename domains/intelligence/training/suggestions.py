"""The suggestion model: learned from sentences of our own and from sentences of app reviews."""

from pathlib import Path
from typing import Final

import numpy as np

from domains.intelligence.text import features
from domains.intelligence.text.cue_evidence import cue_evidence
from domains.intelligence.text.words import tokens
from domains.intelligence.training.fitting import Head, Shape, fit
from domains.intelligence.training.json_lines import read_json_lines
from domains.intelligence.training.texts import written

SHAPE: Final = Shape(bits=15, longest_words=2, characters=(3, 5))

_FILLINGS: Final = 4
_PLAINLY_NOT: Final = 0.35
_PLAINLY: Final = 0.8
_THRESHOLD: Final = 0.8
"""Chosen for texts in which about one sentence in ten suggests something."""


def train(data: Path) -> bytes:
    """The weight file. Reads `opinions/dev.jsonl` (IS-22, MIT) below `data`.

    The sentences of reviews carry no labels for this; those that the rules are sure about count,
    with a quarter of the weight of a sentence of ours, so that ordinary talk is known as such.
    """
    texts, answers, weights = [], [], []
    for each in written("suggestions", _FILLINGS):
        texts.append(each.text)
        answers.append(each.label == "1")
        weights.append(2.0 if each.hand else 2.0 / _FILLINGS)
    for row in read_json_lines(data / "opinions" / "dev.jsonl"):
        text: str = row["text"]
        asked = cue_evidence(text, tokens(text))["request"]
        if not _PLAINLY_NOT <= asked <= _PLAINLY:
            texts.append(text)
            answers.append(asked > _PLAINLY)
            weights.append(0.5)
    yes = np.asarray(answers, np.bool_)
    head = Head(
        yes,
        strength=1.0,
        positive_weight=float((~yes).sum() / yes.sum()),
        threshold=_THRESHOLD,
        weights=np.asarray(weights),
    )
    words = [tokens(text) for text in texts]
    dense = features.forms(
        [
            features.form(text, each, cue_evidence(text, each))
            for text, each in zip(texts, words, strict=True)
        ]
    )
    return fit(
        "suggestions",
        texts,
        {"suggestion": head},
        SHAPE,
        dense=dense,
        trained_on="own sentences (CC0), IS-22 review sentences (MIT)",
    )
