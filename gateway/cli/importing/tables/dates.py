"""Read dates and times as people and systems write them."""

import functools
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final, NamedTuple

from gateway.cli.importing.tables.vocabulary import plain, words

_MAX_LENGTH: Final = 80

_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
    re.IGNORECASE,
)
# Days since this date; Excel counts a 29 February 1900, which there never was.
_EXCEL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001
_EXCEL: Final = re.compile(r"([1-9][0-9]{4})(?:[.,]([0-9]{1,15}))?")
_UNIX_SECONDS, _UNIX_MILLISECONDS = 10, 13
_COMPACT: Final = 8

_TIME: Final = re.compile(
    r"(?:,?\s+(?:(?:at|um|a|à|alle|om)\s+)?|T)"
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?:\s?(?P<half>[ap])\.?m\.?)?(?:\s(?:uhr|h))?"
    r"(?:\s?\(?(?P<zone>Z|(?:UTC|GMT)?[+-][0-9]{1,2}(?::?[0-9]{2})?|UTC|GMT)\)?)?",
    re.IGNORECASE,
)
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST: Final = re.compile(r"([0-9]{1,2})([-/]|\.\s?)([0-9]{1,2})\2([0-9]{4})")
_ORDINAL: Final = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th|er|º|\.)?")
_FILLERS: Final = frozenset(("", "de", "del", "of", "den", "le", "the"))
_WEEKDAYS: Final = words(
    "mon tue wed thu fri sat sun mo di mi do fr sa so die mit don fre sam son lun mar mer jeu ven"
    " dim mie jue vie sab dom gio seg ter qua qui sex maa din woe vri zat zon"
)
# English, German, French, Spanish, Italian, Portuguese and Dutch, without accents.
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janner janvier janv enero ene gennaio gen janeiro januari",
            "february feb februar fevrier fevr fev febrero febbraio fevereiro februari",
            "march mar marz maerz mrz mars marzo marco maart mrt",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio mag maio mei",
            "june jun juni juin junio giugno giu junho",
            "july jul juli juillet juil julio luglio lug julho",
            "august aug aout agosto ago augustus",
            "september sep sept septembre septiembre settembre set setembro",
            "october oct oktober okt octobre octubre ottobre ott outubro out",
            "november nov novembre noviembre novembro",
            "december dec dezember dez decembre diciembre dic dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}


class DateReadings(NamedTuple):
    """ISO 8601 texts of a date if the month comes first, and if the day does.

    None: there is no such date. At least one is a date. A time without an offset has none.
    """

    month_first: str | None
    day_first: str | None


@functools.lru_cache(maxsize=4096)
def read_date(text: str) -> DateReadings:
    """Read a date with or without a time. Raises ValueError if it is none.

    A bare number is a Unix time if it has 10 or 13 digits, a date such as 20261231 if it has 8, and
    a date of Excel's 1900 system if it has 5, with or without a fraction.
    """
    if _ISO.fullmatch(text):
        datetime.fromisoformat(text.upper())
        return DateReadings(text, text)
    if len(text) > _MAX_LENGTH:
        raise ValueError
    if number := _bare_number(text):
        return DateReadings(number, number)
    text = " ".join(text.split())
    at, zone = None, None
    if (colon := text.find(":")) >= 0:
        # The time begins with one or two digits before the first colon.
        start = text.rfind("T", 0, colon) if re.search(r"[0-9]T[0-9]{1,2}:", text) else -1
        match = _TIME.fullmatch(text, start) if start > 0 else _find_time(text, colon)
        if match is None:
            raise ValueError
        at, zone = _time(match), _zone(match["zone"])
        text = text[: match.start()]
    month_first, day_first = _days(text)
    return DateReadings(_iso(month_first, at, zone), _iso(day_first, at, zone))


def _bare_number(text: str) -> str | None:
    """ISO 8601 text of a number; None if the text is not a number. Raises ValueError."""
    if match := _EXCEL.fullmatch(text):
        moment = _EXCEL_EPOCH + timedelta(days=int(match[1]))
        if match[2] is None:
            return moment.date().isoformat()
        seconds = round(int(match[2]) * 86_400 / 10 ** len(match[2]))
        return (moment + timedelta(seconds=seconds)).isoformat()
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) == _COMPACT:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    if len(text) in (_UNIX_SECONDS, _UNIX_MILLISECONDS):
        scale = 1 if len(text) == _UNIX_SECONDS else 1000
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(text) / scale)).isoformat()
    raise ValueError


def _find_time(text: str, colon: int) -> re.Match[str] | None:
    """Match the time at the end of a text, given its first colon."""
    start = text.rfind(" ", 0, colon)
    # A word such as "at" may stand before the time, and a comma before that.
    before = text.rfind(" ", 0, max(start, 0))
    for candidate in (before, start):
        begin = candidate - 1 if candidate > 0 and text[candidate - 1] == "," else candidate
        if begin > 0 and (match := _TIME.fullmatch(text, begin)):
            return match
    return None


def _time(match: re.Match[str]) -> time:
    hour = int(match["hour"])
    if match["half"] is not None:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    microseconds = int((match["fraction"] or "0").ljust(6, "0")[:6])
    return time(hour, int(match["minute"]), int(match["second"] or 0), microseconds)


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    offset = text.upper().removeprefix("UTC").removeprefix("GMT").removeprefix("Z")
    if not offset:
        return UTC
    digits = offset[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) < 3 else (digits[:-2], digits[-2:])
    delta = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-delta if offset[0] == "-" else delta)


def _days(text: str) -> tuple[date | None, date | None]:
    """Return the day that a text means if the month comes first, and if the day does."""
    if match := _YEAR_FIRST.fullmatch(text):
        day = date(int(match[1]), int(match[3]), int(match[4]))
        return day, day
    if match := _YEAR_LAST.fullmatch(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        day_first = _day(year, second, first)
        # Dates with points have the day first everywhere.
        month_first = day_first if match[2][0] == "." else _day(year, first, second)
        if month_first is None and day_first is None:
            raise ValueError
        return month_first, day_first
    day = _day_with_month_name(text)
    return day, day


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _day_with_month_name(text: str) -> date:
    """Parse 4 March 2026, Mar 4, 2026, 04-MAR-2026 and the like. Raises ValueError."""
    parts = [word for word in re.split(r"[\s,/-]+", plain(text)) if word not in _FILLERS]
    if len(parts) == 4 and (parts[0].rstrip(".") in _WEEKDAYS or parts[0][:3] in _WEEKDAYS):
        del parts[0]
    if len(parts) != 3:
        raise ValueError
    at = next((at for at in (0, 1) if parts[at].rstrip(".") in _MONTHS), None)
    if at is None:
        raise ValueError
    month = _MONTHS[parts.pop(at).rstrip(".")]
    if at == 1 and re.fullmatch("[0-9]{4}", parts[0]):
        parts.reverse()
    ordinal = _ORDINAL.fullmatch(parts[0])
    if ordinal is None or not re.fullmatch("[0-9]{4}", parts[1]):
        raise ValueError
    return date(int(parts[1]), month, int(ordinal[1]))


def _iso(day: date | None, at: time | None, zone: timezone | None) -> str | None:
    if day is None:
        return None
    return day.isoformat() if at is None else datetime.combine(day, at, zone).isoformat()
