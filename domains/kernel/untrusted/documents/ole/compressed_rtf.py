"""Decompression of the RTF texts in Outlook messages."""

import struct
from typing import Final

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

_COMPRESSED: Final = b"LZFu"
_UNCOMPRESSED: Final = b"MELA"
_HEADER_BYTES: Final = 16

# The first content of the window, as the format defines it.
_INITIAL: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n" + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW: Final = 4096


def decompress(data: bytes) -> bytes:
    """Return the RTF text. A text that is cut off is returned up to its end. Raises ReadError."""
    try:
        _, size, kind, _ = struct.unpack_from("<2I4sI", data)
    except struct.error:
        raise ReadError(ExitCode.DAMAGED) from None
    if kind == _UNCOMPRESSED:
        return data[_HEADER_BYTES : _HEADER_BYTES + size]
    if kind != _COMPRESSED:
        raise ReadError(ExitCode.DAMAGED)
    return _decompressed(data, size)


def _decompressed(data: bytes, size: int) -> bytes:
    window = bytearray(_INITIAL.ljust(_WINDOW, b"\0"))
    end = len(_INITIAL)
    output = bytearray()
    position = _HEADER_BYTES
    while position < len(data) and len(output) < size:
        flags = data[position]
        position += 1
        for bit in range(8):
            token_length = 1 + (flags >> bit & 1)
            token = data[position : position + token_length]
            position += token_length
            if len(token) < token_length:
                break
            if token_length == 1:
                start, length = end, 1
                window[end] = token[0]
            else:
                start, length = divmod(int.from_bytes(token, "big"), 16)
                length += 2
                if start == end:
                    return bytes(output)
            # A reference may include bytes that it produces itself.
            for at in range(start, start + length):
                byte = window[at % _WINDOW]
                output.append(byte)
                window[end] = byte
                end = (end + 1) % _WINDOW
    return bytes(output)
