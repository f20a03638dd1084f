"""Wording of titles and statements in the third person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.findings import Kind
from domains.intelligence.insights.wording import MAX_TITLE, reads_well, statement, title


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "several reviewers mention that exports are hard to find and slow to complete.",
            "Exports are hard to find and slow to complete",
        ),
        ("Um, I mean, you know, we can't find the audit log.", "Users can't find the audit log"),
        (
            "But it crashes every time I open a large PDF.",
            "Crashes every time users open a large PDF",
        ),
        (
            "So honestly our biggest problem is that nobody trusts the numbers",
            "Nobody trusts the numbers",
        ),
        ("My invoices disappeared after the update.", "Invoices disappeared after the update"),
        ("The the the sync is is uh broken, right?", "The sync is broken"),
        ("The app logs me out every night.", "The app logs users out every night"),
        ("I think I lost my notes because I pressed back.", "Users lost their notes"),
        ("We spend like three hours on this each day.", "Users spend three hours on this each day"),
        ("anything above 50,000 rows times out", "Anything above 50,000 rows times out"),
        ("The LC_D_ screen is w way too dark", "The LCD screen is way too dark"),
    ],
)
def test_title_of_a_pain(text: str, expected: str) -> None:
    assert title(text, "pain") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please add dark mode!", "Add dark mode"),
        (
            "I wish I could export my reports to Excel.",
            "Users want to export their reports to Excel",
        ),
        ("I wish there was a filter for archived deals", "Users want a filter for archived deals"),
        ("It would be great if we could schedule the export.", "Users want to schedule the export"),
        ("It would be nice to have an undo button.", "Users want an undo button"),
        (
            "It would be great if the export kept my filters.",
            "Users want the export to keep their filters",
        ),
        ("I'd love to see a Gantt view.", "Users want a Gantt view"),
        ("There should be an option to mute a thread.", "Users want an option to mute a thread"),
        ("Could you also add a field for the tax number?", "Add a field for the tax number"),
        ("We need a way to undo a posting.", "Users need a way to undo a posting"),
        ("A shortcut for approve would be handy.", "Users want a shortcut for approve"),
        ("Any plans to support Linux?", "Users ask about plans to support Linux"),
    ],
)
def test_title_of_a_request(text: str, expected: str) -> None:
    assert title(text, "request") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do we export the log?", "Users ask how to export the log"),
        ("Is there a way to freeze my card?", "Users ask for a way to freeze their card"),
        ("Can we connect two calendars?", "Users ask whether they can connect two calendars"),
        ("How much does the plan cost?", "How much does the plan cost"),
    ],
)
def test_title_of_a_question(text: str, expected: str) -> None:
    assert title(text, "question") == expected


def test_internal_statements_are_of_the_team() -> None:
    assert title("We need a recording button.", "request", internal=True) == (
        "The team needs a recording button"
    )
    assert title("We lost the prototype.", "pain", internal=True) == "We lost the prototype"


def test_long_title_ends_at_a_word() -> None:
    text = "The " + "very complicated configuration of the warehouse " * 5 + "fails."
    name = title(text, "pain")
    assert len(name) <= MAX_TITLE
    assert not name.endswith((" the", " of", " very"))
    assert text.startswith(name)


def test_statement_keeps_all_clauses() -> None:
    assert statement("Um, we lost my notes because I pressed back.") == (
        "Users lost their notes because they pressed back"
    )
    assert len(statement("word " * 200)) <= 240


@given(
    text=st.text(max_size=400),
    kind=st.sampled_from(["pain", "request", "praise", "question"]),
    internal=st.booleans(),
)
def test_title_of_any_text(text: str, kind: Kind, internal: bool) -> None:
    name = title(text, kind, internal=internal)
    assert len(name) <= 80
    assert name == name.strip()
    assert "\n" not in name
    assert not name.endswith((".", ",", "!", "?", ";", ":"))
    assert len(statement(text, internal=internal)) <= 240


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Search is slow", True),
        ("Add dark mode", True),
        ("The team needs a recording button", True),
        ("Think of a all the people who would love it", False),
        ("It should be hard an and strong looking", False),
        ("That can the play button should stand apart", False),
        ("It between the cushions and nobody finds it", False),
        ("The simplest one as long as there are the I find it", False),
    ],
)
def test_title_from_broken_speech_does_not_read_well(name: str, expected: bool) -> None:
    assert reads_well(name) is expected
