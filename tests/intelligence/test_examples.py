"""The example signals are listed, readable and give findings."""

import json
from pathlib import Path

import pytest

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Profile
from tests.eval.examples import PAGE, page

EXAMPLES = Path(__file__).parents[2] / "examples"
LISTED: list[dict[str, str]] = json.loads((EXAMPLES / "index.json").read_text("utf-8"))
PROFILES: dict[str, Profile] = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
}


def test_the_index_lists_every_example_once() -> None:
    files = [row["file"] for row in LISTED]
    assert sorted(files) == sorted(str(p.relative_to(EXAMPLES)) for p in EXAMPLES.rglob("*.txt"))
    assert len(set(files)) == len(files)


@pytest.mark.parametrize("row", LISTED, ids=lambda row: str(row["file"]))
def test_each_example_gives_findings(row: dict[str, str]) -> None:
    text = (EXAMPLES / row["file"]).read_text("utf-8")
    findings = analyse(
        Document(
            text=text,
            profile=PROFILES[row["signalType"]],
            additional_context=row.get("additionalContext"),
        )
    )
    assert findings.insights
    assert len({insight.name for insight in findings.insights}) == len(findings.insights)
    for insight in findings.insights:
        for quote in insight.quotes:
            assert text[quote.start : quote.end] == quote.text
            assert (quote.speaker is not None) or row["signalType"] != "transcript"


def test_the_page_of_examples_is_what_the_engine_finds_now() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tests.eval.examples"
