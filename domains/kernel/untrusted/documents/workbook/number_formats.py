"""Values of cells as text, by the number formats of spreadsheets.

Times and durations are written as their format shows them. Dates are written in ISO 8601: the order
of day and month in a format depends on the reader's country. Numbers keep all digits that they
have, and get the decimals, leading zeros, percent and currency signs of their format.
"""

import datetime as dt
import functools
import re
from typing import Final, NamedTuple

Value = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta

# Numbers of formats that files do not define. Those in between depend on the language of the
# program; their date formats are written as ISO 8601 anyway.
BUILT_IN: Final = {
    1: "0", 2: "0.00", 9: "0%", 10: "0.00%", 14: "mm-dd-yy", 15: "d-mmm-yy", 16: "d-mmm",
    17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "m/d/yy h:mm", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    **dict.fromkeys((5, 6), '"$"#,##0'), **dict.fromkeys((7, 8), '"$"#,##0.00'),
    42: '"$"#,##0', 44: '"$"#,##0.00',
}  # fmt: skip

# The format that LibreOffice gives to truth values, which it stores as numbers.
_BOOLEAN: Final = '"TRUE";"TRUE";"FALSE"'

_MAX_CODE: Final = 255
_MAX_DECIMALS: Final = 10
# Whole numbers up to here are written without an exponent.
_MAX_PLAIN: Final = 1e21

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[\$(?P<symbol>[^\]-]*)[^\]]*\]'
    r"|\[(?P<elapsed>h+|m+|s+)\]|\[[^\]]*\]|(?P<date>y+|m+|d+|h+|s+(?:[.,]0+)?|AM/PM|A/P)"
    r"|(?P<digits>(?:General|[0#?][0#?.,]*))|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str


