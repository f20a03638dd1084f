"""JSON values that are kept as they were sent, checked without an object for each of their parts.

Decoded, a value of 10 MB may take 50 MB as dicts and lists, and 40 MB as a string that contains an
emoji. The functions take values that msgspec decoded as `Raw` from a text that passed `json_guard`:
their syntax, escapes and encoding are valid.
"""

import io
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from domains.kernel.untrusted import json_guard

NULL: Final = Raw(b"null")

# Bytes of a string that are decoded at once. Shorter values are decoded as a whole.
_PIECE: Final = 64 * 1024
# The rest of a piece. A space or the first byte of a character is never part of an escape.
_REST: Final = re.compile(rb"[^\x20\xc0-\xff]*")
_QUOTE: Final = ord('"')
_BRACE: Final = ord("{")
_BACKSLASH: Final = re.compile(rb"\\")

_decode_string: Final = msgspec.json.Decoder(str).decode


def is_string(value: Raw) -> bool:
    return memoryview(value)[0] == _QUOTE


def string_pieces(value: Raw) -> Iterator[str]:
    """Decode a JSON string in pieces."""
    if len(value) <= _PIECE:
        yield _decode_string(value)
        return
    text = memoryview(value)[1:-1]
    start = 0
    while start < len(text):
        rest = _REST.match(text, start + _PIECE)
        end = len(text) if rest is None else rest.end()
        yield _decode_string(b'"' + text[start:end] + b'"')
        start = end


def string_to_utf8(value: Raw) -> bytes:
    """Decode a JSON string to UTF-8."""
    text = memoryview(value)[1:-1]
    if _BACKSLASH.search(text) is None:
        return bytes(text)
    decoded = io.BytesIO()
    for piece in string_pieces(value):
        decoded.write(piece.encode())
    return decoded.getvalue()


# --- checks, for `__post_init__` of a struct --------------------------------------------------


def check_text(value: Raw, decoder: msgspec.json.Decoder[Any], path: str) -> None:
    """Check a string that must not be blank. Raises ValueError with the words of `decoder`."""
    if len(value) <= _PIECE or not is_string(value) or _is_blank(value):
        _decode(value, decoder, path)


def check_string(value: Raw, path: str) -> None:
    """Check that the value is a string. Raises ValueError."""
    if not is_string(value):
        _decode(value, msgspec.json.Decoder(str), path)


def check_object(value: Raw, decoder: msgspec.json.Decoder[Any], path: str) -> None:
    """Check an object. Raises ValueError with the words of `decoder`, which may also accept null.

    msgspec does not check the range of numbers that it does not decode.
    """
    if memoryview(value)[0] != _BRACE or json_guard.has_large_number(memoryview(value)):
        _decode(value, decoder, path)


def _is_blank(value: Raw) -> bool:
    return all(piece.isspace() for piece in string_pieces(value))


def _decode(value: Raw, decoder: msgspec.json.Decoder[Any], path: str) -> None:
    try:
        decoder.decode(value)
    except msgspec.ValidationError as error:
        # Without the path within the value.
        message, _, _ = str(error).partition(" - at `$")
        raise ValueError(f"{message} - at `$.{path}`") from None
