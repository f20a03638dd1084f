"""Texts whose foreign parts are marked: "It fails.⟦ > quoted⟧"."""

import re

from domains.intelligence.own_words.foreign import Kind, foreign_spans


def expected(marked: str) -> list[str]:
    """The words outside the marks."""
    return re.sub(r"⟦.*?⟧", " ", marked, flags=re.DOTALL).split()


def found(marked: str, kind: Kind) -> list[str]:
    """The words that the code takes as the writer's own."""
    text = marked.replace("⟦", "").replace("⟧", "")
    return own_words(text, kind).split()


def own_words(text: str, kind: Kind = "mail") -> str:
    """The text without its foreign spans."""
    kept, at = [], 0
    for start, end in foreign_spans(text, kind):
        kept.append(text[at:start])
        at = end
    return " ".join([*kept, text[at:]])
