"""The page docs/benchmarks.md: each benchmark replaces its own section."""

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
CHART: Final = PAGE.with_suffix(".svg")


def write_section(name: str, text: str) -> None:
    """Replace the text between the comments `begin name` and `end name` of the page."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    section = re.compile(f"{begin}.*?{end}", re.DOTALL)
    assert section.search(page), name
    PAGE.write_text(section.sub(lambda _: f"{begin}\n{text}\n\n{end}", page), encoding="utf-8")
