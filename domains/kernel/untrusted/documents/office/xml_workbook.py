"""Reader of XML Spreadsheet 2003 files of Excel."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.blocks import attribute
from domains.kernel.untrusted.documents.office.numbering import number
from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml
from domains.kernel.untrusted.documents.workbook.number_formats import Value, format_value

# Formats that have a name. The others are as in XLSX files.
_NAMED_FORMATS: Final = {
    "Percent": "0.00%", "Fixed": "0.00", "Euro Currency": '"€"#,##0.00', "Short Time": "h:mm",
    "Medium Time": "h:mm AM/PM", "Long Time": "h:mm:ss", "Short Date": "m/d/yyyy",
    "Medium Date": "d-mmm-yy", "Long Date": "m/d/yyyy", "General Date": "m/d/yyyy h:mm",
}  # fmt: skip
_BOOLEANS: Final = {"0": False, "1": True}
# A time of day is written as a time of this day.
_DAY_ZERO: Final = dt.date(1899, 12, 31)
_HIDDEN: Final = frozenset({"SheetHidden", "SheetVeryHidden"})
# Empty cells that are written between two cells.
_MAX_GAP: Final = 100


def read_xml_workbook(data: bytes, _charset: str | None) -> str:
    """Return the name and the rows of each sheet. Cells are separated by bars.

    Sheets without values are left out. Values follow the formats of their cells.
    """
    builder = _SheetBuilder()
    parse_xml(data, builder.start, builder.end, builder.data)
    return "\n\n".join("\n".join(sheet) for sheet in builder.sheets if len(sheet) > 1)


class _SheetBuilder:
    def __init__(self) -> None:
        self.sheets: list[list[str]] = []
        self._row: list[str] = []
        self._texts: list[str] | None = None
        self._in_comment = False
        self._type = ""
        # The format of each style, and that of the open cell.
        self._formats: dict[str, str] = {}
        self._style = ""
        self._format: str | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name == "Style":
            self._style = attribute(attributes, "ID")
        elif name == "NumberFormat":
            code = attribute(attributes, "Format")
            self._formats[self._style] = _NAMED_FORMATS.get(code, code)
        elif name == "Worksheet":
            self.sheets.append([attribute(attributes, "Name")])
        elif name == "Row":
            self._row = []
        elif name == "Cell":
            gap = number(attribute(attributes, "Index")) - 1 - len(self._row)
            self._row += [""] * min(max(gap, 0), _MAX_GAP) + [""]
            self._format = self._formats.get(attribute(attributes, "StyleID"))
        elif name == "Comment":
            self._in_comment = True
        elif name == "Visible" or (name == "Data" and not self._in_comment):
            self._type = attribute(attributes, "Type")
            self._texts = []

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name == "Comment":
            self._in_comment = False
        elif name in ("Data", "Visible") and self._texts is not None:
            text, self._texts = " ".join("".join(self._texts).split()), None
            if name == "Data" and self._row:
                self._row[-1] = format_value(_value(text, self._type), self._format)
            elif text in _HIDDEN and self.sheets:
                self.sheets[-1][0] += " (hidden)"
        elif name == "Row" and self.sheets and (row := " | ".join(self._row).rstrip(" |")):
            self.sheets[-1].append(row)

    def data(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)


def _value(text: str, kind: str) -> Value:
    """Return the value of a cell, or its text if it is not of its type."""
    try:
        if kind == "Number":
            return float(text)
        if kind == "DateTime":
            moment = dt.datetime.fromisoformat(text)
            return moment.time() if moment.date() == _DAY_ZERO else moment
    except ValueError:
        return text
    return _BOOLEANS.get(text, text) if kind == "Boolean" else text
