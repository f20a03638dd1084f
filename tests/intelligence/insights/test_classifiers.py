"""Classifiers of reviews, suggestions and issues: clear examples and unusual input."""

import pytest

from domains.intelligence.insights.classifiers import (
    ISSUE_LABELS,
    REVIEW_LABELS,
    is_suggestion,
    issue_label,
    issue_labels,
    review_labels,
    review_probabilities,
    reviews_labels,
    suggestion_probabilities,
    suggestion_probability,
)


@pytest.mark.parametrize(
    ("text", "rating", "label"),
    [
        ("Since the last update it crashes every time I open a photo. Please fix!", 1, "bug"),
        ("Won't load my files any more, I only get an error message", 2, "bug"),
        ("Good app, but please add an option to sort the list by date", 4, "feature"),
        ("It would be great if you could add folders and a dark theme.", 4, "feature"),
        ("I use it every day at work to keep track of my hours, very easy to use", 5, "experience"),
        ("Awesome", 5, "rating"),
        ("Best app ever!!!", None, "rating"),
    ],
)
def test_label_of_a_review(text: str, rating: int | None, label: str) -> None:
    assert label in review_labels(text, rating)


def test_stars_influence_the_label() -> None:
    text = "The new version is something else"
    low, high = review_probabilities([text, text], [1, 5])
    assert low[REVIEW_LABELS.index("bug")] > high[REVIEW_LABELS.index("bug")]
    assert low[REVIEW_LABELS.index("rating")] < high[REVIEW_LABELS.index("rating")]


@pytest.mark.parametrize(
    "sentence",
    [
        "Please add a calendar view.",
        "It would be great if we could group the cards by owner.",
        "Allow admins to lock a page.",
        "Reports should be exported as PDF too.",
        "Let us choose the time zone ourselves.",
        "Users should be able to rename a board.",
        "Show the total below the table.",
    ],
)
def test_sentence_is_a_suggestion(sentence: str) -> None:
    assert is_suggestion(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Thanks a lot for your help.",
        "How do I export a board?",
        "We moved to the new office in May.",
        "The list is empty after I restart the app.",
        "You should check the documentation first.",
        "I would like to know when the meeting starts.",
        "Please let me know if you have questions.",
    ],
)
def test_sentence_is_no_suggestion(sentence: str) -> None:
    assert not is_suggestion(sentence)


@pytest.mark.parametrize(
    ("title", "body", "label"),
    [
        (
            "Crash when saving an empty file",
            "### Steps to reproduce\n\n1. Open a new file\n2. Save\n\n### Actual behavior\n\n"
            "The program aborts.",
            "bug",
        ),
        ("Editor flickers when scrolling", "Seen with version 2.1 on Linux.", "bug"),
        ("Add support for YAML files", "It would be useful to read YAML as well.", "feature"),
        (
            "Configurable line width",
            "**Describe the solution you'd like**\nA setting for it.",
            "feature",
        ),
        ("How to read a file line by line?", "I am new here. Can you help me?", "question"),
        ("What does the option do", "I don't understand the documentation.", "question"),
    ],
)
def test_label_of_an_issue(title: str, body: str, label: str) -> None:
    found, probability = issue_label(title, body)
    assert found == label
    assert 1 / len(ISSUE_LABELS) <= probability <= 1


UNUSUAL = ["", " ", "?", "日本語のレビュー", "a" * 5000, "word " * 3000, "\x00\ufffd🙂", "!" * 300]


def test_unusual_texts_are_accepted() -> None:
    assert all(review_labels(text) for text in UNUSUAL)
    assert all(0 <= suggestion_probability(text) <= 1 for text in UNUSUAL)
    assert all(issue_label(text, text)[0] in ISSUE_LABELS for text in UNUSUAL)


def test_batches_equal_single_calls() -> None:
    texts = [*UNUSUAL, "Please add tabs.", "It crashes."]
    assert reviews_labels(texts) == [review_labels(text) for text in texts]
    assert suggestion_probabilities(texts).tolist() == [suggestion_probability(t) for t in texts]
    assert issue_labels([(t, t) for t in texts]) == [issue_label(t, t) for t in texts]


def test_empty_batches() -> None:
    assert reviews_labels([]) == []
    assert suggestion_probabilities([]).tolist() == []
    assert issue_labels([]) == []
