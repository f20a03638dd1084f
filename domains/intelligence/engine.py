"""Entry point of the text engine: finds the insights of a document."""

import functools
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from domains.intelligence.findings import Document, Findings, Insight
from domains.intelligence.heads.sentence_classifier import classify
from domains.intelligence.insights.assembly import assemble
from domains.intelligence.insights.detection import detect
from domains.intelligence.insights.document_context import label
from domains.intelligence.insights.need_insights import need_insights
from domains.intelligence.language import READ_BY_HEADS
from domains.intelligence.language import detect as detect_language
from domains.intelligence.own_words.reading import read
from domains.intelligence.text import linear
from domains.intelligence.text.segmentation import Sentence

RULES: Final = "1.3"
"""Version of everything that is not learned. It changes whenever findings may change."""


@functools.cache
def engine() -> str:
    """Name and version of rules and weights, as stored with every record."""
    return f"embedded/{RULES}-{linear.fingerprint()}"


def analyse(document: Document) -> Findings:
    """Find pains, requests, praise and questions, each with its verbatim quotes.

    Deterministic: the same document gives the same findings. For other languages than English,
    processors may differ in single findings. Any text is accepted; one with nothing to find gives
    no insights. The work grows linearly with the text, on one core about 0.2 s for 10,000 words of
    English speech, and 1 s for as many words in another language.
    """
    own = read(document)
    clean = replace(document, text=own.text, data=None)
    speakers = frozenset(s.speaker for s in own.sentences if s.speaker is not None)
    context = label(clean, speakers)
    language = detect_language(own.words())
    if language in READ_BY_HEADS:
        classified = classify(own.sentences, document.profile, {})
        insights = need_insights(clean, own.sentences, classified, language)
    else:
        internal = document.profile == "transcript" and context == "internal_meeting"
        insights = examine(clean, own.sentences, internal=internal)
    return Findings(engine(), context, own.in_source(insights), language)


def examine(document: Document, some: Sequence[Sentence], *, internal: bool) -> tuple[Insight, ...]:
    """Find the insights in some sentences of a document, in the order of their first quotes.

    `internal`: the makers talk among themselves, so that "we" are not the users.
    """
    return assemble(document, some, detect(some, document.profile), internal=internal)
