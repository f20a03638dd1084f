"""Meanings of date phrases, shared by all languages. Tables of words name them by their keys."""

import calendar
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple

_MONTHS_OF: Final = {"month": 1, "quarter": 3, "year": 12}
_END, _MIDDLE, _START = range(3)
# Days after Monday: a week ends on Friday, its middle is Wednesday, its start is over on Tuesday.
_WEEK: Final = {_END: 4, _MIDDLE: 2, _START: 1}


class Values(NamedTuple):
    """Numbers that a phrase names. None: the phrase names no such number.

    `day` is a day of the week, Monday is 0; `nth` is a day of the month; `number` and `unit` are
    a distance, "two weeks"; `part` and `ahead` are of a period, "end" of "next" month.
    """

    day: int | None = None
    month: int | None = None
    nth: int | None = None
    number: int | None = None
    unit: str = "day"
    year: int | None = None
    ahead: int | None = None
    part: int = _END


Meaning = Callable[[Values, date], date | None]


def _month_end(index: int) -> date:
    """The last day of a month that is counted from year 0."""
    year, month = divmod(index, 12)
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])


def _index(on: date) -> int:
    return on.year * 12 + on.month - 1


def _days(count: int) -> Meaning:
    return lambda _values, held_on: held_on + timedelta(days=count)


def _day(later: int = 0) -> Meaning:
    """The next such day of the week, Monday if none is named, or that of a week ahead."""

    def meaning(values: Values, held_on: date) -> date | None:
        if values.unit not in {"day", "week"}:
            return None
        until = (values.day or 0) - held_on.weekday()
        days = until + 7 * values.ahead if values.ahead else (until - 1) % 7 + 1
        return held_on + timedelta(days=days + later)

    return meaning


def _distance(values: Values, held_on: date) -> date:
    """So many days, weeks, months or years after the talk or the named day of the week."""
    count = 1 if values.number is None else values.number
    start = held_on
    if values.day is not None:
        start += timedelta(days=(values.day - held_on.weekday() - 1) % 7 + 1)
    if values.unit in {"hour", "minute"}:
        return start + timedelta(days=count // 24 if values.unit == "hour" else 0)
    if values.unit == "workday":
        for _ in range(min(count, 520)):
            start += timedelta(days=max(1, 7 - start.weekday()) if start.weekday() > 3 else 1)
        return start
    if values.unit in _MONTHS_OF:
        end = _month_end(_index(start) + count * _MONTHS_OF[values.unit])
        return end.replace(day=min(start.day, end.day))
    return start + timedelta(days=count * (7 if values.unit == "week" else 1))


def _period(values: Values, held_on: date) -> date | None:
    """The end, middle or start of a week, month, quarter or year."""
    ahead = values.ahead or 0
    if values.unit == "day" and values.part == _END and not ahead:
        return held_on
    if values.unit in {"week", "weekend"}:
        day = _WEEK[values.part] if values.unit == "week" else 6
        on = held_on + timedelta(days=7 * ahead + day - held_on.weekday())
        # "This week", said on a Saturday, ends on the Friday to come.
        return on if on >= held_on else on + timedelta(days=7)
    if values.unit == "month" and values.part == _MIDDLE:
        return _nth(values._replace(nth=15), held_on)
    if values.unit not in _MONTHS_OF or values.part != _END:
        return None
    months = _MONTHS_OF[values.unit]
    return _month_end((_index(held_on) // months + ahead + 1) * months - 1)


def _named_period(values: Values, held_on: date) -> date | None:
    """The end or middle of a month, or the end of the quarter `nth`. Without a year the next."""
    if values.part == _MIDDLE:
        return _date(values._replace(nth=15), held_on)
    month = values.month or (values.nth or 0) * 3
    end = _month_end((values.year or held_on.year) * 12 + month - 1)
    if values.part != _END:
        return None
    return end if values.year or end >= held_on else _month_end(_index(end) + 12)


def _date(values: Values, held_on: date) -> date:
    """A day of a named month. Without a year the next one."""
    month, day = values.month or 0, values.nth or 0
    if values.year:
        return date(values.year + (2000 if values.year < 100 else 0), month, day)
    on = date(held_on.year, month, day)
    return on if on >= held_on else date(held_on.year + 1, month, day)


def _either_order(values: Values, held_on: date) -> date | None:
    """Day and month in an order that only a number above 12 decides."""
    month, day = sorted((values.month or 0, values.nth or 0))
    if day <= 12 and day != month:
        return None
    return _date(values._replace(month=month, nth=day), held_on)


def _nth(values: Values, held_on: date) -> date | None:
    """A day of the month that is ahead, or the next such day if no month is named."""
    day = values.nth or 0
    if values.unit not in {"day", "month"} or not 1 <= day <= 31:
        return None
    ends = (_month_end(_index(held_on) + (values.ahead or 0) + later) for later in range(3))
    days = (end.replace(day=day) for end in ends if day <= end.day)
    return next(on for on in days if on >= held_on)


MEANINGS: Final[Mapping[str, Meaning]] = {
    # Names no due date, and hides the shorter phrases in it.
    "nothing": lambda _values, _held_on: None,
    **{f"+{count}": _days(count) for count in (0, 1, 2, 3, 7, 8, 14)},
    "day": _day(),
    "day+7": _day(later=7),
    "day+14": _day(later=14),
    "distance": _distance,
    "period": _period,
    "month": _named_period,
    "date": _date,
    "month/day": _either_order,
    "nth": _nth,
}
