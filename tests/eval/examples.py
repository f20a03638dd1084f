"""The page of examples: each bundled text beside what the engine finds in it.

usage: python -m tests.eval.examples
Writes docs/examples-of-output.md, the same bytes for the same texts and engine.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Findings, Insight, Profile, Quote

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


def examples() -> list[Example]:
    """All bundled texts, in the order of the index."""
    index: list[dict[str, str]] = json.loads((_EXAMPLES / "index.json").read_text("utf-8"))
    return [_read(row) for row in index]


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


def _read(row: dict[str, str]) -> Example:
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


SECTIONS: Final[tuple[Callable[[Example], str], ...]] = (_source, _text, _insights)
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
