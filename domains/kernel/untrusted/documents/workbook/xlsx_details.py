"""Number formats, errors and comments of cells in XLSX files."""

import re
from collections.abc import Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.packages import Package, local_name, parse_xml
from domains.kernel.untrusted.documents.workbook.details import SheetDetails, comment
from domains.kernel.untrusted.documents.workbook.number_formats import BUILT_IN

_ERROR: Final = re.compile(rb"""\bt\s*=\s*["']e["']""")
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def read_details(package: Package) -> dict[str, SheetDetails]:
    """Return the details of each sheet by name; those of XLSB files have none.

    Raises KeyError, ExpatError and ReadError.
    """
    workbook = package.main_part()
    if not workbook.endswith(".xml"):
        return {}
    styles = _styles(package, workbook)
    persons = _persons(package, workbook)
    return {
        name: _sheet_details(package, part, styles, persons)
        for name, part in _sheets(package, workbook).items()
    }


def _sheet_details(
    package: Package, part: str, styles: Mapping[str, str], persons: Mapping[str, str]
) -> SheetDetails:
    cells = _Cells(styles)
    content = package.read(part)
    if styles or _ERROR.search(content):
        parse_xml(content, cells.start, None, cells.data)
    return SheetDetails(cells.formats, cells.errors, _comments(package, part, persons))


def _sheets(package: Package, workbook: str) -> dict[str, str]:
    """Return the part of each sheet, by name."""
    targets = package.relationships(workbook)
    sheets: dict[str, str] = {}

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) == "sheet":
            ids = [value for name, value in attributes.items() if local_name(name) == "id"]
            if ids and ids[0] in targets:
                sheets[attributes.get("name", "")] = targets[ids[0]][1]

    parse_xml(package.read(workbook), start)
    return sheets


def _styles(package: Package, workbook: str) -> dict[str, str]:
    """Return the format code of each cell style that has one, by the number of the style."""
    codes = {str(number): code for number, code in BUILT_IN.items()}
    styles: dict[str, str] = {}
    is_cell_style = False
    count = 0

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal is_cell_style, count
        name = local_name(tag)
        if name == "numFmt":
            codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name in ("cellXfs", "cellStyleXfs", "dxfs"):
            is_cell_style = name == "cellXfs"
        elif name == "xf" and is_cell_style:
            code = codes.get(attributes.get("numFmtId", ""), "General")
            if code not in ("General", "@", ""):
                styles[str(count)] = code
            count += 1

    for part in package.related(workbook, "styles"):
        parse_xml(package.read(part), start)
    return styles


class _Cells:
    """Collects the formats and errors of the cells of a sheet."""

    def __init__(self, styles: Mapping[str, str]) -> None:
        self.formats: dict[int, dict[int, str]] = {}
        self.errors: dict[int, dict[int, str]] = {}
        self._styles = styles
        self._row = self._column = -1
        self._is_error = self._is_value = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        self._is_value = name == "v"
        if name == "row":
            number = attributes.get("r", "")
            self._row = int(number[:8]) - 1 if number.isdecimal() else self._row + 1
            self._column = -1
        elif name == "c":
            self._move(attributes.get("r", ""))
            self._is_error = attributes.get("t") == "e"
            code = self._styles.get(attributes.get("s", ""))
            if code is not None:
                self.formats.setdefault(self._row, {})[self._column] = code

    def data(self, text: str) -> None:
        if self._is_error and self._is_value:
            row = self.errors.setdefault(self._row, {})
            row[self._column] = row.get(self._column, "") + text.strip()

    def _move(self, reference: str) -> None:
        """Set the position to a reference such as B7, or to the next cell if there is none."""
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            self._column += 1
            return
        self._row = int(match[2]) - 1
        self._column = -1
        for letter in match[1]:
            self._column = 26 * (self._column + 1) + ord(letter) - ord("A")


# ---- comments


def _persons(package: Package, workbook: str) -> dict[str, str]:
    """Return the names of the authors of threaded comments, by id."""
    persons: dict[str, str] = {}

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if local_name(tag) == "person":
            persons[attributes.get("id", "")] = attributes.get("displayName", "")

    for part in package.related(workbook, "person"):
        parse_xml(package.read(part), start)
    return persons


def _comments(package: Package, sheet: str, persons: Mapping[str, str]) -> list[str]:
    """Return the comments of a sheet. Threaded ones replace their copies for older programs."""
    for kind in ("threadedComment", "comments"):
        comments: list[str] = []
        for part in package.related(sheet, kind):
            collector = _Comments(persons)
            parse_xml(package.read(part), collector.start, collector.end, collector.data)
            comments += collector.comments
        if comments:
            return comments
    return []


class _Comments:
    """Collects the comments of a part, old or threaded."""

    def __init__(self, persons: Mapping[str, str]) -> None:
        self.comments: list[str] = []
        self._persons = persons
        self._authors: list[str] = []
        # The open author or text of a comment. Comments may contain other elements.
        self._texts: list[str] | None = None
        self._text = self._cell = self._author = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name in ("author", "text"):
            self._texts = []
        elif name == "comment":
            number = attributes.get("authorId", "")[:6]
            index = int(number) if number.isdecimal() else len(self._authors)
            self._author = self._authors[index] if index < len(self._authors) else ""
        elif name == "threadedComment":
            self._author = self._persons.get(attributes.get("personId", ""), "")
        self._cell = attributes.get("ref", self._cell)

    def data(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name in ("author", "text"):
            self._text, self._texts = " ".join("".join(self._texts or ()).split()), None
        if name == "author":
            self._authors.append(self._text)
        elif name in ("comment", "threadedComment") and self._text:
            self.comments.append(comment(self._author, self._cell, self._text))
            self._text = ""
