"""Results of the checks of `gateway doctor`."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

# Seconds.
MAX_CLOCK_OFFSET: Final = 2.0

Status = Literal["ok", "off", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Result of one check. `remedy`: what the operator should do, unless it is `ok` or `off`.

    `error`: requests or jobs fail. `warning`: they may fail later, or results are worse.
    """

    check: str
    status: Status
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    return Finding(check, "ok", detail)


def off(check: str, detail: str) -> Finding:
    """Create a finding about a part that is not configured."""
    return Finding(check, "off", detail)


def warning(check: str, detail: str, remedy: str) -> Finding:
    return Finding(check, "warning", detail, remedy)


def error(check: str, detail: str, remedy: str) -> Finding:
    return Finding(check, "error", detail, remedy)


def has_error(findings: Sequence[Finding]) -> bool:
    """True if a finding is an error."""
    return any(finding.status == "error" for finding in findings)


def in_megabytes(size: int) -> str:
    """Format a number of bytes: `1,234 MB`."""
    return f"{size // 1_000_000:,} MB"


def clock_finding(check: str, server: str, offset: float, uncertainty: float) -> Finding:
    """Compare the clock of a server, `offset` seconds ahead, with that of this machine."""
    if abs(offset) <= MAX_CLOCK_OFFSET + uncertainty:
        return ok(check, f"{server} and this machine agree within {MAX_CLOCK_OFFSET:.0f} s")
    direction = "ahead of" if offset > 0 else "behind"
    return warning(
        check,
        f"the clock of {server} is {abs(offset):.0f} s {direction} this machine's",
        "synchronize both clocks, for example with NTP; times of records and expiries of keys"
        " differ until then",
    )
