"""Number formats and errors of cells in XLS files (BIFF8, Excel 97 to 2003)."""

import io
import struct
from collections.abc import Iterator
from typing import Final

import olefile

from domains.kernel.untrusted.documents.workbook.details import SheetDetails
from domains.kernel.untrusted.documents.workbook.number_formats import BUILT_IN

# Types of records.
_FORMULA: Final = 0x0006
_END: Final = 0x000A
_CODE_PAGE: Final = 0x0042
_SHEET: Final = 0x0085
_NUMBERS: Final = 0x00BD
_STYLE: Final = 0x00E0
_NUMBER: Final = 0x0203
_BOOLEAN_OR_ERROR: Final = 0x0205
_SHORT_NUMBER: Final = 0x027E
_FORMAT: Final = 0x041E

_ERRORS: Final = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?",
    0x24: "#NUM!", 0x2A: "#N/A",
}  # fmt: skip

# Code pages whose characters have one or two bytes.
_DOUBLE_BYTE_PAGES: Final = frozenset({932, 936, 949, 950, 1361})

Table = dict[int, dict[int, str]]


def read_details(data: bytes) -> dict[str, SheetDetails]:
    """Return the formats and errors of each sheet, by name. Raises OSError or struct.error."""
    with olefile.OleFileIO(io.BytesIO(data)) as file:
        if not file.exists("Workbook"):
            return {}
        stream = file.openstream("Workbook").read()
    styles: list[int] = []
    codes = dict(BUILT_IN)
    sheets: list[tuple[str, int]] = []
    for kind, content in _records(stream, 0):
        if kind == _STYLE:
            styles.append(struct.unpack_from("<H", content, 2)[0])
        elif kind == _FORMAT:
            codes[struct.unpack_from("<H", content)[0]] = _text(content[2:], "<H")
        elif kind == _SHEET:
            sheets.append((_text(content[6:], "<B"), struct.unpack_from("<I", content)[0]))
    formats = {number: codes[code] for number, code in enumerate(styles) if code in codes}
    # Hostile files may name the same part many times.
    details = {
        start: _sheet_details(stream, start, formats) for start in {start for _, start in sheets}
    }
    return {name: details[start] for name, start in sheets}


def has_double_byte_text(data: bytes) -> bool:
    """Return whether a file is of Excel 95 and has a code page that calamine decodes wrongly."""
    with olefile.OleFileIO(io.BytesIO(data)) as file:
        if file.exists("Workbook") or not file.exists("Book"):
            return False
        stream = file.openstream("Book").read()
    return any(
        kind == _CODE_PAGE and int.from_bytes(content[:2], "little") in _DOUBLE_BYTE_PAGES
        for kind, content in _records(stream, 0)
    )


def _records(stream: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    """Iterate over the records from a position to the end of their part of the stream."""
    while position + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, position)
        if kind == _END:
            return
        yield kind, stream[position + 4 : position + 4 + size]
        position += 4 + size


def _text(content: bytes, size: str) -> str:
    """Decode a text that begins with its length and a byte of flags."""
    (length,) = struct.unpack_from(size, content)
    start = struct.calcsize(size) + 1
    if content[start - 1] & 1:
        return content[start : start + 2 * length].decode("utf-16-le", "replace")
    return content[start : start + length].decode("latin-1")


def _sheet_details(stream: bytes, start: int, formats: dict[int, str]) -> SheetDetails:
    codes: Table = {}
    errors: Table = {}

    def add(table: Table, row: int, column: int, text: str | None) -> None:
        if text is not None:
            table.setdefault(row, {})[column] = text

    for kind, content in _records(stream, start):
        if kind in (_NUMBER, _SHORT_NUMBER, _FORMULA):
            row, column, style = struct.unpack_from("<3H", content)
            add(codes, row, column, formats.get(style))
            # The result of a formula is a number, or its last two bytes are set.
            if kind == _FORMULA and content[6] == 2 and content[12:14] == b"\xff\xff":
                add(errors, row, column, _ERRORS.get(content[8]))
        elif kind == _NUMBERS:
            row, column = struct.unpack_from("<2H", content)
            for index, (style,) in enumerate(struct.iter_unpack("<H4x", content[4:-2])):
                add(codes, row, column + index, formats.get(style))
        elif kind == _BOOLEAN_OR_ERROR and content[7]:
            row, column = struct.unpack_from("<2H", content)
            add(errors, row, column, _ERRORS.get(content[6]))
    return SheetDetails(codes, errors, [])
