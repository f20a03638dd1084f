"""Text of mails: attached files and their limits, versions, wrapped lines, encodings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.untrusted.documents import attachments
from domains.kernel.untrusted.documents.attachments import Attachments, attachment_limits
from domains.kernel.untrusted.documents.extraction import TextExtractor
from domains.kernel.untrusted.documents.mail_reader import read_mail
from tests.fakes import files

MB = 1024 * 1024


def mail(*parts: str | bytes, kind: str = "mixed", headers: str = "Subject: S") -> bytes:
    """A mail of these parts, each with its own headers."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    start = f"{headers}\nContent-Type: multipart/{kind}; boundary=B\n".encode()
    return start + b"".join(b"\n--B\n" + part for part in encoded) + b"\n--B--\n"


def text(content: bytes) -> str:
    return read_mail(content, None)


# ---- attached files


def test_texts_of_attached_files_follow_the_body_under_their_names() -> None:
    attached = {
        "notes.txt": "Größe: 5".encode("cp1252"),
        "prices.xlsx": files.xlsx({"Prices": [["Pro", 40]]}),
        "plan.pdf": files.pdf([["The plan"]]),
        "call.docx": files.docx(["We talked."]),
        "page.html": b"<p>A <b>page</b></p>",
        "data.json": b'{"name": "\\u00e9"}',
        "photo.jpg": b"\xff\xd8\xff\xe0",
        "broken.pdf": b"%PDF-1.4 nothing",
        "winmail.dat": b"\x78\x9f\x3e\x22" + bytes(40),
    }
    assert text(files.eml("See below.", attachments=attached, Subject="Files")) == (
        "Subject: Files\n\nSee below.\n\n"
        "Attachments: notes.txt, prices.xlsx, plan.pdf, call.docx, page.html, data.json, photo.jpg,"
        " broken.pdf, winmail.dat\n\n"
        "Attachment: notes.txt\n\nGröße: 5\n\n"
        "Attachment: prices.xlsx\n\nPrices\nPro | 40\n\n"
        "Attachment: plan.pdf\n\nThe plan\n\n"
        "Attachment: call.docx\n\nWe talked.\n\n"
        "Attachment: page.html\n\nA page\n\n"
        'Attachment: data.json\n\n{"name": "\\u00e9"}'
    )


def test_mails_attached_as_files_are_read_to_a_depth() -> None:
    content = files.eml("Level 0", attachments={"a.txt": b"deepest"})
    for level in range(1, 6):
        content = files.eml(f"Level {level}", attachments={"m.eml": content})
    found = text(content)
    assert [f"Level {level}" in found for level in range(6)] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]


def test_attached_message_in_base64_is_read() -> None:
    part = (
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        "U3ViamVjdDogSW5uZXIKCkhlbGxvIQ==\n"
    )
    assert text(mail(part)) == "Subject: S\n\nSubject: Inner\n\nHello!"


def test_only_some_files_and_some_text_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "_MAX_TEXT", 12)
    with attachment_limits():
        found = Attachments()
        for name in ("long", "first", "nested", "last"):
            found.add(name, "text/plain", (f"{name} text" + name * (name == "long") * 9).encode())
    assert found.sections() == [
        "Attachments: long, first, nested, last",
        "Attachment: first\n\nfirst text",
    ]
    many = text(mail(*("Content-Type: text/x-note; name=n\n\nword" for _ in range(60))))
    assert many.count("Attachment: n\n\nword") == 12 // len("word")
    monkeypatch.setattr(attachments, "_MAX_TEXT", MB)
    many = text(mail(*("Content-Type: text/x-note; name=n\n\nword" for _ in range(60))))
    assert many.count("Attachment: n\n\nword") == 50
    monkeypatch.setattr(attachments, "_MAX_SECONDS", -1.0)
    assert "Attachment:" not in text(files.eml("a", attachments={"a.txt": b"b"}))


async def test_attachment_beyond_a_limit_is_only_named(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(files.eml("Body", attachments={"big.txt": b"a" * 4000}))
    extractor = TextExtractor(
        time_limit=60, max_memory=1024 * MB, max_file_bytes=MB, max_text_bytes=1000
    )
    extracted = await extractor.extract(path, "message/rfc822")
    assert extracted.text == "Body\n\nAttachments: big.txt"


# ---- versions


PLAIN = "Content-Type: text/plain\n\nThe plain text."
HTML = "Content-Type: text/html\n\n<p>The text in HTML.</p>"
INVITATION = (
    "Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Review\nEND:VEVENT\n"
    "END:VCALENDAR\n"
)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([PLAIN, HTML, INVITATION], "The plain text."),
        ([HTML, PLAIN], "The text in HTML."),
        (["Content-Type: text/plain\n\n \n", HTML], "The text in HTML."),
        (["\nUse HTML.", HTML.replace("HTML", "HTML, " + "long " * 9)], "The text in HTML, long"),
        ([INVITATION], "Review"),
        ([PLAIN, "Content-Type: text/x-amp-html\n\n<p>amp", HTML], "The plain text."),
    ],
)
def test_one_version_of_a_text_is_read(parts: list[str], expected: str) -> None:
    found = text(mail(*parts, kind="alternative"))
    assert expected in found
    assert sum(words in found for words in ("plain", "HTML", "Review", "<p>amp")) == 1


