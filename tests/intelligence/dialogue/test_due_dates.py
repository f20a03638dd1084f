"""Due dates in speech, relative to the day of the conversation."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.dialogue.due_dates import due_date

WEDNESDAY = date(2026, 11, 18)


@pytest.mark.parametrize(
    ("text", "date_", "phrase"),
    [
        ("I'll send it by Friday.", "2026-11-20", "by Friday"),
        ("Let's talk on Wednesday", "2026-11-25", "on Wednesday"),
        ("next Friday works", "2026-11-27", "next Friday"),
        ("tomorrow morning", "2026-11-19", "tomorrow morning"),
        ("the day after tomorrow", "2026-11-20", "the day after tomorrow"),
        ("by end of day", "2026-11-18", "by end of day"),
        ("by the end of the week", "2026-11-20", "by the end of the week"),
        ("at the end of next month", "2026-12-31", "at the end of next month"),
        ("before the end of this quarter", "2026-12-31", "before the end of this quarter"),
        ("early next week", "2026-11-24", "early next week"),
        ("in two weeks", "2026-12-02", "in two weeks"),
        ("within a couple of days", "2026-11-20", "within a couple of days"),
        ("in 3 business days", "2026-11-23", "in 3 business days"),
        ("in a month", "2026-12-18", "in a month"),
        ("on the first of March", "2027-03-01", "on the first of March"),
        ("by March 1st, 2027", "2027-03-01", "by March 1st, 2027"),
        ("on 3 December", "2026-12-03", "on 3 December"),
        ("by the 15th", "2026-12-15", "by the 15th"),
        ("on 2026-12-01", "2026-12-01", "on 2026-12-01"),
        ("send the 1st draft tomorrow", "2026-11-19", "tomorrow"),
        ("export the data of this month by Friday", "2026-11-20", "by Friday"),
        ("on Friday the 27th", "2026-11-27", "on Friday the 27th"),
        ("in January", "2027-01-31", "in January"),
        ("by Q1", "2027-03-31", "by Q1"),
        ("by EOW", "2026-11-20", "by EOW"),
        ("Friday, or rather in two weeks", "2026-11-20", "Friday"),
        ("by end of day Friday", "2026-11-20", "by end of day Friday"),
        ("by the end of the day on Thursday.", "2026-11-19", "by the end of the day on Thursday"),
        ("EOD tomorrow", "2026-11-19", "EOD tomorrow"),
        ("by EOD, I think", "2026-11-18", "by EOD"),
        ("by close of business on 3 December", "2026-12-03", "by close of business on 3 December"),
        ("no later than the 15th", "2026-12-15", "no later than the 15th"),
    ],
)
def test_due_date_is_recognised(text: str, date_: str, phrase: str) -> None:
    due = due_date(text, WEDNESDAY)
    assert due is not None
    assert (due.on.isoformat(), text[due.start : due.end]) == (date_, phrase)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "for a second",
        "the second time",
        "31 June",
        "February 30th",
        "in 900 weeks",
        "I may do 5 of them",
        "on 2020-01-01",
        "a weekend",
        "the 1st floor",
        "contact the 3rd party vendor",
        "ask whether option 2 may work",
        "we march 3 people there",
        "send you the report from last Friday",
        "forward you the Monday report",
        "prepare the slides for next quarter",
    ],
)
def test_text_without_a_due_date(text: str) -> None:
    assert due_date(text, WEDNESDAY) is None


WORDS = [
    *("by", "next", "in", "the", "end", "of", "week", "month", "Friday", "two", "31st", "March"),
    *("early", "days", "tomorrow", "2027"),
]


@given(
    st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
    st.dates(date(2000, 1, 1), date(2100, 12, 31)),
)
def test_due_date_is_at_most_two_years_ahead(text: str, held_on: date) -> None:
    due = due_date(text, held_on)
    if due is not None:
        assert timedelta(0) <= due.on - held_on <= timedelta(days=731)
        assert 0 <= due.start < due.end <= len(text)
