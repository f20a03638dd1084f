"""The issue model: bug, feature or question. Learned from titles and bodies of our own alone."""

from pathlib import Path
from typing import Final

import numpy as np

from domains.intelligence.insights import classifiers
from domains.intelligence.training.fitting import Head, Shape, fit
from domains.intelligence.training.texts import written

SHAPE: Final = Shape(bits=15, longest_words=2, characters=(3, 5))

_FILLINGS: Final = 3
_BODIES: Final = 2
_STRENGTH: Final = 0.1
_THRESHOLDS: Final = {"bug": 0.5, "feature": 0.27, "question": 0.38}
"""Written texts say nothing of how often each occurs; these even the three out."""


def train(_data: Path) -> bytes:
    """The weight file. Every title is paired with two bodies of its label."""
    issues: list[tuple[str, str]] = []
    labels: list[str] = []
    titles, bodies = written("issue_titles", _FILLINGS), written("issue_bodies", _FILLINGS)
    for label in classifiers.ISSUE_LABELS:
        own = [each.text for each in bodies if each.label == label]
        for number, title in enumerate(each.text for each in titles if each.label == label):
            for other in range(_BODIES):
                body = own[(number * 5 + other * 37 + number // len(own)) % len(own)]
                issues.append((title, body))
                labels.append(label)
    given = np.asarray(labels)
    heads: dict[str, Head] = {}
    for label in classifiers.ISSUE_LABELS:
        yes = given == label
        heads[label] = Head(
            yes,
            strength=_STRENGTH,
            positive_weight=float((~yes).sum() / yes.sum()),
            threshold=_THRESHOLDS[label],
        )
    return fit(
        "issues",
        [classifiers.issue_text(*issue) for issue in issues],
        heads,
        SHAPE,
        dense=classifiers.issue_forms(issues),
        trained_on="own titles and bodies of issues (CC0)",
    )
