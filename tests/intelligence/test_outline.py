"""Outline of a conversation: its category, and items with quotes under headings."""

from datetime import date
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.findings import Audience
from domains.intelligence.outline import Heading, Outline, answered, asked, headings, outline

HELD_ON = date(2026, 11, 18)
NEGOTIATION = (
    ("Rick", "Thanks for joining. Our product is fast and our customers never complain."),
    ("Grace", "Our exports crash every week, and the search is slow."),
    ("Grace", "Our legal team will not accept the liability clause as it is."),
    ("Rick", "I can do eight percent on annual prepay."),
    ("Grace", "We compared you with Globex last week, and they are cheaper."),
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
        "Rick: will send you the order form by Friday (due 2026-11-20)"
    ]
    assert "go ahead with the pilot" in result.summary["Outcome"]
    for heading, word in {
        "Pain Points": "export",
        "Decisions": "pilot",
        "Objections": "liability",
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


_SMALL_TALK = pytest.mark.parametrize(
    "statements",
    [
        (("Rick", "Hello, can you hear me?"), ("Grace", "Yes. Nice weather today.")),
        (("Rick", "Good morning."), ("Grace", "Good morning, Rick.")),
        (
            ("Rick", "How was your holiday?"),
            ("Grace", "Lovely, we went to the sea with the children."),
            ("Rick", "Nice, and the weather?"),
            ("Grace", "Sunny all week."),
        ),
    ],
)


@_SMALL_TALK
def test_small_talk_has_no_items(statements: tuple[tuple[str, str], ...]) -> None:
    result = _outline(*statements)
    assert result.summary.pop("Outcome") == ""
    assert set(map(tuple, result.summary.values())) == {()}


@_SMALL_TALK
def test_small_talk_has_no_category(statements: tuple[tuple[str, str], ...]) -> None:
    assert _outline(*statements).category == "other"


@pytest.mark.parametrize(
    "statement",
    [
        "We are also looking at Globex, they are cheaper.",
        "Today we use Globex for that.",
        "We are also looking at LoadPilot, they are cheaper.",
    ],
)
def test_competitor_is_listed(statement: str) -> None:
    result = _outline(*NEGOTIATION[:4], ("Grace", statement), *NEGOTIATION[5:])
    assert result.summary["Competitors"] == [statement.removesuffix(".")]


def test_nothing_is_found_in_a_language_that_the_encoder_does_not_know() -> None:
    text = "Exporten kraschar varje vecka och vi måste skriva alla fakturor för hand igen. "
    turns = [
        Turn("Grace", text * 3),
        Turn("Rick", "Jag skickar er en lösning på fredag.", ours=True),
    ]
    result = outline(turns, "EXTERNAL", "Demo", held_on=HELD_ON)
    assert (result.language, result.category) == ("sv", "prospect_demo")
    assert not any(result.summary.values())


def test_an_item_has_at_most_five_quotes() -> None:
    again = [("Grace", f"The export crashes again and again, every day {n}.") for n in range(9)]
    evidence = _outline(*again).evidence["Pain Points"]
    assert len({shown.item for shown in evidence}) == 1
    assert len(evidence) == 5


def test_conversation_longer_than_what_is_classified() -> None:
    turns = [Turn("Grace", "The export crashes every day."), *[Turn("Rick", "Yes.")] * 20_001]
    assert set(outline(turns, "EXTERNAL").summary) == set(get_args(Heading))


def test_sides_are_recognised_by_what_they_say() -> None:
    turns = [
        Turn("Agent", "Hi, our app crashes never. What can I help with?"),
        Turn("Customer", "The export crashes every morning."),
    ]
    result = outline(turns, "EXTERNAL", "Support call")
    assert {evidence.turn for evidence in result.evidence["Pain Points"]} == {1}


def _check(result: Outline, turns: list[Turn]) -> None:
    """Check headings, items and quotes."""
    first = headings(result.category)
    others = [heading for heading in get_args(Heading) if heading not in first]
    assert list(result.summary) == list(result.evidence) == [*first, *others]
    for heading, value in result.summary.items():
        items = [value] if isinstance(value, str) and value else list(value)
        evidence = result.evidence[heading]
        assert list(dict.fromkeys(shown.item for shown in evidence)) == items
        for shown in evidence:
            assert shown.quote
            assert shown.quote in turns[shown.turn].text


def test_items_are_own_words() -> None:
    result = _outline(*NEGOTIATION, title="Negotiation with Acme")
    for heading in set(result.summary) - {"Next Steps", "Key Points"}:
        for shown in result.evidence[heading]:
            assert shown.item == shown.quote.removesuffix(".")


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
def test_title_decides_the_category_of_a_short_call(title: str, category: str) -> None:
    result = outline([Turn("A", "Hello."), Turn("B", "Hi.")], "EXTERNAL", title)
    assert result.category == category


_CONVERSATIONS = (
    NEGOTIATION,
    NEGOTIATION[1:5],
    (
        ("Rick", "Did you get the order form?"),
        ("Grace", "Yes. We would like to keep testing for another week before we sign."),
    ),
    (
        ("Rick", "Last time I showed you the reports. Do you want to see the rest?"),
        ("Grace", "Yes, and we need to talk about the price."),
    ),
    (
        ("Grace", "What does it cost for forty users?"),
        ("Rick", "That depends on the plan. How do you work today?"),
        ("Grace", "With spreadsheets mostly."),
    ),
    (
        ("Rick", "You told me that you decide this month. Where are we?"),
        ("Grace", "We are between you and one other vendor. The board meets on Thursday."),
    ),
)


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("Acme: demo of the new app", "prospect_demo"),
        ("Discovery call", "prospect_discovery"),
        ("Quarterly business review", "customer_checkin"),
        ("Renewal of Acme", "customer_commercials"),
    ],
)
def test_title_influences_the_category(title: str, category: str) -> None:
    without = [_outline(*statements).category for statements in _CONVERSATIONS]
    titled = [_outline(*statements, title=title).category for statements in _CONVERSATIONS]
    assert without.count(category) < titled.count(category)


_STAGES = {
    "Discovery": "prospect_discovery",
    "Demo": "prospect_demo",
    "Pilot": "prospect_trial",
    "Negotiation": "prospect_negotiation",
    "Closed Won": "closed_won",
    "Closed Lost": "closed_lost",
}


@pytest.mark.parametrize(
    ("audience", "categories"),
    [
        ("EXTERNAL", ("partner_call", "consulting_call")),
        (
            "INTERNAL",
            ("customer_service_team", "it_team", "legal_team", "consulting_team"),
        ),
    ],
)
def test_a_provider_may_choose_categories_without_training_data(
    audience: Audience, categories: tuple[str, ...]
) -> None:
    turns = _turns(*NEGOTIATION)
    offered = asked(turns, audience, "").schema["properties"]["category"]["enum"]
    for category in categories:
        assert category in offered
        content = msgspec.json.encode({"category": category, "points": []})
        assert answered(turns, audience, content, "model").category == category


def test_stage_of_the_deal_influences_the_category() -> None:
    """The stage decides between categories that are nearly equal, only in favour of its own."""
    moved = set()
    for statements in _CONVERSATIONS:
        without = _outline(*statements).category
        for stage, category in _STAGES.items():
            found = outline(_turns(*statements), "EXTERNAL", stage=stage).category
            assert found in (without, category)
            if found != without:
                moved.add(stage)
    assert moved
