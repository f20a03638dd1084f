"""Titles of insights, and the features that they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Insight, Kind, Profile
from domains.intelligence.insights.feature_names import feature
from domains.intelligence.insights.titles import (
    GENERAL_PRAISE,
    TEMPLATE_WORDS,
    Passage,
    covering,
    headline,
)
from domains.intelligence.insights.wording import MAX_TITLE, clean
from domains.intelligence.text.words import STOP_WORDS, stem, tokens, word_set
from tests.eval.examples import examples

BASE_FORMS = {"kept": "keep", "gave": "give", "made": "make", "includes": "include"}


def title_of(
    text: str, kind: Kind, *before: str, profile: Profile = "survey_response"
) -> str | None:
    title = headline(Passage(text, before), kind, profile, internal=False)
    return title.text if title else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The stock count screen is really confusing.", "Stock count screen is confusing"),
        (
            "Exports are the weak spot: they are buried three menus deep.",
            "Exports are buried three menus deep",
        ),
        (
            "There is no way to turn off the background effects.",
            "No way to turn off the background effects",
        ),
        ("There are no keyboard shortcuts.", "No keyboard shortcuts"),
        ("Terrible search!", "Search is terrible"),
        ("Slow exports", "Exports are slow"),
        ("Honestly the slow CSV export is my biggest complaint.", "CSV export is slow"),
        ("Every time I open a report it crashes.", "Crashes every time users open a report"),
        ("Our current tool is slow and it loses data.", "Current tool is slow and loses data"),
        (
            "Duplicate contacts pile up and merging them is tedious.",
            "Duplicate contacts pile up and merging them is tedious",
        ),
        ("The SSO login fails on my iPad.", "SSO login fails on their iPad"),
        ("It crashes since the update. PLEASE FIX ASAP", "Crashes since the update"),
        ("This is getting ridiculous.", None),
    ],
)
def test_title_of_a_pain(text: str, expected: str | None) -> None:
    assert title_of(text, "pain") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The dashboards are beautiful and my executives finally look at them.",
            "Dashboards are beautiful",
        ),
        ("Lovely writing experience", "Praise for the writing experience"),
        ("Awesome app!!!", "Praise for the app"),
        ("Best Printing App Ever!", "Praise for the printing app"),
        ("Awesome Love it", GENERAL_PRAISE),
        ("Users love it.", GENERAL_PRAISE),
        ("Our trainers love the quizzes.", "Trainers love the quizzes"),
    ],
)
def test_title_of_praise(text: str, expected: str) -> None:
    assert title_of(text, "praise") == expected


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (
            "It would be great if the booking widget could show prices.",
            "request",
            "Users want the booking widget to show prices",
        ),
        (
            "It would be great if the app didn't crash when reading PDFs",
            "request",
            "Users want the app not to crash when reading PDFs",
        ),
        ("Does it support SSO?", "question", "Does it support SSO?"),
        (
            "Can the export run at night?",
            "question",
            "Users ask whether the export can run at night",
        ),
    ],
)
def test_title_of_a_request_or_question(text: str, kind: Kind, expected: str) -> None:
    assert title_of(text, kind) == expected


def test_topic_of_the_previous_sentence() -> None:
    assert (
        title_of("I wish I could schedule them overnight.", "request", "Exports are the weak spot.")
        == "Users want to schedule exports overnight"
    )
    assert (
        title_of(
            "After the latest update it takes almost a minute to open.",
            "pain",
            "Used to be my favourite banking app.",
        )
        == "Banking app takes almost a minute to open after the latest update"
    )
    assert title_of("It crashes daily.", "pain", "We are happy people.") == "Crashes daily"


def test_sentence_with_the_topic_is_quoted() -> None:
    text = "Exports are buried. I wish I could schedule them overnight."
    (request,) = (
        insight
        for insight in analyse(Document(text=text, profile="survey_response")).insights
        if insight.kind == "request"
    )
    assert [quote.text for quote in request.quotes] == [
        "Exports are buried.",
        "I wish I could schedule them overnight.",
    ]
    assert request.feature == "exports"


def test_titles_of_one_subject_are_combined() -> None:
    assert covering(["Exports are hard to find", "Export is slow"]) == (
        "Exports are hard to find and slow"
    )
    assert covering(["Exports are slow", "Exports are slow"]) == "Exports are slow"
    assert covering(["Exports are slow", "Search is hard to find"]) == "Exports are slow"
    assert covering(["Sync fails daily", "Sync is slow"]) == "Sync fails daily"


def test_title_of_several_passages() -> None:
    text = "The exports are hard to find.\n\nI like the charts.\n\nThe exports are slow."
    pains = [
        insight
        for insight in analyse(Document(text=text, profile="support_ticket")).insights
        if insight.kind == "pain"
    ]
    assert [insight.name for insight in pains] == ["Exports are hard to find and slow"]
    assert len(pains[0].quotes) == 2


@pytest.mark.parametrize(
    ("name", "quote", "expected"),
    [
        ("Audit log only goes back 30 days", "The audit log only goes back 30 days.", "audit log"),
        ("Invoice export to CSV fails", "Invoice export to CSV fails", "invoice export"),
        (
            "No way to turn off the background effects",
            "no way to turn off the background effects",
            "background effects",
        ),
        (
            "Bring back the quick balance widget",
            "please bring back the quick balance widget",
            "balance widget",
        ),
        ("Praise for the writing experience", "Lovely writing experience", "writing experience"),
        ("Praise for the support", "Great support", "support"),
        ("Users want to schedule exports", "I wish I could schedule exports", "exports"),
        ("Users hope for the best", "We hope for the best", None),
        ("General praise", "Love it", None),
        ("Praise for the app", "Awesome app", None),
    ],
)
def test_feature_of_a_title(name: str, quote: str, expected: str | None) -> None:
    assert feature(name, [quote]) == expected


def _invented(insight: Insight) -> set[str]:
    """Words of a title that do not occur in its quotes or the templates."""
    stems = {stem(word) for quote in insight.quotes for word in tokens(quote.text)}
    stems |= {stem(word) for quote in insight.quotes for word in tokens(clean(quote.text))}
    stems |= {stem(base) for form, base in BASE_FORMS.items() if stem(form) in stems}
    return {
        word
        for word in tokens(insight.name)
        if stem(word) not in stems
        and word not in TEMPLATE_WORDS
        and not (word in STOP_WORDS and word in {"be", "have", "let"})
    }


def test_no_word_of_the_examples_titles_is_invented() -> None:
    for example in examples():
        for insight in example.findings.insights:
            assert _invented(insight) == set(), insight.name
            quotes = " ".join(clean(quote.text) for quote in insight.quotes).lower()
            assert insight.feature is None or insight.feature in quotes


WORDS = st.sampled_from(
    sorted(
        word_set(
            """
            the exports export are is slow hard to find and they it crash crashes when i we
            you can't please add a an button for my users love app great terrible no way
            there would be nice if could them, . ! but because dark mode CSV iPad update
            after since, how do does search sync
            """
        )
    )
)


@given(
    words=st.lists(WORDS, max_size=24),
    kind=st.sampled_from(["pain", "request", "praise", "question"]),
    profile=st.sampled_from(["transcript", "survey_response", "support_ticket"]),
    internal=st.booleans(),
)
def test_title_of_any_sentence(
    words: list[str], kind: Kind, profile: Profile, internal: bool
) -> None:
    text = " ".join(words)
    title = headline(Passage(text), kind, profile, internal=internal)
    if title is None:
        return
    assert 0 < len(title.text) <= MAX_TITLE + 2
    assert title.text == title.text.strip()
    assert title.text[0].isupper() or not title.text[0].isalpha() or title.text.startswith("iPad")
    stems = {stem(word) for word in (*tokens(text), *tokens(clean(text)))}
    words_of_title = set(tokens(title.text)) - STOP_WORDS - TEMPLATE_WORDS
    assert all(stem(word) in stems for word in words_of_title)
