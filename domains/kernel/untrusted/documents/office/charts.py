"""Text of the parts that Office documents show: charts, diagrams and imported files."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from domains.kernel.untrusted.documents.office.blocks import PartReader, attribute, part_text
from domains.kernel.untrusted.documents.office.packages import Package, local_name, parse_xml
from domains.kernel.untrusted.documents.registry import read_attached_file

# Elements of a chart that hold a text or points.
_FIELDS: Final = {
    "cat": "categories",
    "xVal": "categories",
    "val": "values",
    "yVal": "values",
    "bubbleSize": "sizes",
}
# Quoted, escaped and bracketed parts of a number format.
_LITERALS: Final = re.compile(r'"[^"]*"|\[[^\[\]]*\]|\\.')
_EPOCH: Final = date(1899, 12, 30)
_MAX_SERIAL: Final = 2_958_465
# Points of a series whose index is higher are left out.
_MAX_POINTS: Final = 32_000
# Levels of categories, such as months in years.
_MAX_LEVELS: Final = 8


def reference_reader(package: Package, part: str) -> PartReader:
    """Return a function that reads the chart, diagram or file with a relationship id of `part`."""
    relationships = package.relationships(part)

    def read(relationship: str) -> str:
        # Each part is shown once.
        kind, target = relationships.pop(relationship, ("", ""))
        try:
            if kind == "chart":
                return chart_text(package.read(target))
            if kind in ("diagramData", "chartEx"):
                return part_text(package.read(target))
            if kind == "aFChunk":
                return read_attached_file(package.read(target), "", target) or ""
        except KeyError:
            pass
        return ""

    return read


def chart_text(part: bytes) -> str:
    """Return the titles of a chart, then a line for each series: its name and its points."""
    builder = _ChartBuilder()
    parse_xml(part, builder.start, builder.end, builder.data)
    return builder.text


class _Points:
    """The cached values of a series or of its categories, by index."""

    def __init__(self) -> None:
        self.by_index: dict[int, list[str]] = {}
        self.number_format = ""

    def add(self, index: int, value: str) -> None:
        if not 0 <= index < _MAX_POINTS:
            return
        levels = self.by_index.setdefault(index, [])
        if len(levels) < _MAX_LEVELS and value not in levels:
            levels.append(value)

    def formatted(self, index: int) -> str:
        # The levels of categories are listed from the inner to the outer ones.
        levels = reversed(self.by_index.get(index, []))
        return " ".join(_formatted(value, self.number_format) for value in levels)


class _ChartBuilder:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: list[str] = []
        self._series: dict[str, _Points] | None = None
        self._field: str | None = None
        self._index = 0
        self._texts: list[str] | None = None
        self._in_title = False

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name == "title":
            self._in_title, self._names = True, []
        elif name == "ser":
            self._series, self._names = {}, []
        elif self._series is not None and name in _FIELDS:
            self._field = _FIELDS[name]
            self._series.setdefault(self._field, _Points())
        elif name == "pt":
            index = attribute(attributes, "idx")
            self._index = int(index) if index.isdecimal() and len(index) < 9 else -1
        elif name in ("t", "v", "formatCode"):
            self._texts = []

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name in ("t", "v", "formatCode"):
            text, self._texts = "".join(self._texts or ()), None
            self._end_text(name, text)
        elif name == "p" and self._in_title and self._names:
            self._names.append(" ")
        elif name == "title":
            self._in_title = False
            self._add_line("".join(self._names))
        elif name in _FIELDS:
            self._field = None
        elif name == "ser" and self._series is not None:
            self._end_series(self._series)
            self._series = None

    def data(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)

    def _end_text(self, name: str, text: str) -> None:
        if self._field is None or self._series is None:
            if name != "formatCode":
                self._names.append(text)
        elif name == "formatCode":
            self._series[self._field].number_format = text
        elif name == "v":
            self._series[self._field].add(self._index, text)

    def _end_series(self, series: Mapping[str, _Points]) -> None:
        empty = _Points()
        categories = series.get("categories", empty)
        values, sizes = series.get("values", empty), series.get("sizes", empty)
        points = (
            " ".join(
                part
                for points in (categories, values, sizes)
                if (part := points.formatted(index))
            )
            for index in sorted({*categories.by_index, *values.by_index})
        )  # fmt: skip
        name, listed = " ".join("".join(self._names).split()), "; ".join(points)
        self._add_line(f"{name}: {listed}" if name and listed else name or listed)

    def _add_line(self, line: str) -> None:
        if line := " ".join(line.split()):
            self._lines.append(line)


def _formatted(value: str, number_format: str) -> str:
    """Write percentages and dates as the number format shows them, others as plain numbers."""
    try:
        number = float(value)
    except ValueError:
        return " ".join(value.split())
    code = _LITERALS.sub("", number_format.lower())
    if "%" in code:
        return f"{number * 100:.12g}%"
    is_date = any(char in code for char in "yd") and "general" not in code
    if is_date and 0 < number < _MAX_SERIAL:
        return (_EPOCH + timedelta(days=int(number))).isoformat()
    return f"{number:.12g}" if abs(number) < 1e12 else value.strip()
