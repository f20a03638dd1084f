"""Identifiers: made by the application, ordered by time."""

import re
from uuid import UUID

from uuid_utils.compat import uuid7

_CANONICAL = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_PUBLIC = re.compile(r"([A-Z]+)-([1-9][0-9]{0,17})")


def new_id() -> UUID:
    """A version 7 UUID: later ones compare greater within a process."""
    return uuid7()


def parse_id(text: str) -> UUID | None:
    """The UUID in its canonical form of 36 characters, else None."""
    return UUID(text) if _CANONICAL.fullmatch(text) else None


def public_id(kind: str, number: int) -> str:
    """`SIGNAL-42`."""
    return f"{kind}-{number}"


def parse_public_id(kind: str, text: str) -> int | None:
    """42 for `SIGNAL-42`, None for anything else (also for `SIGNAL-042`)."""
    match = _PUBLIC.fullmatch(text)
    return int(match[2]) if match and match[1] == kind else None
