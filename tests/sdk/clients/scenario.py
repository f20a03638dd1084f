"""Data and helpers that the programs in Python share."""

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

TEXT = "Exports are hard to find and take minutes. I would love a button that exports to CSV."
OLD_TEXT = "Exports are slow."
UNKNOWN_ID = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"
MESSAGE_TIMES = [datetime(2026, 11, day, 9, tzinfo=UTC) for day in (11, 12, 13)]
CONTENT = base64.b64encode(TEXT.encode()).decode()
PROMISE = "I will send you the offer by Friday."


def at(minute: int) -> datetime:
    """A time in the conversation."""
    return datetime(2026, 11, 11, 9, minute, tzinfo=UTC)


def eventually(condition: Callable[[], T | None]) -> T:
    """Poll until `condition` returns a true value, and return that value."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("the condition was not met in time")
