"""Web pages that servers send with status 200 instead of a file: sign-in and error pages."""

import mmap
import re
from pathlib import Path, PurePosixPath
from typing import Final

from domains.kernel.untrusted.documents import errors
from domains.kernel.untrusted.documents.errors import UnreadableDocument
from domains.kernel.untrusted.documents.file_kinds import (
    declared_kind,
    detect_kind,
    media_type,
)
from domains.kernel.untrusted.documents.kinds import SUFFIXES, Kind

_HEAD_BYTES: Final = 4096
# Characters of the text of a sign-in page, at most.
_SIGN_IN_LENGTH: Final = 2000

_BEGINNING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--(?:[^-]|-(?!->)){0,1000}-->\s*){0,5}"
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script)[\s>]",
    re.IGNORECASE,
)
_PASSWORD_FIELD: Final = re.compile(
    rb"""\btype\s{0,5}=\s{0,5}["']?password["'\s/>]""", re.IGNORECASE
)

_NOUNS: Final[dict[Kind, str]] = {
    "pdf": "a PDF",
    "word": "a Word document",
    "slides": "a presentation",
    "workbook": "a spreadsheet",
    "open_document": "an OpenDocument file",
    "book": "an e-book",
    "rich_text": "an RTF file",
    "outlook": "an Outlook message",
    "mail": "an e-mail",
    "calendar": "a calendar",
    "text": "a text file",
}


def is_web_page(head: bytes) -> bool:
    """True if a file begins like an HTML page. `head` is its beginning."""
    return _BEGINNING.match(head) is not None


def refuse_unexpected_page(path: Path, content_type: str, filename: str | None) -> None:
    """Raise UnreadableDocument if a web page came for another kind of file.

    `content_type` and `filename` are those that the sender declared. If they promise no kind, any
    page is accepted.
    """
    promised = declared_kind(content_type, filename)
    # XHTML is XML.
    is_xml = media_type(content_type).endswith(("/xml", "+xml")) or _suffix(filename) == ".xml"
    if promised in (None, "html") or is_xml:
        return
    try:
        is_page = detect_kind(path, content_type, filename) == "html"
    except UnreadableDocument:
        with path.open("rb") as file:
            is_page = is_web_page(file.read(_HEAD_BYTES))
    if is_page:
        raise UnreadableDocument(
            errors.web_page_instead_of(_NOUNS.get(promised, "the declared file"))
        )


def refuse_sign_in_page(path: Path, content_type: str, url_filename: str, text: str) -> None:
    """Raise UnreadableDocument for a sign-in page whose URL has the file name of another kind.

    `text` is the text of the page. A sign-in page has a password field and hardly any text. It is
    accepted if the sender declared HTML in `content_type`.
    """
    is_page_promised = SUFFIXES.get(_suffix(url_filename), "html") == "html"
    if is_page_promised or declared_kind(content_type, None) == "html":
        return
    if len(text) > _SIGN_IN_LENGTH:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if is_web_page(content[:_HEAD_BYTES]) and _PASSWORD_FIELD.search(content):
            raise UnreadableDocument(errors.SIGN_IN_PAGE)


def _suffix(filename: str | None) -> str:
    return PurePosixPath((filename or "").lower()).suffix
