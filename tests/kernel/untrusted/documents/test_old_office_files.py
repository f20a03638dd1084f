"""Text of Word and PowerPoint files from 1997 to 2003, built byte by byte."""

import struct

import pytest

from domains.kernel.untrusted.documents.ole.slides import read_old_slides
from domains.kernel.untrusted.documents.ole.word import read_old_word
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError
from tests.fakes import files

# ---- Word

TEXT_OFFSET = 0x800
DELETED, HIDDEN, SYMBOL = b"\x00\x08\x01", b"\x3c\x08\x01", b"\x09\x6a\x01\x00\x28\xf0"
BOLD = b"\x35\x08\x01"
IN_TABLE, ROW_END = b"\x16\x24\x01", b"\x16\x24\x01\x17\x24\x01"
Run = tuple[str, bytes]


def page(runs: list[tuple[int, bytes]], start: int, step: int) -> bytes:
    """A page of properties: the ends of its runs, and where in the page each has its properties."""
    content = bytearray(512)
    bounds = [start, *(end for end, _ in runs)]
    struct.pack_into(f"<{len(bounds)}I", content, 0, *bounds)
    free = 510
    for number, (_, properties) in enumerate(runs):
        if properties:
            free = (free - len(properties)) // 2 * 2
            content[free : free + len(properties)] = properties
            content[4 * len(bounds) + step * number] = free // 2
    content[511] = len(runs)
    return bytes(content)


