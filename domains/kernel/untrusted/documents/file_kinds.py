"""Detection of the kind of a document by its content, declared type and file name.

Only magic bytes and the directory of an archive are read here. All else is read in a sandbox.
"""

import mmap
import re
import struct
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from domains.kernel.untrusted.documents.errors import (
    DAMAGED,
    ENCRYPTED,
    TOO_LARGE,
    UnreadableDocument,
    unsupported,
)

Kind = Literal["text", "html", "mail", "word", "slides", "pdf", "workbook"]

_HEAD_BYTES: Final = 2048
_UNKNOWN_TYPE: Final = "application/octet-stream"

# Magic bytes of files that are not supported.
_UNSUPPORTED: Final = (
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\x7fELF", _UNKNOWN_TYPE),
)
_RIFF_TYPES: Final = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}

# Names of streams in OLE files: encrypted Office documents, and formats from before 2007.
_OLE_STREAMS: Final = {
    "EncryptedPackage": ENCRYPTED,
    "WordDocument": unsupported("application/msword"),
    "Workbook": unsupported("application/vnd.ms-excel"),
    "PowerPoint Document": unsupported("application/vnd.ms-powerpoint"),
    "__substg1.0_": unsupported("application/vnd.ms-outlook"),
}

_CONTENT_TYPES: Final[dict[str, Kind]] = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "word",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "slides",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "workbook",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "message/rfc822": "mail",
}
_TEXT_TYPES: Final = frozenset(
    "application/" + subtype
    for subtype in ("json", "xml", "x-ndjson", "jsonl", "yaml", "x-yaml", "toml", "csv", "markdown")
)
# Declared by clients that do not know the type.
_GENERIC_TYPES: Final = frozenset({"", _UNKNOWN_TYPE, "binary/octet-stream"})
# Declared for content of several kinds.
_VAGUE_TYPES: Final = _GENERIC_TYPES | {"text/plain", "application/vnd.ms-excel"}
_VAGUE_SUFFIXES: Final = frozenset({"", ".txt", ".text", ".log", ".xls"})

_SUFFIXES: Final[dict[str, Kind]] = {
    ".pdf": "pdf",
    ".docx": "word",
    ".pptx": "slides",
    ".xlsx": "workbook",
    **dict.fromkeys((".htm", ".html", ".xhtml"), "html"),
    ".eml": "mail",
    **dict.fromkeys(
        (".txt", ".text", ".md", ".markdown", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml",
         ".yml", ".log", ".srt", ".vtt", ".rst"), "text",
    ),
}  # fmt: skip


