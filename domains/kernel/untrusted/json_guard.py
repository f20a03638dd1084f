"""Checks that untrusted JSON passes before msgspec decodes it."""

import re
from typing import Final

MAX_DEPTH: Final = 100
INVALID_JSON: Final = "is not valid JSON in UTF-8"

# The escape \u0000, preceded by an even number of backslashes.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Possessive, so that no input causes backtracking.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACES_TO_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


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
        brackets = _STRING.sub(b"", text).translate(_BRACES_TO_BRACKETS, _ALL_BUT_BRACKETS)
        for _ in range(MAX_DEPTH):
            brackets = brackets.replace(b"[]", b"")
        if brackets:
            return f"is not valid JSON, or is nested deeper than {MAX_DEPTH} levels"
    try:
        text.decode()
    except UnicodeDecodeError:
        return INVALID_JSON
    return None
