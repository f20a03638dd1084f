"""Insights made of classified sentences: quotes, limits, confidence and products."""

from typing import NamedTuple

import numpy as np
import pytest

from domains.intelligence.findings import Document, Insight, Kind, Product, Sentiment
from domains.intelligence.heads.needs import MAX_QUOTES
from domains.intelligence.heads.sentence_classifier import HEADS, Classified
from domains.intelligence.insights.need_insights import MAX_INSIGHTS, need_insights
from domains.intelligence.text.segmentation import spoken


class Marked(NamedTuple):
    """A sentence, and how probably it shows a need, and one with the sentence before."""

    text: str
    need: float
    more: float = 0.0
    kind: Kind = "pain"


def _insights(*marked: Marked, products: tuple[Product, ...] = ()) -> tuple[Insight, ...]:
    texts = [each.text for each in marked]
    document = Document("\n".join(texts), "transcript", products=products)
    sentences = spoken([("Ana", text) for text in texts])
    rows = np.zeros((len(sentences), len(HEADS)), np.float32)
    for row, each in zip(rows, marked, strict=True):
        row[HEADS.index("need")] = each.need
        row[HEADS.index("more")] = each.more
        row[HEADS.index(each.kind)] = 0.9
    classified = Classified(rows, {}, np.zeros((0, 0), np.float32), [])
    return need_insights(document, sentences, classified, "en")


def test_quotes_of_a_need_are_in_order_and_the_main_one_gives_the_title() -> None:
    (insight,) = _insights(
        Marked("The export fails.", 0.7),
        Marked("It is a sunny day.", 0.0),
        Marked("The export of invoices stops after ten rows.", 0.9, 0.3),
        Marked("Exports are a mess.", 0.8, 0.3),
    )
    assert [quote.text for quote in insight.quotes] == [
        "The export fails.",
        "The export of invoices stops after ten rows.",
        "Exports are a mess.",
    ]
    assert insight.name == "The export of invoices stops after ten rows"
    assert insight.quotes[1].text in insight.description
    assert {quote.speaker for quote in insight.quotes} == {"Ana"}


@pytest.mark.parametrize(
    ("main", "quoted"), [(0, [0, 1, 2, 3, 4]), (2, [0, 1, 2, 3, 4]), (7, [0, 1, 2, 3, 7])]
)
def test_a_need_has_its_first_quotes_always_with_the_main_one(main: int, quoted: list[int]) -> None:
    texts = [f"Export number {number} fails." for number in range(8)]
    (insight,) = _insights(
        *(
            Marked(text, 0.9 if number == main else 0.7, 0.3 if number else 0.0)
            for number, text in enumerate(texts)
        )
    )
    assert [quote.text for quote in insight.quotes] == [texts[number] for number in quoted]
    assert len(insight.quotes) == MAX_QUOTES == 5


def test_needs_of_one_type_with_nearly_the_same_words_are_merged() -> None:
    export, request, search = _insights(
        Marked("The export of invoices fails.", 0.7),
        Marked("The export of invoices fails.", 0.8, kind="request"),
        Marked("The search fails.", 0.8),
        Marked("Our export of invoices fails.", 0.9),
    )
    assert [quote.text for quote in export.quotes] == [
        "The export of invoices fails.",
        "Our export of invoices fails.",
    ]
    assert (export.name, export.confidence) == ("Our export of invoices fails", 0.9)
    assert (request.kind, len(request.quotes)) == ("request", 1)
    assert (search.kind, len(search.quotes)) == ("pain", 1)


def test_a_short_text_keeps_the_insights_with_the_highest_confidence() -> None:
    # Five insights, and one more for every 12 words: 8 sentences of 3 words give 7.
    topics = ["Import", "Search", "Login", "Printing", "Backup", "Chat", "Upload", "Sync"]
    marked = [Marked(f"{topic} is broken.", 0.6 + 0.04 * at) for at, topic in enumerate(topics)]
    found = _insights(*reversed(marked))
    assert [each.name for each in found] == [f"{topic} is broken" for topic in topics[:0:-1]]


def test_a_long_text_has_at_most_sixty_insights() -> None:
    words = " ".join(["again"] * 12)
    marked = [Marked(f"Export {number} fails {words}.", 0.9) for number in range(100, 170)]
    assert len(_insights(*marked)) == MAX_INSIGHTS == 60


def test_confidence_is_the_probability_of_the_main_sentence() -> None:
    (insight,) = _insights(
        Marked("The export fails.", 0.61234), Marked("It is a mess.", 0.98765, 0.9)
    )
    assert insight.confidence == 0.988


@pytest.mark.parametrize(
    ("quotes", "product"),
    [
        (("The app fails.",), None),
        (("Orbits fail.",), None),
        (("The export of orbit fails.",), "o"),
        (("Orbit Cloud fails.",), "c"),
        (("Orbit fails.", "Acme fails.", "Acme is slow."), "a"),
        (("I lost my Orbit.", "Cloud is what I need."), "o"),
        (("明細帳の書き出しが止まります。",), "j"),
    ],
)
def test_product_is_the_one_that_the_quotes_name_most_often(
    quotes: tuple[str, ...], product: str | None
) -> None:
    products = (
        Product("o", "Orbit"),
        Product("c", "Orbit Cloud"),
        Product("a", "Acme"),
        Product("j", "明細帳"),
    )
    first, *others = quotes
    (insight,) = _insights(
        Marked(first, 0.9), *(Marked(text, 0.8, 0.9) for text in others), products=products
    )
    assert insight.product_id == product


@pytest.mark.parametrize(
    ("kind", "sentiment"),
    [
        ("pain", "negative"),
        ("request", "neutral"),
        ("praise", "positive"),
        ("question", "neutral"),
    ],
)
def test_kind_decides_the_sentiment(kind: Kind, sentiment: Sentiment) -> None:
    (insight,) = _insights(Marked("The export of my data.", 0.9, kind=kind))
    assert (insight.kind, insight.sentiment) == (kind, sentiment)


def test_text_without_letters_gives_no_insight() -> None:
    assert _insights(Marked("12345 67890?!", 0.9)) == ()
