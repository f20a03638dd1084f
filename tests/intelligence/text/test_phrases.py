"""Phrase tagger: offsets and sentiment of feature phrases."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.findings import Sentiment
from domains.intelligence.text.phrases import BEGIN, INSIDE, OUTSIDE, phrases, spans
from domains.intelligence.training.phrases import fit

ROWS: list[dict[str, Any]] = [
    {"text": "The dark mode is great", "features": [{"text": "dark mode"}]},
    {"text": "I love the search", "features": [{"text": "search"}]},
    {"text": "The search is slow", "features": [{"text": "search"}]},
    {"text": "It is great", "features": []},
]


@given(text=st.text(max_size=300))
def test_phrases_of_any_text_are_slices(text: str) -> None:
    result = phrases(text)
    for phrase in result:
        assert text[phrase.start : phrase.end] == phrase.text
        assert phrase.text.strip()
    assert all(phrase.end <= after.start for phrase, after in pairwise(result))


@pytest.mark.parametrize(
    ("text", "phrase", "sentiment"),
    [
        ("I love the dark mode.", "dark mode", "positive"),
        ("The sync feature is terrible and slow.", "sync feature", "negative"),
        ("I use it to take notes.", "take notes", "neutral"),
    ],
)
def test_phrase_and_sentiment(text: str, phrase: str, sentiment: Sentiment) -> None:
    assert (phrase, sentiment) in [(found.text, found.sentiment) for found in phrases(text)]


def test_spans_of_tags() -> None:
    assert spans([OUTSIDE, BEGIN, INSIDE, OUTSIDE, BEGIN]) == [(1, 2), (4, 4)]
    assert spans([INSIDE, BEGIN, BEGIN]) == [(1, 1), (2, 2)]
    assert spans([]) == []


def test_training_is_reproducible() -> None:
    tagger = fit(ROWS)
    assert fit(ROWS) == tagger
    assert len(tagger.table) == 3 << tagger.bits
