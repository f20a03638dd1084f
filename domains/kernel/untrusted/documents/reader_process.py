"""Main function and exit codes of the child processes that read one document each.

Each reader module is the main module of a sandboxed process: `python -m MODULE KIND [CHARSET]`
reads the document on standard input and writes its text to standard output as UTF-8. For a quick
start, modules import only what their kinds of documents need.
"""

import sys
from collections.abc import Callable, Mapping
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


def main(readers: Mapping[str, Reader], kind: str, charset: str | None = None) -> int:
    """Read the document with the reader of its kind. Return the exit code of the process."""
    try:
        text = readers[kind](sys.stdin.buffer.read(), charset)
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
