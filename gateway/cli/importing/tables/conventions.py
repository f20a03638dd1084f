"""Decide how ambiguous amounts and dates are read: by the clear values of the same column.

Amounts and dates have two readings: with a decimal point or comma, and with the month or the day
first. A value that has one reading, or the same value in both, is clear.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from gateway.cli.importing.entries import Conventions

T = TypeVar("T")

# A number that groups its digits is not smaller than this.
_GROUPED: Final = 1000

_DECIMAL: Final = ("decimal point", "decimal comma")
_ORDER: Final = ("month first", "day first")


class Evidence:
    """The clear values of a column: the line and text of the first one in each reading."""

    def __init__(self, read: Callable[[str], tuple[Any, Any]]) -> None:
        self.examples: list[tuple[int, str] | None] = [None, None]
        self.is_ambiguous = False
        self._read = read

    def add(self, line: int, text: str) -> None:
        """Take note of a value of the column. Ignores values that cannot be read."""
        if self.is_ambiguous and None not in self.examples:
            return
        try:
            first, second = self._read(text)
        except (ValueError, OverflowError):
            return
        if first is None or second is None:
            reading = 0 if second is None else 1
            if self.examples[reading] is None:
                self.examples[reading] = (line, text)
        elif first != second:
            self.is_ambiguous = True

    @property
    def reading(self) -> int | None:
        """The reading of all clear values; None if there is none, or both occur."""
        first, second = self.examples
        if (first is None) == (second is None):
            return None
        return 0 if second is None else 1


class Decision(NamedTuple):
    """How ambiguous values of a column are read: as 0 or 1; None if they are refused.

    `text` states it for the report, and is empty if there was nothing to decide. `grouped`: only
    values that group their digits in this reading are accepted.
    """

    reading: int | None
    text: str = ""
    grouped: bool = False

    def value_of(self, readings: tuple[T | None, T | None]) -> T | None:
        """Choose the value. Returns None if it is ambiguous."""
        first, second = readings
        if first is None or second is None or first == second:
            return second if first is None else first
        if self.reading is None:
            return None
        value = readings[self.reading]
        is_decimal = isinstance(value, float) and abs(value) < _GROUPED
        return None if self.grouped and is_decimal else value


def decide_amounts(evidence: Evidence, conventions: Conventions, delimiter: str) -> Decision:
    """Decide by the option, else by the clear values, else by the delimiter.

    Programs that write a decimal comma separate cells by semicolons, and those that write a decimal
    point by commas. Amounts with three decimals are rare, however. So the delimiter decides only
    values that become whole numbers: 1.234 between semicolons and 1,234 between commas.
    """
    if conventions.decimal is not None:
        return _by_option(("point", "comma").index(conventions.decimal), "--decimal", _DECIMAL)
    if (decision := _by_values(evidence, _DECIMAL)) is not None or not evidence.is_ambiguous:
        return decision or Decision(None)
    if delimiter in ",;":
        reading = ",;".index(delimiter)
        text = f"{_DECIMAL[reading]} where it makes whole numbers, which the delimiter suggests"
        return Decision(reading, text, grouped=True)
    return Decision(None, "no value shows the decimal sign")


def decide_dates(
    evidence: Evidence, others: Sequence[Evidence], conventions: Conventions
) -> Decision:
    """Decide by the option, else by the clear values, else by those of the other date columns."""
    if conventions.dates is not None:
        return _by_option(("mdy", "dmy").index(conventions.dates), "--dates", _ORDER)
    if (decision := _by_values(evidence, _ORDER)) is not None or not evidence.is_ambiguous:
        return decision or Decision(None)
    examples = [
        next((other.examples[reading] for other in others if other.examples[reading]), None)
        for reading in (0, 1)
    ]
    if (examples[0] is None) != (examples[1] is None):
        reading = 0 if examples[1] is None else 1
        return Decision(reading, f"{_ORDER[reading]}, {_as_in(examples[reading])}")
    return Decision(None, "no value shows whether the day or the month comes first")


def _by_option(reading: int, option: str, names: Sequence[str]) -> Decision:
    return Decision(reading, f"{names[reading]}, by {option}")


def _by_values(evidence: Evidence, names: Sequence[str]) -> Decision | None:
    """Decide by the clear values of the column; None if it has none."""
    if (reading := evidence.reading) is not None:
        return Decision(reading, f"{names[reading]}, {_as_in(evidence.examples[reading])}")
    if None in evidence.examples:
        return None
    both = ", ".join(
        f"{name} {_as_in(example)}" for name, example in zip(names, evidence.examples, strict=True)
    )
    return Decision(None, f"{both}, so that ambiguous values are refused")


def _as_in(example: tuple[int, str] | None) -> str:
    return f"as in {example[1][:64]!r} in line {example[0]}" if example else ""
