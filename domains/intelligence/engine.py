"""Entry point of the text engine: finds the insights of a document."""

import functools
from typing import Final

from msgspec.structs import replace

from domains.intelligence.findings import Document, Findings, Insight
from domains.intelligence.heads.sentence_classifier import classify
from domains.intelligence.insights.document_context import label
from domains.intelligence.insights.need_insights import need_insights
from domains.intelligence.language import detect, is_readable
from domains.intelligence.own_words.reading import read
from domains.intelligence.text import linear

RULES: Final = "2.1"
"""Version of everything that is not learned. It changes whenever findings may change."""


@functools.cache
def engine() -> str:
    """Name and version of rules and weights, as stored with every record."""
    return f"embedded/{RULES}-{linear.fingerprint()}"


def analyse(document: Document) -> Findings:
    """Find pains, requests, praise and questions, each with its verbatim quotes.

    Deterministic on one machine: the same document gives the same findings. Processors may differ
    in single findings. Any text is accepted; one with nothing to find, or in a language that the
    encoder does not know, gives no insights. The work grows linearly with the text, on one core
    about 1 s for 10,000 words.
    """
    own = read(document)
    clean = replace(document, text=own.text, data=None)
    speakers = frozenset(s.speaker for s in own.sentences if s.speaker is not None)
    context = label(clean, speakers)
    language = detect(own.words())
    insights: tuple[Insight, ...] = ()
    if is_readable(language):
        classified = classify(own.sentences, document.profile, {})
        insights = need_insights(clean, own.sentences, classified, language)
    return Findings(engine(), context, own.in_source(insights), language)
