"""Values that every log line of the current request or job contains, such as its id."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from structlog.typing import EventDict, WrappedLogger

# One variable for all values: structlog's own functions search the whole context for theirs.
_VALUES: ContextVar[dict[str, Any]] = ContextVar("log_values")


def begin(**values: Any) -> None:
    """Replace all values, at the start of a request or job."""
    _VALUES.set(values)


def bind(**values: Any) -> None:
    """Add values for the rest of the request or job."""
    _VALUES.get().update(values)


def current() -> Mapping[str, Any]:
    """Return the values. Empty outside of requests and jobs."""
    return _VALUES.get({})


def add_to_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the values to a log line. A processor of structlog."""
    return {**current(), **event}
