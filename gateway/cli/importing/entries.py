"""Entries of a file in any format, before they are checked."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

# Bytes of the longest record; no API accepts a larger one.
MAX_RECORD_BYTES: Final = 16 * 1024 * 1024

KINDS: Final = ("products", "deals", "accounts", "conversations", "messages", "documents")


class Entry(NamedTuple):
    """A record in a file: its first line, its kind, and its JSON text or its fields."""

    line: int
    kind: str
    content: bytes | dict[str, Any]


class Refusal(NamedTuple):
    """A part of a file that cannot be imported, and the reason."""

    line: int
    reason: str


Entries = Iterator[Entry | Refusal]
