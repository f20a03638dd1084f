"""Exit codes of the child processes that read one document each, and what they print.

`registry` is the main module of such a process.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final

# Returns the text of a document. Its second argument is the declared charset.
Reader = Callable[[bytes, str | None], str]

_LINE_ENDS: Final = re.compile("\r\n?|[\v\f\x85]")
_INVISIBLE: Final = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\xad\ufeff\ufffe\uffff]")


class ExitCode(IntEnum):
    """Exit codes of a reader that printed no text."""

    DAMAGED = 3
    ENCRYPTED = 4
    NOT_TEXT = 5
    OUT_OF_MEMORY = 6
    OLD_FORMAT = 8


class ReadError(Exception):
    """The document cannot be read."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def encode_clean(text: str) -> bytes:
    """Encode as UTF-8 with line feeds only, without outer white space and invisible characters.

    Removes control characters, soft hyphens and byte order marks. Form feeds and vertical tabs
    become line feeds; half of a surrogate pair becomes U+FFFD. Joiners (U+200C and U+200D) are
    kept: Persian, Indic scripts and emoji need them.
    """
    text = _LINE_ENDS.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    valid = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return valid.strip().encode()
