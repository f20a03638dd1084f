"""Results of scenarios, and the table of them."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

Outcome = Literal["once", "lost", "doubled"]

_HEADS: Final = (
    *("scenario", "accepted", "once", "lost", "doubled", "unfinished", "open tx", "orphans"),
    *("faults", "seconds", "verdict"),
)


class ScenarioResult(msgspec.Struct, kw_only=True):
    """Result of a scenario: counts, and the reason if it did not run or failed otherwise.

    `accepted`: records and jobs that the product accepted. `once`: those processed exactly
    once. `unfinished`: jobs that did not end. `orphans`: processes whose parent has died.
    `faults`: number of faults injected. `evidence`: log lines and job rows of a failure.
    """

    scenario: str = ""
    accepted: int = 0
    once: int = 0
    lost: int = 0
    doubled: int = 0
    unfinished: int = 0
    open_transactions: int = 0
    orphans: int = 0
    faults: int = 0
    seconds: float = 0.0
    not_run: str = ""
    failed: str = ""
    evidence: list[str] = []

    @property
    def bad(self) -> bool:
        """True if anything was lost, doubled or left over, or failed otherwise."""
        broken = self.lost + self.doubled + self.unfinished + self.open_transactions + self.orphans
        return bool(broken or self.failed)

    @property
    def verdict(self) -> str:
        """`ok`, or a description of the failure."""
        if self.not_run:
            return f"not run: {self.not_run}"
        counts = {
            "LOST": self.lost,
            "DOUBLED": self.doubled,
            "UNFINISHED": self.unfinished,
            "OPEN": self.open_transactions,
            "ORPHANS": self.orphans,
        }
        problems = [name for name, count in counts.items() if count]
        if self.failed:
            problems.append(f"FAILED: {self.failed}")
        return " ".join(problems) or "ok"

    def cells(self) -> list[str]:
        """The cells of the result's row in the table."""
        counts = (
            *(self.accepted, self.once, self.lost, self.doubled, self.unfinished),
            *(self.open_transactions, self.orphans, self.faults),
        )
        shown = ["-"] * len(counts) if self.not_run else [f"{count:,}" for count in counts]
        return [self.scenario, *shown, f"{self.seconds:.1f}", self.verdict]


def format_table(results: Iterable[ScenarioResult]) -> list[str]:
    """The lines of the table."""
    lines = [list(_HEADS), *(result.cells() for result in results)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEADS))]
    last = len(_HEADS) - 1
    return [
        "  ".join(
            # The name is aligned left, numbers right; the verdict is not padded.
            cell if at == last else cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def from_properties(properties: Iterable[tuple[str, object]]) -> list[ScenarioResult]:
    """Parse the results from the properties of a test report."""
    return [msgspec.convert(value, ScenarioResult) for name, value in properties if name == "chaos"]


def as_property(result: ScenarioResult) -> tuple[str, Any]:
    """A result as a property of a test report, which pytest sends between processes."""
    return "chaos", msgspec.to_builtins(result)