def old_word(
    runs: list[Run], lengths: tuple[int, ...] = (), *, flags: int = 0x0200, magic: int = 0xA5EC
) -> bytes:
    """A document of runs with their properties. Runs are in UTF-16 if they are not in Latin-1.

    `lengths` are those of the footnotes, headers and comments, which follow the body.
    """
    text, pieces, characters, paragraphs = b"", [(0, 0)], [], []
    position = 0
    for content, properties in runs:
        is_narrow = all(char < "\u0100" for char in content)
        where = TEXT_OFFSET + len(text)
        pieces.append((position, where * 2 | 0x4000_0000 if is_narrow else where))
        text += content.encode("cp1252" if is_narrow else "utf-16-le")
        position += (TEXT_OFFSET + len(text) - where) // (1 if is_narrow else 2)
        end = TEXT_OFFSET + len(text)
        is_paragraph = properties in (IN_TABLE, ROW_END)
        character = b"" if is_paragraph else properties
        characters.append((end, character and bytes([len(character)]) + character))
        style = b"\0\0" + (properties if is_paragraph else b"")
        size = len(style) + 1 & ~1
        paragraphs.append((end, bytes([0, size // 2]) + style.ljust(size, b"\0")))
    starts = [start for start, _ in pieces[1:]] + [position]
    piece_table = struct.pack(f"<{len(starts)}I", *starts)
    piece_table += b"".join(struct.pack("<HIH", 0, where, 0) for _, where in pieces[1:])
    grouped = b"\x01\x02\x00ab"  # properties that precede the pieces
    clx = grouped + struct.pack("<BI", 2, len(piece_table)) + piece_table
    pages = struct.pack("<3I", TEXT_OFFSET, TEXT_OFFSET + len(text), 0)
    header = bytearray(TEXT_OFFSET)
    struct.pack_into("<H8xH", header, 0, magic, flags)
    notes, headers, comments = lengths or (0, 0, 0)
    body = position - notes - headers - comments
    struct.pack_into("<8i", header, 0x4C, body, notes, headers, 0, comments, 0, 0, 0)
    struct.pack_into("<4I", header, 0xFA, len(clx), 12, len(clx) + 12, 12)
    struct.pack_into("<2I", header, 0x1A2, 0, len(clx))
    header[0x200:0x400] = page(characters, TEXT_OFFSET, 1)
    header[0x400:0x600] = page(paragraphs, TEXT_OFFSET, 13)
    tables = clx
    for number in (1, 2):
        tables += pages[:8] + struct.pack("<I", number)
    return files.ole({"WordDocument": bytes(header) + text, "1Table": tables})


def test_text_in_both_encodings_and_fields() -> None:
    runs = [
        ("Caf\xe9 “now”\x0bhere ", BOLD),
        ('\x13 HYPERLINK "http://x" \x14our \x13 PAGE \x1412\x15site\x15\r日本😀 ', b""),
        ("non\x1ebreaking opt\x1fional \x01\x08\r", b""),
        ('\x13EQ \\* "Font:M" \\o\\al(\\s\\up 9(かな),仮名)\x15だ\r', b""),
    ]
    assert read_old_word(old_word(runs), None) == (
        "Café “now”\nhere our site\n\n日本😀 non-breaking optional\n\n仮名だ"
    )


def test_tables_are_read_by_row() -> None:
    runs = [
        ("Before\r", b""),
        ("Plan\rname\x07\x07Price\x07", IN_TABLE), ("\x07", ROW_END),
        ("Pro\x07日\x074\x07", IN_TABLE), ("\x07", ROW_END),
        ("After\r", b""),
    ]  # fmt: skip
    assert read_old_word(old_word(runs), None) == (
        "Before\n\nPlan name |  | Price\nPro | 日 | 4\n\nAfter"
    )


def test_deleted_and_hidden_text_and_symbols_are_left_out() -> None:
    runs = [("a ", b""), ("deleted", DELETED), ("b ", BOLD), ("hidden", HIDDEN), ("(", SYMBOL),
            ("c\r", b"")]  # fmt: skip
    assert read_old_word(old_word(runs), None) == "a b c"


def test_headers_notes_and_comments() -> None:
    parts = ["Body\x02\r", "\x02As of May\r", "Acme\r\rAcme\r\r", "\x05Too dear?\r\x05Yes\r"]
    document = old_word([(part, b"") for part in parts], (11, 12, 16))
    assert read_old_word(document, None) == (
        "Body\n\nAcme\n\nAs of May\n\nComment: Too dear?\n\nComment: Yes"
    )


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (old_word([("a", b"")], flags=0x0300), ExitCode.ENCRYPTED),
        (old_word([("a", b"")], magic=0xA5DC), ExitCode.OLD_FORMAT),
        (files.ole({"WordDocument": old_word([("a", b"")])[512:], "1Table": b"\3"}), None),
    ],
)
def test_unreadable_files_are_refused(document: bytes, code: ExitCode | None) -> None:
    with pytest.raises((ReadError, OSError)) as refused:
        read_old_word(document, None)
    assert getattr(refused.value, "code", None) == code or code is None


# ---- PowerPoint

CONTAINER = 15


def record(kind: int, *contents: bytes, instance: int = 0, version: int = CONTAINER) -> bytes:
    content = b"".join(contents)
    return struct.pack("<2HI", instance << 4 | version, kind, len(content)) + content


def text(words: str, text_type: int = 4) -> bytes:
    """A text in the smaller encoding that has all its characters."""
    is_narrow = all(char < "\u0100" for char in words)
    content = words.encode("latin-1" if is_narrow else "utf-16-le")
    header = record(0x0F9F, struct.pack("<I", text_type), version=0)
    return header + record(0x0FA8 if is_narrow else 0x0FA0, content, version=0)


def listed(persist_id: int, slide_id: int) -> bytes:
    return record(0x03F3, struct.pack("<5I", persist_id, 0, 0, slide_id, 0), version=0)


def comment(author: str, words: str) -> bytes:
    strings = (record(0x0FBA, content.encode("utf-16-le"), instance=number, version=0)
               for number, content in enumerate((author, words)))  # fmt: skip
    return record(0x1388, record(0x138A, record(0x138B, record(0x2EE0, *strings), version=0)))


def old_slides(edits: list[dict[int, bytes]], token: int = 0xE391_C05F) -> bytes:
    """A presentation that was saved with these objects, by id. The document has the id 1."""
    stream, edit = b"", 0
    for objects in edits:
        entries = b""
        for number, content in objects.items():
            entries += struct.pack("<2I", number | 1 << 20, len(stream))
            stream += content
        directory = len(stream)
        stream += record(0x1772, entries, version=0)
        fields = struct.pack("<8x3I8x", edit, directory, 1)
        edit = len(stream)
        stream += record(0x0FF5, fields, version=0)
    current = struct.pack("<8x3I", 20, token, edit)
    return files.ole({"PowerPoint Document": stream, "Current User": current})


def test_slides_in_order_with_notes_and_comments() -> None:
    outline = text("Prices\r2026", 0)
    slides = record(0x0FF0, listed(3, 256), outline, listed(2, 257), listed(3, 256))
    notes = record(0x0FF0, listed(4, 256), instance=2)
    masters = record(0x0FF0, listed(5, 1), instance=1)
    box = record(0x0F00, record(0xF00D, text("Größe 日本\vnext")))
    page = record(0x03F0, record(0x03F1, struct.pack("<2I", 257, 0), version=0),
                  text("*"), text("Say it slowly", 2))  # fmt: skip
    page_of_first = page.replace(struct.pack("<I", 257), struct.pack("<I", 256))
    first_edit = {
        1: record(0x03E8, masters, slides, notes),
        2: record(0x03EE, box, text("*"), comment("Ana", "Too dear?")),
        3: record(0x03EE, text("an old version")),
        4: page_of_first,
        5: record(0x03F8, text("Click to edit")),
    }
    reference = record(0x0F9E, struct.pack("<I", 0), version=0)
    second_edit = {3: record(0x03EE, record(0xF00D, reference))}
    assert read_old_slides(old_slides([first_edit, second_edit]), None) == (
        "Prices\n2026\n\nNotes: Say it slowly\n\nGröße 日本\nnext\n\nComment by Ana: Too dear?"
    )


@pytest.mark.parametrize(
    ("presentation", "code"),
    [
        (old_slides([{1: record(0x03E8)}], token=0xF3D1_C4DF), ExitCode.ENCRYPTED),
        (old_slides([]), ExitCode.DAMAGED),
    ],
)
def test_unreadable_presentations_are_refused(presentation: bytes, code: ExitCode) -> None:
    with pytest.raises((ReadError, struct.error)) as refused:
        read_old_slides(presentation, None)
    assert getattr(refused.value, "code", ExitCode.DAMAGED) == code
