"""Due dates in speech: "by Friday", "end of next week", "the first of March", as calendar dates.

Dates are values here: the day of the talk is given, and no clock is asked.
"""

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple


class Due(NamedTuple):
    """A date, and the words that name it: `text[start:end]`."""

    on: date
    start: int
    end: int


_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name[1:])
_FRIDAY: Final = 4

_COUNTED: Final = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_NUMBERS: Final = {
    **{name: number for number, name in enumerate(_COUNTED.split("|"), start=1)},
    "a": 1,
    "an": 1,
    "couple": 2,
}
_UNITS: Final = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
_TEENS: Final = "tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth"
_ORDINALS: Final = {
    name: number
    for number, name in enumerate(
        (
            *_UNITS.split("|"),
            *_TEENS.split("|"),
            *("eighteenth", "nineteenth", "twentieth"),
            *(f"twenty-{unit}" for unit in _UNITS.split("|")),
            *("thirtieth", "thirty-first"),
        ),
        start=1,
    )
}

_LEAD: Final = r"(?:(?:by|before|until|till|on|no later than|around|at)\s+)?"
# "EOD" before a named day adds nothing to it: "by end of day Friday" is due on Friday.
_DAY_END: Final = (
    r"(?:(?:(?:the\s+)?(?:end|close) of (?:the\s+)?(?:business(?:\s+day)?|day)|eod|cob)"
    r",?\s+(?:on\s+|of\s+)?)?"
)
# What stands behind these is over, or another's.
_PAST: Final = r"(?<!\blast\s)(?<!\bfrom\s)(?<!\bsince\s)(?<!\bpast\s)"
_DAY: Final = rf"(?P<day>{'|'.join(_DAYS)})"
_MONTH: Final = rf"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in _MONTHS)})\b\.?"
_ORDINAL: Final = (
    rf"(?P<number>\d{{1,2}}(?:st|nd|rd|th)?|{'|'.join(sorted(_ORDINALS, key=len, reverse=True))})"
)
_COUNT: Final = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"


def due_date(text: str, held_on: date) -> Due | None:
    """The date that the text names for something to come, seen from the day of the talk: the first
    one behind "by", else the first; of two that begin at the same word the longer one.

    A day of the week is its next one after `held_on`; a week ends on Friday; a month without a year
    is the nearest to come. None where no date is named, or more than two years away.
    """
    found: list[tuple[bool, int, int, Due]] = []
    for pattern, date_of in _GRAMMAR:
        match = pattern.search(text)
        if match is None:
            continue
        try:
            on = date_of(match, held_on)
        except (ValueError, OverflowError):
            continue
        if on is not None and timedelta(0) <= on - held_on <= timedelta(days=731):
            said_by = match[0].lower().startswith(("by ", "before ", "until ", "no later"))
            due = Due(on, match.start(), match.end())
            found.append((not said_by, due.start, -due.end, due))
    return min(found)[3] if found else None


def _weekday(match: re.Match[str], held_on: date) -> date:
    wanted = _DAYS.index(match["day"].lower())
    if match["number"]:
        return _of_this_month(match, held_on)
    if (match["which"] or "").lower() == "next":
        return _monday(held_on) + timedelta(days=7 + wanted)
    return held_on + timedelta(days=(wanted - held_on.weekday() - 1) % 7 + 1)


def _monday(held_on: date) -> date:
    return held_on - timedelta(days=held_on.weekday())


def _end_of(match: re.Match[str], held_on: date) -> date:
    unit, ahead = match["unit"].lower(), (match["which"] or "").lower() == "next"
    if unit == "day":
        return held_on
    if unit == "week":
        on = _monday(held_on) + timedelta(days=_FRIDAY + 7 * ahead)
        return on if on >= held_on else on + timedelta(days=7)
    return _last_day(held_on, unit, ahead=int(ahead))


def _last_day(held_on: date, unit: str, ahead: int) -> date:
    """The last day of the month, quarter or year that is so many ahead."""
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    index = (held_on.year * 12 + held_on.month - 1) // months + ahead
    return _month_end(index * months + months - 1)


def _month_end(index: int) -> date:
    year, month = divmod(index, 12)
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])


def _end_of_week(_match: re.Match[str], held_on: date) -> date:
    on = _monday(held_on) + timedelta(days=_FRIDAY)
    return on if on >= held_on else on + timedelta(days=7)


def _end_of_quarter(match: re.Match[str], held_on: date) -> date:
    end = _month_end(held_on.year * 12 + int(match["quarter"]) * 3 - 1)
    return end if end >= held_on else end.replace(year=end.year + 1)


def _coming(match: re.Match[str], held_on: date) -> date:
    """ "Next week" is over on its Friday, "early next week" on its Tuesday."""
    unit = match["unit"].lower()
    ahead = 0 if match["which"].lower() in {"this", "later this"} else 1
    if unit == "week":
        early = (match["early"] or "").lower() in {"early", "beginning of", "start of"}
        on = _monday(held_on) + timedelta(days=(1 if early else _FRIDAY) + 7 * ahead)
        return max(on, held_on)
    return _last_day(held_on, unit, ahead)


