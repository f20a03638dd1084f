"""Next steps: who will do what by when, in the third person."""

from datetime import date

import pytest

from domains.intelligence.dialogue.commitments import steps
from domains.intelligence.dialogue.turns import Audience, Talk, Turn

WEDNESDAY = date(2026, 11, 18)
REP, GRACE = "Rick", "Grace"


def _talk(*said: tuple[str, str], audience: Audience = "EXTERNAL") -> Talk:
    return Talk([Turn(name, text, name == REP) for name, text in said], audience)


def _texts(*said: tuple[str, str], audience: Audience = "EXTERNAL") -> list[str]:
    return [step.text for step in steps(_talk(*said, audience=audience), WEDNESDAY)]


@pytest.mark.parametrize(
    ("who", "said", "step"),
    [
        (
            REP,
            "I'll send you the order form by Friday.",
            "Rick will send Grace the order form by Friday (due 2026-11-20)",
        ),
        (
            REP,
            "Great, we will schedule a call with your team next week.",
            "We will schedule a call with their team next week (due 2026-11-27)",
        ),
        (GRACE, "We'll review it with legal.", "Grace's team will review it with legal"),
        (
            GRACE,
            "Our admin will import the users tomorrow.",
            "Grace's admin will import the users tomorrow (due 2026-11-19)",
        ),
        (GRACE, "I'm going to check with my manager.", "Grace will check with their manager"),
        (REP, "Let me get back to you on that.", "Rick will get back to Grace on that"),
        (
            GRACE,
            "Can you send me the security papers?",
            "Grace asked Rick to send Grace the security papers",
        ),
        (
            REP,
            "Let's meet again on Tuesday.",
            "Everybody will meet again on Tuesday (due 2026-11-24)",
        ),
        (REP, "The next step is to sign the contract.", "Sign the contract"),
    ],
)
def test_a_step(who: str, said: str, step: str) -> None:
    other = GRACE if who == REP else REP
    assert _texts((other, "Hello there."), (who, said)) == [step]


@pytest.mark.parametrize(
    "said",
    [
        "I'll be honest, I think it is fine.",
        "I'll show you the filter here.",
        "I'll click on the filter.",
        "We will see.",
        "Let me share my screen.",
        "If you give us ten percent, we'll sign it.",
        "Will you be there?",
        "Could you show the mobile app too?",
        "We have always sent it by mail.",
        "Users will find it.",
        "When I click export, it'll send an error.",
        "I told you I'll send it on Monday, but I forgot.",
    ],
)
def test_no_step(said: str) -> None:
    assert _texts((REP, "Hello there."), (GRACE, said)) == []


def test_an_agreed_request_is_a_promise() -> None:
    said = (GRACE, "Could you send me the invoice for March?"), (REP, "Sure, no problem.")
    assert _texts(*said) == ["Rick will send Grace the invoice for March"]


def test_what_is_said_twice_is_one_step_with_its_date() -> None:
    found = _texts(
        (REP, "I'll send the proposal to Grace."),
        (GRACE, "Good."),
        (REP, "So I'll send the proposal tomorrow."),
    )
    assert found == ["Rick will send the proposal tomorrow (due 2026-11-19)"]


def test_without_a_day_there_is_no_due_date() -> None:
    (step,) = steps(_talk((REP, "I'll send the proposal tomorrow.")))
    assert (step.due, step.owner, step.text) == (None, REP, "Rick will send the proposal tomorrow")


def test_a_step_knows_where_it_was_said() -> None:
    talk = _talk((GRACE, "Hi."), (REP, "Fine. I'll send the proposal tomorrow. Bye."))
    (step,) = steps(talk, WEDNESDAY)
    turn = talk.turns[step.said.turn]
    assert turn.text[step.said.start : step.said.end] == step.said.text
    assert step.said.text == "I'll send the proposal tomorrow."


def test_who_is_called_by_name_is_asked() -> None:
    talk = Talk(
        [
            Turn("Rita Ray", "Hello."),
            Turn("Tim Tan", "Hello."),
            Turn("Rick", "Tim, could you send Rita, who joined late, the notes?", ours=True),
        ],
        "EXTERNAL",
    )
    (step,) = steps(talk)
    assert step.owner == "Tim Tan"


def test_many_speakers_take_no_longer_than_their_words() -> None:
    turns = [
        Turn(f"Person {n} of the call", "I'll send you it by Friday, okay?") for n in range(2000)
    ]
    assert len(steps(Talk(turns, "EXTERNAL"), WEDNESDAY)) <= 10


def test_at_most_ten() -> None:
    things = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
    ]
    said = [(REP, f"I'll send the {thing}.") for thing in things]
    assert len(_texts(*said)) == 10
