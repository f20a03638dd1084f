"""Reasons why a document has no text, as sentences for the customer."""

from typing import Final

DAMAGED: Final = "This file is damaged or does not match its content type."
ENCRYPTED: Final = "This document is protected by a password."
EMPTY: Final = "This file is empty."
NO_TEXT: Final = "This document contains no text."
SCAN: Final = (
    "This PDF has no text layer; it may be a scan. Send it again after text recognition (OCR)."
)
TOO_LARGE: Final = "This document is too large to be read."
ARCHIVE: Final = "Archives are not read. Send each document in it as a file of its own."
TIMEOUT: Final = "Reading this document took too long."


class UnreadableDocument(Exception):
    """The document can never be read. The message is a sentence for the customer."""


def unsupported(content_type: str) -> str:
    return f"Files of type {content_type} are not supported."
