"""Foreign text: quoted history, signatures, boilerplate and templates within a text."""

from typing import Literal

Kind = Literal["mail", "ticket", "review", "speech", "report"]


def foreign_spans(text: str, kind: Kind) -> list[tuple[int, int]]:
    """Spans of `text` that are not the writer's own words, sorted and disjoint.

    A span covers whole lines with their line feeds. Accepts any text; linear in its length.
    """
    spans: list[tuple[int, int]] = []
    if kind == "speech":
        return spans
    at = 0
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith(">"):
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], at + len(line))
            else:
                spans.append((at, at + len(line)))
        at += len(line)
    return spans
