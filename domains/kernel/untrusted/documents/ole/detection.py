"""Kinds of documents in OLE files: Office formats from before 2007 and Outlook messages."""

import struct
from typing import BinaryIO, Final

from domains.kernel.untrusted.documents.errors import (
    DAMAGED,
    ENCRYPTED,
    UnreadableDocument,
    unsupported,
)
from domains.kernel.untrusted.documents.kinds import Kind

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

# Kinds by the names of streams in the root of the file.
_STREAMS: Final[dict[str, Kind]] = {
    "WordDocument": "old_word",
    "Workbook": "workbook",
    "Book": "workbook",
    "PowerPoint Document": "old_slides",
    "__properties_version1.0": "outlook",
}

# Sectors of the directory that are read. Each has 4 or 32 entries.
_MAX_DIRECTORY_SECTORS: Final = 4096
# Sectors that list more sectors of the allocation table. Each is for 7 MB of the file or more.
_MAX_TABLE_LISTS: Final = 256
_ENTRY_BYTES: Final = 128
# Sector numbers from this on mean that a chain or a tree ends.
_END: Final = 0xFFFF_FFFA


def kind_of_ole(file: BinaryIO) -> Kind:
    """Return the kind of document in an OLE file. Raises UnreadableDocument if not supported."""
    try:
        names = _root_names(file)
    except (struct.error, IndexError):
        raise UnreadableDocument(DAMAGED) from None
    if "EncryptedPackage" in names:
        raise UnreadableDocument(ENCRYPTED)
    for name, kind in _STREAMS.items():
        if name in names:
            return kind
    raise UnreadableDocument(unsupported("application/x-ole-storage"))


def _root_names(file: BinaryIO) -> set[str]:
    """Return the names in the root of the file; embedded documents have deeper ones."""
    directory = _directory(file)
    count = len(directory) // _ENTRY_BYTES
    names: set[str] = set()
    seen: set[int] = set()
    pending = list(struct.unpack_from("<I", directory, 76))
    while pending:
        entry = pending.pop()
        if entry >= count or entry in seen:
            continue
        seen.add(entry)
        start = entry * _ENTRY_BYTES
        (size,) = struct.unpack_from("<H", directory, start + 64)
        name = directory[start : start + max(min(size, 64) - 2, 0)]
        names.add(name.decode("utf-16-le", "replace"))
        pending.extend(struct.unpack_from("<2I", directory, start + 68))
    return names


def _directory(file: BinaryIO) -> bytes:
    """Return the directory: a chain of sectors, linked by the sectors of the allocation table."""
    file.seek(0)
    header = file.read(512)
    shift, first_list, first_sector = (
        struct.unpack_from("<H", header, 30)[0],
        struct.unpack_from("<I", header, 68)[0],
        struct.unpack_from("<I", header, 48)[0],
    )
    if shift not in (9, 12):
        raise UnreadableDocument(DAMAGED)
    size = 1 << shift

    def sector(number: int) -> bytes:
        file.seek((number + 1) * size)
        return file.read(size)

    # The sectors of the allocation table: the first are listed in the header, more in a chain.
    table = list(struct.unpack_from("<109I", header, 76))
    for _ in range(_MAX_TABLE_LISTS):
        if first_list >= _END:
            break
        *more, first_list = struct.unpack(f"<{size // 4}I", sector(first_list))
        table += more
    sectors: list[bytes] = []
    while first_sector < _END and len(sectors) < _MAX_DIRECTORY_SECTORS:
        sectors.append(sector(first_sector))
        at, position = divmod(first_sector, size // 4)
        (first_sector,) = struct.unpack_from("<I", sector(table[at]), 4 * position)
    return b"".join(sectors)
