"""Next steps of a conversation: their owners and due dates, each promise once."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest

from domains.intelligence.dialogue.steps import MAX_STEPS, PromisedStep, find_steps
from domains.intelligence.dialogue.turns import Talk, Turn
from domains.intelligence.heads.sentence_classifier import HEADS, Classified
from domains.intelligence.outline import AgreedStep, outline

WEDNESDAY = date(2026, 3, 4)


def _turns(*statements: tuple[str, str]) -> list[Turn]:
    return [Turn(name, text, ours=name == "Bob Ray") for name, text in statements]


def _agreed(*statements: tuple[str, str]) -> list[AgreedStep]:
    return outline(_turns(*statements), "EXTERNAL", held_on=WEDNESDAY).steps


def _steps(
    *statements: tuple[str, str],
    probabilities: Sequence[float] = (),
    held_on: date | None = WEDNESDAY,
) -> list[PromisedStep]:
    """Next steps, if each sentence is one with this probability."""
    talk = Talk(_turns(*statements), "EXTERNAL")
    rows = np.zeros((len(talk.said), len(HEADS)), np.float32)
    rows[:, HEADS.index("step")] = probabilities or 0.9
    return find_steps(talk, Classified(rows, {}, np.zeros((0, 0), np.float32), []), held_on, "en")


@pytest.mark.parametrize(
    ("sentence", "owner"),
    [
        ("I'll send the contract.", "Bob Ray"),
        ("Ana will send us the contract.", "Ana Ruiz"),
        ("Cy Low is going to send us the contract.", "Cy Low"),
        ("I'll introduce Ana to our lawyer.", "Bob Ray"),
        ("I'll ask Cy, he has the contract.", "Bob Ray"),
        ("Ana, could you send us the contract?", "Ana Ruiz"),
        ("Cy, please send us the contract.", "Cy Low"),
        ("Please send us the contract, Ana.", "Ana Ruiz"),
        # Nobody can say who is meant.
        ("Please send us the contract.", "Bob Ray"),
    ],
)
def test_owner_is_who_is_named_or_addressed_else_the_speaker(sentence: str, owner: str) -> None:
    steps = _steps(
        ("Bob Ray", sentence), ("Ana Ruiz", "Sure."), ("Cy Low", "Hi."), probabilities=(0.9, 0, 0)
    )
    assert [step.owner for step in steps] == [owner]


def test_the_only_other_speaker_is_addressed() -> None:
    steps = _steps(
        ("Bob Ray", "Could you send us the contract?"), ("Ana Ruiz", "Sure."), probabilities=(1, 0)
    )
    assert [step.owner for step in steps] == ["Ana Ruiz"]


@pytest.mark.parametrize("name", ["", " "])
def test_a_speaker_without_a_name_owns_nothing(name: str) -> None:
    (step,) = _steps((name, "I'll send the contract."))
    assert (step.text, step.owner) == ("Will send the contract", None)


@pytest.mark.parametrize(
    ("sentence", "held_on", "due"),
    [
        ("I'll send the contract tomorrow.", WEDNESDAY, date(2026, 3, 5)),
        ("I'll send the contract soon.", WEDNESDAY, None),
        ("I'll send the contract tomorrow.", None, None),
    ],
)
def test_due_date_is_counted_from_the_day_of_the_talk(
    sentence: str, held_on: date | None, due: date | None
) -> None:
    (step,) = _steps(("Ana Ruiz", sentence), held_on=held_on)
    assert step.due == due
    assert ("(due " in step.text) == (due is not None)


def test_a_promise_that_is_repeated_is_one_step() -> None:
    (step,) = _steps(
        ("Bob Ray", "I'll send you the order form by Friday."),
        ("Bob Ray", "As I said, the order form comes on Friday, I'll send it."),
        probabilities=(0.9, 0.8),
    )
    assert step.said.turn == 0


@pytest.mark.parametrize(
    "sentences",
    [
        ("I will send you the contract tomorrow.", "I will send you the quote tomorrow."),
        ("Ich schicke Ihnen den Vertrag.", "Ich schicke Ihnen den Preis."),
        ("明日、見積書をお送りします。", "明日、資料をお送りします。"),
    ],
)
def test_different_promises_are_different_steps(sentences: tuple[str, str]) -> None:
    first, second = sentences
    steps = _steps(("Bob Ray", first), ("Bob Ray", second), probabilities=(0.8, 0.9))
    assert [step.said.text for step in steps] == [first, second]


def test_two_people_may_promise_the_same() -> None:
    sentence = "I'll check the contract by Friday."
    steps = _steps(("Bob Ray", sentence), ("Ana Ruiz", sentence))
    assert [step.owner for step in steps] == ["Bob Ray", "Ana Ruiz"]


def test_german_and_japanese_steps() -> None:
    (german,) = _agreed(
        ("Bob Ray", "Ich schicke Ihnen morgen das Angebot."),
        ("Ana Ruiz", "Vielen Dank, das ist sehr nett von Ihnen."),
    )
    text = "Bob Ray: Ich schicke Ihnen morgen das Angebot (bis 2026-03-05)"
    assert german == AgreedStep(text, "Bob Ray", date(2026, 3, 5))
    (japanese,) = _agreed(
        ("田中", "金曜日までに見積書をお送りします。"),
        ("佐藤", "ありがとうございます。"),
    )
    text = "田中：金曜日までに見積書をお送りします（期限：2026-03-06）"
    assert japanese == AgreedStep(text, "田中", date(2026, 3, 6))


def test_only_the_most_probable_steps_are_kept_in_their_order() -> None:
    count = MAX_STEPS + 3
    things = [f"part{number}" for number in range(count)]
    statements = [("Ana Ruiz", f"I will send {thing}.") for thing in things]
    probabilities = [0.6] * 3 + [0.9] * MAX_STEPS
    steps = _steps(*statements, probabilities=probabilities)
    assert [step.said.turn for step in steps] == list(range(3, count))
    assert MAX_STEPS == 12


def test_many_promises_by_many_speakers_are_bounded_work() -> None:
    count = 2_000
    statements = [(f"Speaker{number}", f"I will send part{number}.") for number in range(count)]
    steps = _steps(*statements, probabilities=[0.9] * count)
    assert len(steps) == MAX_STEPS
    assert [step.said.turn for step in steps] == list(range(MAX_STEPS))
