"""The page of examples: each bundled text beside what the engine finds in it.

usage: python -m tests.eval.examples
Writes docs/examples-of-output.md, the same bytes for the same texts and engine.
"""

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

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "examples-of-output.md"

_EXAMPLES: Final = ROOT / "examples"
_PROFILES: Final[dict[str, Profile]] = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
}
_KINDS: Final = {
    "pain_point": "pain point",
    "request": "request",
    "praise": "praise",
    "question": "question",
}
_TOP: Final = """# Examples of output

What the embedded engine finds in the texts under `examples/`, without a model or service outside
the process. Each finding stands beside the words it was made from. This page is written by
`python -m tests.eval.examples`; a test fails if it is not what the engine finds now. Where the
texts come from: `examples/README.md`.
"""


class Example(Struct, frozen=True):
    """A bundled text as `examples/index.json` lists it, with what the engine finds."""

    name: str
    file: str
    signal_type: str
    text: str
    findings: Findings
    own: tuple[str, ...]
    held_on: date | None


def examples() -> list[Example]:
    """All bundled texts, in the order of the index."""
    index = (_EXAMPLES / "index.json").read_text("utf-8")
    return [_read(row) for row in json.loads(index)]


def page() -> str:
    """The whole page."""
    parts = [_TOP]
    for example in examples():
        parts.append(f"## {example.name}\n")
        parts.extend(made for section in SECTIONS if (made := section(example)))
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def _read(row: dict[str, Any]) -> Example:
    text = (_EXAMPLES / row["file"]).read_text("utf-8")
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
    """The text itself, where it is short enough to be read here."""
    if example.signal_type == "transcript":
        return ""
    return "".join(
        f"> {line}".rstrip() + ("  \n" if line.strip() else "\n")
        for line in example.text.strip().splitlines()
    )


def _insights(example: Example) -> str:
    rows = [f"| {_said(insight)} | {_found(insight)} |" for insight in example.findings.insights]
    return "\n".join(["| in the text | found |", "|---|---|", *rows, ""])


def _conversation(example: Example) -> str:
    """What the revenue record makes of it, with a sentence for each item."""
    if example.signal_type != "transcript":
        return ""
    turns = [
        Turn(stretch[0].speaker or "", " ".join(each.text for each in stretch), ours)
        for stretch in _stretches(example)
        for ours in [stretch[0].speaker in example.own]
    ]
    audience: Audience = "EXTERNAL" if example.own else "INTERNAL"
    found = outline(turns, audience, example.name, held_on=example.held_on)
    rows = [
        f"| {_heard(found.evidence[heading], item, turns)} | {heading} | {_cell(item)} |"
        for heading, value in found.summary.items()
        for item in ([value] if isinstance(value, str) and value else list(value))
    ]
    head = f"As a conversation: {found.category}.\n"
    return "\n".join([head, "| in the text | heading | item |", "|---|---|---|", *rows, ""])


def _stretches(example: Example) -> list[list[Sentence]]:
    """The sentences of each turn."""
    said = sentences(example.text, "transcript")
    return [list(some) for _, some in groupby(said, key=lambda each: each.turn)]


def _heard(evidence: list[Shown], item: str, turns: list[Turn]) -> str:
    return "<br>".join(
        f"{_cell(turns[each.turn].speaker)}: “{_cell(each.quote)}”"
        for each in evidence
        if each.item == item
    )


SECTIONS: Final[tuple[Callable[[Example], str], ...]] = (_source, _text, _insights, _conversation)
"""What stands under each example, in this order; one that has nothing to say returns ""."""


def _said(insight: Insight) -> str:
    return "<br><br>".join(_quoted(quote) for quote in insight.quotes)


def _quoted(quote: Quote) -> str:
    who = quote.speaker or ""
    if quote.start_time is not None:
        minutes, seconds = divmod(int(quote.start_time), 60)
        who = f"{who} {minutes}:{seconds:02}".strip()
    return (f"{who}: " if who else "") + f"“{_cell(quote.text)}”"


def _found(insight: Insight) -> str:
    facts = [_KINDS[insight.kind], insight.sentiment, f"confidence {insight.confidence:.2f}"]
    if insight.feature:
        facts.append(f"feature: {_cell(insight.feature)}")
    return f"**{_cell(insight.name)}**<br>{', '.join(facts)}<br>{_cell(insight.description)}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main()
