"""Moments of a conversation: decisions, objections, rivals, prices, questions."""

from collections.abc import Callable

import pytest

from domains.intelligence import moments
from domains.intelligence.moments import Item
from domains.intelligence.talk import Talk, Turn

Find = Callable[[Talk], list[Item]]


def _found(find: Find, *said: str, ours: bool = False) -> list[str]:
    turns = [Turn("Rick", "Thank you for joining.", ours=True)]
    turns += [Turn("Rick" if ours else "Grace", text, ours=ours) for text in said]
    return [item.text for item in find(Talk(turns, "EXTERNAL"))]


@pytest.mark.parametrize(
    ("find", "said", "item"),
    [
        (
            moments.decisions,
            "We've decided to go with another vendor.",
            "They have decided to go with another vendor",
        ),
        (
            moments.decisions,
            "So we agreed on sixty seats if the export passes.",
            "They agreed on sixty seats if the export passes",
        ),
        (moments.objections, "I'm worried about the audit.", "Grace is worried about the audit"),
        (moments.objections, "That is too expensive for us.", "That is too expensive for them"),
        (
            moments.rivals,
            "We are also looking at Globex right now.",
            "They are also looking at Globex right now",
        ),
        (moments.rivals, "Your competitors have it already.", "Their competitors have it already"),
        (moments.prices, "We pay 400 dollars a month today.", "They pay 400 dollars a month today"),
        (
            moments.prices,
            "What would the uplift be on the invoice?",
            "What would the uplift be on the invoice?",
        ),
        (
            moments.questions,
            "Okay, so how long does the rollout take for forty users?",
            "How long does the rollout take for forty users?",
        ),
    ],
)
def test_a_moment(find: Find, said: str, item: str) -> None:
    assert _found(find, said) == [item]


@pytest.mark.parametrize(
    ("find", "said"),
    [
        (moments.decisions, "If we decide to go ahead, I'll call you."),
        (moments.decisions, "Have we agreed on a date?"),
        (moments.decisions, "We haven't decided yet."),
        (moments.rivals, "We are looking at Excel all day."),
        (moments.rivals, "I was talking to Rick yesterday."),
        (moments.prices, "Can you filter by cost centre?"),
        (moments.questions, "How are you?"),
        (moments.questions, "Does that make sense?"),
        (moments.questions, "Can you send me the contract for March?"),
        (moments.questions, "It works, right?"),
    ],
)
def test_no_moment(find: Find, said: str) -> None:
    assert _found(find, said) == []


@pytest.mark.parametrize("find", [moments.objections, moments.questions])
def test_what_our_own_people_say_is_none_of_theirs(find: Find) -> None:
    said = "I'm worried about the audit.", "How long does the rollout take for forty users?"
    assert _found(find, *said, ours=True) == []


def test_each_is_told_once_in_the_order_of_the_talk_and_no_more_than_eight() -> None:
    towns = [
        "Rome",
        "Paris",
        "Oslo",
        "Bern",
        "Riga",
        "Kyiv",
        "Cairo",
        "Tunis",
        "Lagos",
        "Accra",
        "Quito",
        "Lima",
    ]
    said = [f"What about {town} {town}ians {town}shire?" for town in towns]
    assert _found(moments.questions, *said, *said) == said[:8]
