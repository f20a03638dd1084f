"""Circuit breaker: calls to an unavailable dependency fail at once instead of waiting."""

import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from domains.kernel.core.problems import Dependency, DependencyUnavailable

log = structlog.get_logger()

# Seconds between two log lines about one outage.
_REMINDER_INTERVAL: Final = 60.0


class Outage(msgspec.Struct):
    """An outage of a dependency, as this process sees it. Times are those of the breaker's clock.

    `reason` is for operators: the kind of failure, without addresses or data.
    """

    began: float
    reason: str
    message: str
    next_probe: float
    next_reminder: float
    # Calls that were refused without a try.
    refused: int = 0


class Breaker:
    """Decides whether a dependency may be called.

    Closed at first: calls pass. `failed` opens it. While it is open, `admit` raises
    DependencyUnavailable, but lets one call pass `probe_interval` seconds after the last failure or
    probe. `succeeded` closes it. Logs a line when it opens and when it closes, and one a minute in
    between.
    """

    def __init__(
        self,
        dependency: Dependency,
        message: str,
        probe_interval: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`message` is for customers: the message of each refusal."""
        self.dependency: Final = dependency
        self.outage: Outage | None = None
        self.probe_interval: Final = probe_interval
        self._message = message
        self._clock = clock
        self._succeeded_at = float("-inf")

    @property
    def is_open(self) -> bool:
        return self.outage is not None

    @property
    def refuses(self) -> bool:
        """True if `admit` would raise."""
        return self.outage is not None and self._clock() < self.outage.next_probe

    @property
    def seconds_since_response(self) -> float:
        """Seconds since the last success. Infinite before the first one."""
        return self._clock() - self._succeeded_at

    def admits(self) -> bool:
        """Return False during an outage, unless the call is the next probe."""
        return self.outage is None or self._admits_probe(self.outage)

    def admit(self) -> None:
        """Raise DependencyUnavailable during an outage, unless the call is the next probe."""
        if not self.admits():
            raise self.unavailable()

    def refuse_during_outage(self) -> None:
        """Raise DependencyUnavailable during an outage: other calls are the probes."""
        if self.outage is not None:
            self.outage.refused += 1
            raise self.unavailable()

    def succeeded(self) -> None:
        """Record that the dependency responded to a call."""
        self._succeeded_at = self._clock()
        if self.outage is not None:
            log.warning(
                "dependency_available",
                dependency=self.dependency,
                seconds=round(self._succeeded_at - self.outage.began, 1),
                refused=self.outage.refused,
            )
            self.outage = None

    def failed(
        self, reason: str, *, began: float | None = None, message: str | None = None
    ) -> None:
        """Record that the dependency did not respond to a call that began at `began`.

        Ignored if a call has succeeded since. `message` replaces the breaker's message until the
        next failure.
        """
        now = self._clock()
        if began is not None and began < self._succeeded_at:
            return
        message = message or self._message
        if self.outage is None:
            self.outage = Outage(
                now, reason, message, now + self.probe_interval, now + _REMINDER_INTERVAL
            )
            log.error("dependency_unavailable", dependency=self.dependency, reason=reason)
        else:
            self.outage.reason, self.outage.message = reason, message
            self.outage.next_probe = now + self.probe_interval
            self._remind(self.outage, now)

    @property
    def seconds_open(self) -> float | None:
        """Duration of the outage so far in seconds, or None."""
        return None if self.outage is None else self._clock() - self.outage.began

    def unavailable(self) -> DependencyUnavailable:
        """The problem to raise for a call that is not made."""
        message = self._message if self.outage is None else self.outage.message
        return DependencyUnavailable(self.dependency, message)

    def _admits_probe(self, outage: Outage) -> bool:
        now = self._clock()
        self._remind(outage, now)
        if now < outage.next_probe:
            outage.refused += 1
            return False
        # A probe that never ends does not prevent the next one.
        outage.next_probe = now + self.probe_interval
        return True

    def _remind(self, outage: Outage, now: float) -> None:
        if now >= outage.next_reminder:
            outage.next_reminder = now + _REMINDER_INTERVAL
            log.error(
                "dependency_still_unavailable",
                dependency=self.dependency,
                reason=outage.reason,
                seconds=round(now - outage.began, 1),
                refused=outage.refused,
            )
