"""Transcripts as programs export them: the same insights, speakers and times in every notation."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from domains.intelligence.own_words.reading import read
from tests.intelligence.own_words.transcripts import CALL, PAIN, REQUEST, evidence, insights


def _clock(seconds: float) -> str:
    return f"00:00:{seconds:06.3f}"


def _lines(form: Callable[[str, str, float], str]) -> str:
    return "\n".join(form(line.speaker, line.text, line.start) for line in CALL)


def _list(**names: str) -> list[dict[str, Any]]:
    return [{name: getattr(line, field) for name, field in names.items()} for line in CALL]


_SENTENCES = {"speaker_name": "speaker", "text": "text", "start_time": "start", "end_time": "end"}
_PARTIES = [{"speakerId": "71", "name": "Mira Kohl"}, {"speakerId": "72", "name": "Tom Vend"}]
_IDS = {"Mira Kohl": "71", "Tom Vend": "72"}

# Call recorders and meeting software.
_NAMED: dict[str, Any] = {
    "sentences": {"data": {"transcript": {"title": "Renewal", "sentences": _list(**_SENTENCES)}}},
    "monologues": {
        "parties": _PARTIES,
        "transcript": [
            {
                "speakerId": _IDS[line.speaker],
                "topic": "Small talk",
                "sentences": [
                    {"start": line.start * 1000, "end": line.end * 1000, "text": line.text}
                ],
            }
            for line in CALL
        ],
    },
    "timeline": {
        "timeline": [
            {"ts": _clock(line.start), "users": [{"username": line.speaker}], "text": line.text}
            for line in CALL
        ]
    },
    "entries": {
        "entries": [
            {
                "speakerDisplayName": line.speaker,
                "spokenText": line.text,
                "startOffset": f"{_clock(line.start)}0000",
                "endOffset": f"{_clock(line.end)}0000",
            }
            for line in CALL
        ]
    },
}


@pytest.mark.parametrize("name", _NAMED)
@pytest.mark.parametrize("escaped", [True, False])
def test_json_with_names(name: str, escaped: bool) -> None:
    text = json.dumps(_NAMED[name], ensure_ascii=escaped, indent=None if escaped else 2)
    assert evidence(text) == [
        ("Mira Kohl", PAIN.start, PAIN.text),
        ("Mira Kohl", REQUEST.start, REQUEST.text),
    ]


# Speech recognisers, which number the speakers and repeat the text as a whole and as words.
_WHOLE = " ".join(line.text for line in CALL)
_WORDS = [
    {"word": word, "punctuated_word": word, "start": line.start, "end": line.end, "confidence": 0.9}
    for line in CALL
    for word in line.text.split()
]
_RECOGNISED: dict[str, tuple[str | None, Any]] = {
    "segments": (
        None,
        {
            "text": _WHOLE,
            "segments": [
                {"id": number, "start": line.start, "end": line.end, "text": f" {line.text}"}
                for number, line in enumerate(CALL)
            ],
            "language": "en",
        },
    ),
    "utterances": (
        "Speaker A",
        {
            "id": "4f",
            "text": _WHOLE,
            "words": _WORDS,
            "utterances": [
                {
                    "speaker": "AB"[line.speaker == "Tom Vend"],
                    "text": line.text,
                    "start": int(line.start * 1000),
                    "end": int(line.end * 1000),
                    "words": [],
                }
                for line in CALL
            ],
        },
    ),
    "paragraphs": (
        "Speaker 0",
        {
            "results": {
                "channels": [
                    {
                        "alternatives": [
                            {
                                "transcript": _WHOLE,
                                "words": _WORDS,
                                "paragraphs": {
                                    "paragraphs": [
                                        {
                                            "speaker": int(line.speaker == "Tom Vend"),
                                            "sentences": [
                                                {
                                                    "text": line.text,
                                                    "start": line.start,
                                                    "end": line.end,
                                                }
                                            ],
                                        }
                                        for line in CALL
                                    ]
                                },
                            }
                        ]
                    }
                ]
            }
        },
    ),
}


@pytest.mark.parametrize("name", _RECOGNISED)
def test_json_of_speech_recognisers(name: str) -> None:
    speaker, value = _RECOGNISED[name]
    assert evidence(json.dumps(value)) == [
        (speaker, PAIN.start, PAIN.text),
        (speaker, REQUEST.start, REQUEST.text),
    ]


def test_escaped_text_in_json_is_a_slice_with_its_escapes() -> None:
    line = "The “export” fails for München\nevery single day."
    text = json.dumps({"segments": [{"start": 1, "speaker": "Ana", "text": line}]})
    (insight,) = insights(text)
    assert [quote.text for quote in insight.quotes] == [json.dumps(line)[1:-1]]
    assert "\\" not in insight.name


def test_raw_data_of_a_transcript() -> None:
    data = json.dumps(_NAMED["monologues"]).encode()
    texts = ["Mira Kohl", "Tom Vend"]
    for line in CALL:
        texts += ["Small talk", line.text]
    document = Document(text="\n".join(texts), profile="raw", data=data)
    found = analyse(document).insights
    assert [
        (quote.speaker, quote.start_time, quote.text) for each in found for quote in each.quotes
    ] == [("Mira Kohl", PAIN.start, PAIN.text), ("Mira Kohl", REQUEST.start, REQUEST.text)]
    assert all(
        document.text[quote.start : quote.end] == quote.text
        for each in found
        for quote in each.quotes
    )


_TEXTS = {
    "tab-separated": _lines(lambda name, text, start: f"{_clock(start)[3:]}\t{name}\t{text}"),
    "bold label": _lines(lambda name, text, _: f"**{name}:** {text}"),
    "bold label and time": _lines(
        lambda name, text, start: f"**{name}** [{_clock(start)}]: {text}"
    ),
    "bracketed name": _lines(lambda name, text, start: f"[{name}] {_clock(start)}\n{text}\n"),
    "bracketed name, time of day": _lines(
        lambda name, text, start: f"[{name}] 14:02:{start:06.3f}\n{text}\n"
    ),
    "time and label": _lines(lambda name, text, start: f"({_clock(start)[3:]}) {name}: {text}"),
    "organisation and time": _lines(
        lambda name, text, start: f"{name} (Kohl KG) {_clock(start)[3:]}\n{text}\n"
    ),
    "time, dash and name": _lines(lambda name, text, start: f"{_clock(start)} - {name}\n{text}\n"),
    "chat export": _lines(
        lambda name, text, start: f"[12.03.2026, 14:02:{start:06.3f}] {name}: {text}"
    ),
    "lower-case names": _lines(lambda name, text, _: f"{name.lower()}: {text}")
    + "\ntom vend: Sure.",
    "captions with voices": "WEBVTT\n\n"
    + "\n\n".join(
        f"{_clock(line.start)} --> {_clock(line.end)}\n<v {line.speaker}>{line.text}</v>"
        for line in CALL
    ),
    "captions with labels": "\n\n".join(
        f"{number}\n{_clock(line.start)} --> {_clock(line.end)}\n{line.speaker}: {line.text}"
        for number, line in enumerate(CALL, 1)
    ).replace(".", ",", 2),
    "captions with formatting": "WEBVTT\n\n"
    + "\n\n".join(
        f"{_clock(line.start)} --> {_clock(line.end)}\n<v {line.speaker}><i>{line.text}</i>"
        for line in CALL
    ),
}


@pytest.mark.parametrize("name", _TEXTS)
def test_text_notation(name: str) -> None:
    found = evidence(_TEXTS[name])
    assert [text for _, _, text in found] == [PAIN.text, REQUEST.text]
    assert {(speaker or "").title().split(" (")[0] for speaker, _, _ in found} == {"Mira Kohl"}
    if "time" in name or "captions" in name or "tab" in name or "chat" in name:
        first, second = (start for _, start, _ in found)
        assert first is not None
        assert second is not None
        assert second - first == pytest.approx(REQUEST.start - PAIN.start)


def test_time_at_the_beginning_of_a_line_of_a_labelled_text() -> None:
    text = "Ana: The import runs at\n10:30 is when it fails.\nBob: Oh.\nAna: Yes."
    sentences = read(Document(text=text, profile="transcript")).sentences
    assert [(each.speaker, each.text) for each in sentences][:2] == [
        ("Ana", "The import runs at"),
        ("Ana", "10:30 is when it fails."),
    ]


def test_full_width_colon() -> None:
    text = "\n".join(
        f"{'高橋花子' if line.speaker == 'Mira Kohl' else '山本'}：{line.text}" for line in CALL
    )
    assert [(speaker, words) for speaker, _, words in evidence(text)] == [
        ("高橋花子", PAIN.text),
        ("高橋花子", REQUEST.text),
    ]


@pytest.mark.parametrize(
    ("text", "speakers"),
    [
        (
            "Ana: Hello there.\nBob: Hello.\nAna: It fails.\nBob: Oh.\nAction Items: none yet.",
            {"Ana", "Bob"},
        ),
        (
            "Ana: Hello there.\nBob: Hello.\nAna: It fails.\nBob: Oh.\nCleo: Mine fails, too.",
            {"Ana", "Bob", "Cleo"},
        ),
        ("We met on Monday.\nOutcome: the export fails.\nWe will see.\nMore was not said.", set()),
        ("Steps to reproduce:\nOpen the page.\nExpected Result: it opens.", set()),
    ],
)
def test_label_that_occurs_once(text: str, speakers: set[str]) -> None:
    sentences = read(Document(text=text, profile="transcript")).sentences
    assert {each.speaker for each in sentences if each.speaker} == speakers


def test_lines_that_captions_repeat() -> None:
    said = ["the invoice import is", "really slow and it fails", "every single Monday."]
    cues = [said[:1], said[:2], said[1:], said[2:]]
    text = "WEBVTT\n\n" + "\n\n".join(
        f"{_clock(number)} --> {_clock(number + 1)}\n" + "\n".join(lines)
        for number, lines in enumerate(cues)
    )
    assert [words for _, _, words in evidence(text)] == said


_SURVEY = """\
ID,Rating,What do you dislike?,Comment
1,2,"The export is ""very"" slow, it takes hours",None
2,4,Nothing really,Please add a dark mode to the editor
3,1,The search never finds archived projects,"It crashes, every
single morning"
"""


def test_rows_of_a_survey_are_respondents() -> None:
    found = insights(_SURVEY, "survey_response")
    quotes = [quote.text for insight in found for quote in insight.quotes]
    assert quotes == [
        'The export is ""very"" slow, it takes hours',
        "Please add a dark mode to the editor",
        "The search never finds archived projects",
        "It crashes, every\nsingle morning",
    ]
    assert found[0].name == 'The export is "very" slow, it takes hours'
    assert found[0].description == f"Customer in a review: “{found[0].name}”"
