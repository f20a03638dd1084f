"""Hostile documents: damaged files of every kind, and inputs that grow faster than their size."""

import contextlib
import io
import struct
import time
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.untrusted.documents import registry
from domains.kernel.untrusted.documents.errors import UnreadableDocument
from domains.kernel.untrusted.documents.file_kinds import detect_open_file
from domains.kernel.untrusted.documents.kinds import MEDIA_TYPES, OLD_OFFICE_TYPES, SUFFIXES, Kind
from tests.fakes import files

UNKNOWN = "application/octet-stream"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument.text"
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": '<rootfile full-path="a.opf"/>',
    "a.opf": '<package><item id="1" href="1.html" media-type="text/html"/><itemref idref="1"/>'
    "</package>",
    "1.html": "<p>words</p>",
}


def open_document(content: str) -> bytes:
    return files.zipped({"mimetype": OPEN_DOCUMENT, "content.xml": content})


def word_97(tables: bytes = b"", **numbers: int) -> bytes:
    """A Word file whose header says that the tables begin at the start of their stream."""
    header = bytearray(0x800)
    struct.pack_into("<H8xH", header, 0, 0xA5EC, 0x0200)
    struct.pack_into("<i", header, 0x4C, numbers.get("length", 1))
    struct.pack_into("<2I", header, 0x1A2, 0, len(tables))
    return files.ole({"WordDocument": bytes(header), "1Table": tables})


SLIDE = struct.pack("<2HI", 15, 0x0FF0, 8) + struct.pack("<2HI2s", 0, 0x0FA8, 2, b"ab")


def old_slides(objects: dict[int, bytes]) -> bytes:
    """A presentation whose objects are all at the start of the stream."""
    entries = struct.pack("<I", 1 | len(objects) << 20) + bytes(4 * len(objects))
    directory = SLIDE + struct.pack("<2HI", 0, 0x1772, len(entries)) + entries
    edit = struct.pack("<2HI8x3I8x", 0, 0x0FF5, 28, 0, len(SLIDE), 1)
    current = struct.pack("<8x3I", 20, 0, len(directory))
    return files.ole({"PowerPoint Document": directory + edit, "Current User": current})


SAMPLES: dict[str, bytes] = {
    "word": files.docx(["words"], [["a", "b"]]),
    "slides": files.pptx([("words", ["a"], "b")]),
    "open document": open_document("<office:body><text:p>words</text:p></office:body>"),
    "book": files.zipped(BOOK),
    "rich text": b"{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset204 A;}}\\f0 \\'e9\\u8364? words\\par}",
    "outlook": files.ole(
        {
            "__properties_version1.0": bytes(64),
            "__substg1.0_1000001F": "words".encode("utf-16-le"),
            "__attach_version1.0_#00000000/__substg1.0_37010102": b"words",
        }
    ),
    "old word": word_97(b"\x02\x10\0\0\0" + struct.pack("<2IHIH", 0, 5, 0, 0x4000_0000, 0)),
    "calendar": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY;A=\"b\":words\\n\nEND:VEVENT",
    "old slides": old_slides({1: SLIDE, 2: SLIDE}),
    "workbook xml": b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet>'
    b'<Row><Cell ss:Index="3"><Data>words</Data></Cell></Row></Worksheet></Workbook>',
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
def test_damaged_file_is_read_or_refused(name: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(0, 4), "changes")):
        at = data.draw(st.integers(0, len(content) - 1), "position")
        content[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8), "bytes")
    cut = data.draw(st.integers(1, len(content)), "length")
    # The process of a reader reports any exception as damage; the parent detects the kind itself.
    with contextlib.suppress(UnreadableDocument):
        kind = detect_open_file(io.BytesIO(content[:cut]), UNKNOWN, None)
        if kind not in ("pdf", "workbook"):
            assert isinstance(
                registry.read_attached_file(bytes(content[:cut]), "", None), str | None
            )


@pytest.mark.parametrize(
    "magic",
    [b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf", b"%PDF-1.7",
     b"BEGIN:VCALENDAR\n", b"<office:document ", b"RIFF", b"<html>", b""],
)  # fmt: skip
@given(st.binary(max_size=2000))
def test_any_bytes_after_magic_bytes(magic: bytes, rest: bytes) -> None:
    declared = [*MEDIA_TYPES, *OLD_OFFICE_TYPES, UNKNOWN][len(rest) % 40 :][:1]
    with contextlib.suppress(UnreadableDocument):
        kind = detect_open_file(io.BytesIO(magic + rest), declared[0] if declared else "", None)
        assert kind in typing.get_args(Kind)


