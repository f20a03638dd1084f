"""Exports of chats, recorders and reviews: who said what, when, and what a program wrote."""

import json
from typing import Any

import pytest

from domains.intelligence.findings import Document, Profile
from domains.intelligence.own_words.json_transcripts import prose
from domains.intelligence.own_words.json_values import parse
from domains.intelligence.own_words.reading import read

_Said = list[tuple[str | None, float | None, str]]


def _said(text: str, profile: Profile = "transcript") -> _Said:
    sentences = read(Document(text=text, profile=profile)).sentences
    return [(each.speaker, each.start_time, each.text) for each in sentences]


def _data(value: Any) -> _Said:
    data = json.dumps(value).encode()
    text = "\n".join(string.value for string in prose(parse(data.decode())))
    sentences = read(Document(text=text, profile="raw", data=data)).sentences
    return [(each.speaker, each.start_time, each.text) for each in sentences]


_CALL: _Said = [
    ("Ida Roth", 2.0, "How is the stock count going?"),
    ("Sam Ode", 7.0, "The scanner drops out."),
    ("Ida Roth", 12.0, "I see."),
]


_NOTES = "Ida Roth {} transcription\n\n"


def _lines(form: str) -> str:
    return "".join(form.format(speaker, int(start or 0), text) for speaker, start, text in _CALL)


@pytest.mark.parametrize(
    "text",
    [
        _lines("0:{1:02} | {0}\n{2}\n\n"),
        _lines("{0}\n0:{1:02}\n{2}\n\n"),
        _lines("{0}\n0:{1:02}\n{2}\n"),
        _lines("0:{1:02}\n\n{0}: {2}\n"),
        _lines("[00:{1:02}.000 --> 00:{1:02}.900] {0}: {2}\n"),
        _NOTES.format("started")
        + _lines("{0}   0:{1:02}\n{2}\n[laughter]\n\n")
        + _NOTES.format("stopped"),
    ],
    ids=["bar", "name over time", "no blank lines", "time over label", "brackets", "notes"],
)
def test_speakers_and_times_of_recorders(text: str) -> None:
    assert _said(text) == _CALL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "10:02:11 From Ida Roth to Everyone:\n\tcan you see it?\n"
            "10:02:40 From Sam Ode (Acme) to Ida Roth(Direct Message):\n\tthe button is missing\n",
            [("Ida Roth", 0, "can you see it?"), ("Sam Ode (Acme)", 29, "the button is missing")],
        ),
        (
            "[12.01.26, 09:14:03] Ida Roth: the app crashes\n"
            "\u200e[12.01.26, 09:14:40] Ida Roth: \u200eimage omitted\n"
            "[12.01.26, 09:15:03] Ida Roth: every single time\n",
            [("Ida Roth", 0, "the app crashes"), ("Ida Roth", 60, "every single time")],
        ),
        (
            "12/1/26, 10:14 - Ida Roth: it crashes\n13/1/26, 08:14 - +44 7700 900123: since?\n",
            [("Ida Roth", 0, "it crashes"), ("+44 7700 900123", 79200, "since?")],
        ),
        (
            "timestamp,sender,message\n2026-01-12 09:14:00,Ida Roth,it crashes\n"
            "2026-01-13 09:15:00,Support,since when?\n",
            [("Ida Roth", 0, "it crashes"), ("Support", 86460, "since when?")],
        ),
        (
            "Ida Roth — 12/01/2026 09:14\nit crashes\njo7 — Today at 9:20 AM\nsince when?\n",
            [("Ida Roth", 0, "it crashes"), ("jo7", 360, "since when?")],
        ),
        (
            "<table><tr><td>00:01</td><td>Ida Roth</td><td>It crashes.</td></tr>"
            "<tr><td>00:05</td><td>Jo</td><td>Since when?</td></tr></table>",
            [("Ida Roth", 1, "It crashes."), ("Jo", 5, "Since when?")],
        ),
        (
            "ida@a.example: it crashes\njo@b.example: since when?\n",
            [("ida@a.example", None, "it crashes"), ("jo@b.example", None, "since when?")],
        ),
        (
            "Ida Roth  9:41 AM\nthe import fails\n9:43\nit says row 17\nSam Ode  9:50 AM\nlooking",
            [
                ("Ida Roth", 0, "the import fails"),
                ("Ida Roth", 120, "it says row 17"),
                ("Sam Ode", 540, "looking"),
            ],
        ),
    ],
    ids=[
        *("direct message", "direction marks", "phone number on another day", "csv", "today"),
        *("html table", "addresses", "bare time"),
    ],
)
def test_messages_of_a_chat_keep_apart(text: str, expected: _Said) -> None:
    assert _said(text) == expected


