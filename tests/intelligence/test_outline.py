"""Outline of a conversation: its category, and items with quotes under headings."""

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


def _turns(*statements: tuple[str, str]) -> list[Turn]:
    return [Turn(name, text, ours=name == "Rick") for name, text in statements]


def _outline(*statements: tuple[str, str], title: str = "") -> Outline:
    return outline(_turns(*statements), "EXTERNAL", title, held_on=HELD_ON)


def test_statements_are_under_their_headings() -> None:
    result = _outline(*NEGOTIATION, title="Negotiation with Acme")
    assert result.category == "prospect_negotiation"
    assert result.summary["Next Steps"] == [
        "Rick will send Grace the order form by Friday (due 2026-11-20)"
    ]
    assert "go ahead with the pilot" in result.summary["Outcome"]
    for heading, word in {
        "Pain Points": "export",
        "Decisions": "pilot",
        "Objections": "redlines",
        "Questions": "implementation",
        "Competitors": "Globex",
        "Pricing": "eight percent",
    }.items():
        assert any(word.lower() in item.lower() for item in result.summary[heading]), heading


def test_statements_of_the_vendor_are_not_listed_for_the_customer() -> None:
    result = _outline(
        ("Rick", "Other tools crash all the time and are terribly slow."),
        ("Rick", "How many invoices do you process by hand each month?"),
        ("Grace", "About four hundred."),
        title="Demo",
    )
    for heading in ("Pain Points", "Questions", "Objections", "Requests"):
        assert result.summary[heading] == []


def test_small_talk_has_no_items() -> None:
    result = _outline(("Rick", "Hello, can you hear me?"), ("Grace", "Yes. Nice weather today."))
    assert result.category == "other"
    assert result.summary.pop("Outcome") == ""
    assert set(map(tuple, result.summary.values())) == {()}


def test_sides_are_recognised_by_what_they_say() -> None:
    turns = [
        Turn("Agent", "Hi, our app crashes never. What can I help with?"),
        Turn("Customer", "The export crashes every morning."),
    ]
    result = outline(turns, "EXTERNAL", "Support call")
    assert {evidence.turn for evidence in result.evidence["Pain Points"]} == {1}


def _check(result: Outline, turns: list[Turn]) -> None:
    assert list(result.summary) == list(headings(result.category)) == list(result.evidence)
    for heading, value in result.summary.items():
        items = [value] if isinstance(value, str) and value else list(value)
        evidence = result.evidence[heading]
        assert list(dict.fromkeys(shown.item for shown in evidence)) == items
        for shown in evidence:
            assert shown.quote
            assert shown.quote in turns[shown.turn].text


def test_each_item_has_a_quote() -> None:
    turns = _turns(*NEGOTIATION)
    _check(outline(turns, "EXTERNAL", "Negotiation", held_on=HELD_ON), turns)


_STATEMENTS = st.sampled_from([text for _, text in NEGOTIATION]) | st.text(max_size=80)


@given(
    st.lists(st.tuples(st.sampled_from(["Rick", "Grace", "Åsa B."]), _STATEMENTS), max_size=12),
    st.sampled_from(["EXTERNAL", "INTERNAL"]),
)
def test_outline_of_any_conversation_is_consistent_and_deterministic(
    statements: list[tuple[str, str]], audience: str
) -> None:
    turns = _turns(*statements)
    first, second = (
        outline(turns, audience, held_on=HELD_ON)  # type: ignore[arg-type]
        for _ in range(2)
    )
    _check(first, turns)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("Acme: demo of the new app", "prospect_demo"),
        ("Quarterly business review", "customer_checkin"),
        ("Renewal of Acme", "customer_commercials"),
        ("Talk", "other"),
    ],
)
def test_title_decides_the_category(title: str, category: str) -> None:
    result = outline([Turn("A", "Hello."), Turn("B", "Hi.")], "EXTERNAL", title)
    assert result.category == category


def test_stage_of_the_deal_influences_the_category() -> None:
    turns = [Turn("Rick", "Thanks for the order form. Is there still a trial?", ours=True)]
    assert outline(turns, "EXTERNAL", stage="Negotiation").category == "prospect_negotiation"
    assert outline(turns, "EXTERNAL", stage="Pilot").category == "prospect_trial"
