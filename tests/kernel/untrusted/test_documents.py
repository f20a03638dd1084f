"""Text extraction: every type, every refusal, limits, hostile files, text encodings."""

import asyncio
import io
import os
import signal
import struct
import zipfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from domains.kernel.core import settings
from domains.kernel.core.problems import Unavailable
from domains.kernel.untrusted import sandbox
from domains.kernel.untrusted.documents.charset import decode
from domains.kernel.untrusted.documents.errors import (
    ARCHIVE,
    DAMAGED,
    EMPTY,
    ENCRYPTED,
    NO_TEXT,
    NOT_TEXT,
    SCAN,
    TIMEOUT,
    TOO_LARGE,
    UnreadableDocument,
    unsupported,
)
from domains.kernel.untrusted.documents.extraction import TextExtractor
from domains.kernel.untrusted.documents.file_kinds import declared_kind
from domains.kernel.untrusted.documents.html_reader import read_html
from domains.kernel.untrusted.documents.mail_reader import read_mail
from domains.kernel.untrusted.documents.office.slides import read_slides
from domains.kernel.untrusted.documents.office.word import read_word
from domains.kernel.untrusted.documents.reader_process import encode_clean
from tests.fakes import files

OFFICE = "application/vnd.openxmlformats-officedocument"
WORD = f"{OFFICE}.wordprocessingml.document"
SLIDES = f"{OFFICE}.presentationml.presentation"
WORKBOOK = f"{OFFICE}.spreadsheetml.sheet"
UNKNOWN = "application/octet-stream"

MB = 1024 * 1024


def extractor(**limits: Any) -> TextExtractor:
    defaults: dict[str, Any] = {
        "time_limit": 60,
        "max_memory": 1024 * MB,
        "max_file_bytes": 50 * MB,
        "max_text_bytes": 10 * MB,
    }
    return TextExtractor(**(defaults | limits))


Extract = Callable[..., Coroutine[None, None, str]]


@pytest.fixture
def extract(tmp_path: Path) -> Extract:
    """Write a file and extract its text: `await extract(content, content_type, filename)`."""

    async def write_and_extract(
        content: bytes, content_type: str = UNKNOWN, filename: str | None = None, **limits: Any
    ) -> str:
        path = tmp_path / "document"
        path.write_bytes(content)
        return (await extractor(**limits).extract(path, content_type, filename)).text

    return write_and_extract


async def refusal(extracting: Coroutine[None, None, str]) -> str:
    with pytest.raises(UnreadableDocument) as raised:
        await extracting
    return str(raised.value)


# ---- types of documents


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

