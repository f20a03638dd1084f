"""Detection of the kind of a document by its content, declared type and file name.

Only magic bytes and the directory of an archive are read here. All else is read in a sandbox.
"""

import re
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from domains.kernel.untrusted.documents.errors import (
    ARCHIVE,
    DAMAGED,
    UnreadableDocument,
    unsupported,
)
from domains.kernel.untrusted.documents.kinds import (
    GENERIC_TYPES,
    MEDIA_TYPES,
    OLD_OFFICE_SUFFIXES,
    OLD_OFFICE_TYPES,
    SUFFIXES,
    TEXT_TYPES,
    UNKNOWN_TYPE,
    Kind,
)
from domains.kernel.untrusted.documents.office import archives
from domains.kernel.untrusted.documents.ole import detection

_HEAD_BYTES: Final = 2048
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
# PDF programs accept other bytes before the magic bytes, up to this position.
_PDF_OFFSET: Final = 1024

# Magic bytes of files that are not supported.
_UNSUPPORTED: Final = (
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%!PS", "application/postscript"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\x7fELF", UNKNOWN_TYPE),
)
_ARCHIVES: Final = (
    b"\x1f\x8b",  # gzip
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",  # zstd
)
# The name of the format at this position of a tar archive.
_TAR: Final = (257, b"ustar")
_RIFF_TYPES: Final = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}

# Kinds that have magic bytes. A file without them is damaged or of another type.
_BINARY_KINDS: Final[frozenset[Kind]] = frozenset(
    {"pdf", "word", "slides", "workbook", "open_document", "book", "outlook", "old_word",
     "old_slides"}
)  # fmt: skip

# Clear beginnings of texts, by kind. All are matched after a byte order mark and white space.
_TEXT_BEGINNINGS: Final[tuple[tuple[re.Pattern[bytes], Kind], ...]] = (
    (re.compile(rb"\{\\rtf"), "rich_text"),
    (
        re.compile(
            rb"(?i)(<\?xml[^>]*>\s*)?(<!--([^-]|-(?!->))*-->\s*){0,5}(<!doctype\s+html|<html)\b"
        ),
        "html",
    ),
    (re.compile(rb"BEGIN:VCALENDAR\s"), "calendar"),
    (
        re.compile(
            rb"(<\?xml[^>]*>\s*)?(<\?mso-application[^>]*>\s*)?<[\w:]*Workbook\s[^>]*"
            rb"urn:schemas-microsoft-com:office:spreadsheet"
        ),
        "xml_workbook",
    ),
    (
        re.compile(
            rb"(<\?xml[^>]*>\s*)?(<\?mso-application[^>]*>\s*)?<(w:wordDocument|pkg:package)\s"
        ),
        "word_xml",
    ),
    (re.compile(rb"(<\?xml[^>]*>\s*)?<office:document\s"), "open_document"),
)
# Beginnings of what Word and Excel open as well, from files that are declared as theirs.
_OFFICE_BEGINNINGS: Final[tuple[tuple[re.Pattern[bytes], Kind], ...]] = (
    (
        re.compile(
            rb"(?i)(<\?xml[^>]*>\s*)?(<!--|<!doctype|<(html|head|body|meta|style|title|table|div|p|"
            rb"h[1-6]|center|font|span|b)[\s>])"
        ),
        "html",
    ),
    (re.compile(rb"(?i)([\w-]+:[^\n]*\n([ \t][^\n]*\n)*){0,20}?mime-version:\s*1"), "mail"),
)


def detect_kind(path: Path, content_type: str, filename: str | None) -> Kind:
    """Detect the kind of a file that is not empty. Raises UnreadableDocument if not supported.

    The declared type and the file name are used only if the content is inconclusive. Also refuses
    encrypted documents and archive bombs.
    """
    with path.open("rb") as file:
        return detect_open_file(file, content_type, filename)


def detect_open_file(file: BinaryIO, content_type: str, filename: str | None) -> Kind:
    """Detect the kind of an open file, as `detect_kind` does. Moves the file's position."""
    head = file.read(_HEAD_BYTES)
    declared, suffix = media_type(content_type), _suffix(filename)
    kind = _kind_by_magic(file, head) or _kind_of_text(head, declared, suffix)
    if kind:
        return kind
    kind = _kind_by_name(declared, suffix)
    if kind in _BINARY_KINDS:
        raise UnreadableDocument(DAMAGED)
    return kind


