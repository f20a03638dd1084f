"""Times from outside: every accepted form stands for one instant, nonsense for none."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.kernel.core.problems import Invalid
from domains.kernel.core.timestamps import iso, iso_end, moment

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
def test_forms_of_the_same_instant(text: str) -> None:
    assert moment(text, "at") == AT


@given(
    st.datetimes(
        # The strategy adds the zone.
        datetime(1970, 1, 1),  # noqa: DTZ001
        datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
@settings(derandomize=True)
def test_seconds_milliseconds_and_iso_agree(at: datetime) -> None:
    whole = at.replace(microsecond=0)
    seconds = int(whole.timestamp())
    assert moment(seconds, "at") == moment(str(seconds), "at") == whole
    assert moment(float(seconds), "at") == whole
    # Fewer milliseconds than this would be seconds: until March 1973.
    if seconds * 1000 >= 10**11:
        assert moment(seconds * 1000, "at") == moment(str(seconds * 1000), "at") == whole
    assert iso(at.isoformat(), "at") == at
    assert iso_end(at.isoformat(), "at") == at


@pytest.mark.parametrize(
    "nonsense",
    [
        *(
            "",
            " ",
            "x",
            "NaN",
            "Infinity",
            "yesterday",
            "2024-05",
            "2024-13-01",
        ),
        *("2023-02-29", "2024-05-01x15:00", "2024-05-01T25:00:00Z", "2024-05-01T15:00:60Z"),
        *(
            "2024-W18-3",
            "10000-01-01",
            "0000-01-01",
            "0001-01-01T00:00:00+14:00",
            "1e5",
            "٢٠٢٤-٠٥-٠١",
        ),
        *(1e300, -1e300, 10**30, -(10**30), 1e17, "9" * 20),
    ],
)
def test_nonsense_is_refused(nonsense: str | float) -> None:
    with pytest.raises(Invalid, match=r"^at: "):
        moment(nonsense, "at")


def test_a_date_is_its_first_moment_and_as_a_bound_its_last() -> None:
    assert iso("2024-05-01", "at") == AT.replace(hour=0)
    assert iso_end("2024-05-01", "at") == AT.replace(hour=0) + timedelta(days=1, microseconds=-1)
    assert iso_end("9999-12-31", "at") > iso("9999-12-31", "at")
    with pytest.raises(Invalid):
        iso("1714575600", "at")
