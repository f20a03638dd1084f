"""Names in conversations, and which of them are those of competitors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.intelligence.heads.competitors import Side, find_competitors
from domains.intelligence.heads.names import find_names, organisation
from domains.intelligence.text.segmentation import spoken


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("We moved off Grainpilot in March.", ["Grainpilot", "March"]),
        ("Civica Plot lost our data.", ["Civica Plot"]),
        ("And the LoadPilot thing? LoadPilot's gone.", ["LoadPilot"]),
        ("with LogHarrier I had two hundred alerts", ["LogHarrier"]),
        ("Bij VinoTrack zit het erin. Dus VinoTrack?", ["VinoTrack"]),
        ("On est passé de Marée+ à rien.", ["Marée+"]),
        ("前は「湯けむり予約」とレビューパルでした。", ["湯けむり予約", "レビューパル"]),
        ("Tom and Ana said so.", []),
        ("Haulgrid, Haulgrid Cloud and Haul are ours.", []),
        ("We have Škoda Connect and Łódźsoft.", ["Škoda Connect", "Łódźsoft"]),
        ("Grainpilot と比べました。", ["Grainpilot"]),
        ("nothing here, mail ana@acme.example", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert list(find_names([text], {"Tom Reyes", "Ana"}, {"haulgrid"})) == names


def test_capitalised_first_word_that_also_occurs_in_lower_case_is_no_name() -> None:
    texts = ["Exports fail in Vetmarrow.", "I hate exports."]
    assert list(find_names(texts, ())) == ["Vetmarrow"]


@settings(max_examples=50)
@given(st.lists(st.text(max_size=60), max_size=6))
def test_mentions_are_slices_of_any_texts(texts: list[str]) -> None:
    for name, mentions in find_names(texts, ()).items():
        for mention in mentions:
            assert texts[mention.sentence][mention.start : mention.end] == name


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("acme.com", "acme"),
        ("mail.acme.co.uk", "acme"),
        ("support.acme.com", "acme"),
        ("hp.co.uk", "hp"),
        ("north-wind.example", "northwind"),
        ("localhost", "localhost"),
    ],
)
def test_name_of_an_organisation_in_its_domain(domain: str, name: str) -> None:
    assert organisation(domain) == name


CALL: tuple[tuple[str, Side, str], ...] = (
    ("Ines", "customer", "We moved off Grainpilot in March, it lost our weights twice."),
    ("Rob", "vendor", "And what did Grainpilot cost you?"),
    ("Ines", "customer", "In Haulgrid I like the map, and we keep WhatsApp for the drivers."),
)


def competitors(*turns: tuple[str, Side, str]) -> list[tuple[str, list[int]]]:
    sentences = spoken([(speaker, text) for speaker, _, text in turns])
    sides = [side for _, side, _ in turns]
    found = find_competitors(sentences, sides, {"Ines", "Rob"}, {"haulgrid"}, "en")
    return [(each.name, each.places) for each in found]


def test_replaced_product_is_a_competitor_and_a_kept_one_is_not() -> None:
    assert competitors(*CALL) == [("Grainpilot", [0, 1])]


def test_no_names_no_competitors() -> None:
    assert competitors(("Ines", "customer", "it is fine")) == []