def test_every_kind_has_a_reader_and_every_name_a_kind() -> None:
    kinds = set(typing.get_args(Kind))
    assert kinds >= {*MEDIA_TYPES.values(), *OLD_OFFICE_TYPES.values(), *SUFFIXES.values()}
    for kind in kinds:
        assert callable(registry.reader_of(kind))


BILLION_LAUGHS = (
    '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;"><!ENTITY d "&c;&c;&c;">]><a>&d;</a>'
)


@pytest.mark.parametrize(
    "content",
    [
        open_document(BILLION_LAUGHS),
        files.zipped({**BOOK, "a.opf": BILLION_LAUGHS}),
        files.zipped({**BOOK, "META-INF/container.xml": BILLION_LAUGHS}),
        b"<office:document >" + BILLION_LAUGHS.encode(),
        # Tables in tables, each of which copies the text of the inner ones.
        open_document("<table:table>" * 5000 + "words" + "</table:table>" * 5000),
        # A book that refers to itself, and pieces of a text that share their bytes.
        files.zipped({**BOOK, "META-INF/container.xml": '<rootfile full-path="x"/>'}),
        word_97(
            b"\x02" + struct.pack("<I", 12 * 1000 + 4)
            + struct.pack("<1001I", *(2000 * n for n in range(1001)))
            + struct.pack("<HIH", 0, 0x4000_0000, 0) * 1000,
            length=2_000_000,
        ),
    ],
)  # fmt: skip
def test_entities_deep_nesting_and_shared_bytes_are_refused(content: bytes) -> None:
    assert registry.read_attached_file(content, "", None) is None


def repeated(start: str, middle: str, end: str = "") -> bytes:
    """About 500 kB of the middle."""
    return (start + middle * (500_000 // len(middle)) + end).encode()


def packed(name: str, content: bytes, archive: bytes) -> bytes:
    return files.with_entries(archive, {name: content})


DOCX = files.docx(["a"])
SUPERLINEAR = {
    "rtf groups": repeated("{\\rtf1", "{"),
    "rtf labels": repeated("{\\rtf1", "{\\listtext ", "words" * 100_000),
    "rtf fields": repeated("{\\rtf1", "{\\field{\\*\\fldinst{"),
    "rtf fallback": repeated("{\\rtf1", "\\uc9\\u1"),
    "rtf cells": repeated("{\\rtf1", "\\trowd\\intbl a\\cell"),
    "calendar parameters": repeated("BEGIN:VCALENDAR\nBEGIN:VEVENT\nA", ';a="b",', ":"),
    "calendar quotes": repeated("BEGIN:VCALENDAR\nBEGIN:VEVENT\nA", ';"=', ""),
    "calendar folds": repeated("BEGIN:VCALENDAR\nBEGIN:VEVENT\nA:", "\n a"),
    "calendar events": repeated("BEGIN:VCALENDAR\n", "BEGIN:VEVENT\n"),
    "flat lists": repeated("<office:document >", "<text:list><text:list-item>"),
    "word paragraphs": packed("word/document.xml", repeated("<w:d>", "<w:p>"), DOCX),
    "word fields": packed(
        "word/document.xml",
        repeated("<w:d>", '<w:fldChar w:fldCharType="begin"/>', "<w:p><w:t>a</w:t></w:p></w:d>"),
        DOCX,
    ),
    "word references": packed(
        "word/document.xml", repeated("<w:d>", '<c:chart r:id="rId1"/>', "</w:d>"), DOCX
    ),
    "slides": files.with_entries(
        files.pptx([("a", ["words" * 1000], "")]),
        {"ppt/presentation.xml": repeated("<p>", '<p:sldId r:id="rId1"/>', "</p>")},
    ),
    "workbook gaps": repeated(
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet><Row>',
        '<Cell ss:Index="99999"/>', "</Row></Worksheet></Workbook>",
    ),
    "book pages": packed(
        "a.opf", repeated('<p><item id="1" href="1.html" media-type="text/html"/>',
                          '<itemref idref="1"/>', "</p>"), files.zipped(BOOK),
    ),
    "declared as Word": repeated("", "a: b\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUPERLINEAR)
def test_time_is_linear_in_the_size(name: str) -> None:
    start = time.process_time()
    registry.read_attached_file(SUPERLINEAR[name], "application/msword", None)
    assert time.process_time() - start < 4