def test_attachments_within_the_version_in_html_are_read() -> None:
    nested = (
        "Content-Type: multipart/mixed; boundary=C\n\n--C\n" + HTML + "\n--C\n"
        "Content-Type: application/octet-stream; name=a.txt\n"
        "Content-Disposition: attachment\n\nAttached\n--C--\n"
    )
    assert text(mail(PLAIN, nested, kind="alternative")) == (
        "Subject: S\n\nThe plain text.\n\nAttachments: a.txt\n\nAttachment: a.txt\n\nAttached"
    )


def test_part_that_is_no_text_is_only_named() -> None:
    binary = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nAAECAwQFBgcICQ==\n"
    assert text(mail(PLAIN, binary)) == "Subject: S\n\nThe plain text.\n\nAttachments: text/plain"


def test_mail_without_its_boundaries_is_read() -> None:
    content = b"Subject: S\nContent-Type: multipart/mixed; boundary=B\n\nStill here."
    assert text(content) == "Subject: S\n\nStill here."


# ---- wrapping and encodings


@pytest.mark.parametrize(
    ("parameters", "body", "expected"),
    [
        ("format=flowed", "one \ntwo\nthree", "one two\nthree"),
        ("format=Flowed; DelSp=Yes", "exp \nort", "export"),
        ("format=flowed", "> a \n> b\n>> c \nd", "> a b\n>> c \nd"),
        ("format=flowed", " >kept \n From\n-- \nname", ">kept From\n-- \nname"),
        ("charset=utf-8", "one \ntwo", "one \ntwo"),
    ],
)
def test_wrapped_lines_are_joined(parameters: str, body: str, expected: str) -> None:
    content = f"Subject: S\nContent-Type: text/plain; {parameters}\n\n{body}"
    assert text(content.encode()) == f"Subject: S\n\n{expected}"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "koi8-r"])
def test_headers_and_names_in_raw_bytes(encoding: str) -> None:
    part = (
        "Content-Type: application/octet-stream\n"
        'Content-Disposition: attachment; filename="Отчёт за год.txt"\n\nПришлите счёт ещё раз.'
    )
    content = mail(part.encode(encoding), headers="@").replace(
        b"@", "Subject: Счёт за июль и август".encode(encoding)
    )
    assert text(content) == (
        "Subject: Счёт за июль и август\n\nAttachments: Отчёт за год.txt\n\n"
        "Attachment: Отчёт за год.txt\n\nПришлите счёт ещё раз."
    )


def test_encoded_word_that_is_cut_within_a_character() -> None:
    content = b"Subject: =?utf-8?B?w6nD?=\n =?utf-8?B?qQ==?= =?gb2312?B?1ezpRg==?=\n\na"
    assert text(content).startswith("Subject: éé")


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: a" + b" " * 500_000 + b"b\n\nx",
        b"Subject: " + b"=?utf-8?Q?a?= " * 50_000 + b"\n\nx",
        b"Content-Type: text/plain; " + b"a;" * 300_000 + b"\n\nx",
        b"Content-Type: a/b; " + b"; ".join(b"name*%d=a" % n for n in range(50_000)) + b"\n\nx",
    ],
    ids=["spaces", "encoded words", "parameters", "parts of a name"],
)
def test_long_headers_take_linear_time(content: bytes) -> None:
    # Quadratic time would be minutes.
    assert text(content)


def test_wrapped_lines_take_linear_time() -> None:
    body = b"word " * 12 + b"\n"
    content = b"Content-Type: text/plain; format=flowed\n\n" + body * 30_000
    assert len(text(content)) == 61 * 30_000 - 30_000 - 1


PIECES = [
    "Subject: a", "Content-Type: text/plain; charset=utf-8; format=flowed", "--B", "--B--", "",
    "Content-Type: multipart/alternative; boundary=B", "Content-Type: message/rfc822",
    "Content-Transfer-Encoding: base64", "Content-Disposition: attachment; filename*=x'y'%ff",
    "=?utf-8?Q?=ff?=", "charset=\0", "Content-Type: text/html; charset*=nonsense'x'y", "é\udcff",
    "Content-Type: text/plain; charset*=\0'x'y", "Content-Type: a/b; name*=x; name*0=y",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.binary(max_size=20))
def test_malformed_mail_is_read(pieces: list[str], end: bytes) -> None:
    assert isinstance(text("\n".join(pieces).encode("utf-8", "surrogateescape") + end), str)


def test_files_of_a_saved_web_page_are_no_attachments() -> None:
    page = (
        b"Subject: Saved\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=B\n\n--B\n"
        b"Content-Type: text/html\nContent-Location: https://x.example/\n\n<p>Page</p>\n--B\n"
        b"Content-Type: text/css\nContent-Location: cid:css\n\np {}\n--B\n"
        b"Content-Type: image/png\nContent-Location: https://x.example/a.png\n\nx\n--B--\n"
    )
    assert read_mail(page, None) == "Subject: Saved\n\nPage"