SUPPORTED = {
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
    "html as xls": (b"<table><tr><td>A<td>B</table>", "application/vnd.ms-excel", "A | B"),
    "rtf": (b"{\\rtf1 Gr\\'fc\\'dfe}", "application/rtf", "Grüße"),
    "odt": (
        files.zipped(
            {
                "mimetype": "application/vnd.oasis.opendocument.text",
                "content.xml": "<office:body><text:p>Exports are slow</text:p></office:body>",
            }
        ),
        "application/vnd.oasis.opendocument.text",
        "Exports are slow",
    ),
    "epub": (
        files.zipped(
            {
                "mimetype": "application/epub+zip",
                "META-INF/container.xml": '<rootfile full-path="book.opf"/>',
                "book.opf": '<package><item id="1" href="1.html" media-type="text/html"/>'
                '<itemref idref="1"/></package>',
                "1.html": "<p>Chapter one</p>",
            }
        ),
        "application/epub+zip",
        "Chapter one",
    ),
    "msg": (
        files.ole({"__properties_version1.0": b"", "__substg1.0_1000001F": b"\xe4\0"}),
        "application/vnd.ms-outlook",
        "ä",
    ),
    "ics": (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:A\nEND:VEVENT", "text/calendar", "A"),
    "xml spreadsheet": (
        b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet ss:Name="A">'
        b"<Row><Cell><Data>b</Data></Cell></Row></Worksheet></Workbook>",
        "application/vnd.ms-excel",
        "A\nb",
    ),
    "word xml": (b"<w:wordDocument ><w:p><w:t>a</w:t></w:p></w:wordDocument>", "text/xml", "a"),
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
    "json": (b'{"a": "\\u00e9\\n"}', "application/json", '{"a": "\\u00e9\\n"}'),
    "xml": (
        '<?xml version="1.0" encoding="windows-1251"?><a>&lt;жук</a>'.encode("cp1251"),
        "application/xml",
        '<?xml version="1.0" encoding="windows-1251"?><a>&lt;жук</a>',
    ),
    "yaml": (b"a:\n  - <b>\n  - c: 'd'\n", "application/x-yaml", "a:\n  - <b>\n  - c: 'd'"),
    "text": ("naïve".encode("cp1252"), "text/plain", "naïve"),
    "charset": ("жук".encode("koi8_r"), "text/plain; charset=KOI8-R", "жук"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUPPORTED)
async def test_text_of_every_type(extract: Extract, name: str) -> None:
    content, content_type, text = SUPPORTED[name]
    assert await extract(content, content_type) == text


@pytest.mark.parametrize("name", ["pdf", "docx"])
async def test_content_takes_precedence_over_declared_type_and_name(
    extract: Extract, name: str
) -> None:
    content, _, text = SUPPORTED[name]
    assert await extract(content, "text/plain", "../../etc/notes.txt") == text


@pytest.mark.parametrize(
    ("content", "content_type", "filename", "text"),
    [
        (b"<p>a</p>", UNKNOWN, "a/b.HTML", "a"),
        (b"Subject: a\n\nb", "text/plain", "mail.eml", "Subject: a\n\nb"),
        (b"<p>a</p>", UNKNOWN, None, "<p>a</p>"),
        (b" <!doctype html><p>a</p>", "text/plain", None, "a"),
    ],
)
async def test_file_name_counts_if_the_declared_type_is_generic(
    extract: Extract, content: bytes, content_type: str, filename: str | None, text: str
) -> None:
    assert await extract(content, content_type, filename) == text


@pytest.mark.parametrize(
    ("content_type", "filename", "kind"),
    [
        ("application/pdf; a=b", "page.html", "pdf"),
        ("text/html", None, "html"),
        ("text/csv", None, "text"),
        (UNKNOWN, "Offer.PDF", "pdf"),
        ("text/plain", "mail.eml", "mail"),
        ("text/plain", "notes.txt", None),
        ("application/vnd.ms-excel", "report.xls", None),
        ("model/obj", None, None),
    ],
)
def test_kind_that_a_declaration_promises(
    content_type: str, filename: str | None, kind: str | None
) -> None:
    assert declared_kind(content_type, filename) == kind


REFUSED = {
    "a picture": (b"\x89PNG\r\n\x1a\n", "image/png", unsupported("image/png")),
    "a picture called text": (b"\xff\xd8\xff\xe0", "text/plain", unsupported("image/jpeg")),
    "an unknown type": (b"abc", "model/obj", unsupported("model/obj")),
    "no text": (b"\x00\x01" * 99, "text/plain", NOT_TEXT),
    "an invalid type": (b"\x00\x01" * 99, "<b>/../etc", NOT_TEXT),
    "an archive": (files.zipped({"a.txt": "a"}), "application/zip", ARCHIVE),
    "half an OpenDocument": (
        files.zipped({"mimetype": "application/vnd.oasis.opendocument.text"}, packed=False),
        UNKNOWN,
        DAMAGED,
    ),
    "an unknown document": (
        files.zipped({"mimetype": "application/vnd.example.drawing"}, packed=False),
        UNKNOWN,
        unsupported("application/vnd.example.drawing"),
    ),
    "a gzip file": (b"\x1f\x8b\x08\0", "text/csv", ARCHIVE),
    "a tar file": (b"a.txt".ljust(257, b"\0") + b"ustar\x0000", UNKNOWN, ARCHIVE),
    "an encrypted document": (files.ole({"EncryptedPackage": b"a"}), WORD, ENCRYPTED),
    "an OLE file": (files.ole({"a": b"a"}), WORD, unsupported("application/x-ole-storage")),
    "half an OLE file": (files.ole({"EncryptedPackage": b"a"})[:600], WORD, DAMAGED),
    "an encrypted PDF": (files.pdf([["secret"]], "pass"), "application/pdf", ENCRYPTED),
    "a scan": (files.pdf([[]]), "application/pdf", SCAN),
    "an empty file": (b"", "text/plain", EMPTY),
    "a blank text": (b"\xef\xbb\xbf \n\n", "text/plain", NO_TEXT),
    "an empty page": (b"<html><p> </p>", "text/html", NO_TEXT),
    "not a PDF": (b"hello", "application/pdf", DAMAGED),
    "half a PDF": (b"%PDF-1.4\n1 0 obj", "application/pdf", DAMAGED),
    "half a document": (files.docx(["a"])[:-40], WORD, DAMAGED),
    "half an XML": (files.docx(["a"], prologue="<"), WORD, DAMAGED),
    "half a workbook": (
        files.zipped({"[Content_Types].xml": "", "xl/workbook.xml": "<a"}), WORKBOOK, DAMAGED,
    ),
    "external entities": (
        files.docx(["&e;"], prologue='<!DOCTYPE w [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
        WORD, DAMAGED,
    ),
    "nested entities": (
        files.docx(["&b;"], prologue='<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'),
        WORD, DAMAGED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_unreadable_documents_are_refused_in_a_sentence(extract: Extract, name: str) -> None:
    content, content_type, reason = REFUSED[name]
    assert await refusal(extract(content, content_type)) == reason


async def test_encrypted_archive_entry_is_refused(extract: Extract) -> None:
    content = bytearray(files.docx(["a"]))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert await refusal(extract(bytes(content), WORD)) == ENCRYPTED


# ---- limits


def highly_compressed() -> bytes:
    workbook = io.BytesIO(files.xlsx({"A": [["a"]]}))
    with zipfile.ZipFile(workbook, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/a.xml", bytes(20 * MB))
    return workbook.getvalue()


def with_empty_entries(count: int) -> bytes:
    """An archive whose directory lists this many empty entries."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 16)
    size = len(entry) * count
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, size, 4, 0)
    return b"PK\x03\x04" + entry * count + end


def with_declared_size(archive: bytes, size: int) -> bytes:
    """Change the size that the archive declares for its last entry."""
    changed = bytearray(archive)
    struct.pack_into("<I", changed, archive.rindex(b"PK\x01\x02") + 24, size)
    return bytes(changed)


BOMBS = {
    "high compression": highly_compressed(),
    "high compression in OpenDocument": files.zipped(
        {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": bytes(20 * MB)}
    ),
    "high compression in EPUB": files.zipped(
        {"mimetype": "application/epub+zip", "1.xhtml": bytes(20 * MB)}
    ),
    "large directory": with_empty_entries(50_000),
    "many entries": with_empty_entries(20_000),
    "large entry": with_declared_size(files.docx(["a" * 999]), 101 * MB),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_archive_bomb_is_refused_before_a_process_starts(
    extract: Extract, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sandbox, "run")
    assert await refusal(extract(BOMBS[name], WORKBOOK)) == TOO_LARGE


async def test_entry_larger_than_its_declared_size_is_refused(extract: Extract) -> None:
    content = with_declared_size(files.docx(["some words"] * 9999), 100)
    assert await refusal(extract(content, WORD)) == DAMAGED


async def test_file_size_limit(extract: Extract) -> None:
    content = b"a" * (MB + 1)
    assert await refusal(extract(content, "text/plain", max_file_bytes=MB)) == TOO_LARGE


async def test_text_size_limit(extract: Extract) -> None:
    text = "a" * 1000
    assert await extract(text.encode(), "text/plain", max_text_bytes=1000) == text
    too_long = f"{text}a".encode()
    assert await refusal(extract(too_long, "text/plain", max_text_bytes=1000)) == TOO_LARGE


async def test_memory_limit(extract: Extract) -> None:
    content = b"a" * (49 * MB) + "😀".encode()
    reading = extract(content, "text/plain", max_memory=256 * MB, max_text_bytes=50 * MB)
    assert await refusal(reading) == TOO_LARGE


async def test_time_limit(extract: Extract) -> None:
    # Less than the start of a reader takes.
    assert await refusal(extract(b"<p>a</p>", "text/html", time_limit=0.001)) == TIMEOUT


async def test_deeply_nested_html_is_read(extract: Extract) -> None:
    assert await extract(b"<div>" * 50_000 + b"deep", "text/html") == "deep"


@pytest.mark.parametrize("name", ["pdf", "docx", "xlsx"])
async def test_minimum_of_the_memory_setting_is_sufficient(extract: Extract, name: str) -> None:
    content, content_type, text = SUPPORTED[name]
    assert await extract(content, content_type, max_memory=256 * MB) == text


async def test_many_pages(extract: Extract) -> None:
    text = await extract(files.pdf([f"Page {n}", "Words."] for n in range(500)))
    assert text.startswith("Page 0\nWords.\n\nPage 1\n")
    assert text.endswith("Page 499\nWords.")


async def test_killed_process_is_a_retryable_error(
    extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_process = asyncio.create_subprocess_exec

    async def create_and_kill(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await create_process(*command, **options)
        os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", create_and_kill)
    with pytest.raises(Unavailable):
        await extract(b"text", "text/plain")


def test_limits_come_from_the_settings() -> None:
    configured = TextExtractor.from_settings(
        settings.load_settings(
            {
                "DATABASE_URL": "postgresql://h/d",
                "REDIS_URL": "redis://h",
                "BLOB_URL": "file:///b",
                "GATEWAY_EXTRACTION_TIME_LIMIT": "7",
                "GATEWAY_DOCUMENT_MAX_BYTES": "5000",
            }
        )
    )
    assert configured == TextExtractor(
        time_limit=7.0, max_memory=2048 * MB, max_file_bytes=5000, max_text_bytes=5000
    )


# ---- text encodings


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
def test_encoding_is_detected(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


RUSSIAN = "Пришлите счёт ещё раз, пожалуйста. Экспорт отчётов идёт слишком долго."


@pytest.mark.parametrize(
    ("content", "content_type", "encoding"),
    [
        (RUSSIAN.encode("cp866"), "text/plain", "cp866"),
        (RUSSIAN.encode("cp866"), "text/plain; charset=ibm866", None),
        (RUSSIAN.encode(), "text/markdown", "utf-8"),
        (RUSSIAN.encode("utf-8-sig"), "text/plain", None),
        (b"ASCII\ncp1251 0.5\n", "text/plain", None),
        (f"<p>{RUSSIAN}".encode("koi8-r"), "text/html", "koi8_r"),
        (f'<meta charset="koi8-r"><p>{RUSSIAN}'.encode("koi8-r"), "text/html", None),
        (f"Subject: a\n\n{RUSSIAN}".encode("cp1251"), "message/rfc822", "cp1251"),
    ],
)
async def test_guessed_encoding_is_reported_with_its_confidence(
    tmp_path: Path, content: bytes, content_type: str, encoding: str | None
) -> None:
    path = tmp_path / "document"
    path.write_bytes(content)
    guess = (await extractor().extract(path, content_type)).guess
    assert (guess and guess.encoding) == encoding
    assert guess is None or 0.9 < guess.confidence < 1


def test_declared_encoding_is_used_if_it_is_plausible() -> None:
    assert decode("жук".encode("cp1251"), "windows-1251") == "жук"
    assert decode(b"\x93caf\xe9\x94", "iso-8859-1") == "“café”"
    assert decode("café".encode(), "iso-8859-1") == "café"
    assert decode("café".encode(), "shift_jis-nonsense") == "café"
    assert decode("café".encode(), "zlib") == "café"
    assert decode("café…".encode(), "ascii") == "café…"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\ufeff a\r\nb\rc\ud83d\ude00 \udcff\n\n", "a\nb\nc😀 \ufffd"),
        ("a\0b\x02c\x1b[1md\x7fe\x9ff\ufeffg\uffff", "abc[1mdefg"),
        ("tab\tpage\fline\vnext\x85end", "tab\tpage\nline\nnext\nend"),
        (
            "hy\xadphen, می\u200cخواهم, 👩\u200d💻, a\xa0b",
            "hyphen, می\u200cخواهم, 👩\u200d💻, a\xa0b",
        ),
    ],
)
def test_text_is_cleaned(text: str, clean: str) -> None:
    assert encode_clean(text) == clean.encode()


def test_html_page_declares_its_encoding() -> None:
    page = '<html><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>жук'
    assert read_html(page.encode("cp1251"), None) == "жук"


# ---- formats


def test_layout_tables_are_read_from_top_to_bottom() -> None:
    page = b"""<table><tr><td></td><td><p>Hello,</p><p>it is slow.</p>
    <table><tr><td>a</td><td>b</td></tr></table>Bye</td></tr></table>end
    <svg><title>x</title></svg>"""
    assert read_html(page, None) == "Hello,\n\nit is slow.\n\na | b\n\nBye\n\nend"


def test_malformed_headers_and_nested_messages() -> None:
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


def test_word_runs_tabs_breaks_and_deleted_text() -> None:
    paragraph = (
        '<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>Hel</w:t></w:r>'
        "<w:r><w:t>lo</w:t><w:tab/><w:t>there</w:t><w:br/><w:t>A&#38;B</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:p>"
    )
    content = files.repacked(
        files.docx(["x"]),
        "word/document.xml",
        lambda part: part.replace("<w:body>", "<w:body>" + paragraph),
    )
    assert read_word(content, None) == "Hello\tthere\nA&B\n\nx"


def test_slides_are_in_order_and_runs_are_joined() -> None:
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
