"""What became of each scenario, as one table."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

Outcome = Literal["once", "lost", "doubled"]

_HEADS: Final = (
    *("scenario", "accepted", "once", "lost", "doubled", "unfinished", "open tx", "orphans"),
    *("faults", "seconds", "verdict"),
)


class Row(msgspec.Struct, kw_only=True):
    """One scenario. `not_run` says why it was left out, `failed` what else went wrong.

    `accepted`: what the product took on, records and jobs. `once`: of these, what is there and was
    done exactly once. `unfinished`: jobs that did not end. `orphans`: processes that outlived
    theirs. `faults`: how often something was broken.
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

    @property
    def bad(self) -> bool:
        """Whether the product broke its word."""
        broken = self.lost + self.doubled + self.unfinished + self.open_transactions + self.orphans
        return bool(broken or self.failed)

    @property
    def verdict(self) -> str:
        """In a word, with the reason where there is one."""
        if self.not_run:
            return f"not run: {self.not_run}"
        counts = {
            "LOST": self.lost,
            "DOUBLED": self.doubled,
            "UNFINISHED": self.unfinished,
            "OPEN": self.open_transactions,
            "ORPHANS": self.orphans,
        }
        found = [name for name, count in counts.items() if count]
        if self.failed:
            found.append(f"FAILED: {self.failed}")
        return " ".join(found) or "ok"

    def cells(self) -> list[str]:
        """As the table shows it."""
        counts = (
            *(self.accepted, self.once, self.lost, self.doubled, self.unfinished),
            *(self.open_transactions, self.orphans, self.faults),
        )
        shown = ["-"] * len(counts) if self.not_run else [f"{count:,}" for count in counts]
        return [self.scenario, *shown, f"{self.seconds:.1f}", self.verdict]


def rendered(rows: Iterable[Row]) -> list[str]:
    """The lines of the table."""
    lines = [list(_HEADS), *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEADS))]
    last = len(_HEADS) - 1
    return [
        "  ".join(
            # Words to the left, numbers to the right; nothing after the last.
            cell if at == last else cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def from_properties(properties: Iterable[tuple[str, object]]) -> list[Row]:
    """The rows that tests left in their reports."""
    return [msgspec.convert(value, Row) for name, value in properties if name == "chaos"]


def as_property(row: Row) -> tuple[str, Any]:
    """A row in a form that a report carries between processes."""
    return "chaos", msgspec.to_builtins(row)
