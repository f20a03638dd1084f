"""Reader of Word 97 to 2003 files (DOC)."""

import io
import re
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import olefile

from domains.kernel.untrusted.documents.office.fields import is_page_number, text_in_code
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

_MAGIC: Final = 0xA5EC
_ENCRYPTED: Final = 0x0100
_TABLE_STREAM: Final = 0x0200

# Offsets in the header: the lengths of the parts of the text, and the positions and lengths of
# tables in the table stream.
_LENGTHS: Final = 0x4C
_CHARACTER_PAGES: Final = 0xFA
_PARAGRAPH_PAGES: Final = 0x102
_PIECES: Final = 0x1A2

# Parts of the text in their order: body, footnotes, headers and footers, unused, comments,
# endnotes, text boxes of the body and of headers.
_PART_COUNT: Final = 8
_BODY, _FOOTNOTES, _HEADERS, _COMMENTS, _ENDNOTES, _BOXES, _HEADER_BOXES = 0, 1, 2, 4, 5, 6, 7

_PAGE_BYTES: Final = 512
_PAGE_NUMBER_MASK: Final = 0x3F_FFFF

# Properties: deleted text, hidden text, characters of symbol fonts,
# paragraphs in tables, the end of a table row.
_DELETED: Final = 0x0800
_HIDDEN: Final = 0x083C
_SYMBOL: Final = 0x6A09
_IN_TABLE: Final = 0x2416
_ROW_END: Final = 0x2417
# Sizes of operands by the upper three bits of a property. The size of the sixth precedes it.
_OPERAND_SIZES: Final = (1, 1, 2, 4, 2, 2, 0, 3)
# Properties whose size is in two bytes.
_LONG_PROPERTIES: Final = frozenset({0xD606, 0xD608})

# Ends of paragraphs, of paragraphs in cells, of cells and of rows. The second and the last are
# written here in place of the ends of paragraphs and cells that the file has there.
_PARAGRAPH, _CELL_PARAGRAPH, _CELL, _ROW = "\r", "\x04", "\x07", "\x06"
# All but the ends of cells and the marks of fields: words in two cells do not run together.
_HIDEABLE: Final = re.compile(f"[^{_CELL}{_ROW}\x13\x14\x15]")
_CHARACTERS: Final = str.maketrans(
    {
        "\x0b": "\n", "\x0c": "\r", "\x0e": "\r", "\x1e": "-",
        # Optional hyphens, pictures, references to notes and comments, drawings, hidden text.
        **dict.fromkeys("\x1f\x01\x02\x03\x05\x08\0"),
    }
)  # fmt: skip


class _Piece(NamedTuple):
    """A part of the text: its first character, and where its bytes are in the file."""

    start: int
    length: int
    offset: int
    width: int


def read_old_word(data: bytes, _charset: str | None) -> str:
    """Return the body of a document, its text boxes, headers and footers, notes and comments.

    Field codes, page numbers, deleted and hidden text are left out. Each table row is a line, its
    cells separated by bars.
    """
    with olefile.OleFileIO(io.BytesIO(data)) as file:
        main = _stream(file, "WordDocument")
        magic, flags = struct.unpack_from("<H8xH", main)
        if magic != _MAGIC:
            raise ReadError(ExitCode.OLD_FORMAT)
        if flags & _ENCRYPTED:
            raise ReadError(ExitCode.ENCRYPTED)
        tables = _stream(file, "1Table" if flags & _TABLE_STREAM else "0Table")
    text = _text(main, tables)
    parts: list[str] = []
    start = 0
    for length in struct.unpack_from(f"<{_PART_COUNT}i", main, _LENGTHS):
        parts.append(text[start : start + max(length, 0)])
        start += max(length, 0)
    sections = [
        _plain(parts[_BODY]),
        _plain(parts[_BOXES]),
        *dict.fromkeys(_plain(parts[_HEADERS]).split("\n\n")),
        *(_plain(parts[part]) for part in (_HEADER_BOXES, _FOOTNOTES, _ENDNOTES)),
        *(f"Comment: {comment}" for comment in _comments(parts[_COMMENTS])),
    ]
    return "\n\n".join(filter(None, sections))


