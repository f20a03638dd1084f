"""The circuit breaker: outages, probes, recovery, log lines."""

import pytest
import structlog

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import DependencyUnavailable


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("object_store", "The object store does not respond.", 2.0, clock=clock)


def _admits(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except DependencyUnavailable:
        return False
    return True


def test_calls_pass_until_one_failed(breaker: Breaker) -> None:
    assert _admits(breaker)
    breaker.succeeded()
    assert _admits(breaker)
    breaker.failed("timeout")
    assert breaker.is_open
    with pytest.raises(DependencyUnavailable, match="object store") as refused:
        breaker.admit()
    assert refused.value.dependency == "object_store"
    assert refused.value.headers["Retry-After"]


def test_one_call_per_interval_probes_until_one_succeeds(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("timeout")
    clock.now += 2.0
    assert [_admits(breaker) for _ in range(3)] == [True, False, False]
    # The probe has not ended yet, or never ends.
    clock.now += 2.0
    assert [_admits(breaker) for _ in range(2)] == [True, False]
    breaker.succeeded()
    assert [_admits(breaker) for _ in range(2)] == [True, True]


def test_the_interval_begins_with_the_last_failure(breaker: Breaker, clock: Clock) -> None:
    breaker.failed("timeout")
    clock.now += 10.0
    breaker.failed("timeout")
    clock.now += 1.0
    assert breaker.refuses
    clock.now += 1.0
    assert not breaker.refuses


def test_a_call_from_before_the_recovery_does_not_open_it(breaker: Breaker, clock: Clock) -> None:
    began = clock.now
    clock.now += 1.0
    breaker.succeeded()
    breaker.failed("timeout", began=began)
    assert not breaker.is_open
    breaker.failed("timeout", began=clock.now)
    assert breaker.is_open


def test_an_outage_is_logged_when_it_begins_and_ends_and_once_a_minute(
    breaker: Breaker, clock: Clock
) -> None:
    with structlog.testing.capture_logs() as lines:
        breaker.failed("timeout")
        for _ in range(119):
            clock.now += 1.0
            if _admits(breaker):
                breaker.failed("refused")
        breaker.succeeded()
        breaker.succeeded()
    assert [line["event"] for line in lines] == [
        "dependency_unavailable",
        "dependency_still_unavailable",
        "dependency_available",
    ]
    assert lines[1]["reason"] == "refused"
    assert (lines[2]["seconds"], lines[2]["refused"]) == (119.0, 60)