def test_a_date_is_no_speaker_and_moves_no_times() -> None:
    text = f"Review\nJanuary 14, 2026, 2:03PM\n\nIda Roth   0:02\n{_CALL[0][2]}\n"
    assert _said(text)[-1] == _CALL[0]


@pytest.mark.parametrize("label", ["Trust me", "Let me explain", "March 4, 2026"])
def test_a_phrase_is_no_speaker(label: str) -> None:
    text = f"Ida Roth: Go on.\nSam Ode: It is slow.\n{label}: it never works.\nIda Roth: Yes.\n"
    assert {speaker for speaker, _, _ in _said(text)} == {"Ida Roth", "Sam Ode"}


@pytest.mark.parametrize("text", ["We closed the ticket.", "I left the meeting."])
def test_a_statement_is_no_line_of_a_program(text: str) -> None:
    value = [{"speaker": "Ida", "text": text}, {"speaker": "Sam", "text": "Sam joined the call"}]
    assert [words for _, _, words in _said(json.dumps(value))] == [text]


_WORDS = [
    {"word": word, "start": at, "end": at + 1, "speaker": int(at > 3)}
    for at, word in enumerate(["does", "it", "print", "at", "no", "never"])
]


@pytest.mark.parametrize(
    "value",
    [
        {
            "channels": [
                {"alternatives": [{"transcript": "Does it print at no, never", "words": _WORDS}]}
            ]
        },
        {
            "transcripts": [{"transcript": "Does it print at no, never"}],
            "items": [
                {
                    "start_time": str(word["start"]),
                    "speaker_label": word["speaker"],
                    "alternatives": [{"content": word["word"]}],
                }
                for word in _WORDS
            ],
        },
    ],
    ids=["words of the text", "items beside the text"],
)
def test_a_text_is_cut_where_the_speaker_of_its_words_changes(value: Any) -> None:
    expected = [("Speaker 0", 0.0, "Does it print at"), ("Speaker 1", 4.0, "no, never")]
    assert _said(json.dumps(value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        [
            {
                "participant": {"id": at, "name": name},
                "words": [
                    {"text": word, "start_timestamp": {"relative": at + 0.5}}
                    for word in text.split()
                ],
            }
            for at, (name, text) in enumerate([("Ida", "Is it slow?"), ("Sam", "Yes, it is.")])
        ],
        {
            "speakers": [{"id": 1, "name": "Ida"}, {"id": 2, "name": "Sam"}],
            "monologues": [
                {
                    "speaker": 1,
                    "elements": [{"value": each, "ts": 0.5} for each in ("Is it slow", "?")],
                },
                {
                    "speaker": 2,
                    "elements": [{"value": each, "ts": 1.5} for each in ("Yes, it is", ".")],
                },
            ],
        },
    ],
    ids=["words", "words and marks"],
)
def test_a_list_of_single_words_is_read(value: Any) -> None:
    assert _said(json.dumps(value)) == [("Ida", 0.5, "Is it slow?"), ("Sam", 1.5, "Yes, it is.")]