def _stream(file: olefile.OleFileIO, name: str) -> bytes:
    with file.openstream(name) as stream:
        return bytes(stream.read())


def _comments(part: str) -> Iterator[str]:
    # Each comment begins with the character of its reference.
    return filter(None, map(_plain, part.split("\x05")))


# ---- characters


def _text(main: bytes, tables: bytes) -> str:
    """Return the characters of all parts. Those that are not shown are NUL."""
    hidden = _ranges(main, tables, _CHARACTER_PAGES, (_DELETED, _HIDDEN, _SYMBOL))
    in_tables = _ranges(main, tables, _PARAGRAPH_PAGES, (_IN_TABLE,))
    row_ends = _ranges(main, tables, _PARAGRAPH_PAGES, (_ROW_END,))
    texts = []
    left = len(main)
    for piece in _pieces(tables, *struct.unpack_from("<2I", main, _PIECES)):
        # Pieces do not share bytes.
        left -= piece.length * piece.width
        if left < 0:
            raise ReadError(ExitCode.DAMAGED)
        encoded = main[piece.offset : piece.offset + piece.length * piece.width]
        text = _utf16(encoded) if piece.width == 2 else encoded.decode("cp1252", "replace")
        text = _changed(text, in_tables, piece, lambda part: part.replace("\r", _CELL_PARAGRAPH))
        text = _changed(text, row_ends, piece, lambda part: part.replace(_CELL, _ROW))
        texts.append(_changed(text, hidden, piece, lambda part: _HIDEABLE.sub("\0", part)))
    return "".join(texts)


