"""The page of examples: each bundled text with the findings of the engine.

`python -m tests.eval.examples` writes docs/examples-of-output.md. The result is deterministic.
"""

import functools
import json
from collections.abc import Callable
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from domains.intelligence.dialogue.turns import Audience, Turn
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Findings, Insight, Profile, Quote
from domains.intelligence.outline import Shown, outline
from domains.intelligence.text.segmentation import Sentence, sentences

_ROOT: Final = Path(__file__).parents[2]
PAGE: Final = _ROOT / "docs" / "examples-of-output.md"
EXAMPLES: Final = _ROOT / "examples"

_PROFILES: Final[dict[str, Profile]] = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
}
_INTRODUCTION: Final = """# Examples of output

The findings of the embedded engine in the texts under `examples/`, without a model or service
outside the process. Each finding is shown with the words it was made from. This page is generated
by `python -m tests.eval.examples`; a test fails if it is out of date. For the sources of the texts
see `examples/README.md`.
"""


class Example(Struct, frozen=True):
    """A text of `examples/index.json` with its findings. `own`: names of the internal speakers."""

    name: str
    file: str
    signal_type: str
    text: str
    findings: Findings
    own: tuple[str, ...]
    held_on: date | None


def read_index() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((EXAMPLES / "index.json").read_text("utf-8"))
    return rows


@functools.cache
def examples() -> tuple[Example, ...]:
    """Analyse all bundled texts, in the order of the index."""
    return tuple(map(_analyse, read_index()))


def render_page() -> str:
    parts = [_INTRODUCTION]
    for example in examples():
        parts.append(f"## {example.name}\n")
        parts.extend(text for section in _SECTIONS if (text := section(example)))
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(render_page(), "utf-8")


def _analyse(row: dict[str, Any]) -> Example:
    text = (EXAMPLES / row["file"]).read_text("utf-8")
    document = Document(
        text=text,
        profile=_PROFILES[row["signalType"]],
        additional_context=row.get("additionalContext"),
    )
    return Example(
        name=row["name"],
        file=row["file"],
        signal_type=row["signalType"],
        text=text,
        findings=analyse(document),
        own=tuple(row.get("own", ())),
        held_on=date.fromisoformat(row["heldOn"]) if "heldOn" in row else None,
    )


def _source(example: Example) -> str:
    context = example.findings.context.replace("_", " ")
    return f"`examples/{example.file}`, read as: {context}.\n"


def _text(example: Example) -> str:
    """Return the text as a Markdown quote, or an empty text for a transcript, which is long."""
    if example.signal_type == "transcript":
        return ""
    return "".join(
        f"> {line}".rstrip() + ("  \n" if line.strip() else "\n")
        for line in example.text.strip().splitlines()
    )


def _insights(example: Example) -> str:
    rows = [f"| {_quotes(insight)} | {_facts(insight)} |" for insight in example.findings.insights]
    return "\n".join(["| in the text | found |", "|---|---|", *rows, ""])


def _conversation(example: Example) -> str:
    """The summary in the revenue record, each item with its quotes."""
    if example.signal_type != "transcript":
        return ""
    turns = [
        Turn(turn[0].speaker or "", " ".join(sentence.text for sentence in turn), ours)
        for turn in _turns(example)
        for ours in [turn[0].speaker in example.own]
    ]
    audience: Audience = "EXTERNAL" if example.own else "INTERNAL"
    result = outline(turns, audience, example.name, held_on=example.held_on)
    rows = [
        f"| {_evidence(result.evidence[heading], item, turns)} | {heading} | {_cell(item)} |"
        for heading, value in result.summary.items()
        for item in ([value] if isinstance(value, str) and value else list(value))
    ]
    head = f"As a conversation: {result.category}.\n"
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


# The sections of an example, in this order. A section that does not apply is empty.
_SECTIONS: Final[tuple[Callable[[Example], str], ...]] = (_source, _text, _insights, _conversation)


def _quotes(insight: Insight) -> str:
    return "<br><br>".join(map(_quote, insight.quotes))


def _quote(quote: Quote) -> str:
    speaker = quote.speaker or ""
    if quote.start_time is not None:
        minutes, seconds = divmod(int(quote.start_time), 60)
        speaker = f"{speaker} {minutes}:{seconds:02}".strip()
    return (f"{speaker}: " if speaker else "") + f"“{_cell(quote.text)}”"


def _facts(insight: Insight) -> str:
    facts = [insight.kind, insight.sentiment, f"confidence {insight.confidence:.2f}"]
    return f"**{_cell(insight.name)}**<br>{', '.join(facts)}<br>{_cell(insight.description)}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main()
