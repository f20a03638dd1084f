"""The watchdog: reports of a process, and the judgement of its supervisor."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domains.kernel.core.supervision.watchdog import Notifier, Watch
from tests.embedded.processes import python, read_line, until

TIMEOUT = 10.0


class Supervisor:
    """A watch with a clock of its own, which polls ten times a second."""

    def __init__(self, address: Path) -> None:
        self.now = 1000.0
        self.watch = Watch(address, TIMEOUT, clock=lambda: self.now)

    def sees_frozen_within(self, seconds: float) -> bool:
        """Poll for `seconds` of the clock. True as soon as the process counts as frozen."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            if self.watch.is_frozen():
                return True
        return False


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    created = Supervisor(tmp_path / "notify")
    yield created
    created.watch.close()
    assert not (tmp_path / "notify").exists()


@pytest.fixture
def notifier(supervisor: Supervisor) -> Iterator[Notifier]:
    with closing(Notifier.take_from(dict(supervisor.watch.environment))) as created:
        yield created


def test_a_process_that_never_reported_is_not_frozen(supervisor: Supervisor) -> None:
    assert not supervisor.sees_frozen_within(1000)


def test_a_process_that_is_silent_for_the_timeout_is_frozen(
    supervisor: Supervisor, notifier: Notifier
) -> None:
    for _ in range(3):
        notifier.alive()
        assert not supervisor.sees_frozen_within(TIMEOUT - 0.5)
    assert supervisor.sees_frozen_within(1)


def test_the_next_process_is_not_judged_by_the_reports_of_the_previous_one(
    supervisor: Supervisor, notifier: Notifier
) -> None:
    notifier.alive()
    assert supervisor.sees_frozen_within(TIMEOUT + 1)
    notifier.alive()
    supervisor.watch.restart()
    assert not supervisor.sees_frozen_within(1000)
    notifier.alive()
    assert supervisor.sees_frozen_within(TIMEOUT + 1)


def test_time_in_which_the_supervisor_was_stopped_does_not_count(
    supervisor: Supervisor, notifier: Notifier
) -> None:
    notifier.alive()
    assert not supervisor.sees_frozen_within(1)
    # The whole machine was suspended: no report arrived, either.
    supervisor.now += 3600
    assert not supervisor.sees_frozen_within(TIMEOUT / 2)
    # The supervisor alone was stopped: more reports than a socket holds were sent meanwhile.
    for _ in range(5000):
        notifier.alive()
    supervisor.now += 3600
    assert not supervisor.sees_frozen_within(TIMEOUT - 0.5)
    assert supervisor.sees_frozen_within(1)


def test_a_process_that_stops_in_order_may_be_silent_for_longer(
    supervisor: Supervisor, notifier: Notifier
) -> None:
    notifier.alive()
    notifier.stopping()
    assert not supervisor.sees_frozen_within(TIMEOUT + 29)
    assert supervisor.sees_frozen_within(2)


def test_reports_arrive_after_the_socket_file_was_removed(
    supervisor: Supervisor, notifier: Notifier, tmp_path: Path
) -> None:
    notifier.alive()
    (tmp_path / "notify").rename(tmp_path / "moved")
    for _ in range(3):
        assert not supervisor.sees_frozen_within(TIMEOUT - 0.5)
        notifier.alive()
    (tmp_path / "moved").rename(tmp_path / "notify")


def test_a_supervisor_that_opens_its_socket_again_gets_reports(tmp_path: Path) -> None:
    first = Watch(tmp_path / "notify", TIMEOUT)
    notifier = Notifier.take_from(dict(first.environment))
    notifier.alive()
    first.close()
    notifier.alive()  # nobody listens: no error
    with closing(notifier), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
        second.bind(str(tmp_path / "notify"))
        second.settimeout(10)
        notifier.alive()
        assert second.recv(100) == b"WATCHDOG=1"


def test_the_protocol_is_that_of_systemd(tmp_path: Path) -> None:
    async def serve(notifier: Notifier) -> None:
        task = asyncio.create_task(notifier.run())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "systemd"))
        systemd.settimeout(10)
        environment = {
            "NOTIFY_SOCKET": str(tmp_path / "systemd"),
            "WATCHDOG_USEC": "40000",
            "WATCHDOG_PID": "1",
            "OTHER": "kept",
        }
        notifier = Notifier.take_from(environment)
        assert environment == {"OTHER": "kept"}
        assert notifier.interval == 0.01
        with closing(notifier):
            asyncio.run(serve(notifier))
        assert systemd.recv(100) == b"READY=1"
        messages = []
        while (message := systemd.recv(100)) != b"STOPPING=1":
            messages.append(message)
        assert set(messages) == {b"WATCHDOG=1"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "/nowhere/socket"},
        {"NOTIFY_SOCKET": "@gateway-nobody-listens"},
        {"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "nonsense"},
    ],
)
def test_without_a_supervisor_reports_go_nowhere(environment: dict[str, str]) -> None:
    with closing(Notifier.take_from(environment)) as notifier:
        notifier.ready()
        notifier.alive()
        notifier.stopping()


REPORTS = """
import asyncio, os
from domains.kernel.core.supervision.watchdog import Notifier
notifier = Notifier.take_from(os.environ)
print("NOTIFY_SOCKET" in os.environ, flush=True)
asyncio.run(notifier.run())
"""


def test_a_stopped_process_is_seen_and_one_that_continues_is_heard_again(tmp_path: Path) -> None:
    with (
        closing(Watch(tmp_path / "notify", 1.0)) as watch,
        python(REPORTS, **watch.environment) as process,
    ):
        assert read_line(process) == "False"
        until(lambda: watch.is_frozen() or watch.reported)
        process.send_signal(signal.SIGSTOP)
        until(watch.is_frozen)
        process.send_signal(signal.SIGCONT)
        until(lambda: not watch.is_frozen())


def test_no_socket_can_be_created(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        Watch(tmp_path / ("x" * 200), TIMEOUT)
