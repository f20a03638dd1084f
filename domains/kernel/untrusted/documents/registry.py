"""Registry of the readers of documents, and the main function of the processes that read them.

`python -m MODULE KIND [CHARSET]` reads the document on standard input and writes its text to
standard output as UTF-8. If an encoding was guessed, the last line on standard error is
`ENCODING CONFIDENCE`. For a quick start, a process imports only the reader that it needs.
"""

import importlib
import io
import os
import sys
from typing import Final, cast

from domains.kernel.untrusted.documents.charset import recorded_guesses
from domains.kernel.untrusted.documents.errors import UnreadableDocument
from domains.kernel.untrusted.documents.file_kinds import charset_parameter, detect_open_file
from domains.kernel.untrusted.documents.kinds import Kind
from domains.kernel.untrusted.documents.reader_process import (
    ExitCode,
    Reader,
    ReadError,
    encode_clean,
)

# The module and the function that reads each kind of document.
_READERS: Final[dict[Kind, tuple[str, str]]] = {
    "text": ("text_reader", "read_text"),
    "html": ("html_reader", "read_html"),
    "mail": ("mail_reader", "read_mail"),
    "pdf": ("pdf.reader", "read_pdf"),
    "workbook": ("workbook.reader", "read_workbook"),
    "word": ("office.word", "read_word"),
    "slides": ("office.slides", "read_slides"),
    "word_xml": ("office.word", "read_word_xml"),
    "xml_workbook": ("office.xml_workbook", "read_xml_workbook"),
    "open_document": ("office.open_document", "read_open_document"),
    "book": ("office.book", "read_book"),
    "calendar": ("office.calendar", "read_calendar"),
    "rich_text": ("office.rich_text", "read_rich_text"),
    "outlook": ("ole.outlook", "read_outlook"),
    "old_word": ("ole.word", "read_old_word"),
    "old_slides": ("ole.slides", "read_old_slides"),
}

# Environment variable: "no" if attached files are not read.
ATTACHED_FILES_VARIABLE: Final = "READ_ATTACHED_FILES"

# Levels of files that are attached to attached files.
_MAX_NESTING: Final = 3
_open_kinds: Final[list[Kind]] = []


def reader_of(kind: Kind) -> Reader:
    """Import the reader of a kind of document."""
    module, function = _READERS[kind]
    package = "domains.kernel.untrusted.documents"
    return cast(Reader, getattr(importlib.import_module(f"{package}.{module}"), function))


def read_attached_file(data: bytes, content_type: str, filename: str | None) -> str | None:
    """Return the text of a file that a document contains, or None if it cannot be read.

    Works within the process that reads the document, so that the limits are for both together.
    Raises MemoryError.
    """
    is_disabled = os.environ.get(ATTACHED_FILES_VARIABLE) == "no"
    if not data or is_disabled or len(_open_kinds) >= _MAX_NESTING:
        return None
    try:
        kind = detect_open_file(io.BytesIO(data), content_type, filename)
    except UnreadableDocument:
        return None
    _open_kinds.append(kind)
    try:
        text = reader_of(kind)(data, charset_parameter(content_type))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # an untrusted file can cause any exception
        return None
    finally:
        _open_kinds.pop()
    return text.strip() or None


def main(kind: Kind, charset: str | None = None) -> int:
    """Read the document of this process. Return the exit code."""
    try:
        with recorded_guesses() as guesses:
            text = reader_of(kind)(sys.stdin.buffer.read(), charset)
        sys.stdout.buffer.write(encode_clean(text))
        sys.stdout.buffer.flush()
    except ReadError as error:
        return error.code
    except MemoryError:
        return ExitCode.OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001  # an untrusted file can cause any exception
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return ExitCode.DAMAGED
    if guesses:
        # A document may have several parts. The least certain one is reported.
        encoding, confidence = min(guesses, key=lambda guess: guess.confidence)
        sys.stderr.write(f"\n{encoding} {confidence}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))  # type: ignore[arg-type]  # the parent passes a kind
