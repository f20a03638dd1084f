"""The page of examples: each text under examples/output with the findings of the engine.

`python -m tests.eval.examples` writes docs/examples-of-output.md.
"""

import json
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Insight, Profile, Quote
from domains.intelligence.outline import Shown, outline
from domains.intelligence.text.segmentation import Sentence, sentences
from domains.intelligence.training.heads.marked_documents import PROFILES

_ROOT: Final = Path(__file__).parents[2]
PAGE: Final = _ROOT / "docs" / "examples-of-output.md"
TEXTS: Final = _ROOT / "examples" / "output"

_INTRODUCTION: Final = """# Examples of output

The findings of the built-in engine in the texts under `examples/output/`, without a model or
service outside the process. The texts are invented; the engine was not trained on them. Each
finding is shown with the words that it was made from. `python -m tests.eval.examples` generates
this page. Processors may differ in single findings.
"""


class Example(Struct, frozen=True, rename="camel"):
    """An entry of the index. `own`: names of the vendor's people in a call."""

    file: str
    name: str
    kind: str
    title: str = ""
    own: tuple[str, ...] = ()
    held_on: date | None = None

    @property
    def profile(self) -> Profile:
        return PROFILES[self.kind]  # type: ignore[index]

    @property
    def text(self) -> str:
        return (TEXTS / self.file).read_text("utf-8")


def read_index() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((TEXTS / "index.json").read_text("utf-8"))
    return rows


def render_page() -> str:
    parts = [_INTRODUCTION]
    for row in read_index():
        example = _example(row)
        parts.append(f"## {example.name}\n")
        parts.append(f"`examples/output/{example.file}`\n")
        parts.append(_conversation(example) if example.own else _document(example))
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(render_page(), "utf-8")


def _example(row: dict[str, Any]) -> Example:
    held_on = date.fromisoformat(row["heldOn"]) if "heldOn" in row else None
    return Example(
        file=row["file"],
        name=row["name"],
        kind=row["kind"],
        title=row.get("title", ""),
        own=tuple(row.get("own", ())),
        held_on=held_on,
    )


def _document(example: Example) -> str:
    """Return the text as a Markdown quote, and its insights."""
    text = "".join(
        f"> {line}".rstrip() + ("  \n" if line.strip() else "\n")
        for line in example.text.strip().splitlines()
    )
    found = analyse(Document(text=example.text, profile=example.profile)).insights
    rows = [f"| {_quotes(insight)} | {_facts(insight)} |" for insight in found]
    return "\n".join([text, "| in the text | found |", "|---|---|", *rows, ""])


def _conversation(example: Example) -> str:
    """Return the summary in the revenue record, each item with its quotes."""
    turns = [
        Turn(turn[0].speaker or "", example.text[turn[0].start : turn[-1].end], ours)
        for turn in _turns(example)
        for ours in [turn[0].speaker in example.own]
    ]
    result = outline(turns, "EXTERNAL", example.title, held_on=example.held_on)
    rows = [
        f"| {_evidence(result.evidence[heading], item, turns)} | {heading} | {_cell(item)} |"
        for heading, value in result.summary.items()
        for item in ([value] if isinstance(value, str) and value else list(value))
    ]
    head = f"“{example.title}”, category {result.category}.\n"
    return "\n".join([head, "| in the text | heading | item |", "|---|---|---|", *rows, ""])


def _turns(example: Example) -> list[list[Sentence]]:
    """Return the conversation's turns, each with its sentences."""
    spoken = sentences(example.text, "transcript")
    return [list(turn) for _, turn in groupby(spoken, key=lambda sentence: sentence.turn)]


def _evidence(evidence: list[Shown], item: str, turns: list[Turn]) -> str:
    return "<br>".join(
        f"{_cell(turns[shown.turn].speaker)}: “{_cell(shown.quote)}”"
        for shown in evidence
        if shown.item == item
    )


def _quotes(insight: Insight) -> str:
    return "<br><br>".join(map(_quote, insight.quotes))


def _quote(quote: Quote) -> str:
    return (f"{quote.speaker}: " if quote.speaker else "") + f"“{_cell(quote.text)}”"


def _facts(insight: Insight) -> str:
    return f"**{_cell(insight.name)}**<br>{insight.kind}<br>{_cell(insight.description)}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main()
