"""Checks that untrusted JSON passes before msgspec decodes it."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

MAX_DEPTH: Final = 100
INVALID_JSON: Final = "is not valid JSON in UTF-8"

# Bytes that are checked at once: a check takes several times this much memory.
_PIECE: Final = 256 * 1024

# The escape \u0000, preceded by an even number of backslashes.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Possessive, so that no input causes backtracking.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# As much text as there is that does not end within a string.
_COMPLETE_STRINGS: Final = re.compile(rb'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_BRACES_TO_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))

# A number that may be too large for a double, or an integer that may have too many digits.
_LARGE_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{200}|[0-9][eE]\+?0*+[1-9][0-9]{2}")
_REST_OF_NUMBER: Final = re.compile(rb"[0-9eE.+-]*")


def find_json_error(text: bytes) -> str | None:
    """Return the error as the end of a sentence, or None if the JSON text is accepted.

    Refuses U+0000, which PostgreSQL cannot store, nesting deeper than MAX_DEPTH, and bytes that are
    not UTF-8: msgspec does not read the strings of unknown fields.
    """
    if b"\\u0000" in text and _NUL.search(text):
        return "contains the character U+0000, which cannot be stored"
    # Most texts have too few brackets to be nested deeply. In the others, remove the innermost
    # pairs MAX_DEPTH times: deeper nesting leaves brackets, and so do unbalanced ones.
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH:
        brackets = _brackets_of(text)
        for _ in range(MAX_DEPTH):
            brackets = brackets.replace(b"[]", b"")
        if brackets:
            return f"is not valid JSON, or is nested deeper than {MAX_DEPTH} levels"
    return None if _is_utf8(text) else INVALID_JSON


def has_large_number(text: memoryview) -> bool:
    """True if the JSON text may contain a number that is out of range."""
    # Most texts contain nothing like it, not even in strings.
    return _LARGE_NUMBER.search(text) is not None and any(
        _LARGE_NUMBER.search(piece) for piece in _without_strings(text)
    )


def _brackets_of(text: bytes) -> bytes:
    """Brackets and braces outside strings, in order, all as brackets."""
    pieces = _without_strings(memoryview(text))
    return b"".join(piece.translate(_BRACES_TO_BRACKETS, _ALL_BUT_BRACKETS) for piece in pieces)


def _without_strings(text: memoryview) -> Iterator[bytes]:
    """The text without its strings, in pieces that do not end within a number."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            complete = _COMPLETE_STRINGS.match(text, start, end)
            # Nothing is complete where a string is longer than a piece.
            if complete is None or complete.end() == start:
                complete = _STRING.match(text, start)
            end = complete.end() if complete else end
            number = _REST_OF_NUMBER.match(text, end)
            end = number.end() if number else end
        yield _STRING.sub(b"", text[start:end])
        start = end


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    start = 0
    try:
        while start < len(text):
            end = start + _PIECE
            # An incomplete character at the end of a piece belongs to the next one.
            _, used = codecs.utf_8_decode(text[start:end], "strict", end >= len(text))
            start += used
    except UnicodeDecodeError:
        return False
    return True