def _after(match: re.Match[str], held_on: date) -> date:
    said = match["count"].lower()
    count = int(said) if said.isdigit() else _NUMBERS[said]
    unit = match["unit"].lower()
    if unit == "hour":
        return held_on
    if unit == "business day" or unit == "working day":
        return _working_days(held_on, count)
    if unit == "month":
        index = held_on.year * 12 + held_on.month - 1 + count
        end = _month_end(index)
        return end.replace(day=min(held_on.day, end.day))
    return held_on + timedelta(days=count * {"day": 1, "week": 7}[unit])


def _working_days(held_on: date, count: int) -> date:
    on = held_on
    for _ in range(min(count, 520)):
        on += timedelta(days=3 if on.weekday() == _FRIDAY else 2 if on.weekday() == 5 else 1)
    return on


def _of_month(match: re.Match[str], held_on: date) -> date | None:
    if match["month"] in {"may", "march", "mar"}:
        return None  # "Option 2 may work."
    month = _month(match)
    day = _ordinal(match["number"])
    if match["year"]:
        return date(int(match["year"]), month, day)
    on = date(held_on.year, month, day)
    return on if on >= held_on else date(held_on.year + 1, month, day)


def _in_month(match: re.Match[str], held_on: date) -> date | None:
    """A month is over on its last day."""
    if match["month"] in {"may", "march", "mar"}:
        return None
    month = _month(match)
    year = int(match["year"] or held_on.year + (month < held_on.month))
    return _month_end(year * 12 + month - 1)


def _month(match: re.Match[str]) -> int:
    said = match["month"][:3].lower()
    return next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(said))


def _of_this_month(match: re.Match[str], held_on: date) -> date:
    day = _ordinal(match["number"])
    if day >= held_on.day:
        return held_on.replace(day=day)
    end = _month_end(held_on.year * 12 + held_on.month)
    return end.replace(day=day)


def _ordinal(said: str) -> int:
    digits = re.match(r"\d+", said)
    return int(digits[0]) if digits else _ORDINALS[said.lower()]


def _iso(match: re.Match[str], _held_on: date) -> date:
    return date.fromisoformat(match["iso"])


def _days(count: int) -> Callable[[re.Match[str], date], date]:
    return lambda _match, held_on: held_on + timedelta(days=count)


# "The Monday report" is due on no Monday.
_NO_NOUN: Final = (
    r"(?=\s*(?:$|[^\w\s])|\s+(?:and|or|at|morning|afternoon|evening|night|noon|with|to|so|if|but|in|for|"
    r"before|after|by|works?|then|please|latest|we|i|you|when|because|instead|too|next|this|about)\b)"
)
_YEAR: Final = r"(?:,?\s+(?:of\s+)?(?P<year>20\d\d))?"
_GRAMMAR: Final = tuple(
    (re.compile(rf"{_PAST}\b{_LEAD}{_DAY_END}(?:{pattern})\b", re.IGNORECASE), date_of)
    for pattern, date_of in (
        (r"(?P<iso>20\d\d-\d\d-\d\d)", _iso),
        (r"(?:the\s+)?day after tomorrow", _days(2)),
        (r"tomorrow(?:\s+(?:morning|afternoon|evening|night))?", _days(1)),
        (r"eow", _end_of_week),
        (r"(?:end of\s+)?q(?P<quarter>[1-4])", _end_of_quarter),
        (r"(?:later\s+)?(?:today|tonight|this (?:morning|afternoon|evening))|eod", _days(0)),
        (
            r"(?:the\s+)?(?:end|close) of (?:the\s+|this\s+|(?P<which>next)\s+)?(?:business\s+)?"
            r"(?P<unit>day|week|month|quarter|year)",
            _end_of,
        ),
        (
            rf"(?:(?P<which>next|this|this coming|coming)\s+)?{_DAY}"
            rf"(?:,?\s+the\s+(?P<number>\d{{1,2}}(?:st|nd|rd|th)))?{_NO_NOUN}",
            _weekday,
        ),
        (
            r"(?:(?P<early>early|late|later|sometime|beginning of|start of)\s+)?"
            r"(?<!\bfor\s)(?P<which>next|this|the coming|the following)\s+"
            r"(?P<unit>week|month|quarter|year)",
            _coming,
        ),
        (
            rf"(?:in|within)\s+(?:the\s+next\s+)?(?:a\s+)?{_COUNT}\s+(?:of\s+)?"
            r"(?P<unit>hour|business day|working day|day|week|month)s?(?:'\s+time)?",
            _after,
        ),
        (rf"{_MONTH}\s+(?:the\s+)?{_ORDINAL}{_YEAR}", _of_month),
        (rf"(?:the\s+)?{_ORDINAL}\s+(?:of\s+)?{_MONTH}{_YEAR}", _of_month),
        (
            rf"(?:in|by|before|during|until|(?:the\s+)?end of)\s+{_MONTH}{_YEAR}(?!\s+\d)",
            _in_month,
        ),
        (
            r"(?:by|on|before|until|no later than)\s+the\s+"
            rf"(?P<number>\d{{1,2}}(?:st|nd|rd|th)){_NO_NOUN}",
            _of_this_month,
        ),
    )
)
