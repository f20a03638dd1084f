"""Kinds of Office documents in ZIP archives, and the limits that an archive must respect."""

import re
import struct
import zipfile
import zlib
from typing import BinaryIO, Final

from domains.kernel.untrusted.documents.errors import (
    ARCHIVE,
    DAMAGED,
    ENCRYPTED,
    TOO_LARGE,
    UnreadableDocument,
    unsupported,
)
from domains.kernel.untrusted.documents.kinds import Kind

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

_DAMAGES: Final = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError)
_MAX_TYPE_BYTES: Final = 100

_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument."
# Kinds by the media type that an archive stores in its entry `mimetype`.
_STORED_TYPES: Final[dict[str, Kind]] = {
    _OPEN_DOCUMENT + "text": "open_document",
    _OPEN_DOCUMENT + "text-template": "open_document",
    _OPEN_DOCUMENT + "text-master": "open_document",
    _OPEN_DOCUMENT + "text-web": "open_document",
    _OPEN_DOCUMENT + "presentation": "open_document",
    _OPEN_DOCUMENT + "presentation-template": "open_document",
    _OPEN_DOCUMENT + "graphics": "open_document",
    _OPEN_DOCUMENT + "graphics-template": "open_document",
    _OPEN_DOCUMENT + "spreadsheet": "workbook",
    _OPEN_DOCUMENT + "spreadsheet-template": "workbook",
    "application/epub+zip": "book",
}


def kind_of_archive(file: BinaryIO) -> Kind:
    """Return the kind of document that an archive contains.

    Raises UnreadableDocument if it contains none, is encrypted or is an archive bomb.
    """
    _check_directory_size(file)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            stored = _stored_type(archive)
    except (ValueError, *_DAMAGES):
        raise UnreadableDocument(DAMAGED) from None
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names:
        for folder, kind in _FOLDERS:
            if any(name.startswith(folder) for name in names):
                return kind
    if stored in _STORED_TYPES:
        return _STORED_TYPES[stored]
    if "META-INF/container.xml" in names:
        return "book"
    raise UnreadableDocument(unsupported(stored) if stored else ARCHIVE)


def _stored_type(archive: zipfile.ZipFile) -> str:
    """Return the media type that an archive stores in its entry `mimetype`, if any."""
    try:
        entry = archive.getinfo("mimetype")
        # Other methods can allocate gigabytes for their window, here in the parent process.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return ""
        with archive.open(entry) as file:
            stored = file.read(_MAX_TYPE_BYTES).strip()
    except (KeyError, OSError, EOFError, RuntimeError, ValueError, *_DAMAGES):
        return ""
    # Validated, because error messages contain it.
    valid = re.fullmatch(rb"application/[a-z0-9.+-]{1,80}", stored)
    return valid[0].decode() if valid else ""


def _check_directory_size(file: BinaryIO) -> None:
    """Raise UnreadableDocument if the directory is so large that listing it would take long."""
    file.seek(max(0, file.seek(0, 2) - _END_RECORDS_BYTES))
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
