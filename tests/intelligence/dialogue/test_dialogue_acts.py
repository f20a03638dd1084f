"""Dialogue acts of utterances: action items, decisions, open problems, the gist."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.intelligence.dialogue import dialogue_acts
from domains.intelligence.dialogue.dialogue_acts import (
    KINDS,
    Utterance,
    marked,
    score,
)

CALL = [
    Utterance("Ana", "Hi Tom, thanks for joining today. How are you doing?", 0.0),
    Utterance("Tom", "Good, thanks. We had a busy quarter.", 5.0),
    Utterance("Ana", "Could you tell me a bit about how your team handles reporting?", 10.0),
    Utterance("Tom", "Every week somebody exports the data into a spreadsheet.", 15.0),
    Utterance("Tom", "The export times out, so we lose half a day each week.", 20.0),
    Utterance("Ana", "We support scheduled reports on the business plan.", 25.0),
    Utterance("Tom", "I'm not sure if procurement accepts an annual contract.", 30.0),
    Utterance("Ana", "Understood. Should we start with a pilot?", 35.0),
    Utterance("Tom", "Yes, let's go ahead with the pilot for the reporting team.", 40.0),
    Utterance("Ana", "I'll send you the pilot agreement by Friday.", 45.0),
    Utterance("Tom", "I will talk to procurement about the contract next week.", 50.0),
    Utterance("Tom", "Thanks, Ana. Bye.", 55.0),
]


def test_acts_of_a_call() -> None:
    scores = score(CALL)
    actions = scores.near[:, KINDS.index("action")]
    assert set(np.argsort(-actions)[:2].tolist()) == {9, 10}


def test_small_talk_has_no_acts() -> None:
    talk = [Utterance("Ana", "Hi, how are you?"), Utterance("Tom", "Great, thank you.")]
    found = marked(score(talk))
    assert not found["action"]
    assert not found["decision"]


def test_scores_are_deterministic_and_independent_of_times() -> None:
    without_times = [Utterance(utterance.speaker, utterance.text) for utterance in CALL]
    assert (score(CALL).near == score(without_times).near).all()


@pytest.mark.parametrize(
    "utterances",
    [
        [],
        [Utterance("", "")],
        [Utterance("Ana", "   ")],
        [Utterance("Ana", "Okay.")],
        [Utterance("Ana", "e\u0301 🎉 \u202eпривет 你好")] * 3,
        [Utterance("Ana", "word " * 20_000)],
        [Utterance(str(at), "I'll send it.") for at in range(500)],
    ],
)
def test_unusual_conversations(utterances: list[Utterance]) -> None:
    scores = score(utterances)
    assert scores.near.shape == scores.stated.shape == (len(utterances), len(KINDS))
    assert np.isfinite(scores.near).all()


@settings(max_examples=20)
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=60)), max_size=8))
def test_any_text_has_scores(turns: list[tuple[str, str]]) -> None:
    utterances = [Utterance(speaker, text) for speaker, text in turns]
    scores = score(utterances)
    assert ((scores.near >= 0) & (scores.near <= 1)).all()


def test_marked_utterances_reach_the_threshold() -> None:
    scores = score(CALL)
    for column, kind in enumerate(KINDS):
        over = scores.near[:, column] >= dialogue_acts.threshold(kind)
        assert marked(scores)[kind] == np.flatnonzero(over).tolist()


def test_filler_words_are_removed() -> None:
    assert dialogue_acts.plain("Um so we we should, uh, go") == "so we should, go"
