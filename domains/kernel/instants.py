"""Instants from outside: every time is kept and answered in UTC."""

from datetime import UTC, datetime
from typing import Final

from domains.kernel.problems import invalid

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def utc(value: datetime, field: str) -> datetime:
    """The instant in UTC; a time without offset is taken as UTC. Invalid where none exists."""
    try:
        instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        instant = _FIRST
    # The first and the last instant stand for infinity in the database driver.
    if instant in (_FIRST, _LAST):
        raise invalid(field, "lies outside the years 1 to 9999")
    return instant
