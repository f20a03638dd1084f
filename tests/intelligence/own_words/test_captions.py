"""Captions in WebVTT and SRT files: cues, speakers and times."""

from domains.intelligence.findings import Document
from domains.intelligence.own_words.reading import read


def _said(text: str) -> list[tuple[str | None, str, float | None, float | None]]:
    sentences = read(Document(text=text, profile="transcript")).sentences
    return [
        (sentence.speaker, sentence.text, sentence.start_time, sentence.end_time)
        for sentence in sentences
    ]


def test_webvtt() -> None:
    text = (
        "WEBVTT\n\nNOTE made by a machine\n\n1\n00:00:01.000 --> 00:00:04.000 align:start\n"
        "<v Ana>We can't find it.</v>\n\n"
        "00:00:05.000 --> 00:00:08.500\nBob: Why is that\nso hard?\n"
    )
    assert _said(text) == [
        ("Ana", "We can't find it.", 1.0, 4.0),
        ("Bob", "Why is that so hard?", 5.0, 8.5),
    ]


def test_two_speakers_in_one_cue() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:04.000\n<v Ana>It fails.\n<v Bob>When?\n"
    assert _said(text) == [("Ana", "It fails.", 1.0, 4.0), ("Bob", "When?", 1.0, 4.0)]


def test_srt() -> None:
    text = (
        "1\r\n00:00:01,000 --> 00:00:02,000\r\nIt fails\r\n\r\n"
        "2\r\n00:00:02,500 --> 00:00:04,000\r\nin Q&amp;A <b>again</b>.\r\n\r\n"
        "3\r\n00:00:09,000 --> 00:00:10,000\r\nWhy?\r\n"
    )
    assert _said(text) == [
        (None, "It fails in Q&A again.", 1.0, 4.0),
        (None, "Why?", 9.0, 10.0),
    ]
    quotes = read(Document(text=text, profile="transcript"))
    assert quotes.text.splitlines() == ["It fails in Q&A again.", "Why?"]


def test_speakers_behind_marks() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:03,000\n>> HOST: HOW IS\nTHE APP?\n\n"
        "2\n00:00:03,500 --> 00:00:06,000\n>> GUEST: IT CRASHES.\n\n"
        "3\n00:00:06,500 --> 00:00:08,000\n>> HOST: REALLY?\n"
    )
    assert [(speaker, words) for speaker, words, _, _ in _said(text)] == [
        ("HOST", "HOW IS THE APP?"),
        ("GUEST", "IT CRASHES."),
        ("HOST", "REALLY?"),
    ]


def test_rolling_captions_that_begin_with_a_space() -> None:
    text = (
        "WEBVTT\n\n00:00.500 --> 00:03.900\n \nit<00:01.000><c> always</c>\n\n"
        "00:03.900 --> 00:03.910\nit always\n \n\n"
        "00:03.910 --> 00:05.000\nit always\nfails<00:04.000><c> me</c>\n"
    )
    assert _said(text) == [(None, "it always fails me", 0.5, 5.0)]


def test_times_with_a_comma() -> None:
    text = "0:00:01.000,0:00:03.000\nit always\n\n0:00:03.000,0:00:04.500\nfails\n"
    assert _said(text) == [(None, "it always fails", 1.0, 4.5)]


def test_a_cue_of_many_lines_is_read_in_linear_time() -> None:
    # The time limit of the test fails it if the work is quadratic.
    lines = [f"line{number}" for number in range(20_000)]
    text = "\n".join(["WEBVTT\n\n00:01.000 --> 00:02.000", *lines])
    assert read(Document(text=text, profile="transcript")).text == " ".join(lines)
