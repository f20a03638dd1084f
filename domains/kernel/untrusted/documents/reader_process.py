"""Main function and exit codes of the child processes that read one document each.

`registry` is the main module of such a process.
"""

import sys
from collections.abc import Callable
from enum import IntEnum

# Returns the text of a document. Its second argument is the declared charset.
Reader = Callable[[bytes, str | None], str]


class ExitCode(IntEnum):
    """Exit codes of a reader that printed no text."""

    DAMAGED = 3
    ENCRYPTED = 4
    NOT_TEXT = 5
    OUT_OF_MEMORY = 6
    LIBRARY_UNAVAILABLE = 7


class ReadError(Exception):
    """The document cannot be read."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def main(reader: Reader, charset: str | None) -> int:
    """Read the document on standard input and write its text to standard output.

    Return the exit code of the process.
    """
    try:
        text = reader(sys.stdin.buffer.read(), charset)
        sys.stdout.buffer.write(encode_clean(text))
        sys.stdout.buffer.flush()
    except ReadError as error:
        return error.code
    except MemoryError:
        return ExitCode.OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001  # an untrusted file can cause any exception
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return ExitCode.DAMAGED
    return 0


def encode_clean(text: str) -> bytes:
    """Encode as UTF-8 with line feeds only, and without NUL, lone surrogates and outer spaces."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    valid = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return valid.removeprefix("\ufeff").strip().encode()
