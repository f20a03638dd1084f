"""Formats, errors and comments of cells in OpenDocument spreadsheets."""

import re
from collections.abc import Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.packages import Package, local_name, parse_xml
from domains.kernel.untrusted.documents.workbook.details import SheetDetails, comment

# Cells whose formats are kept. Equal cells next to each other are stored once, with their number.
_MAX_FORMATS: Final = 1_000_000
# Numbers such as postal codes.
_LEADING_ZEROS: Final = re.compile("0[0-9]{1,20}")


def read_details(package: Package) -> dict[str, SheetDetails]:
    """Return the details of each sheet, by name. Raises KeyError, ExpatError and ReadError."""
    collector = _Collector()
    parse_xml(package.read("content.xml"), collector.start, collector.end, collector.data)
    return collector.sheets


class _Collector:
    def __init__(self) -> None:
        self.sheets: dict[str, SheetDetails] = {}
        self._formats: dict[int, dict[int, str]] = {}
        self._cell_texts: dict[int, dict[int, str]] = {}
        self._comments: list[str] = []
        self._row = self._next_row = self._column = 0
        self._count = 0
        # The kind of the open cell if its text as shown is needed, and this text.
        self._kind = ""
        self._shown: list[str] = []
        # The texts of the open comment, by the element that contains them.
        self._comment: dict[str, str] | None = None
        self._part = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if tag == "table:table":
            self._formats, self._cell_texts, self._comments = {}, {}, []
            self._next_row = 0
            details = SheetDetails(self._formats, self._cell_texts, self._comments)
            self.sheets[attributes.get("table:name", "")] = details
        elif name == "table-row":
            self._row, self._column = self._next_row, 0
            self._next_row += _number(attributes, "table:number-rows-repeated")
        elif name in ("table-cell", "covered-table-cell"):
            width = _number(attributes, "table:number-columns-repeated")
            if code := _code(attributes):
                self._add(self._formats, code, self._column, width)
            self._column += width
            self._kind, self._shown = _shown_kind(attributes) if width == 1 else "", []
        elif name == "annotation":
            self._comment = {}
        elif name in ("creator", "p"):
            self._part = name
        elif name == "date":
            self._part = ""

    def data(self, text: str) -> None:
        if self._comment is not None and self._part:
            self._comment[self._part] = self._comment.get(self._part, "") + text
        elif self._kind:
            self._shown.append(text)

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if self._comment is None:
            if name == "table-cell" and self._kind:
                self._end_cell("".join(self._shown).strip())
                self._kind = ""
        elif name == "annotation":
            text = self._comment.get("p", "")
            cell = f"{_letters(self._column - 1)}{self._row + 1}"
            if text.strip():
                author = self._comment.get("creator", "").strip()
                self._comments.append(comment(author, cell, text))
            self._comment = None
        elif name == "p":
            self._comment["p"] = self._comment.get("p", "") + " "

    def _end_cell(self, shown: str) -> None:
        """Keep the text of an error or of a truth value, and the leading zeros of a number."""
        column = self._column - 1
        if shown.isalpha() or (shown and self._kind == "error"):
            self._add(self._cell_texts, shown, column, 1)
        elif _LEADING_ZEROS.fullmatch(shown):
            self._add(self._formats, "0" * len(shown), column, 1)

    def _add(self, table: dict[int, dict[int, str]], text: str, column: int, width: int) -> None:
        """Set the format or text of `width` cells from a column on, in all repeated rows."""
        height = self._next_row - self._row
        self._count += width * height
        if self._count <= _MAX_FORMATS:
            columns = dict.fromkeys(range(column, column + width), text)
            for row in range(self._row, self._next_row):
                table.setdefault(row, {}).update(columns)


def _number(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    return int(text) if text.isdecimal() and len(text) < 9 else 1


def _shown_kind(attributes: Mapping[str, str]) -> str:
    """Return `error` or `float` for cells of this kind, else an empty string."""
    is_error = attributes.get("calcext:value-type") == "error"
    kind = "error" if is_error else attributes.get("office:value-type", "")
    return kind if kind in ("error", "float") else ""


def _code(attributes: Mapping[str, str]) -> str | None:
    kind = attributes.get("office:value-type")
    if kind == "percentage":
        return "0%"
    currency = attributes.get("office:currency", "")
    if kind == "currency" and currency.isalpha() and len(currency) <= 3:
        return f'0.00" {currency}"'
    return None


def _letters(column: int) -> str:
    """Return the name of a column: A is 0, AA is 26."""
    text = ""
    while column >= 0:
        column, letter = divmod(column, 26)
        text = chr(ord("A") + letter) + text
        column -= 1
    return text
