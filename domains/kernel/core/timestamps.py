"""Instants from outside: every time is kept and answered in UTC."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from domains.kernel.core.problems import invalid

FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Unix times of a smaller magnitude are seconds, others milliseconds: seconds stay below this
# until the year 5138.
_SECONDS: Final = 1e11

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ISO: Final = re.compile(
    _DATE + r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
    re.IGNORECASE,
)
_DATE_ALONE: Final = re.compile(_DATE)


def to_utc(value: datetime, field: str) -> datetime:
    """The instant in UTC; a time without offset is taken as UTC. Invalid where none exists."""
    try:
        instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        instant = FIRST
    # The first and the last instant stand for infinity in the database driver.
    if instant in (FIRST, _LAST):
        raise invalid(field, "lies outside the years 1 to 9999")
    return instant


def parse_timestamp(value: str | float, field: str) -> datetime:
    """An instant as ISO 8601, Unix seconds or Unix milliseconds, told apart by magnitude."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return _parse_iso(
                value, field, "an ISO 8601 date-time, Unix seconds or Unix milliseconds"
            )
        value = float(value) if "." in value else int(value)
    try:
        seconds = abs(value) < _SECONDS
        since = timedelta(seconds=value) if seconds else timedelta(milliseconds=value)
        return to_utc(_EPOCH + since, field)
    except (OverflowError, ValueError):
        raise invalid(field, "lies outside the years 1 to 9999") from None


def parse_iso(text: str, field: str) -> datetime:
    """An instant as an ISO 8601 date-time, or a date, which stands for its first moment."""
    return _parse_iso(text, field, "an ISO 8601 date-time such as 2024-05-01T15:00:00Z")


def parse_iso_end(text: str, field: str) -> datetime:
    """The same as an upper bound, so that a date stands for its last moment."""
    instant = parse_iso(text, field)
    if _DATE_ALONE.fullmatch(text):
        return min(datetime.combine(instant.date(), time.max, UTC), _LAST - datetime.resolution)
    return instant


def _parse_iso(text: str, field: str, wanted: str) -> datetime:
    if _ISO.fullmatch(text):
        try:
            return to_utc(datetime.fromisoformat(text.upper()), field)
        except ValueError:
            pass
    raise invalid(field, f"must be {wanted}")
