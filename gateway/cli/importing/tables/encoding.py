"""Detect the encoding of a table without loading it into memory."""

import codecs
from typing import Final, Protocol

from domains.kernel.untrusted.documents.charset import detect_encoding
from domains.kernel.untrusted.documents.reader_process import ReadError

_PIECE: Final = 256 * 1024
# Bytes of lines that are not UTF-8, from which another encoding is detected.
_SAMPLE: Final = 64 * 1024
# Lines in UTF-8 beyond ASCII after which no other encoding is looked for.
_ENOUGH: Final = 1000

_LABELS: Final = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp932": "Shift_JIS",
}
UNDECODABLE: Final = "\udcff"
ERRORS: Final = "gateway.importing"


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


# The error handler ERRORS decodes invalid bytes to UNDECODABLE, which no valid text contains.
codecs.register_error(ERRORS, _mark_undecodable)


def encoding_of(file: _Reader) -> str | None:
    """Read a file and return its encoding; None if it is not text.

    It is UTF-8 if at least half of the lines that are not ASCII are. The memory is bounded.
    """
    head = file.read(_PIECE)
    try:
        if head.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return _without_mark(detect_encoding(head[:4]).encoding)
        if head.count(0) > len(head) // 5:
            return _without_mark(detect_encoding(head[: len(head) & ~3]).encoding)
        if not (sample := _not_utf8(head, file)):
            return "utf-8-sig"
        # A line within the file may begin with the bytes of a byte order mark.
        found = _without_mark(detect_encoding(b"\n" + sample).encoding)
        return "utf-8-sig" if found.startswith(("utf-16", "utf-32")) else found
    except ReadError:
        return None


def label(encoding: str) -> str:
    """Name of an encoding for people."""
    name = _LABELS.get(encoding, encoding.upper().replace("_", "-"))
    return "UTF-16" if name.startswith("UTF-16") else name


def _without_mark(encoding: str) -> str:
    """Encoding that decodes a text without its byte order mark."""
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _not_utf8(head: bytes, file: _Reader) -> bytes:
    """Return lines that are not UTF-8; empty if the file is UTF-8."""
    sample = bytearray()
    valid = 0
    rest, piece = b"", head
    while piece and len(sample) < _SAMPLE and (sample or valid < _ENOUGH):
        block, _, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > _PIECE:
            block, rest = rest, b""
        if not block.isascii():
            valid += _collect(block, sample)
        piece = file.read(_PIECE)
    if not rest.isascii():
        valid += _collect(rest, sample)
    return bytes(sample) if sample.count(b"\n") > valid else b""


def _collect(block: bytes, sample: bytearray) -> int:
    """Add the lines that are not UTF-8 to a sample. Returns the number of valid ones."""
    if _is_utf8(block):
        return sum(not line.isascii() for line in block.split(b"\n"))
    valid = 0
    for line in block.split(b"\n"):
        if line.isascii():
            continue
        if _is_utf8(line):
            valid += 1
        elif len(sample) < _SAMPLE:
            sample += line[:_SAMPLE] + b"\n"
    return valid


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
