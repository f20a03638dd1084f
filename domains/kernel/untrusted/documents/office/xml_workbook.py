"""Reader of XML Spreadsheet 2003 files of Excel."""

from collections.abc import Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.blocks import attribute
from domains.kernel.untrusted.documents.office.numbering import number
from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml

_MIDNIGHT: Final = "T00:00:00.000"
# Empty cells that are written between two cells.
_MAX_GAP: Final = 100


def read_xml_workbook(data: bytes, _charset: str | None) -> str:
    """Return the name and the rows of each sheet. Cells are separated by bars."""
    builder = _SheetBuilder()
    parse_xml(data, builder.start, builder.end, builder.data)
    return "\n\n".join("\n".join(sheet) for sheet in builder.sheets if sheet)


class _SheetBuilder:
    def __init__(self) -> None:
        self.sheets: list[list[str]] = []
        self._row: list[str] = []
        self._texts: list[str] | None = None
        self._in_comment = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name == "Worksheet":
            self.sheets.append([attribute(attributes, "Name")])
        elif name == "Row":
            self._row = []
        elif name == "Cell":
            gap = number(attribute(attributes, "Index")) - 1 - len(self._row)
            self._row += [""] * min(max(gap, 0), _MAX_GAP) + [""]
        elif name == "Comment":
            self._in_comment = True
        elif name == "Data" and not self._in_comment:
            self._texts = []

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name == "Comment":
            self._in_comment = False
        elif name == "Data" and self._texts is not None:
            text, self._texts = " ".join("".join(self._texts).split()), None
            if self._row:
                self._row[-1] = text.removesuffix(_MIDNIGHT)
        elif name == "Row" and self.sheets and (row := " | ".join(self._row).rstrip(" |")):
            self.sheets[-1].append(row)

    def data(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)
