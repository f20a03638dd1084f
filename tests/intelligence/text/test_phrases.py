"""The phrase tagger: offsets, sentiment, and what it makes of any text."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.findings import Sentiment
from domains.intelligence.text.phrases import (
    BEGIN,
    INSIDE,
    OUTSIDE,
    phrases,
    spans,
)
from domains.intelligence.training.phrases import fit

ROWS: list[dict[str, Any]] = [
    {"text": "The dark mode is great", "features": [{"text": "dark mode"}]},
    {"text": "I love the search", "features": [{"text": "search"}]},
    {"text": "The search is slow", "features": [{"text": "search"}]},
    {"text": "It is great", "features": []},
]


@given(text=st.text(max_size=300))
def test_phrases_are_parts_of_the_text(text: str) -> None:
    found = phrases(text)
    for phrase in found:
        assert text[phrase.start : phrase.end] == phrase.text
        assert phrase.text.strip()
    assert all(a.end <= b.start for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "phrase", "sentiment"),
    [
        ("I love the dark mode.", "dark mode", "positive"),
        ("The sync feature is terrible and slow.", "sync feature", "negative"),
        ("I use it to take notes.", "take notes", "neutral"),
    ],
)
def test_features_and_sentiments(text: str, phrase: str, sentiment: Sentiment) -> None:
    assert (phrase, sentiment) in [(each.text, each.sentiment) for each in phrases(text)]


def test_marks_to_spans() -> None:
    assert spans([OUTSIDE, BEGIN, INSIDE, OUTSIDE, BEGIN]) == [(1, 2), (4, 4)]
    assert spans([INSIDE, BEGIN, BEGIN]) == [(1, 1), (2, 2)]
    assert spans([]) == []


def test_training_gives_the_same_bytes_again() -> None:
    assert fit(ROWS) == fit(ROWS)
    assert len(fit(ROWS).table) == 3 << fit(ROWS).bits