def detect_kind(path: Path, content_type: str, filename: str | None) -> Kind:
    """Detect the kind of a file that is not empty. Raises UnreadableDocument if not supported.

    The declared type and the file name are used only if the content is inconclusive. Also refuses
    encrypted documents and archive bombs.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    suffix = PurePosixPath((filename or "").lower()).suffix
    kind = _kind_by_content(path, head) or _kind_by_name(media_type(content_type), suffix)
    if kind in ("html", "text") and re.match(rb"(?i)\s*(<!doctype html|<html)", head):
        return "html"
    # Some PDF files have other bytes before the magic bytes.
    is_damaged = (
        b"%PDF-" not in head
        if kind == "pdf"
        else kind in ("word", "slides", "workbook") and not head.startswith(b"PK\x03\x04")
    )
    if is_damaged:
        raise UnreadableDocument(DAMAGED)
    return kind


def declared_kind(content_type: str, filename: str | None) -> Kind | None:
    """Return the kind that the declared type promises, or else the one that the file name does.

    None if neither promises one: clients declare application/octet-stream and text/plain for
    content of any kind, and application/vnd.ms-excel for tables in HTML, CSV and XML.
    """
    declared = media_type(content_type)
    if declared in _CONTENT_TYPES:
        return _CONTENT_TYPES[declared]
    if declared not in _VAGUE_TYPES and _is_text_type(declared):
        return "text"
    suffix = PurePosixPath((filename or "").lower()).suffix
    return None if suffix in _VAGUE_SUFFIXES else _SUFFIXES.get(suffix)


def media_type(content_type: str) -> str:
    """Return the content type without parameters; a generic one if it is invalid."""
    bare = content_type.partition(";")[0].strip().lower()
    # Validated, because error messages contain it.
    is_valid = re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}", bare)
    return bare if is_valid else _UNKNOWN_TYPE


def _kind_by_content(path: Path, head: bytes) -> Kind | None:
    """Return the kind that the magic bytes show, or None if the file may be any kind of text."""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"%PDF-"):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_archive(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise UnreadableDocument(_ole_reason(path))
    if head[:4] == b"RIFF":
        raise UnreadableDocument(unsupported(_RIFF_TYPES.get(head[8:12], _UNKNOWN_TYPE)))
    if head[4:8] == b"ftyp":
        raise UnreadableDocument(unsupported("video/mp4"))
    for magic, name in _UNSUPPORTED:
        if head.startswith(magic):
            raise UnreadableDocument(unsupported(name))
    return None


def _kind_by_name(declared: str, suffix: str) -> Kind:
    """Return the kind of a file that may be text, by its declared type and file name."""
    kind = _SUFFIXES.get(suffix)
    if declared in _CONTENT_TYPES:
        return _CONTENT_TYPES[declared]
    # Mail and HTML are often declared as plain text.
    if declared == "text/plain" and kind in ("html", "mail"):
        return kind
    if _is_text_type(declared):
        if declared == "text/rtf":
            raise UnreadableDocument(unsupported(declared))
        return "text"
    if kind is None and declared not in _GENERIC_TYPES:
        raise UnreadableDocument(unsupported(declared))
    return kind or "text"


def _is_text_type(declared: str) -> bool:
    is_named = declared.startswith("text/") or declared in _TEXT_TYPES
    return is_named or declared.endswith(("+json", "+xml"))


def _ole_reason(path: Path) -> str:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name, reason in _OLE_STREAMS.items():
            if content.find(name.encode("utf-16-le")) >= 0:
                return reason
    return unsupported("application/x-ole-storage")


# ---- archives


# Limits of what an archive's directory declares. Documents have up to some thousand entries, and
# their text is compressed to a tenth or a twentieth.
_MAX_ENTRIES: Final = 10_000
_MAX_ENTRY_BYTES: Final = 100 * 1024 * 1024
_MAX_TOTAL_BYTES: Final = 200 * 1024 * 1024
_MAX_DIRECTORY_BYTES: Final = 2 * 1024 * 1024
# Compression ratio, and the size up to which any ratio is accepted.
_MAX_RATIO: Final = 200
_ANY_RATIO_BYTES: Final = 8 * 1024 * 1024

# The records at the end of an archive: comment, end record, ZIP64 locator and ZIP64 end record.
_END_RECORDS_BYTES: Final = 65_535 + 22 + 20 + 56

_FOLDERS: Final[tuple[tuple[str, Kind], ...]] = (
    ("word/", "word"),
    ("ppt/", "slides"),
    ("xl/", "workbook"),
)


def _kind_of_archive(path: Path) -> Kind:
    """Return the kind of Office document that an archive contains.

    Raises UnreadableDocument if it contains none, is encrypted or is an archive bomb.
    """
    _check_directory_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError):
        raise UnreadableDocument(DAMAGED) from None
    _check_entries(entries)
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names:
        for folder, kind in _FOLDERS:
            if any(name.startswith(folder) for name in names):
                return kind
    raise UnreadableDocument(unsupported(_archive_type(path, names)))


def _archive_type(path: Path, names: set[str]) -> str:
    """Return the media type of an archive. Some formats store it in their first entry."""
    if "mimetype" in names:
        with path.open("rb") as file:
            stored = re.search(rb"mimetype(application/[a-z0-9.+-]{1,80}?)PK", file.read(256))
        if stored:
            return stored[1].decode()
    return "application/zip"


def _check_directory_size(path: Path) -> None:
    """Raise UnreadableDocument if the directory is so large that listing it would take long."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_RECORDS_BYTES))
        tail = file.read()
    for signature, offset, number in ((b"PK\x05\x06", 12, "<I"), (b"PK\x06\x06", 40, "<Q")):
        for match in re.finditer(re.escape(signature), tail):
            start = match.start() + offset
            if start + struct.calcsize(number) > len(tail):
                continue
            (size,) = struct.unpack_from(number, tail, start)
            # All bits set: the size is in the ZIP64 record.
            if size != 0xFFFF_FFFF and size > _MAX_DIRECTORY_BYTES:
                raise UnreadableDocument(TOO_LARGE)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise UnreadableDocument(TOO_LARGE)
    if sum(entry.file_size for entry in entries) > _MAX_TOTAL_BYTES:
        raise UnreadableDocument(TOO_LARGE)
    for entry in entries:
        is_bomb = entry.file_size > max(_MAX_RATIO * entry.compress_size, _ANY_RATIO_BYTES)
        if is_bomb or entry.file_size > _MAX_ENTRY_BYTES:
            raise UnreadableDocument(TOO_LARGE)
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableDocument(ENCRYPTED)
