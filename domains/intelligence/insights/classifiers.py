"""What people report: labels of app reviews, suggestions among sentences, kinds of issues.

Learned detectors over cue evidence and the form of the text. All functions are pure, and
those on lists cost far less than as many calls on one.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.insights import suggestions
from domains.intelligence.text import features, issue_features, linear
from domains.intelligence.text.cue_evidence import cue_evidence
from domains.intelligence.text.segmentation import sentences
from domains.intelligence.text.words import tokens

ReviewLabel = Literal["bug", "feature", "experience", "rating"]
IssueLabel = Literal["bug", "feature", "question"]

REVIEW_LABELS: Final[tuple[ReviewLabel, ...]] = get_args(ReviewLabel)
ISSUE_LABELS: Final[tuple[IssueLabel, ...]] = get_args(IssueLabel)

_BODY: Final = 300
"""Characters of an issue's body whose words are read; its form is looked at further on."""


def review_labels(text: str, rating: int | None = None) -> list[ReviewLabel]:
    """What a review is: a bug report, a feature request, a user experience, a plain rating.

    At least one label, the most probable first. `rating` are the stars given with it, 1 to 5.
    """
    return reviews_labels([text], [rating])[0]


def reviews_labels(
    texts: Sequence[str], ratings: Sequence[int | None] | None = None
) -> list[list[ReviewLabel]]:
    """`review_labels` of many."""
    probabilities = review_probabilities(texts, ratings)
    thresholds = linear.model("reviews").thresholds
    margins = probabilities - np.asarray([thresholds[label] for label in REVIEW_LABELS])
    found: list[list[ReviewLabel]] = []
    for row in margins:
        order = sorted(range(len(REVIEW_LABELS)), key=lambda index: (-row[index], index))
        yes = [index for index in order if row[index] >= 0] or order[:1]
        found.append([REVIEW_LABELS[index] for index in yes])
    return found


def review_probabilities(
    texts: Sequence[str], ratings: Sequence[int | None] | None = None
) -> NDArray[np.float64]:
    """0..1 for each of `REVIEW_LABELS`, shape (texts, labels)."""
    given = ratings if ratings is not None else [None] * len(texts)
    return linear.model("reviews").probabilities(texts, review_forms(texts, given))


def suggestion_probability(sentence: str) -> float:
    """0..1: whether a sentence suggests a change to the maker of a product."""
    return float(suggestion_probabilities([sentence])[0])


def suggestion_probabilities(texts: Sequence[str]) -> NDArray[np.float64]:
    """`suggestion_probability` of many sentences."""
    words = [tokens(text) for text in texts]
    return suggestions.probabilities(
        texts, words, [cue_evidence(text, each) for text, each in zip(texts, words, strict=True)]
    )


def is_suggestion(sentence: str) -> bool:
    """Whether a sentence by itself suggests a change, where few sentences do."""
    return suggestion_probability(sentence) >= linear.model("suggestions").thresholds["suggestion"]


def issue_label(title: str, body: str) -> tuple[IssueLabel, float]:
    """Whether an issue reports a bug, asks for a feature or asks a question, and how probably."""
    return issue_labels([(title, body)])[0]


def issue_labels(issues: Sequence[tuple[str, str]]) -> list[tuple[IssueLabel, float]]:
    """`issue_label` of many titles with their bodies; the three probabilities add up to 1."""
    model = linear.model("issues")
    # The labels exclude each other, so each head's odds count against its own threshold.
    bars = np.asarray([_logit(model.thresholds[label]) for label in ISSUE_LABELS])
    logits = model.logits([issue_text(*issue) for issue in issues], issue_forms(issues)) - bars
    shares = np.exp(np.clip(logits, -30.0, 30.0))
    shares = shares / (1.0 + shares)
    shares /= shares.sum(axis=1, keepdims=True)
    best = np.argmax(shares, axis=1)
    return [
        (ISSUE_LABELS[index], round(float(row[index]), 6))
        for index, row in zip(best, shares, strict=True)
    ]


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def issue_text(title: str, body: str) -> str:
    """The words of an issue that its model reads."""
    return f"{title} \n {body[:_BODY]}"


def issue_forms(issues: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    """Dense features of the issue model."""
    rows = [issue_features.form(title, body) for title, body in issues]
    return np.asarray(rows, np.float32).reshape(len(issues), len(issue_features.NAMES))


def review_forms(texts: Sequence[str], ratings: Sequence[int | None]) -> NDArray[np.float32]:
    """Dense features of the review model: evidence of its sentences, its shape, its stars."""
    parts = [[each.text for each in sentences(text, "survey_response")] or [text] for text in texts]
    flat = [part for each in parts for part in each]
    words = [tokens(part) for part in flat]
    clues = [cue_evidence(part, each) for part, each in zip(flat, words, strict=True)]
    suggested = suggestions.probabilities(flat, words, clues)
    rows: list[list[float]] = []
    at = 0
    for text, rating, each in zip(texts, ratings, parts, strict=True):
        end = at + len(each)
        rows.append(features.review(text, rating, clues[at:end], suggested[at:end].tolist()))
        at = end
    return features.reviews(rows)