def format_value(value: Value, code: str | None) -> str:
    """Return the value of a cell as text. `code` is its number format, if known."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        if code == _BOOLEAN:
            return "TRUE" if value else "FALSE"
        return _format_number(value, _tokens(code)) if code else _plain(value)
    return _format_time(value, _tokens(code) if code else ())


@functools.lru_cache(maxsize=1024)
def _tokens(code: str) -> tuple[_Token, ...]:
    """Return the tokens of the first section of a format: that for positive numbers."""
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(code[:_MAX_CODE]):
        kind, text = match.lastgroup, match[match.lastgroup] if match.lastgroup else ""
        if kind == "other" and text == ";":
            break
        if kind in ("quoted", "escaped", "symbol", "other"):
            tokens.append(_Token("literal", text))
        elif kind:
            tokens.append(_Token(kind, text.lower().replace(",", ".") if kind == "date" else text))
    return tuple(tokens)


# ---- numbers


def _format_number(value: float, tokens: tuple[_Token, ...]) -> str:
    digits = [token.text for token in tokens if token.kind == "digits"]
    literals = [token.text for token in tokens if token.kind == "literal"]
    is_simple = len(digits) == 1 and all(token.kind in ("digits", "literal") for token in tokens)
    # Fractions and exponents are written as plain numbers.
    if not is_simple or "/" in literals or "E" in map(str.upper, literals):
        return _plain(value)
    percent = literals.count("%")
    at = next(index for index, token in enumerate(tokens) if token.kind == "digits")
    before = "".join(token.text for token in tokens[:at]).strip()
    after = "".join(token.text for token in tokens[at + 1 :])
    number = _with_zeros(_plain(abs(value), percent), digits[0])
    return " ".join(f"{'-' if value < 0 else ''}{before}{number}{after}".split())


def _plain(value: float, percent: int = 0) -> str:
    """Return a number with at most 15 digits, multiplied by 100 for each percent sign."""
    if isinstance(value, int) and not percent:
        return str(value)
    value = float(value) * 100**percent
    text = f"{value:.15g}"
    if text.isdecimal():
        return text
    is_whole = abs(value) < _MAX_PLAIN and float(text).is_integer()
    return f"{value:.0f}" if is_whole else text


def _with_zeros(number: str, digits: str) -> str:
    """Add the zeros that a format such as 00000 or 0.00 requires."""
    if digits.lower() == "general" or not number.replace(".", "").isdecimal():
        return number
    whole, _, decimals = number.partition(".")
    whole_format, _, decimal_format = digits.partition(".")
    decimals = decimals.ljust(min(decimal_format.count("0"), _MAX_DECIMALS), "0")
    whole = whole.zfill(whole_format.count("0"))
    return f"{whole}.{decimals}" if decimals else whole


# ---- dates and times


_SECOND: Final = 1_000_000  # microseconds
_DAY: Final = 86_400 * _SECOND

_DateOrTime = dt.time | dt.date | dt.datetime | dt.timedelta


class _Moment(NamedTuple):
    """A date with a time of day, a time of day, or a duration of any number of microseconds."""

    date: dt.date | None
    microseconds: int


def _format_time(value: _DateOrTime, tokens: tuple[_Token, ...]) -> str:
    shown = _with_iso_dates(_with_minutes(tokens))
    kinds = {token.kind for token in shown}
    moment = _moment(value)
    if moment.microseconds < 0:
        return "-" + _format_time(-value, tokens) if isinstance(value, dt.timedelta) else ""
    is_known = bool(kinds & _RENDERED) and "digits" not in kinds
    if not is_known or (moment.date is None and kinds & _DATES):
        return _default_text(value, _rounded(moment, _SECOND))
    decimals = max((len(token.text.partition(".")[2]) for token in shown), default=0)
    moment = _rounded(moment, 10 ** max(6 - decimals, 0))
    text = "".join(
        _time_part(token, moment.microseconds, is_half_day="half" in kinds)
        if moment.date is None or token.kind not in _DATES
        else _date_part(token, moment.date)
        for token in shown
    )
    return " ".join(text.split())


def _moment(value: _DateOrTime) -> _Moment:
    if isinstance(value, dt.timedelta):
        return _Moment(None, value // dt.timedelta(microseconds=1))
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return _Moment(value, 0)
    time = value if isinstance(value, dt.time) else value.time()
    seconds = 3600 * time.hour + 60 * time.minute + time.second
    date = value.date() if isinstance(value, dt.datetime) else None
    return _Moment(date, seconds * _SECOND + time.microsecond)


def _rounded(moment: _Moment, step: int) -> _Moment:
    """Round to a multiple of `step` microseconds: files store times as fractions of a day."""
    microseconds = (moment.microseconds + step // 2) // step * step
    if moment.date is None or microseconds < _DAY or moment.date == dt.date.max:
        return _Moment(moment.date, microseconds)
    return _Moment(moment.date + dt.timedelta(days=1), microseconds - _DAY)


def _default_text(value: _DateOrTime, moment: _Moment) -> str:
    minutes, seconds = divmod(moment.microseconds // _SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    digits = 1 if isinstance(value, dt.timedelta) else 2
    time = f"{hours:0{digits}}:{minutes:02}" + (f":{seconds:02}" if seconds else "")
    if moment.date is None:
        return time
    return f"{moment.date} {time}" if moment.microseconds else str(moment.date)


_DATES: Final = frozenset({"iso", "y", "month", "d"})
_TIMES: Final = frozenset({"h", "minute", "s", "half", "[h", "[m", "[s"})
_RENDERED: Final = _DATES | _TIMES


def _with_minutes(tokens: tuple[_Token, ...]) -> list[_Token]:
    """Name the units of a date format. An `m` is a minute behind hours and before seconds."""
    units: list[_Token] = []
    for token in tokens:
        letter = token.text[:1]
        if token.kind == "elapsed":
            units.append(_Token("[" + letter, token.text))
        elif token.kind != "date":
            units.append(token)
        elif letter == "m":
            last = next((unit.kind for unit in reversed(units) if unit.kind in _RENDERED), "")
            is_minute = last in ("h", "[h") and len(token.text) < 3
            units.append(_Token("minute" if is_minute else "month", token.text))
        else:
            if letter == "s":
                _change_month_before(units)
            units.append(_Token("half" if letter == "a" else letter, token.text))
    return units


def _change_month_before(units: list[_Token]) -> None:
    for index in reversed(range(len(units))):
        if units[index].kind in _RENDERED:
            if units[index].kind == "month" and len(units[index].text) < 3:
                units[index] = _Token("minute", units[index].text)
            return


def _with_iso_dates(units: list[_Token]) -> list[_Token]:
    """Replace the part of a format that shows month and day by one unit for the whole date."""
    at = [index for index, unit in enumerate(units) if unit.kind in _DATES]
    has_day = any(units[index].kind == "d" and len(units[index].text) < 3 for index in at)
    if not has_day or all(units[index].kind != "month" for index in at):
        return units
    start, end = at[0], at[-1] + 1
    if any(unit.kind in _TIMES for unit in units[start:end]):
        return []
    # The word for a year or day behind it, as in Chinese and Russian.
    while end < len(units) and any(map(str.isalpha, units[end].text)) and _is_literal(units[end]):
        end += 1
    return [*units[:start], _Token("iso", ""), *units[end:]]


def _is_literal(token: _Token) -> bool:
    return token.kind == "literal"


def _date_part(token: _Token, date: dt.date) -> str:
    width = len(token.text)
    if token.kind == "y":
        return str(date.year)
    if token.kind == "month":
        names = {3: _MONTHS[date.month - 1][:3], 4: _MONTHS[date.month - 1]}
        return f"{date.month:0{width}}" if width < 3 else names.get(width, names[3])
    if token.kind == "d":
        name = _WEEKDAYS[date.weekday()]
        return f"{date.day:0{width}}" if width < 3 else name[:3] if width == 3 else name
    return str(date)


def _time_part(token: _Token, microseconds: int, *, is_half_day: bool) -> str:
    seconds, fraction = divmod(microseconds, _SECOND)
    whole, _, decimals = token.text.partition(".")
    hour = seconds // 3600 % 24
    numbers = {
        "h": (hour - 1) % 12 + 1 if is_half_day else hour,
        "minute": seconds // 60 % 60,
        "s": seconds % 60,
        "[h": seconds // 3600,
        "[m": seconds // 60,
        "[s": seconds,
    }
    if token.kind == "half":
        return "AM" if hour < 12 else "PM"
    if token.kind not in numbers:
        return token.text
    text = f"{numbers[token.kind]:0{min(len(whole), 2)}}"
    return f"{text}.{fraction:06}"[: len(text) + 1 + len(decimals)] if decimals else text


_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
