"""Foreign text: quoted history, signatures, boilerplate and templates within a text."""

from typing import Literal

from domains.intelligence.own_words.mail.auto_replies import is_auto_reply
from domains.intelligence.own_words.mail.boilerplate import boilerplate_spans
from domains.intelligence.own_words.mail.lines import Line, merged, split_lines
from domains.intelligence.own_words.mail.quoted_mail import find_quoted
from domains.intelligence.own_words.mail.signatures import find_signature, without_signature
from domains.intelligence.own_words.mail.templates import (
    comment_spans,
    form_spans,
    survey_spans,
    system_spans,
)
from domains.intelligence.text.marks import Span

Kind = Literal["mail", "ticket", "review", "speech", "report"]
"""Sort of text. A mail or ticket has history, a signature and boilerplate, a ticket also forms, a
review quotes and survey questions. Quotes in a report are what customers said: they stay. Of
speech, only the lines that a chat program wrote are foreign."""


def foreign_spans(text: str, kind: Kind) -> list[Span]:
    """Spans of `text` that are not the writer's own words, sorted and disjoint.

    A span covers whole lines with their line feeds, where own words do not share a line with it. An
    automatic reply is foreign as a whole. Accepts any text; the work grows linearly with it.
    """
    lines = split_lines(text)
    if kind == "speech":
        return merged(system_spans(lines))
    if kind == "report":
        return merged(comment_spans(text) + boilerplate_spans(text, lines))
    quoted = find_quoted(lines)
    own = [line for segment in quoted.segments for line in segment.lines]
    if kind == "review":
        foreign = survey_spans(own) + system_spans(own) + comment_spans(text)
        return merged(quoted.spans + foreign)
    if quoted.segments and is_auto_reply(without_signature(quoted.segments[0].lines)):
        return [(0, len(text))]
    spans = boilerplate_spans(text, own) + system_spans(own)
    if kind == "ticket":
        spans += form_spans(own) + survey_spans(own, only_ratings=True)
    covered = _covered(own, merged(spans))
    for segment in quoted.segments:
        if segment.ends_part:
            spans += [(line.start, line.end) for line in find_signature(segment.lines, covered)]
    return merged(quoted.spans + spans + comment_spans(text))


def _covered(lines: list[Line], spans: list[Span]) -> frozenset[int]:
    """Starts of the lines that lie in a span as a whole."""
    found: set[int] = set()
    at = 0
    for line in lines:
        while at < len(spans) and spans[at][1] < line.end:
            at += 1
        if at < len(spans) and spans[at][0] <= line.start:
            found.add(line.start)
    return frozenset(found)
