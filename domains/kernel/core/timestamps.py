"""Timestamps from requests, converted to UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from domains.kernel.core.problems import invalid

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Unix times of a smaller magnitude are seconds, others are milliseconds. Seconds stay below this
# until the year 5138.
_SECONDS_LIMIT: Final = 1e11

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
_OFFSET: Final = r"[0-9]{2}(:?[0-9]{2})?"
_ISO: Final = re.compile(f"{_DATE}({_TIME}(Z|[+-]{_OFFSET})?)?", re.IGNORECASE)
# An offset whose `+` was not escaped in a query, where it means a blank.
_BLANK_OFFSET: Final = re.compile(f"(?P<time>{_DATE}{_TIME}) (?P<offset>{_OFFSET})", re.IGNORECASE)


def to_utc(value: datetime, field: str) -> datetime:
    """Convert to UTC. A time without an offset is UTC. Raises Invalid outside years 1 to 9999."""
    try:
        timestamp = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        timestamp = _FIRST
    # The database driver stores the first and the last timestamp as infinity.
    if timestamp in (_FIRST, _LAST):
        raise invalid(field, "lies outside the years 1 to 9999")
    return timestamp


def parse_timestamp(value: str | float, field: str) -> datetime:
    """Parse ISO 8601, Unix seconds or Unix milliseconds. Raises Invalid.

    The magnitude distinguishes seconds from milliseconds.
    """
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return _parse_iso(
                value, field, "an ISO 8601 date-time, Unix seconds or Unix milliseconds"
            )
        value = float(value) if "." in value else int(value)
    try:
        in_seconds = abs(value) < _SECONDS_LIMIT
        elapsed = timedelta(seconds=value) if in_seconds else timedelta(milliseconds=value)
        return to_utc(_EPOCH + elapsed, field)
    except (OverflowError, ValueError):
        raise invalid(field, "lies outside the years 1 to 9999") from None


def parse_iso(text: str, field: str) -> datetime:
    """Parse an ISO 8601 date-time, or a date as its midnight in UTC. Raises Invalid."""
    return _parse_iso(text, field, "an ISO 8601 date-time such as 2024-05-01T15:00:00Z")


def parse_query_time(text: str, field: str) -> datetime:
    """Parse an ISO 8601 date-time of a query. Accepts an offset whose `+` arrived as a blank."""
    if found := _BLANK_OFFSET.fullmatch(text):
        text = f"{found['time']}+{found['offset']}"
    return parse_iso(text, field)


def _parse_iso(text: str, field: str, expected: str) -> datetime:
    if _ISO.fullmatch(text):
        try:
            return to_utc(datetime.fromisoformat(text.upper()), field)
        except ValueError:
            pass
    raise invalid(field, f"must be {expected}")
