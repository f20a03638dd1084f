"""Makes small workbooks in formats other than XLSX, byte by byte."""

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.fakes import files


class Cell(NamedTuple):
    """A cell of an XLS file as a record: its type, cell style and the rest of its content."""

    kind: int
    style: int
    content: bytes


Rows = Sequence[Sequence[str | float | Cell]]

_OPEN_DOCUMENT = "urn:oasis:names:tc:opendocument:xmlns"


def xls(sheets: Mapping[str, Rows], *, encrypted: bool = False) -> bytes:
    """An Excel 97 workbook. Sheets whose name starts with # are hidden."""
    names = [name.removeprefix("#").encode("latin-1") for name in sheets]
    bodies = [
        _biff(0x809, struct.pack("<4H", 0x600, 0x10, 0, 0)) + _cells(sheets[name])
        for name in sheets
    ]
    head = _biff(0x809, struct.pack("<4H2I", 0x600, 5, 0, 0, 0, 0))
    if encrypted:
        head += _biff(0x2F, struct.pack("<H52x", 1))
    head += _biff(0x41E, struct.pack("<HHB", 200, 6, 0) + b'0" kg"')
    # Each cell style is of one format: the general one, h:mm, [h]:mm:ss, 0% and 0" kg".
    for number in (0, 20, 46, 9, 200):
        head += _biff(0xE0, struct.pack("<HH16x", 0, number))
    offset = len(head) + sum(12 + len(name) for name in names) + 4
    listed = b""
    for key, name, body in zip(sheets, names, bodies, strict=True):
        hidden = key.startswith("#")
        listed += _biff(0x85, struct.pack("<IBBBB", offset, hidden, 0, len(name), 0) + name)
        offset += len(body)
    content = head + listed + _biff(0x0A, b"") + b"".join(bodies)
    return files.ole({"Workbook": content.ljust(4096, b"\0")})


def excel_95(name: str, text: bytes, code_page: int) -> bytes:
    """An Excel 95 workbook with one sheet of one cell."""
    head = _biff(0x809, struct.pack("<4H", 0x500, 5, 0, 0)) + _biff(
        0x42, struct.pack("<H", code_page)
    )
    offset = len(head) + 11 + len(name) + 4
    listed = _biff(0x85, struct.pack("<IHB", offset, 0, len(name)) + name.encode())
    body = _biff(0x809, struct.pack("<4H", 0x500, 0x10, 0, 0))
    body += _biff(0x204, struct.pack("<4H", 0, 0, 0, len(text)) + text) + _biff(0x0A, b"")
    content = head + listed + _biff(0x0A, b"") + body
    return files.ole({"Book": content.ljust(4096, b"\0")})


def _cells(rows: Rows) -> bytes:
    cells = b""
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            if isinstance(value, Cell):
                place = struct.pack("<HHH", row, column, value.style)
                cells += _biff(value.kind, place + value.content)
            elif isinstance(value, str):
                text = value.encode("utf-16-le")
                place = struct.pack("<HHH", row, column, 0)
                cells += _biff(0x204, place + struct.pack("<HB", len(value), 1) + text)
            else:
                cells += _biff(0x203, struct.pack("<HHHd", row, column, _style(value), value))
    return cells + _biff(0x0A, b"")


def _style(value: float) -> int:
    """The style of a number: h:mm below 1, [h]:mm:ss for other fractions."""
    return 0 if value == int(value) else 1 if value < 1 else 2


def _biff(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def xlsb(sheets: Mapping[str, Rows]) -> bytes:
    """A binary Excel workbook. Sheets whose name starts with # are hidden."""
    listed = b"".join(
        _record(156, struct.pack("<II", name.startswith("#"), number) + _wide(f"rId{number}")
                + _wide(name.removeprefix("#")))
        for number, name in enumerate(sheets, 1)
    )  # fmt: skip
    parts = {
        f"xl/worksheets/sheet{number}.bin": _binary_sheet(rows)
        for number, rows in enumerate(sheets.values(), 1)
    }
    targets = {
        f"rId{number}": ("worksheet", f"worksheets/sheet{number}.bin")
        for number in range(1, len(sheets) + 1)
    }
    return files.zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": files.relationships({"rId1": ("officeDocument", "xl/workbook.bin")}),
            "xl/workbook.bin": _record(143, b"")
            + listed
            + _record(144, b"")
            + _record(157, bytes(26)),
            "xl/_rels/workbook.bin.rels": files.relationships(targets),
            **parts,
        }
    )


def _binary_sheet(rows: Rows) -> bytes:
    size = struct.pack("<4I", 0, max(len(rows) - 1, 0), 0, 3)
    content = _record(129, b"") + _record(148, size) + _record(145, b"")
    for row, values in enumerate(rows):
        content += _record(0, struct.pack("<I21x", row))
        for column, value in enumerate(values):
            place = struct.pack("<II", column, 0)
            if isinstance(value, str):
                content += _record(6, place + _wide(value))
            elif isinstance(value, float | int):
                content += _record(5, place + struct.pack("<d", value))
    return content + _record(146, b"") + _record(130, b"")


def _record(kind: int, content: bytes) -> bytes:
    number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size = len(content)
    sizes = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return number + sizes + content


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def ods(table: str) -> bytes:
    """An OpenDocument spreadsheet with one sheet, whose rows are this XML."""
    return files.zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": f'<office:document-content xmlns:office="{_OPEN_DOCUMENT}:office:1.0" '
            f'xmlns:table="{_OPEN_DOCUMENT}:table:1.0" xmlns:text="{_OPEN_DOCUMENT}:text:1.0" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f'<office:body><office:spreadsheet><table:table table:name="Plan">{table}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        },
        packed=False,
    )
