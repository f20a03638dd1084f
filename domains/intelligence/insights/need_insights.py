"""Insights from classified sentences: one for each need, titled in the speaker's own words."""

import re
from collections.abc import Sequence
from typing import Final

from domains.intelligence.findings import Document, Insight, Kind, Product, Quote, Sentiment
from domains.intelligence.heads.features import ROLES, SpeakerRoles, word_count
from domains.intelligence.heads.needs import (
    Need,
    Thresholds,
    find_needs,
    merge_repeated,
    quoted,
    split_mixed,
    thresholds,
)
from domains.intelligence.heads.roles import hosts
from domains.intelligence.heads.sentence_classifier import Classified
from domains.intelligence.insights.need_titles import need_title
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.wording.cleaning import is_east_asian
from domains.intelligence.wording.descriptions import OCCASIONS, description

MAX_INSIGHTS: Final = 60

SENTIMENTS: Final[dict[Kind, Sentiment]] = {"pain": "negative", "praise": "positive"}

_TWO: Final = 2
_CLEARLY: Final = 0.6
"""Probability of a role."""
_LEAST_TROUBLE, _SURE, _NEARLY = 0.35, 0.5, 0.9
"""Probabilities of a need and of its type from which a sentence may be the trouble of a ticket, and
the share of the best one's probability that others need."""

_FIRST, _WORDS_PER_INSIGHT = 5, 12
"""A text may have `_FIRST` insights, and one more for every so many words."""


def need_insights(
    document: Document, sentences: Sequence[Sentence], classified: Classified, language: str | None
) -> tuple[Insight, ...]:
    """Return the insights in the order of their first quotes.

    Of more than a text of this length may have, those with the highest confidence are kept.
    """
    least = thresholds(document.profile)
    if document.profile == "support_ticket":
        least = _with_trouble(classified, least)
    sentences, classified, _ = split_mixed(sentences, classified, least, language)
    ours = _clear_hosts(classified.roles)
    needs = [
        need
        for need in merge_repeated(sentences, find_needs(sentences, classified, least))
        if sentences[need.main].speaker not in ours
    ]
    limit = min(MAX_INSIGHTS, _FIRST + int(word_count(document.text)) // _WORDS_PER_INSIGHT)
    likely = sorted(needs, key=lambda need: (-need.probability, need.places))[:limit]
    insights = []
    for need in sorted(likely, key=lambda need: need.places):
        name = need_title(sentences, classified, need, language)
        if name is not None:
            insights.append(_insight(document, sentences, need, name, language))
    return tuple(insights)


def _clear_hosts(roles: SpeakerRoles) -> frozenset[str]:
    """Return the host of a conversation of two people if the other is clearly a customer.

    Minutes have more speakers, and hosts among them report what customers said.
    """
    found = hosts(roles)
    customer = ROLES.index("customer")
    is_clear = len(roles) == _TWO and any(row[customer] >= _CLEARLY for row in roles.values())
    return found if is_clear and len(found) < _TWO else frozenset()


def _with_trouble(classified: Classified, least: Thresholds) -> Thresholds:
    """Lower the threshold to the most probable pain: a ticket reports trouble by being one."""
    is_pain = classified.of("pain") >= _SURE
    best = float((classified.of("need") * is_pain).max(initial=0.0))
    is_needed = _LEAST_TROUBLE <= best < least.need
    return least._replace(need=_NEARLY * best) if is_needed else least


def _insight(
    document: Document,
    sentences: Sequence[Sentence],
    need: Need,
    name: str,
    language: str | None,
) -> Insight:
    main = sentences[need.main]
    quotes = tuple(quote_of(sentences[place]) for place in quoted(need))
    return Insight(
        kind=need.type,
        name=name,
        description=description([main.text], main.speaker, OCCASIONS[document.profile], language),
        quotes=quotes,
        sentiment=SENTIMENTS.get(need.type, "neutral"),
        confidence=round(need.probability, 3),
        product_id=named_product(document.products, quotes),
    )


def quote_of(sentence: Sentence) -> Quote:
    """Return a sentence as a quote."""
    return Quote(
        text=sentence.text,
        start=sentence.start,
        end=sentence.end,
        speaker=sentence.speaker,
        start_time=sentence.start_time,
        end_time=sentence.end_time,
    )


def named_product(products: Sequence[Product], quotes: Sequence[Quote]) -> str | None:
    """Return the product that the quotes name most often. Of equals, the longer name counts."""
    said = f" {' | '.join(_plain(quote.text) for quote in quotes)} "
    named: list[tuple[int, int, int, str]] = []
    for index, product in enumerate(products):
        name = _plain(product.name)
        # Scripts without spaces have no borders of words.
        count = said.count(name if is_east_asian(name) else f" {name} ") if name else 0
        if count:
            named.append((-count, -len(name), index, product.id))
    return min(named)[3] if named else None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