def _changed(
    text: str, ranges: list[tuple[int, int]], piece: _Piece, change: Callable[[str], str]
) -> str:
    """Change the characters of a piece that are within ranges of bytes of the file."""
    parts: list[str] = []
    done = 0
    first = max(bisect_right(ranges, (piece.offset, 0)) - 1, 0)
    for number in range(first, len(ranges)):
        start, end = ranges[number]
        if start >= piece.offset + piece.length * piece.width:
            break
        at, last = ((place - piece.offset) // piece.width for place in (start, end))
        if last > max(at, done):
            parts += [text[done : max(at, done)], change(text[max(at, done) : last])]
            done = last
    return "".join([*parts, text[done:]])


def _utf16(encoded: bytes) -> str:
    """Decode each code unit by itself, so that positions in the file are those in the text."""
    return "".join(map(chr, memoryview(encoded[: len(encoded) // 2 * 2]).cast("H")))


def _pieces(tables: bytes, offset: int, size: int) -> Iterator[_Piece]:
    """Iterate over the pieces of the text in their order."""
    position, end = offset, min(offset + size, len(tables))
    while position < end and tables[position] == 1:
        position += 3 + struct.unpack_from("<H", tables, position + 1)[0]
    if position >= end or tables[position] != 2:
        raise ReadError(ExitCode.DAMAGED)
    (length,) = struct.unpack_from("<I", tables, position + 1)
    count = (length - 4) // 12
    position += 5
    starts = struct.unpack_from(f"<{count + 1}I", tables, position)
    position += 4 * (count + 1)
    for number, (start, following) in enumerate(pairwise(starts)):
        (where,) = struct.unpack_from("<2xI2x", tables, position + 8 * number)
        is_compressed = bool(where & 0x4000_0000)
        where &= 0x3FFF_FFFF
        length = max(following - start, 0)
        if is_compressed:
            yield _Piece(start, length, where // 2, 1)
        else:
            yield _Piece(start, length, where, 2)


# ---- properties


def _ranges(
    main: bytes, tables: bytes, header: int, wanted: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Return the ranges of bytes whose characters or paragraphs have one of the properties.

    Each page of properties begins with the ends of its ranges.
    """
    offset, size = struct.unpack_from("<2I", main, header)
    count = max(min(size, len(tables) - offset) - 4, 0) // 8
    numbers = struct.unpack_from(f"<{count}I", tables, offset + 4 * (count + 1)) if count else ()
    ranges: list[tuple[int, int]] = []
    for number in dict.fromkeys(numbers):
        start = (number & _PAGE_NUMBER_MASK) * _PAGE_BYTES
        page = main[start : start + _PAGE_BYTES]
        if len(page) < _PAGE_BYTES:
            continue
        is_paragraph = header == _PARAGRAPH_PAGES
        runs = min(page[-1], 0x65)
        bounds = struct.unpack_from(f"<{runs + 1}I", page)
        step = 13 if is_paragraph else 1
        for run in range(runs):
            at = page[4 * (runs + 1) + step * run] * 2
            if at and _has_property(_properties(page, at, is_paragraph=is_paragraph), wanted):
                ranges.append((bounds[run], bounds[run + 1]))
    return sorted(ranges)


def _properties(page: bytes, at: int, *, is_paragraph: bool) -> bytes:
    if not is_paragraph:
        return page[at + 1 : at + 1 + page[at]]
    if page[at]:
        start, size = at + 1, 2 * page[at] - 1
    else:
        start, size = at + 2, 2 * page[at + 1] if at + 1 < len(page) else 0
    # The first two bytes are the style.
    return page[start + 2 : start + size]


def _has_property(properties: bytes, wanted: tuple[int, ...]) -> bool:
    position = 0
    while position + 3 <= len(properties):
        (name,) = struct.unpack_from("<H", properties, position)
        position += 2
        # The operand of these is 1 if the property applies.
        if name in wanted:
            return name == _SYMBOL or properties[position] == 1
        size = _OPERAND_SIZES[name >> 13]
        if name in _LONG_PROPERTIES and position + 2 <= len(properties):
            size = struct.unpack_from("<H", properties, position)[0] + 1
        elif not size:
            size = properties[position] + 1
        position += size
    return False


# ---- lines


def _plain(text: str) -> str:
    """Return the paragraphs and tables of a part without field codes."""
    blocks: list[str] = []
    rows: list[str] = []
    cells: list[str] = []
    cell: list[str] = []
    for piece in re.split(f"([{_PARAGRAPH}{_CELL_PARAGRAPH}{_CELL}{_ROW}])", _shown(text) + "\r"):
        if piece == _PARAGRAPH:
            blocks += ["\n".join(rows), " ".join(cells), "".join(cell).strip()]
            rows, cells, cell = [], [], []
        elif piece == _CELL_PARAGRAPH:
            cell.append(" ")
        elif piece == _CELL:
            cells.append(" ".join("".join(cell).split()))
            cell = []
        elif piece == _ROW:
            rows.append(" | ".join(cells).rstrip(" |"))
            cells, cell = [], []
        else:
            cell.append(piece)
    joined = "\n\n".join(filter(None, blocks))
    return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _shown(text: str) -> str:
    """Return the text without field codes and page numbers, with other characters translated."""
    shown: list[str] = []
    # The code of each open field, None while its result is shown.
    fields: list[str | None] = []
    hidden = 0
    for piece in re.split("([\x13\x14\x15])", text.translate(_CHARACTERS)):
        code = fields[-1] if fields else None
        if piece == "\x13":
            fields.append("")
            hidden += 1
        elif piece == "\x14":
            if code is not None and not is_page_number(code):
                fields[-1] = None
                hidden -= 1
        elif piece == "\x15":
            hidden -= code is not None
            del fields[-1:]
            if code is not None and not hidden:
                shown.append(text_in_code(code))
        elif not hidden:
            shown.append(piece)
        elif code == "":
            fields[-1] = piece
    return "".join(shown)