def declared_kind(content_type: str, filename: str | None) -> Kind | None:
    """Return the kind that the declared type promises, or else the one that the file name does.

    None if neither promises one: clients declare application/octet-stream and text/plain for
    content of any kind, and application/vnd.ms-excel for tables in HTML, CSV and XML.
    """
    declared = media_type(content_type)
    if declared in MEDIA_TYPES:
        return MEDIA_TYPES[declared]
    if declared != "text/plain" and _is_text_type(declared):
        return "text"
    suffix = _suffix(filename)
    return None if suffix in _VAGUE_SUFFIXES else SUFFIXES.get(suffix)


def declared_filename(content_type: str, filename: str | None) -> str | None:
    """Return the file name, or one with the suffix that a content type such as `pdf` names."""
    suffix = f".{content_type.strip().lower().removeprefix('.')}"
    return f"document{suffix}" if suffix in SUFFIXES else filename


def is_specific(content_type: str) -> bool:
    """True if a declared type says more than that the file is a file or a text."""
    return media_type(content_type) not in {*GENERIC_TYPES, "text/plain"}


_VAGUE_SUFFIXES: Final = frozenset({".txt", ".text", ".log", *OLD_OFFICE_SUFFIXES})


def media_type(content_type: str) -> str:
    """Return the content type without parameters; a generic one if it is invalid."""
    bare = content_type.partition(";")[0].strip().lower()
    # Validated, because error messages contain it.
    is_valid = re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}", bare)
    return bare if is_valid else UNKNOWN_TYPE


def charset_parameter(content_type: str) -> str | None:
    """Return the charset that a content type declares, if any."""
    charset = re.search(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", content_type, re.IGNORECASE)
    return charset[1] if charset else None


def _suffix(filename: str | None) -> str:
    return PurePosixPath((filename or "").lower()).suffix


def _kind_by_magic(file: BinaryIO, head: bytes) -> Kind | None:
    """Return the kind that the magic bytes show, or None if the file may be any kind of text."""
    if _is_pdf(head):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return archives.kind_of_archive(file)
    if head.startswith(detection.MAGIC):
        return detection.kind_of_ole(file)
    if head.startswith(_ARCHIVES) or head[_TAR[0] :].startswith(_TAR[1]):
        raise UnreadableDocument(ARCHIVE)
    if head[:4] == b"RIFF":
        raise UnreadableDocument(unsupported(_RIFF_TYPES.get(head[8:12], UNKNOWN_TYPE)))
    if head[4:8] == b"ftyp":
        raise UnreadableDocument(unsupported("video/mp4"))
    for magic, name in _UNSUPPORTED:
        if head.startswith(magic):
            raise UnreadableDocument(unsupported(name))
    return None


def _is_pdf(head: bytes) -> bool:
    """True for a PDF, also with other bytes before it. False for a text about PDF files."""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"%PDF-"):
        return True
    at = head.find(b"%PDF-", 0, _PDF_OFFSET + 5)
    return at >= 0 and re.search(rb"[\r\n]\d+ \d+ obj\b|[\r\n]%[\x80-\xff]", head[at:]) is not None


def _kind_of_text(head: bytes, declared: str, suffix: str) -> Kind | None:
    """Return the kind that the beginning of a text shows, whatever the file is declared as."""
    if head.startswith(_UTF_16_MARKS):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode("utf-8", "replace")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, kind in _TEXT_BEGINNINGS:
        if pattern.match(start):
            return kind
    is_office = declared in OLD_OFFICE_TYPES or (
        declared in GENERIC_TYPES and suffix in OLD_OFFICE_SUFFIXES
    )
    if not is_office:
        return None
    for pattern, kind in _OFFICE_BEGINNINGS:
        if pattern.match(start):
            return kind
    return None if b"\0" in head else "text"


def _kind_by_name(declared: str, suffix: str) -> Kind:
    """Return the kind of a file that may be text, by its declared type and file name."""
    kind = SUFFIXES.get(suffix)
    if declared in MEDIA_TYPES:
        return MEDIA_TYPES[declared]
    # Mail and HTML are often declared as plain text.
    if declared == "text/plain" and kind in ("html", "mail", "calendar"):
        return kind
    if _is_text_type(declared):
        return "text"
    if declared in OLD_OFFICE_TYPES:
        return OLD_OFFICE_TYPES[declared]
    if kind is None and declared not in GENERIC_TYPES:
        raise UnreadableDocument(unsupported(declared))
    return kind or "text"


def _is_text_type(declared: str) -> bool:
    is_named = declared.startswith("text/") or declared in TEXT_TYPES
    return is_named or declared.endswith(("+json", "+xml"))
