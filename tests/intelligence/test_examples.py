"""The bundled examples are listed and give findings, which the page of examples shows."""

import json
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Profile
from tests.eval.examples import PAGE, TEXTS, read_index, render_page

EXAMPLES = TEXTS.parent
DEMO = json.loads((EXAMPLES / "index.json").read_text("utf-8"))
PROFILES: dict[str, Profile] = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
}


def _texts(folder: Path) -> set[str]:
    return {str(text.relative_to(folder)) for text in folder.rglob("*.txt")}


def test_indexes_list_every_example_once() -> None:
    output = [row["file"] for row in read_index()]
    demo = [row["file"] for row in DEMO]
    assert sorted(output) == sorted(_texts(TEXTS))
    assert sorted(demo + [f"output/{file}" for file in output]) == sorted(_texts(EXAMPLES))


@pytest.mark.parametrize("row", DEMO, ids=lambda row: row["file"])
def test_each_example_of_the_demo_has_findings(row: dict[str, str]) -> None:
    text = (EXAMPLES / row["file"]).read_text("utf-8")
    profile = PROFILES[row["signalType"]]
    insights = analyse(Document(text=text, profile=profile)).insights
    assert insights
    for insight in insights:
        for quote in insight.quotes:
            assert text[quote.start : quote.end] == quote.text
            assert quote.speaker is not None or profile != "transcript"


def test_page_of_examples_is_up_to_date() -> None:
    """If this fails, run `python -m tests.eval.examples`.

    Processors may differ in single findings, so a few lines may differ.
    """
    page, rendered = (text.splitlines() for text in (PAGE.read_text("utf-8"), render_page()))
    assert SequenceMatcher(None, page, rendered, autojunk=False).ratio() > 0.97
