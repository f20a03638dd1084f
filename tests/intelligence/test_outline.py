"""The outline of a conversation: its kind, and under headings what was said, with quotes."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.outline import Outline, headings, outline

HELD_ON = date(2026, 11, 18)
NEGOTIATION = (
    ("Rick", "Thanks for joining. Our product is fast and our customers never complain."),
    ("Grace", "Our exports crash every week, and the search is slow."),
    ("Grace", "Legal has redlines on the liability clause, and finance wants ten percent off."),
    ("Rick", "I can do eight percent on annual prepay."),
    ("Grace", "We are also looking at Globex, they are cheaper."),
    ("Grace", "How long does the implementation take with forty users?"),
    ("Rick", "About two weeks."),
    ("Grace", "We've decided to go ahead with the pilot for the sales team."),
    ("Rick", "I'll send you the order form by Friday."),
)


def _outline(*said: tuple[str, str], title: str = "") -> Outline:
    turns = [Turn(name, text, ours=name == "Rick") for name, text in said]
    return outline(turns, "EXTERNAL", title, held_on=HELD_ON)


def test_what_was_said_stands_under_its_heading() -> None:
    found = _outline(*NEGOTIATION, title="Negotiation with Acme")
    assert found.category == "prospect_negotiation"
    assert found.summary["Next Steps"] == [
        "Rick will send Grace the order form by Friday (due 2026-11-20)"
    ]
    assert "go ahead with the pilot" in found.summary["Outcome"]
    for heading, word in {
        "Pain Points": "export",
        "Decisions": "pilot",
        "Objections": "redlines",
        "Questions": "implementation",
        "Competitors": "Globex",
        "Pricing": "eight percent",
    }.items():
        assert any(word.lower() in item.lower() for item in found.summary[heading]), heading


def test_the_vendors_pitch_is_no_pain_and_no_question_of_the_customer() -> None:
    found = _outline(
        ("Rick", "Other tools crash all the time and are terribly slow."),
        ("Rick", "How many invoices do you process by hand each month?"),
        ("Grace", "About four hundred."),
        title="Demo",
    )
    for heading in ("Pain Points", "Questions", "Objections", "Requests"):
        assert found.summary[heading] == []


def test_nothing_is_made_up_where_nothing_was_said() -> None:
    found = _outline(("Rick", "Hello, can you hear me?"), ("Grace", "Yes. Nice weather today."))
    assert found.category == "other"
    assert found.summary.pop("Outcome") == ""
    assert set(map(tuple, found.summary.values())) == {()}


def test_sides_are_told_by_how_they_speak_where_no_address_tells() -> None:
    turns = [
        Turn("Agent", "Hi, our app crashes never. What can I help with?"),
        Turn("Customer", "The export crashes every morning."),
    ]
    found = outline(turns, "EXTERNAL", "Support call")
    assert {each.turn for each in found.evidence["Pain Points"]} == {1}


def _check(found: Outline, turns: list[Turn]) -> None:
    assert list(found.summary) == list(headings(found.category)) == list(found.evidence)
    for heading, value in found.summary.items():
        items = [value] if isinstance(value, str) and value else list(value)
        assert list(dict.fromkeys(each.item for each in found.evidence[heading])) == items
        for each in found.evidence[heading]:
            assert each.quote
            assert each.quote in turns[each.turn].text


def test_each_item_has_a_quote() -> None:
    turns = [Turn(name, text, ours=name == "Rick") for name, text in NEGOTIATION]
    _check(outline(turns, "EXTERNAL", "Negotiation", held_on=HELD_ON), turns)


_SAID = st.sampled_from([text for _, text in NEGOTIATION]) | st.text(max_size=80)


@given(
    st.lists(st.tuples(st.sampled_from(["Rick", "Grace", "Åsa B."]), _SAID), max_size=12),
    st.sampled_from(["EXTERNAL", "INTERNAL"]),
)
def test_any_talk_has_an_outline_and_the_same_one_again(
    said: list[tuple[str, str]], audience: str
) -> None:
    turns = [Turn(name, text, ours=name == "Rick") for name, text in said]
    found = outline(turns, audience, held_on=HELD_ON)  # type: ignore[arg-type]
    _check(found, turns)
    again = outline(turns, audience, held_on=HELD_ON)  # type: ignore[arg-type]
    assert msgspec.json.encode(found) == msgspec.json.encode(again)


@pytest.mark.parametrize(
    ("title", "stage", "category"),
    [
        ("Acme: demo of the new app", None, "prospect_demo"),
        ("Quarterly business review", None, "customer_checkin"),
        ("Renewal of Acme", None, "customer_commercials"),
        ("Talk", None, "other"),
    ],
)
def test_a_title_tells_the_kind(title: str, stage: str | None, category: str) -> None:
    found = outline([Turn("A", "Hello."), Turn("B", "Hi.")], "EXTERNAL", title, stage=stage)
    assert found.category == category


def test_the_stage_of_the_deal_tips_the_balance() -> None:
    turns = [Turn("Rick", "Thanks for the order form. Is there still a trial?", ours=True)]
    assert outline(turns, "EXTERNAL", stage="Negotiation").category == "prospect_negotiation"
    assert outline(turns, "EXTERNAL", stage="Pilot").category == "prospect_trial"
