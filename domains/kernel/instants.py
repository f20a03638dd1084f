"""Instants from outside: every time is kept and answered in UTC."""

from datetime import UTC, datetime

from domains.kernel.problems import invalid


def utc(value: datetime, field: str) -> datetime:
    """The instant in UTC; a time without offset is taken as UTC. Invalid where none exists."""
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise invalid(field, "lies outside the years 1 to 9999") from None
