"""Extractive summary of a meeting: a few sentences with their sources."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.intelligence.dialogue import dialogue_acts
from domains.intelligence.dialogue.dialogue_acts import Utterance
from domains.intelligence.dialogue.extractive_summary import (
    Point,
    Sentence,
    Source,
    called,
    digest,
    sentences,
    statement,
)
from domains.intelligence.text.words import STOP_WORDS, word_set
from tests.intelligence.dialogue.test_dialogue_acts import CALL

MEETING = [
    Utterance("Project Manager", "So the remote control will be sold for twenty five euros."),
    Utterance("Marketing", "People want a remote control with a speech recognition, I think."),
    Utterance("Industrial Designer", "The speech recognition needs an advanced chip."),
    Utterance("Project Manager", "We have a budget for the advanced chip, but is it worth it?"),
    Utterance("Industrial Designer", "I think we should drop the display to stay in the budget."),
    Utterance("User Interface", "The display is important for the menu, and the menu is our idea."),
    Utterance("Project Manager", "Okay, we decided to keep the display and drop the battery."),
    Utterance("Project Manager", "Marketing will prepare the evaluation for the next meeting."),
]

TEMPLATES = word_set(
    """
    the meeting was about group discussed both sides talked first then after that later lastly and
    """
)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w']+", text.lower().replace("’", "'")))


def _invented(point: Point, utterances: list[Utterance]) -> set[str]:
    """Words of a point that do not occur in its sources, the templates or the speakers' names."""
    known = set(TEMPLATES)
    for source in point.sources:
        known |= _words(dialogue_acts.plain(source.quote)) | _words(source.quote)
        known |= _words(called(utterances[source.utterance].speaker))
    return {word for word in _words(point.text) - known if word not in STOP_WORDS}


def test_summary_of_a_meeting() -> None:
    points = digest(MEETING)
    assert points[0].text.startswith("The meeting was about the ")
    assert 2 <= len(points) <= 6
    assert sum(len(point.text.split()) for point in points) < 140
    assert any("speech recognition" in point.text for point in points)


@pytest.mark.parametrize("utterances", [MEETING, CALL, MEETING * 12])
def test_no_word_is_invented(utterances: list[Utterance]) -> None:
    for point in digest(utterances):
        assert point.sources
        assert not _invented(point, utterances)


def test_quotes_are_slices_of_the_utterances() -> None:
    utterances = MEETING * 3
    for point in digest(utterances):
        for source in point.sources:
            text = utterances[source.utterance].text
            assert text[source.start : source.end] == source.quote


def test_summary_without_topics_has_sentences_of_speakers_only() -> None:
    points = digest(MEETING, with_topics=False)
    speakers = tuple(f"{each.speaker}: " for each in MEETING)
    assert points
    assert all(point.text.startswith(speakers) for point in points)


def test_summary_is_deterministic() -> None:
    assert digest(MEETING) == digest(list(MEETING))


def test_length_depends_on_the_number_of_parts() -> None:
    utterances = MEETING * 20
    short, long = digest(utterances, parts=1), digest(utterances, parts=4)
    assert len(short) < len(long)


@pytest.mark.parametrize(
    "utterances",
    [
        [],
        [Utterance("Ana", "")],
        [Utterance("", " \n ")],
        [Utterance("Ana", "Hello.")],
        [Utterance("Ana", "你好。 привет! 🎉🎉 e\u0301")] * 4,
        [Utterance("Ana", "the export fails. " * 3_000)],
    ],
)
def test_unusual_meetings(utterances: list[Utterance]) -> None:
    for point in digest(utterances):
        assert point.sources


@settings(max_examples=20)
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=80)), max_size=8))
def test_any_text_is_accepted(turns: list[tuple[str, str]]) -> None:
    utterances = [Utterance(speaker, text) for speaker, text in turns]
    for sentence in sentences(utterances):
        source = sentence.source
        assert utterances[source.utterance].text[source.start : source.end] == source.quote
    digest(utterances)


@pytest.mark.parametrize(
    ("speaker", "text", "expected"),
    [
        (
            "Project Manager",
            "So um we will sell the the remote for 25 euros.",
            "Project Manager: We will sell the remote for 25 euros",
        ),
        (
            "Marketing",
            "I think that our users don't like the old buttons.",
            "Marketing: I think that our users don't like the old buttons",
        ),
        (
            "Ana",
            "Well, we should move the launch to the first of June.",
            "Ana: We should move the launch to the first of June",
        ),
        (
            "",
            "I'll send you the signed contract on Friday.",
            "I'll send you the signed contract on Friday",
        ),
        ("Tom", "What does the enterprise plan cost per year?", ""),
        ("Tom", "Because the export that we the and", ""),
        ("Tom", "Okay, thanks.", ""),
    ],
)
def test_key_point_is_the_speaker_and_the_sentence(speaker: str, text: str, expected: str) -> None:
    sentence = Sentence(Source(0, 0, len(text), text), speaker, text.split())
    assert statement(sentence) == expected


@pytest.mark.parametrize(
    ("speaker", "expected"),
    [
        ("Project Manager", "the Project Manager"),
        ("The Chair (Hon. Anthony Rota (Lib.))", "the Chair"),
        ("Ana Silva", "Ana Silva"),
        ("  ", "someone"),
    ],
)
def test_name_of_a_speaker_in_a_sentence(speaker: str, expected: str) -> None:
    assert called(speaker) == expected
