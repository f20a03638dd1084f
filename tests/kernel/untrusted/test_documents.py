"""Documents and their text: every type, every refusal, and what strangers try."""

import asyncio
import io
import os
import signal
import struct
import subprocess
import time
import zipfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from domains.kernel.core import settings
from domains.kernel.core.problems import Unavailable
from domains.kernel.untrusted.documents.document_readers import (
    clean,
    decoded,
    read_html,
    read_mail,
    read_slides,
    read_word,
)
from domains.kernel.untrusted.documents.extraction import Extraction, Unreadable
from tests.fakes import files

OFFICE = "application/vnd.openxmlformats-officedocument"
WORD = f"{OFFICE}.wordprocessingml.document"
SLIDES = f"{OFFICE}.presentationml.presentation"
WORKBOOK = f"{OFFICE}.spreadsheetml.sheet"
UNKNOWN = "application/octet-stream"

BROKEN = "This file is damaged, or is not of the type that it is said to be."
TOO_LARGE = "This document is too large to be read."
LOCKED = "This document is protected by a password."
SCAN = "There is no text in this document; it may be a scan."

MB = 1024 * 1024
READER = Extraction(time_limit=60, memory=1024 * MB, largest=50 * MB, largest_text=10 * MB)

TextOf = Callable[..., Coroutine[None, None, str]]


@pytest.fixture
def text_of(tmp_path: Path) -> TextOf:
    """Puts a file down and reads it."""

    async def read(
        content: bytes,
        content_type: str = UNKNOWN,
        filename: str | None = None,
        by: Extraction = READER,
    ) -> str:
        path = tmp_path / "document"
        path.write_bytes(content)
        return await by.text_of(path, content_type, filename)

    return read


async def refusal(reading: Coroutine[None, None, str]) -> str:
    with pytest.raises(Unreadable) as caught:
        await reading
    return caught.value.reason


PAGE = b"""<!DOCTYPE html><html><head><title>Notes</title><style>p {color: red}</style>
<script>var a = "<p>no</p>";</script></head><body><h1>Interview with Acme</h1>
<p>They said: <b>exports</b> are
<a href="https://x.example/y">slow</a>&nbsp;&amp; painful.</p><ul><li>one</li>
<li><p>two</p></li></ul>
<table><tr><th>Plan</th><th>Price</th></tr><tr><td><p>Pro</p></td><td>40</td></tr></table>
<!-- a remark --><noscript>Turn it on</noscript><p>Line<br>break</p></body></html>"""
PAGE_TEXT = """Notes

Interview with Acme

They said: exports are slow & painful.

- one
- two

Plan | Price
Pro | 40

Line
break"""

GOOD = {
    "pdf": (
        files.pdf([["Exports are slow (twice).", "Café."], ["Page two"]]),
        "application/pdf",
        "Exports are slow (twice).\nCafé.\n\nPage two",
    ),
    "docx": (
        files.docx(["AT&T <said> “no”."], [["Plan", "Price"], ["Pro & Co", "40"]], "Call"),
        WORD,
        "Call\n\nAT&T <said> “no”.\n\nPlan | Price\nPro & Co | 40",
    ),
    "pptx": (
        files.pptx([("R&D", ["one", "two"], "Say it slowly"), ("Last", ["three"], "")]),
        SLIDES,
        "R&D\n\none\ntwo\n\nNotes: Say it slowly\n\nLast\n\nthree",
    ),
    "xlsx": (
        files.xlsx({"Deals": [["Name", "Value"], ["A & B, Inc", 1200.5]], "More": [["x"]]}),
        WORKBOOK,
        "Deals\nName | Value\nA & B, Inc | 1200.5\n\nMore\nx",
    ),
    "html": (PAGE, "text/html", PAGE_TEXT),
    "eml": (
        files.eml(
            "The export is slow — again.\n\nAlice\n",
            html="<p>The same</p>",
            attachments={"nötes.pdf": b"x"},
            From="Zoë <a@x.example>",
            To="bob@y.example",
            Subject="Été",
            Date="Mon, 01 Jan 2024 10:00:00 +0000",
        ),
        "message/rfc822",
        "From: Zoë <a@x.example>\nTo: bob@y.example\nDate: Mon, 01 Jan 2024 10:00:00 +0000\n"
        "Subject: Été\n\nThe export is slow — again.\n\nAlice\n\nAttachments: nötes.pdf",
    ),
    "markdown": (b"# Head\r\n\r\n- *a*\r\n", "text/markdown", "# Head\n\n- *a*"),
    "csv": (b"Name,Value\nAcme,\"1,2\"\n", "text/csv", 'Name,Value\nAcme,"1,2"'),
    "json": (b'{"a": 1}', "application/json", '{"a": 1}'),
    "text": ("naïve".encode("cp1252"), "text/plain", "naïve"),
    "charset": ("жук".encode("koi8_r"), "text/plain; charset=KOI8-R", "жук"),
}  # fmt: skip


