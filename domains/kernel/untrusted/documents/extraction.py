"""The text of a document that a stranger made: read in a sandbox, or refused in a sentence."""

import asyncio
import mmap
import re
import struct
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
import structlog

from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.untrusted import sandbox
from domains.kernel.untrusted.documents import document_readers

log = structlog.get_logger()

_BROKEN: Final = "This file is damaged, or is not of the type that it is said to be."
_ENCRYPTED: Final = "This document is protected by a password."
_EMPTY: Final = "This file is empty."
_NO_TEXT: Final = "There is no text in this document."
_SCAN: Final = "There is no text in this document; it may be a scan."
_TOO_LARGE: Final = "This document is too large to be read."
_TOO_LONG: Final = "It took too long to read this document."


class Unreadable(Exception):
    """There is no text to be had from this file, now or later; `reason` is for its sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """Reads documents within these limits. Durations in seconds, sizes in bytes."""

    time_limit: float
    memory: int
    """Of the process that reads."""
    largest: int
    """The largest file that is read."""
    largest_text: int
    """The longest text that is taken, as UTF-8."""

    @classmethod
    def of(cls, settings: Settings) -> "Extraction":
        """As the operator has set it; no text may be larger than a document may be."""
        return cls(
            time_limit=settings.extraction_time_limit,
            memory=settings.extraction_memory,
            largest=settings.document_max_bytes,
            largest_text=settings.document_max_bytes,
        )

    async def text_of(self, path: Path, content_type: str, filename: str | None = None) -> str:
        """The text of a file; `content_type` and `filename` count where its content says nothing.

        PDF, DOCX, PPTX, XLSX, HTML, EML, and what is text. Lines end in a line feed; it is not
        empty, has no NUL, and neither begins nor ends with white space.

        Unreadable for good; Unavailable when the reading was ended from outside, or could not
        begin; OSError when the file cannot be opened or there is no room for temporary ones.
        """
        kind, charset = await asyncio.to_thread(_examined, path, content_type, filename, self)
        try:
            done = await self._read(path, kind, charset)
        except sandbox.TookTooLong:
            raise Unreadable(_TOO_LONG) from None
        except sandbox.TookTooMuch as failure:
            log.info("extraction_exceeded", kind=kind, limit=str(failure))
            raise Unreadable(_TOO_LARGE) from None
        except sandbox.Died as failure:
            log.warning("extraction_died", kind=kind, signal=failure.by, errors=failure.errors)
            if failure.crashed:
                raise Unreadable(_BROKEN) from None
            raise Unavailable("The reading of a document was ended. Try again later.") from None
        if done.returncode != 0:
            raise _failed(done, kind, content_type)
        if not done.output:
            raise Unreadable(_SCAN if kind == "pdf" else _NO_TEXT)
        return done.output.decode()

    async def _read(self, path: Path, kind: str, charset: str) -> sandbox.Completed:
        command = [
            sys.executable,
            "-P",
            "-m",
            _MODULES.get(kind, "domains.kernel.untrusted.documents.document_readers"),
            kind,
        ]
        with tempfile.TemporaryDirectory(prefix="extraction-") as folder:
            return await sandbox.run(
                [*command, charset] if charset else command,
                sandbox.Limits(
                    time=self.time_limit,
                    memory=self.memory,
                    output=self.largest_text,
                    written=_WRITTEN,
                ),
                stdin=path,
                cwd=Path(folder),
                environment=_FEW_THREADS,
            )


# The library for PDF unpacks itself into the temporary directory. It is a new one each time: what
# is loaded from one that others share could be theirs.
_WRITTEN: Final = 64 * 1024 * 1024

# What needs more than the standard library.
_MODULES: Final = {
    "pdf": "domains.kernel.untrusted.documents.native_readers",
    "workbook": "domains.kernel.untrusted.documents.native_readers",
}

# Each thread reserves address space, of which there is a limit.
_FEW_THREADS: Final = {
    "MALLOC_ARENA_MAX": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def _failed(done: sandbox.Completed, kind: str, content_type: str) -> Exception:
    reasons = {
        document_readers.BROKEN: _BROKEN,
        document_readers.ENCRYPTED: _ENCRYPTED,
        document_readers.NO_MEMORY: _TOO_LARGE,
        document_readers.NOT_TEXT: _unsupported(_essence(content_type)),
    }
    reason = reasons.get(done.returncode)
    log.info("extraction_failed", kind=kind, code=done.returncode, errors=done.errors)
    if reason is None:
        # The file has no part in it: the reader did not get to begin.
        return Unavailable("Documents cannot be read just now. Try again later.")
    return Unreadable(reason)


# Which type


# How files begin that are not read.
_OTHERS: Final = (
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
    (b"\x7fELF", "application/octet-stream"),
)

_DECLARED: Final = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "word",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "slides",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "workbook",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "message/rfc822": "mail",
}
_TEXTS: Final = frozenset(
    "application/" + each
    for each in ("json", "xml", "x-ndjson", "jsonl", "yaml", "x-yaml", "toml", "csv", "markdown")
)
_SUFFIXES: Final = {
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

# Types that say nothing.
_UNKNOWN: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_PACKAGES: Final = frozenset({"pdf", "word", "slides", "workbook"})


def _examined(
    path: Path, content_type: str, filename: str | None, limits: Extraction
) -> tuple[str, str]:
    """How to read a file, and the encoding that it is said to have; Unreadable if not at all."""
    size = path.stat().st_size
    if size == 0:
        raise Unreadable(_EMPTY)
    if size > limits.largest:
        raise Unreadable(_TOO_LARGE)
    with path.open("rb") as file:
        head = file.read(2048)
    essence = _essence(content_type)
    suffix = PurePosixPath((filename or "").lower()).suffix
    charset = re.search(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", content_type, re.IGNORECASE)
    kind = _by_content(path, head) or _by_name(essence, suffix)
    if kind in ("html", "text") and re.match(rb"(?i)\s*(<!doctype html|<html)", head):
        kind = "html"
    if kind in _PACKAGES and not _begins_as(kind, head):
        raise Unreadable(_BROKEN)
    return kind, charset[1] if charset else ""


def _begins_as(kind: str, head: bytes) -> bool:
    # Some PDFs have something before.
    return b"%PDF-" in head if kind == "pdf" else head.startswith(b"PK\x03\x04")


def _by_content(path: Path, head: bytes) -> str | None:
    """The kind that the content proves; None when it may be text of any sort."""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"%PDF-"):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _package(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise Unreadable(_old_office(path))
    if head[:4] == b"RIFF":
        of = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
        raise Unreadable(_unsupported(of.get(head[8:12], "application/octet-stream")))
    if head[4:8] == b"ftyp":
        raise Unreadable(_unsupported("video/mp4"))
    for begin, name in _OTHERS:
        if head.startswith(begin):
            raise Unreadable(_unsupported(name))
    return None


def _by_name(essence: str, suffix: str) -> str:
    """The kind of what may be text, by what it is called."""
    known = _SUFFIXES.get(suffix)
    if essence in _DECLARED:
        return _DECLARED[essence]
    # Mail and pages are often sent as plain text.
    if essence == "text/plain" and known in ("html", "mail"):
        return known
    if essence.startswith("text/") or essence in _TEXTS or essence.endswith(("+json", "+xml")):
        if essence == "text/rtf":
            raise Unreadable(_unsupported(essence))
        return "text"
    if known is None and essence not in _UNKNOWN:
        raise Unreadable(_unsupported(essence))
    return known or "text"


def _essence(content_type: str) -> str:
    essence = content_type.partition(";")[0].strip().lower()
    # It goes into a sentence.
    valid = re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}", essence)
    return essence if valid else "application/octet-stream"


def _unsupported(name: str) -> str:
    return f"Files of the type {name} cannot be read."


def _old_office(path: Path) -> str:
    """Why a compound file is not read: it is encrypted, or of before 2007."""
    streams = {
        "EncryptedPackage": _ENCRYPTED,
        "WordDocument": _unsupported("application/msword"),
        "Workbook": _unsupported("application/vnd.ms-excel"),
        "PowerPoint Document": _unsupported("application/vnd.ms-powerpoint"),
        "__substg1.0_": _unsupported("application/vnd.ms-outlook"),
    }
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name, reason in streams.items():
            if content.find(name.encode("utf-16-le")) >= 0:
                return reason
    return _unsupported("application/x-ole-storage")


# Archives


# What a directory may declare. A document has at most some thousand entries; its text is packed to
# a tenth or a twentieth.
_MOST_ENTRIES: Final = 10_000
_LARGEST_ENTRY: Final = 100 * 1024 * 1024
_LARGEST_TOTAL: Final = 200 * 1024 * 1024
_LARGEST_DIRECTORY: Final = 2 * 1024 * 1024
_RATIO: Final = 200
_RATIO_MATTERS: Final = 8 * 1024 * 1024

# How far from the end the record may begin that says where the directory is.
_TAIL: Final = 65_535 + 22 + 20 + 56

_MAIN_PARTS: Final = (
    ("word/", "word"),
    ("ppt/", "slides"),
    ("xl/", "workbook"),
)


def _package(path: Path) -> str:
    """Which Office document an archive is; Unreadable when it is none, encrypted or a bomb."""
    _check_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError):
        raise Unreadable(_BROKEN) from None
    _check_entries(entries)
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names:
        for folder, kind in _MAIN_PARTS:
            if any(name.startswith(folder) for name in names):
                return kind
    raise Unreadable(_unsupported(_archive(path, names)))


def _archive(path: Path, names: set[str]) -> str:
    """The type of an archive that is no Office document: some have it in their first entry."""
    if "mimetype" in names:
        with path.open("rb") as file:
            found = re.search(rb"mimetype(application/[a-z0-9.+-]{1,80}?)PK", file.read(256))
        if found:
            return found[1].decode()
    return "application/zip"


def _check_directory(path: Path) -> None:
    """Unreadable when the directory itself is so large that listing it would be work."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    for mark, at, form in ((b"PK\x05\x06", 12, "<I"), (b"PK\x06\x06", 40, "<Q")):
        for found in re.finditer(re.escape(mark), tail):
            begin = found.start() + at
            if begin + struct.calcsize(form) > len(tail):
                continue
            (size,) = struct.unpack_from(form, tail, begin)
            # All ones: the larger form of the record has it.
            if size != 0xFFFF_FFFF and size > _LARGEST_DIRECTORY:
                raise Unreadable(_TOO_LARGE)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_ENTRIES:
        raise Unreadable(_TOO_LARGE)
    if sum(entry.file_size for entry in entries) > _LARGEST_TOTAL:
        raise Unreadable(_TOO_LARGE)
    for entry in entries:
        packed_well = entry.file_size > _RATIO * entry.compress_size
        if entry.file_size > _LARGEST_ENTRY or (packed_well and entry.file_size > _RATIO_MATTERS):
            raise Unreadable(_TOO_LARGE)
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable(_ENCRYPTED)
