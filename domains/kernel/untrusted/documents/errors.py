"""Reasons why a document has no text, as sentences for the customer."""

from typing import Final

DAMAGED: Final = (
    "This file is damaged or does not match its content type. Check that it opens, then send it "
    "again."
)
ENCRYPTED: Final = "This document is protected by a password. Send it without one."
EMPTY: Final = "This file is empty."
NO_TEXT: Final = "This document contains no text."
NOT_TEXT: Final = (
    "This file is of an unknown type; it is not a text. Send a PDF, an Office file or a text."
)
SCAN: Final = (
    "This PDF has no text layer; it may be a scan. Send it again after text recognition (OCR)."
)
TOO_LARGE: Final = "This document is too large to be read. Send it in parts."
ARCHIVE: Final = "Archives are not read. Send each document in it as a file of its own."
OLD_FORMAT: Final = (
    "This format from before 1997 is not read. Save the document as .docx, .pptx or .xlsx."
)
TIMEOUT: Final = "Reading this document took too long. Send it in parts or in another format."
SIGN_IN_PAGE: Final = (
    "A sign-in page came instead of the file. The URL must lead to the file without signing in."
)


class UnreadableDocument(Exception):
    """The document can never be read. The message is a sentence for the customer."""


def unsupported(content_type: str) -> str:
    return f"Files of type {content_type} are not supported. Send a PDF, an Office file or a text."


def web_page_instead_of(noun: str) -> str:
    return (
        f"A web page came instead of {noun}. The URL must lead to the file itself, without signing "
        "in."
    )