@pytest.mark.parametrize("which", GOOD)
async def test_the_text_of_every_type(text_of: TextOf, which: str) -> None:
    content, content_type, text = GOOD[which]
    assert await text_of(content, content_type) == text


@pytest.mark.parametrize("which", ["pdf", "docx"])
async def test_what_it_is_counts_more_than_what_it_is_called(text_of: TextOf, which: str) -> None:
    content, _, text = GOOD[which]
    assert await text_of(content, "text/plain", "../../etc/notes.txt") == text


async def test_a_name_tells_what_the_type_does_not(text_of: TextOf) -> None:
    assert await text_of(b"<p>a</p>", UNKNOWN, "a/b.HTML") == "a"
    assert await text_of(b"Subject: a\n\nb", "text/plain", "mail.eml") == "Subject: a\n\nb"
    assert await text_of(b"<p>a</p>", UNKNOWN) == "<p>a</p>"
    assert await text_of(b" <!doctype html><p>a</p>", "text/plain") == "a"


def unread(name: str) -> str:
    return f"Files of the type {name} cannot be read."


REFUSED = {
    "a picture": (b"\x89PNG\r\n\x1a\n", "image/png", unread("image/png")),
    "a picture called text": (b"\xff\xd8\xff\xe0", "text/plain", unread("image/jpeg")),
    "an unknown type": (b"abc", "model/obj", unread("model/obj")),
    "a type that is none": (b"\x00\x01" * 99, "<b>/../etc", unread(UNKNOWN)),
    "an archive": (files.zipped({"a.txt": "a"}), "application/zip", unread("application/zip")),
    "another office": (
        files.zipped({"mimetype": "application/vnd.oasis.opendocument.text"}, packed=False),
        UNKNOWN,
        unread("application/vnd.oasis.opendocument.text"),
    ),
    "old Word": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"),
        "application/msword",
        unread("application/msword"),
    ),
    "encrypted Office": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), WORD, LOCKED,
    ),
    "an encrypted PDF": (files.pdf([["secret"]], "pass"), "application/pdf", LOCKED),
    "a scan": (files.pdf([[]]), "application/pdf", SCAN),
    "an empty file": (b"", "text/plain", "This file is empty."),
    "a blank text": (b"\xef\xbb\xbf \n\n", "text/plain", "There is no text in this document."),
    "an empty page": (b"<html><p> </p>", "text/html", "There is no text in this document."),
    "no PDF": (b"hello", "application/pdf", BROKEN),
    "half a PDF": (b"%PDF-1.4\n1 0 obj", "application/pdf", BROKEN),
    "half a document": (files.docx(["a"])[:-40], WORD, BROKEN),
    "half an XML": (files.docx(["a"], prologue="<"), WORD, BROKEN),
    "half a workbook": (
        files.zipped({"[Content_Types].xml": "", "xl/workbook.xml": "<a"}), WORKBOOK, BROKEN,
    ),
    "entities from outside": (
        files.docx(["&e;"], prologue='<!DOCTYPE w [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
        WORD, BROKEN,
    ),
    "entities of entities": (
        files.docx(["&b;"], prologue='<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'),
        WORD, BROKEN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", REFUSED)
async def test_what_cannot_be_read_is_refused_in_a_sentence(text_of: TextOf, which: str) -> None:
    content, content_type, reason = REFUSED[which]
    assert await refusal(text_of(content, content_type)) == reason


async def test_an_encrypted_entry(text_of: TextOf) -> None:
    content = bytearray(files.docx(["a"]))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert await refusal(text_of(bytes(content), WORD)) == LOCKED


def bombs() -> dict[str, bytes]:
    workbook = io.BytesIO(files.xlsx({"A": [["a"]]}))
    with zipfile.ZipFile(workbook, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/a.xml", bytes(20 * MB))
    return {
        "packed too well": workbook.getvalue(),
        "a large directory": _listing(50_000),
        "too many entries": _listing(20_000),
        "a large entry": _lying(files.docx(["a" * 999]), 101 * MB),
    }


def _listing(entries: int) -> bytes:
    """An archive whose directory lists so many, all of them nothing."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 16)
    size = len(entry) * entries
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, entries, entries, size, 4, 0)
    return b"PK\x03\x04" + entry * entries + end


def _lying(archive: bytes, size: int) -> bytes:
    """The archive, its last entry said to be of that size."""
    made = bytearray(archive)
    struct.pack_into("<I", made, archive.rindex(b"PK\x01\x02") + 24, size)
    return bytes(made)


async def test_bombs_are_refused_before_anything_is_unpacked(text_of: TextOf) -> None:
    for name, content in bombs().items():
        begun = time.monotonic()
        assert await refusal(text_of(content, WORKBOOK)) == TOO_LARGE, name
        assert time.monotonic() - begun < 1, name


async def test_a_directory_that_lies_does_not_help(text_of: TextOf) -> None:
    """What it unpacks to is more than it says."""
    lying = _lying(files.docx(["some words"] * 9999), 100)
    assert await refusal(text_of(lying, WORD)) == BROKEN


async def test_too_much_of_each(text_of: TextOf) -> None:
    small = Extraction(time_limit=60, memory=1024 * MB, largest=MB, largest_text=1000)
    assert await refusal(text_of(b"a" * (MB + 1), "text/plain", by=small)) == TOO_LARGE
    assert await refusal(text_of(b"a" * 1001, "text/plain", by=small)) == TOO_LARGE
    assert await text_of(b"a" * 1000, "text/plain", by=small) == "a" * 1000
    tight = Extraction(time_limit=60, memory=256 * MB, largest=50 * MB, largest_text=50 * MB)
    assert (
        await refusal(text_of(b"a" * (49 * MB) + "😀".encode(), "text/plain", by=tight))
        == TOO_LARGE
    )
    hasty = Extraction(time_limit=1.5, memory=1024 * MB, largest=MB, largest_text=MB)
    slow = b"<a " * 300_000
    reason = await refusal(text_of(slow, "text/html", by=hasty))
    assert reason == "It took too long to read this document."


async def test_deep_nesting_is_only_text(text_of: TextOf) -> None:
    assert await text_of(b"<div>" * 100_000 + b"deep", "text/html") == "deep"


async def test_the_least_memory_that_can_be_set_is_enough(text_of: TextOf) -> None:
    least = Extraction(time_limit=60, memory=256 * MB, largest=MB, largest_text=MB)
    for which in ("pdf", "docx", "xlsx"):
        content, content_type, text = GOOD[which]
        assert await text_of(content, content_type, by=least) == text


async def test_many_pages(text_of: TextOf) -> None:
    text = await text_of(files.pdf([f"Page {n}", "Words."] for n in range(500)))
    assert text.startswith("Page 0\nWords.\n\nPage 1\n")
    assert text.endswith("Page 499\nWords.")


async def test_who_is_killed_from_outside_may_be_tried_again(text_of: TextOf) -> None:
    working = asyncio.create_task(text_of(b"<a " * 1_000_000, "text/html"))
    for _ in range(500):
        if pids := _readers():
            os.kill(pids[0], signal.SIGKILL)
            break
        await asyncio.sleep(0.02)
    with pytest.raises(Unavailable):
        await working


def _readers() -> list[int]:
    command = [
        "pgrep",
        "-P",
        str(os.getpid()),
        "-f",
        "domains.kernel.untrusted.documents.document_readers",
    ]
    shown = subprocess.run(command, capture_output=True, text=True)
    return [int(pid) for pid in shown.stdout.split()]


async def test_nothing_stays_behind(
    text_of: TextOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    await text_of(GOOD["pdf"][0])
    assert list(folder.iterdir()) == []


def test_the_limits_are_the_operators() -> None:
    made = Extraction.of(
        settings.read(
            {
                "DATABASE_URL": "postgresql://h/d",
                "REDIS_URL": "redis://h",
                "BLOB_URL": "file:///b",
                "GATEWAY_EXTRACTION_TIME_LIMIT": "7",
                "GATEWAY_DOCUMENT_MAX_BYTES": "5000",
            }
        )
    )
    assert (made.time_limit, made.largest, made.largest_text) == (7.0, 5000, 5000)
    assert made.memory == 2 * 1024 * MB


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "naïve — “quoted”"),
        ("utf-8-sig", "naïve"),
        ("utf-16", "Hello café"),
        ("utf-32", "Hello café"),
        ("utf-16-le", "Hello, wide café"),
        ("utf-16-be", "Hello, wide café"),
        ("utf-32-be", "Hello, wide café"),
        ("cp1252", "Le café est “très” cher – déjà vu, garçon… 5 €"),
        ("cp1252", "Größe und Übermut tun selten gut, ÄRGER auch"),
        ("cp1252", "¿Qué pasó mañana? El niño está aquí"),
        ("cp1252", "Não há informações sobre a situação"),
        ("cp1252", "Kunden säger att exporten är långsam"),
        ("cp1252", "don’t"),
        ("cp1250", "Zażółć gęślą jaźń, to jest próba tekstu"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("cp1251", "Это проверка. Клиент сказал, что экспорт медленный."),
        ("koi8_r", "Это проверка. Клиент сказал, что экспорт медленный."),
        ("cp1253", "Αυτό είναι ένα δοκιμαστικό κείμενο"),
        ("cp932", "これはテストの文章です。お客様の声を聞きます。"),
        ("euc_jp", "これはテストの文章です。お客様の声を聞きます。"),
        ("iso2022_jp", "これはテストの文章です。"),
        ("cp949", "이것은 테스트 문서입니다. 고객이 느리다고 말했습니다."),
        ("gb18030", "这是一个测试文件，我们的客户说导出很慢。"),
        ("big5", "這是一個測試文件，我們的客戶說匯出很慢。"),
    ],
)
def test_the_encoding_is_found(encoding: str, text: str) -> None:
    assert decoded(text.encode(encoding)) == text


def test_the_declared_encoding_is_believed_when_it_can_be() -> None:
    assert decoded("жук".encode("cp1251"), "windows-1251") == "жук"
    assert decoded(b"\x93caf\xe9\x94", "iso-8859-1") == "“café”"
    assert decoded("café".encode(), "iso-8859-1") == "café"
    assert decoded("café".encode(), "shift_jis-nonsense") == "café"
    assert decoded("café".encode(), "zlib") == "café"
    assert decoded("café…".encode(), "ascii") == "café…"


def test_what_is_printed_is_clean() -> None:
    assert clean("\ufeff a\r\nb\rc\0\ud83d\ude00 \udcff\n\n") == "a\nb\nc😀 \ufffd".encode()


def test_pages_say_their_encoding() -> None:
    page = '<html><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>жук'
    assert read_html(page.encode("cp1251"), None) == "жук"


def test_a_page_laid_out_by_tables_reads_from_top_to_bottom() -> None:
    page = b"""<table><tr><td></td><td><p>Hello,</p><p>it is slow.</p>
    <table><tr><td>a</td><td>b</td></tr></table>Bye</td></tr></table>end
    <svg><title>x</title></svg>"""
    assert read_html(page, None) == "Hello,\n\nit is slow.\n\na | b\n\nBye\n\nend"


def test_mail_as_it_comes() -> None:
    page_only = (
        b"From: =?utf-8?Q?Zo=C3=AB?= <z@x>\r\nSubject: =?nonsense?Q?a?= b\r\n caf\xe9\r\n"
        b"Content-Type: text/html; charset=windows-1252\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        b"PHA+Q2Fm6TwvcD4="
    )
    assert read_mail(page_only, None) == "From: Zoë <z@x>\nSubject: a b café\n\nCafé"
    inner = files.eml("Inner text", From="c@x", Subject="First").decode()
    outer = (
        "From: a@x\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\nSee below\n--B\n"
        f"Content-Type: message/rfc822\n\n{inner}\n--B\n"
        "Content-Type: image/png\nContent-ID: <1>\n\nx\n--B--\n"
    )
    assert read_mail(outer.encode(), None) == (
        "From: a@x\n\nSee below\n\nFrom: c@x\nSubject: First\n\nInner text"
    )


def test_word_as_it_is_written() -> None:
    said = (
        '<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>Hel</w:t></w:r>'
        "<w:r><w:t>lo</w:t><w:tab/><w:t>there</w:t><w:br/><w:t>A&#38;B</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:p>"
    )
    content = files.repacked(
        files.docx(["x"]),
        "word/document.xml",
        lambda part: part.replace("<w:body>", "<w:body>" + said),
    )
    assert read_word(content, None) == "Hello\tthere\nA&B\n\nx"


def test_slides_come_in_their_order_and_runs_are_not_torn() -> None:
    deck = files.pptx([("One", ["Hel"], ""), ("Two", ["b"], "")])
    deck = files.repacked(
        deck, "ppt/slides/slide1.xml",
        lambda part: part.replace(
            "<a:t>Hel</a:t></a:r>", "<a:t>Hel</a:t></a:r><a:r><a:t>lo</a:t></a:r>"
            '<a:fld type="slidenum"><a:t>7</a:t></a:fld>'),
    )  # fmt: skip
    deck = files.repacked(
        deck, "ppt/presentation.xml",
        lambda part: part.replace("rId1", "rId0").replace("rId2", "rId1").replace("rId0", "rId2"),
    )  # fmt: skip
    assert read_slides(deck, None) == "Two\n\nb\n\nOne\n\nHello"
