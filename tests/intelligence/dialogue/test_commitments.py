"""Next steps: owner, action and due date, in the third person."""

from datetime import date

import pytest

from domains.intelligence.dialogue.commitments import steps
from domains.intelligence.dialogue.turns import Talk, Turn

WEDNESDAY = date(2026, 11, 18)
REP, GRACE = "Rick", "Grace"


def _talk(*turns: tuple[str, str]) -> Talk:
    return Talk([Turn(name, text, name == REP) for name, text in turns], "EXTERNAL")


def _texts(*turns: tuple[str, str]) -> list[str]:
    return [step.text for step in steps(_talk(*turns), WEDNESDAY)]


@pytest.mark.parametrize(
    ("speaker", "text", "step"),
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
def test_statement_is_a_step(speaker: str, text: str, step: str) -> None:
    other = GRACE if speaker == REP else REP
    assert _texts((other, "Hello there."), (speaker, text)) == [step]


@pytest.mark.parametrize(
    "text",
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
def test_statement_is_no_step(text: str) -> None:
    assert _texts((REP, "Hello there."), (GRACE, text)) == []


def test_accepted_request_is_a_commitment() -> None:
    turns = (GRACE, "Could you send me the invoice for March?"), (REP, "Sure, no problem.")
    assert _texts(*turns) == ["Rick will send Grace the invoice for March"]


def test_repeated_commitment_is_one_step_with_a_due_date() -> None:
    texts = _texts(
        (REP, "I'll send the proposal to Grace."),
        (GRACE, "Good."),
        (REP, "So I'll send the proposal tomorrow."),
    )
    assert texts == ["Rick will send the proposal tomorrow (due 2026-11-19)"]


def test_no_due_date_without_the_date_of_the_conversation() -> None:
    (step,) = steps(_talk((REP, "I'll send the proposal tomorrow.")))
    assert (step.due, step.owner, step.text) == (None, REP, "Rick will send the proposal tomorrow")


def test_step_has_the_position_of_its_quote() -> None:
    talk = _talk((GRACE, "Hi."), (REP, "Fine. I'll send the proposal tomorrow. Bye."))
    (step,) = steps(talk, WEDNESDAY)
    turn = talk.turns[step.said.turn]
    assert turn.text[step.said.start : step.said.end] == step.said.text
    assert step.said.text == "I'll send the proposal tomorrow."


def test_person_addressed_by_name_is_the_owner() -> None:
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


def test_time_does_not_grow_with_the_square_of_the_speakers() -> None:
    turns = [
        Turn(f"Person {n} of the call", "I'll send you it by Friday, okay?") for n in range(2000)
    ]
    assert len(steps(Talk(turns, "EXTERNAL"), WEDNESDAY)) <= 10


def test_number_of_steps_is_limited_to_ten() -> None:
    things = [
        *("alpha", "beta", "gamma", "delta", "epsilon", "zeta"),
        *("eta", "theta", "iota", "kappa", "lambda", "mu"),
    ]
    assert len(_texts(*((REP, f"I'll send the {thing}.") for thing in things))) == 10
