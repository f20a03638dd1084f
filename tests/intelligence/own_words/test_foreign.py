"""Foreign spans: what each kind of text has, and laws for any text."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domains.intelligence.own_words.foreign import Kind, foreign_spans
from tests.intelligence.own_words.marked import expected, found, own_words

FAILS = "The import stops at row 40 and we lose the rest."
KINDS: tuple[Kind, ...] = ("mail", "ticket", "review", "speech", "report")

PIECES = st.sampled_from(
    [
        FAILS,
        "> Old words.",
        "> > Older words.",
        "| Bar",
        "",
        " ",
        "Thanks,",
        "Lee Brown",
        "-- ",
        "FYI",
        "Best regards",
        "On 4/7/26 09:15, Kim wrote:",
        "From: Kim <kim@shop.example>",
        "Subject: Rows",
        "-----Original Message-----",
        "Begin forwarded message:",
        "##- Please type your reply above this line -##",
        "Sent from my iPhone",
        "I am out of the office until Monday.",
        "This e-mail is confidential and only for the addressee. Delete it if received in error.",
        "[EXTERNAL] Hello",
        "### Steps to reproduce",
        "- [x] I have searched",
        "<!-- a",
        "-->",
        "Kim joined the conversation",
        "____________",
        "\u200fשלום",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("\n".join) | st.text(max_size=200)
QUOTES = (
    "\n\nOn 4/8/26 10:00, Max wrote:\n> Newer history.\n> Max\n",
    "\n\nVon: Max <max@shop.example>\nGesendet: 8. April 2026 10:00\nBetreff: Zeilen\n\nHistory.\n",
)


@pytest.mark.parametrize(
    ("kind", "marked"),
    [
        ("mail", f"{FAILS}\n⟦> Old.\n⟧### Steps to reproduce\nWait."),
        ("ticket", f"{FAILS}\n⟦> Old.\n### Steps to reproduce\n⟧Wait."),
        ("review", f"{FAILS}\n⟦> Old.\n⟧Best regards\nLee"),
        # Quotes in a report are what customers said.
        ("report", f"{FAILS}\n> A customer's words.\n⟦<!-- draft -->⟧"),
        ("speech", f"Kim: {FAILS}\n⟦Kim joined the meeting\n⟧> Old.\nOn 4/7/26 09:15, Kim wrote:"),
    ],
)
def test_kinds(kind: Kind, marked: str) -> None:
    assert found(marked, kind) == expected(marked)


def test_spans_cover_whole_lines() -> None:
    assert foreign_spans("It fails.\n> Hello\n> Bye\nStill.\n-- \nLee\n", "mail") == [
        (10, 24),
        (31, 39),
    ]


@given(TEXTS, st.sampled_from(KINDS))
def test_spans_are_sorted_disjoint_and_inside(text: str, kind: Kind) -> None:
    spans = foreign_spans(text, kind)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(left[1] < right[0] for left, right in pairwise(spans))


@given(st.text(alphabet="abc def.,\n", max_size=300), st.sampled_from(KINDS))
def test_text_without_marks_has_none(text: str, kind: Kind) -> None:
    assert foreign_spans(text, kind) == []


@given(TEXTS, st.sampled_from(QUOTES))
def test_quoted_mail_below_changes_nothing_above(text: str, quote: str) -> None:
    # A marker line at the end would be the first line of the quoted mail.
    assume(not text.rstrip().endswith(("message:", "___")))
    above = own_words(text).split()
    assert own_words(text + quote).split()[: len(above)] == above


@pytest.mark.parametrize(
    "piece",
    [
        *(">", "> >\n", "\n", "From:\n", "From: a@b\n", "a@b wrote:\n", " wrote:\n> ", "____\n\n"),
        *("<!--", "-- \n", "Best,\nLee\n", "Begin forwarded message:\n> a\n", "confidential. "),
        *("a joined ", "- [ ] a\n", "I am out of the office. "),
    ],
)
def test_repeated_marks_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    assert all(start < end for start, end in foreign_spans(text, "ticket"))
