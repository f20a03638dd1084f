"""SQL intervals of a number of seconds or days."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Float, Interval, bindparam, literal

_SECOND: Final = literal(timedelta(seconds=1), Interval)
_DAY: Final = literal(timedelta(days=1), Interval)


def seconds(number: Any) -> Any:
    """Interval of `number` seconds: a constant, a column, or the name of a parameter."""
    return _amount(number) * _SECOND


def days(number: Any) -> Any:
    """Interval of `number` days: a constant, a column, or the name of a parameter."""
    return _amount(number) * _DAY


def _amount(number: Any) -> Any:
    if isinstance(number, str):
        return bindparam(number, type_=Float)
    return literal(number, Float) if isinstance(number, int | float) else number
