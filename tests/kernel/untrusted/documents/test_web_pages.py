"""Web pages that come instead of a file."""

from pathlib import Path

import pytest

from domains.kernel.untrusted.documents.errors import UnreadableDocument
from domains.kernel.untrusted.documents.web_pages import (
    is_web_page,
    refuse_sign_in_page,
    refuse_unexpected_page,
)
from tests.fakes.files import pdf

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PAGE = b"<!DOCTYPE html>\n<html><body><h1>Welcome back</h1></body></html>"
SIGN_IN = (
    b"\xef\xbb\xbf\n<!-- portal --><html><form>E-mail <input name=mail>"
    b"<INPUT name=\"p\" TYPE = 'password'></form></html>"
)


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "original"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content_type", "filename", "noun"),
    [
        ("application/pdf", None, "a PDF"),
        ("application/pdf; charset=binary", "page.html", "a PDF"),
        (WORD, None, "a Word document"),
        ("application/octet-stream", "Plan.PDF", "a PDF"),
        ("text/plain", "plan.xlsx", "a spreadsheet"),
        ("text/csv", None, "a text file"),
        ("application/json", None, "a text file"),
    ],
)
def test_a_page_is_refused_where_another_kind_was_declared(
    tmp_path: Path, content_type: str, filename: str | None, noun: str
) -> None:
    with pytest.raises(UnreadableDocument, match=f"A web page came instead of {noun}\\."):
        refuse_unexpected_page(_file(tmp_path, PAGE), content_type, filename)


@pytest.mark.parametrize(
    ("content_type", "filename"),
    [
        ("text/html", "plan.pdf"),
        ("text/plain", None),
        ("text/plain", "notes.txt"),
        ("application/octet-stream", None),
        ("application/octet-stream", "page.xml"),
        ("application/xhtml+xml", None),
        ("text/xml", None),
        # Tables in HTML are common under these.
        ("application/vnd.ms-excel", "export.xls"),
    ],
)
def test_a_page_is_accepted_where_no_other_kind_was_declared(
    tmp_path: Path, content_type: str, filename: str | None
) -> None:
    refuse_unexpected_page(_file(tmp_path, PAGE), content_type, filename)


@pytest.mark.parametrize(
    "content", [pdf([["The plan"]]), b"Plain text", b"a,b\n<html>,2", b"%PDF-1.4 broken", b"PK"]
)
def test_other_files_pass(tmp_path: Path, content: bytes) -> None:
    path = _file(tmp_path, content)
    for content_type in ("application/pdf", "text/csv", WORD):
        refuse_unexpected_page(path, content_type, None)
    refuse_sign_in_page(path, "text/plain", "plan.pdf", "password")


def test_a_sign_in_page_is_refused_for_the_url_of_a_file(tmp_path: Path) -> None:
    path = _file(tmp_path, SIGN_IN)
    for filename in ("plan.pdf", "plan.DOCX", "export.csv", "export.xls"):
        with pytest.raises(UnreadableDocument, match="A sign-in page came"):
            refuse_sign_in_page(path, "text/plain", filename, "E-mail")
    for name in ("", "login", "login.html", "login.php"):
        refuse_sign_in_page(path, "text/plain", name, "E-mail")
    refuse_sign_in_page(path, "text/html", "plan.pdf", "E-mail")
    # A page with much text is more than a form.
    refuse_sign_in_page(path, "text/plain", "plan.pdf", "word " * 1000)
    refuse_sign_in_page(_file(tmp_path, PAGE), "text/plain", "plan.pdf", "Welcome back")


@pytest.mark.parametrize(
    "beginning", [b"<!--", b"<!--x--> " * 500, b"<!-- " * 800, b" " * 4000, b"<?xml " + b"x" * 4000]
)
def test_hostile_beginnings_are_no_pages(beginning: bytes) -> None:
    assert not is_web_page(beginning[:4096])