@pytest.mark.parametrize(
    "value",
    [
        [
            {
                "from": {"user": {"displayName": name}},
                "body": {"contentType": "html", "content": text},
            }
            for name, text in (("Ida Roth", "<p>it fails</p>"), ("Jo", "<p>since when?</p>"))
        ],
        [
            {"text": text, "senders": [{"actorId": "V-1", "name": name}]}
            for name, text in (("Ida Roth", "it fails"), ("Jo", "since when?"))
        ],
        [
            {"sender": "x@a.example", "sender_display_name": name, "message": text}
            for name, text in (("Ida Roth", "it fails"), ("Jo", "since when?"))
        ],
    ],
    ids=["nested", "list", "display name"],
)
def test_messages_with_nested_authors(value: Any) -> None:
    assert _said(json.dumps(value)) == [
        ("Ida Roth", None, "it fails"),
        ("Jo", None, "since when?"),
    ]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        (("2026-01-12T22:00:00Z", "2026-01-14T22:00:05Z"), 172805),
        ((1768466461.5, 1768476461.5), 10000),
    ],
)
def test_dates_of_messages_are_no_milliseconds(times: tuple[Any, Any], seconds: int) -> None:
    value = [{"author": "Ida", "body": "it fails", "timestamp": time} for time in times]
    assert [start for _, start, _ in _said(json.dumps(value))] == [0, seconds]


def test_the_first_message_may_stand_outside_of_the_list() -> None:
    first = {"body": "<p>The scanner crashes.</p>", "author": {"name": "Ida Roth"}}
    parts = [{"body": "<p>Which phone is it?</p>", "author": {"name": "Sam Ode"}}]
    assert _data({"source": first, "parts": parts}) == [
        ("Ida Roth", None, "The scanner crashes."),
        ("Sam Ode", None, "Which phone is it?"),
    ]


@pytest.mark.parametrize("left_out", [0, 1, 3, 12])
def test_a_transcript_that_was_cut_off_is_read_up_to_there(left_out: int) -> None:
    value = [{"speaker": "Ida", "text": "It is slow."}, {"speaker": "Sam", "text": 'Which "part"?'}]
    text = json.dumps(value)
    said = _said(text[: len(text) - left_out])
    assert said[0] == ("Ida", None, "It is slow.")
    assert said[1][0] == "Sam"
    assert 'Which "part"?'.startswith(said[1][2])


def test_columns_with_data_and_replies_of_the_vendor_are_not_read() -> None:
    text = (
        "Review Id,Review Date and Time,Rating,What do you dislike about Shelf?,Developer Reply\n"
        'a1,2026-01-12 09:14 on Monday,2,"The search is slow, and it hides rows.",'
        '"We need your log file, please send it."\na2,2026-01-13 10:00 on Tuesday,3,Too dear,\n'
    )
    sentences = read(Document(text=text, profile="survey_response")).sentences
    assert [(each.section, each.text) for each in sentences] == [
        ("cons", "The search is slow, and it hides rows."),
        ("cons", "Too dear"),
    ]


def test_a_section_of_a_review_ends_with_the_next_heading() -> None:
    text = (
        "What do you like best about Shelf?\nThe colours.\nWhat do you dislike about Shelf?\n"
        "The search.\nRecommendations to others considering Shelf:\nTry it first.\n"
    )
    sentences = read(Document(text=text, profile="survey_response")).sentences
    assert [(each.section, each.text) for each in sentences] == [
        ("pros", "The colours."),
        ("cons", "The search."),
        ("", "Try it first."),
    ]


def test_times_of_a_table_may_be_milliseconds() -> None:
    rows = ["0\t2600\tso the printer", "2600\t5100\tnever works", "5100\t9100\ton Mondays"]
    text = "\n".join(["start\tend\ttext", *rows])
    (sentence,) = read(Document(text, "transcript")).sentences
    assert (sentence.start_time, sentence.end_time) == (0.0, 9.1)
    assert sentence.text == "so the printer never works on Mondays"
