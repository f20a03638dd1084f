"""Identifiers: UUIDs, public ids such as SIGNAL-42, and the ids of authorized workspaces."""

import re
from typing import NewType
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

# Proof of authorization: only authentication, a claimed job and the operator's commands create one,
# and every function of a domain requires it.
WorkspaceId = NewType("WorkspaceId", UUID)

_CANONICAL = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_PUBLIC = re.compile(r"([A-Za-z]+)-([1-9][0-9]{0,17})")


def new_id() -> UUID:
    """Generate a version 7 UUID. Within a process, each is greater than all earlier ones."""
    return uuid7()


def new_id_text() -> str:
    """Generate a version 7 UUID as text, without creating a UUID object."""
    return str(uuid_utils.uuid7())


def parse_id(text: str) -> UUID | None:
    """Parse a UUID in its canonical form of 36 characters. Returns None for anything else."""
    return UUID(text) if _CANONICAL.fullmatch(text) else None


def public_id(kind: str, number: int) -> str:
    """Return `SIGNAL-42` for the kind `SIGNAL` and the number 42."""
    return f"{kind}-{number}"


def parse_public_id(kind: str, text: str) -> int | None:
    """Return 42 for `SIGNAL-42`, in any letter case.

    Returns None for another kind, and for `SIGNAL-042`.
    """
    match = _PUBLIC.fullmatch(text)
    return int(match[2]) if match and match[1].upper() == kind else None
