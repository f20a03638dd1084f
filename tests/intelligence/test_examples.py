"""The bundled examples are listed and give findings, which the page of examples shows."""

import pytest

from tests.eval.examples import EXAMPLES, PAGE, examples, read_index, render_page

FILES = [row["file"] for row in read_index()]


def test_index_lists_every_example_once() -> None:
    texts = EXAMPLES.rglob("*.txt")
    assert sorted(FILES) == sorted(str(text.relative_to(EXAMPLES)) for text in texts)


@pytest.mark.parametrize("file", FILES)
def test_each_example_has_findings(file: str) -> None:
    (example,) = (example for example in examples() if example.file == file)
    insights = example.findings.insights
    assert insights
    assert len({insight.name for insight in insights}) == len(insights)
    for insight in insights:
        for quote in insight.quotes:
            assert example.text[quote.start : quote.end] == quote.text
            assert (quote.speaker is not None) or example.signal_type != "transcript"


def test_page_of_examples_is_up_to_date() -> None:
    """If this fails, run `python -m tests.eval.examples`."""
    assert PAGE.read_text("utf-8") == render_page()
