"""Timestamps in requests: the accepted formats, and the errors for all others."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.kernel.core.problems import Invalid
from domains.kernel.core.timestamps import parse_iso, parse_query_time, parse_timestamp

AT = datetime(2024, 5, 1, 15, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01T15:00:00Z",
        "2024-05-01t15:00:00z",
        "2024-05-01T15:00:00",
        "2024-05-01 15:00:00",
        "2024-05-01T15:00",
        "2024-05-01T17:00:00+02:00",
        "2024-05-01T17:00:00+0200",
        "2024-05-01T17:00:00+02",
        "2024-05-01T15:00:00.000Z",
        "2024-05-01T15:00:00,0Z",
        "1714575600",
        "1714575600.0",
        "1714575600000",
    ],
)
def test_formats_of_the_same_timestamp(text: str) -> None:
    assert parse_timestamp(text, "at") == AT


@given(
    st.datetimes(
        # The strategy adds the time zone.
        datetime(1970, 1, 1),  # noqa: DTZ001
        datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
@settings(derandomize=True)
def test_seconds_milliseconds_and_iso_agree(at: datetime) -> None:
    whole = at.replace(microsecond=0)
    seconds = int(whole.timestamp())
    assert parse_timestamp(seconds, "at") == parse_timestamp(str(seconds), "at") == whole
    assert parse_timestamp(float(seconds), "at") == whole
    # Smaller numbers would be read as seconds: milliseconds until March 1973.
    if seconds * 1000 >= 10**11:
        assert (
            parse_timestamp(seconds * 1000, "at")
            == parse_timestamp(str(seconds * 1000), "at")
            == whole
        )
    assert parse_iso(at.isoformat(), "at") == at
    assert parse_query_time(at.isoformat(), "at") == at


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "x", "NaN", "Infinity", "yesterday", "2024-05", "2024-13-01"),
        *("2023-02-29", "2024-05-01x15:00", "2024-05-01T25:00:00Z", "2024-05-01T15:00:60Z"),
        *("2024-W18-3", "10000-01-01", "0000-01-01", "0001-01-01T00:00:00+14:00", "1e5"),
        *("٢٠٢٤-٠٥-٠١", 1e300, -1e300, 10**30, -(10**30), 1e17, "9" * 20),
    ],
)
def test_other_values_are_invalid(value: str | float) -> None:
    with pytest.raises(Invalid, match=r"^at: "):
        parse_timestamp(value, "at")


def test_a_date_is_its_midnight_in_utc() -> None:
    for parse in (parse_iso, parse_query_time, parse_timestamp):
        assert parse("2024-05-01", "at") == AT.replace(hour=0)
    with pytest.raises(Invalid):
        parse_iso("1714575600", "at")


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-01T17:00:00 02:00", "2024-05-01T17:00:00.000 0200", "2024-05-01t17:00 02"),
        "2024-05-01 17:00 02:00",
    ],
)
def test_a_blank_before_the_offset_of_a_query_time_is_a_plus(text: str) -> None:
    assert parse_query_time(text, "at") == AT
    with pytest.raises(Invalid):
        parse_iso(text, "at")


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-01 02:00 ", "2024-05-01T17:00:00  02:00", "2024-05-01T17:00:00 Z"),
        *("2024-05-01T17:00:00 2", "2024-05-01T17:00:00 -02:00", "2024-05-01T17:00:00 25:00"),
        *("2024-05-01T17 02:00", " 2024-05-01", "2024-05-01 +02:00"),
    ],
)
def test_other_blanks_in_a_query_time_are_invalid(text: str) -> None:
    with pytest.raises(Invalid, match=r"^at: "):
        parse_query_time(text, "at")
