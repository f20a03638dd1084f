"""The measured figures of growth, and their table."""

from collections.abc import Iterable
from typing import Literal, NamedTuple


class Measure(NamedTuple):
    """A figure with its must. `sign`: `≤` if the must is a maximum, `≥` if it is a minimum."""

    name: str
    value: float
    sign: Literal["≤", "≥"]
    must: float
    detail: str = ""

    @property
    def is_met(self) -> bool:
        return self.value <= self.must if self.sign == "≤" else self.value >= self.must

    def __str__(self) -> str:
        verdict = "met" if self.is_met else "MISSED"
        detail = f"   ({self.detail})" if self.detail else ""
        return f"{self.name}: {self.value:,.4g}, must {self.sign} {self.must:,g}: {verdict}{detail}"


def table(measures: Iterable[Measure]) -> str:
    """A table of Markdown with a row per figure."""
    lines = ["| figure | measured | must | | |", "|---|---|---|---|---|"]
    for measure in measures:
        verdict = "met" if measure.is_met else "**missed**"
        lines.append(
            f"| {measure.name} | {measure.value:,.4g} | {measure.sign} {measure.must:,g}"
            f" | {verdict} | {measure.detail} |"
        )
    return "\n".join(lines)
