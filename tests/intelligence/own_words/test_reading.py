"""Own words of texts of every kind: what is read, and exact slices of any text."""

import json
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Profile
from domains.intelligence.outline import outline
from domains.intelligence.own_words.reading import read
from tests.intelligence.own_words.transcripts import insights

PROFILES: tuple[Profile, ...] = get_args(Profile)
PAIN = "The report keeps crashing with an error when I open the second page."


@pytest.mark.parametrize(
    "text",
    [
        PAIN,
        f"<html><head><style>p {{color: red}}</style></head><body><p>{PAIN}</p></body></html>",
        f"<div>Hello,</div><div>{PAIN}</div><!-- internal note: slow --><script>bad()</script>",
        f"<p>Hello</p><p>{PAIN.replace('keeps crashing', '<b>keeps</b> crashing')}</p>",
        f"Hi<br>{PAIN.replace(' with', '&nbsp;with')}<br/>",
        json.dumps({"ticket": {"subject": "Report page", "body": f"<p>{PAIN}</p>"}}),
    ],
)
def test_markup_changes_nothing(text: str) -> None:
    (expected,) = insights(PAIN, "support_ticket")
    (found,) = insights(text, "support_ticket")
    assert (found.kind, found.name) == (expected.kind, expected.name)
    said = " ".join(quote.text for quote in found.quotes).replace("&nbsp;", " ")
    assert said == PAIN
    assert "<" not in said


def test_markup_in_entries_and_messages() -> None:
    bodies = [f"<p>{PAIN}</p><blockquote>The login never works.</blockquote>", f"<div>{PAIN}</div>"]
    expected = outline([Turn("Ana", PAIN)], "EXTERNAL", kind="mail").summary
    for body in bodies:
        assert outline([Turn("Ana", body)], "EXTERNAL", kind="mail").summary == expected
    shown = outline([Turn("Ana", bodies[1])], "EXTERNAL").evidence["Pain Points"]
    assert [(each.quote, each.turn) for each in shown] == [(PAIN, 0)]


def test_line_with_a_name_does_not_cut_a_mail() -> None:
    text = f"Hello Bo,\nhere is the list.\nFrom: our Lisbon office\n{PAIN}\n"
    summary = outline([Turn("Ana", text)], "EXTERNAL", kind="mail").summary
    (pain,) = list(summary["Pain Points"])
    assert "Lisbon" not in pain


_LINES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            *("Ana: It fails", "every day.", "[00:01:02] Bob: Why?", "Bob (Acme) 10:32", "<p>"),
            *("00:00:01.000 --> 00:00:02.000", "WEBVTT", "<v Ana>It &amp; they <i>fail</i>.</v>"),
            *('{"text": "It fails\\n badly", "speaker": "Ana", "start": 1}', "[", "]", ",", "}"),
            *("id,comment", '1,"It is ""slow"", and bad"', "00:05\tAna\tIt fails.", "名前：遅い。"),
            *("> quoted", "On Monday Bo wrote:", "-- ", "</div>It is slow.<br>", "\u2028", ""),
        ]
    ),
)
_TEXTS = st.lists(_LINES, max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\n\n", ""]).map(lambda end: end.join(lines))
)


@given(text=_TEXTS, profile=st.sampled_from(PROFILES))
def test_sentences_and_quotes_of_any_text(text: str, profile: Profile) -> None:
    own = read(Document(text=text, profile=profile))
    last = 0
    for sentence in own.sentences:
        assert own.text[sentence.start : sentence.end] == sentence.text == sentence.text.strip()
        assert sentence.start >= last
        last = sentence.end
    for insight in analyse(Document(text=text, profile=profile)).insights:
        assert [q.start for q in insight.quotes] == sorted({q.start for q in insight.quotes})
        for quote in insight.quotes:
            assert text[quote.start : quote.end] == quote.text


def test_lines_of_a_text_in_data_stay_apart() -> None:
    body = f"Hello there\n\n- {PAIN}\n- Thanks a lot\n\nAgent: We need to look into that."
    text = f"Report page\n{body}"
    data = json.dumps({"subject": "Report page", "body": body}).encode()
    own = read(Document(text=text, profile="raw", data=data))
    assert [(each.speaker, each.text) for each in own.sentences] == [
        (None, "Report page"),
        (None, "Hello there"),
        (None, PAIN),
        (None, "Thanks a lot"),
        ("Agent", "We need to look into that."),
    ]


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20) | _LINES,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["text", "speaker", "start", "sentences", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_quotes_of_any_data(value: object) -> None:
    def strings(part: object) -> list[str]:
        if isinstance(part, str):
            return [part] if " " in part.strip() else []
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return [text for each in inner for text in strings(each)]

    text = "\n".join(strings(value))
    data = json.dumps(value).encode()
    for insight in analyse(Document(text=text, profile="raw", data=data)).insights:
        for quote in insight.quotes:
            assert text[quote.start : quote.end] == quote.text


@pytest.mark.parametrize(
    "piece",
    [
        *("[", '{"a":', '"', '["",', '{"text":"a b","start":1},', "a\tb\n", '"a\n', "a "),
        *("00:00 --> 00:01\nAna: x\n\n", "[A] 10:00\n", "名：", "12.03.2026, 14:02 - ", " ", "a"),
        "A B\n0:01\n",
    ],
)
@pytest.mark.parametrize("profile", ["transcript", "support_ticket"])
def test_hostile_text_is_read_in_linear_time(piece: str, profile: Profile) -> None:
    text = piece * (100_000 // len(piece))
    if piece == " ":
        text = f"x{text}"
    started = time.process_time()
    assert analyse(Document(text=text, profile=profile)).engine
    assert time.process_time() - started < 10
