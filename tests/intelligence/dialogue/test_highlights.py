"""Highlights of a conversation: decisions, objections, competitors, prices, questions."""

from collections.abc import Callable

import pytest

from domains.intelligence.dialogue import highlights
from domains.intelligence.dialogue.highlights import Item
from domains.intelligence.dialogue.turns import Talk, Turn

Find = Callable[[Talk], list[Item]]


def _texts(find: Find, *statements: str, ours: bool = False) -> list[str]:
    turns = [Turn("Rick", "Thank you for joining.", ours=True)]
    turns += [Turn("Rick" if ours else "Grace", text, ours=ours) for text in statements]
    return [item.text for item in find(Talk(turns, "EXTERNAL"))]


@pytest.mark.parametrize(
    ("find", "statement", "item"),
    [
        (
            highlights.decisions,
            "We've decided to go with another vendor.",
            "They have decided to go with another vendor",
        ),
        (
            highlights.decisions,
            "So we agreed on sixty seats if the export passes.",
            "They agreed on sixty seats if the export passes",
        ),
        (highlights.objections, "I'm worried about the audit.", "Grace is worried about the audit"),
        (highlights.objections, "That is too expensive for us.", "That is too expensive for them"),
        (
            highlights.rivals,
            "We are also looking at Globex right now.",
            "They are also looking at Globex right now",
        ),
        (
            highlights.rivals,
            "Your competitors have it already.",
            "Their competitors have it already",
        ),
        (
            highlights.prices,
            "We pay 400 dollars a month today.",
            "They pay 400 dollars a month today",
        ),
        (
            highlights.prices,
            "What would the uplift be on the invoice?",
            "What would the uplift be on the invoice?",
        ),
        (
            highlights.questions,
            "Okay, so how long does the rollout take for forty users?",
            "How long does the rollout take for forty users?",
        ),
    ],
)
def test_statement_is_a_highlight(find: Find, statement: str, item: str) -> None:
    assert _texts(find, statement) == [item]


@pytest.mark.parametrize(
    ("find", "statement"),
    [
        (highlights.decisions, "If we decide to go ahead, I'll call you."),
        (highlights.decisions, "Have we agreed on a date?"),
        (highlights.decisions, "We haven't decided yet."),
        (highlights.rivals, "We are looking at Excel all day."),
        (highlights.rivals, "I was talking to Rick yesterday."),
        (highlights.prices, "Can you filter by cost centre?"),
        (highlights.questions, "How are you?"),
        (highlights.questions, "Does that make sense?"),
        (highlights.questions, "Can you send me the contract for March?"),
        (highlights.questions, "It works, right?"),
    ],
)
def test_statement_is_no_highlight(find: Find, statement: str) -> None:
    assert _texts(find, statement) == []


@pytest.mark.parametrize("find", [highlights.objections, highlights.questions])
def test_statements_of_our_side_are_not_the_customers(find: Find) -> None:
    statements = "I'm worried about the audit.", "How long does the rollout take for forty users?"
    assert _texts(find, *statements, ours=True) == []


def test_highlights_are_unique_in_order_and_at_most_eight() -> None:
    towns = [
        *("Rome", "Paris", "Oslo", "Bern", "Riga", "Kyiv"),
        *("Cairo", "Tunis", "Lagos", "Accra", "Quito", "Lima"),
    ]
    questions = [f"What about {town} {town}ians {town}shire?" for town in towns]
    assert _texts(highlights.questions, *questions, *questions) == questions[:8]
