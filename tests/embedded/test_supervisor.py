"""The supervisor: children that end or hang, their own children, and servers that fail."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.embedded import supervisor as module
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.process_info import process_alive
from gateway.embedded.supervisor import Child, Supervisor
from tests.embedded.processes import ROOT, python, read_line, until

Supervise = Callable[..., Supervisor]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts supervisors with children and stops them at the end of the test."""
    started: list[Supervisor] = []

    def build(*children: Child, grace: float = 5.0) -> Supervisor:
        started.append(Supervisor(tmp_path, report=lambda _: None, grace=grace))
        started[-1].start(children)
        return started[-1]

    yield build
    for supervisor in started:
        if not supervisor.stop_requested:
            supervisor.stop()


def child(name: str, code: str, *arguments: object, stage: int = 0) -> Child:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return Child(name, [sys.executable, "-c", code, *map(str, arguments)], environment, stage)


def pids(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def has_pids(file: Path, count: int) -> bool:
    return len(pids(file)) == count


RECORDS_ITS_PID = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def test_a_killed_child_is_restarted(supervise: Supervise, tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    supervisor = supervise(child("worker", RECORDS_ITS_PID, notes))
    for number in range(1, 4):
        assert supervisor.run(until=partial(has_pids, notes, number))
        os.kill(pids(notes)[-1], signal.SIGKILL)
    assert supervisor.run(until=lambda: len(pids(notes)) == 4)
    supervisor.stop()
    assert not any(process_alive(pid) for pid in pids(notes))


def test_a_child_that_fails_five_times_ends_everything_with_its_last_line(
    supervise: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.01)
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    supervisor = supervise(
        child("api", "print('started'); raise SystemExit('no such setting: PROT')")
    )
    with pytest.raises(
        EmbeddedError,
        match=r"api ended 5 times in a row \(exit code 1\): no such setting: PROT\. .*api\.log",
    ):
        supervisor.run()
    assert (tmp_path / "logs" / "api.log").read_text().count("started") == 5


def test_a_missing_program_is_named(supervise: Supervise) -> None:
    with pytest.raises(EmbeddedError, match="/nowhere/program cannot be started"):
        supervise(Child("api", ["/nowhere/program"], {}))


RECORDS_ITS_END = """
import signal, sys, time
def end(*_):
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
with open(sys.argv[1] + ".up", "a") as file:
    file.write("up\\n")
time.sleep(60)
"""


def test_children_are_stopped_in_order(supervise: Supervise, tmp_path: Path) -> None:
    order = tmp_path / "order"
    supervisor = supervise(
        child("worker-1", RECORDS_ITS_END, order, "worker", 0, stage=1),
        child("worker-2", RECORDS_ITS_END, order, "worker", 0, stage=1),
        child("api", RECORDS_ITS_END, order, "api", 0.3, stage=0),
    )
    ready = tmp_path / "order.up"
    assert supervisor.run(until=lambda: ready.exists() and ready.read_text().count("up") == 3)
    supervisor.stop()
    assert order.read_text().split() == ["api", "worker", "worker"]


IGNORES_SIGTERM = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
below = subprocess.Popen([sys.executable, "-c", child])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {below.pid}\\n")
time.sleep(60)
"""


def test_a_hanging_child_is_killed_with_its_own_children(
    supervise: Supervise, tmp_path: Path
) -> None:
    notes = tmp_path / "pids"
    supervisor = supervise(child("worker", IGNORES_SIGTERM, notes), grace=0.2)
    assert supervisor.run(until=lambda: len(pids(notes)) == 2)
    supervisor.stop()
    until(lambda: not any(process_alive(pid) for pid in pids(notes)))


def test_a_second_request_to_stop_kills_without_waiting(
    supervise: Supervise, tmp_path: Path
) -> None:
    notes = tmp_path / "pids"
    supervisor = supervise(child("worker", IGNORES_SIGTERM, notes), grace=3600)
    assert supervisor.run(until=lambda: len(pids(notes)) == 2)
    supervisor.request_stop()
    assert not supervisor.run()
    supervisor.request_stop(kill=True)
    supervisor.stop()
    until(lambda: not any(process_alive(pid) for pid in pids(notes)))


def test_children_of_a_killed_child_end_before_it_is_restarted(
    supervise: Supervise, tmp_path: Path
) -> None:
    notes = tmp_path / "pids"
    supervisor = supervise(child("worker", IGNORES_SIGTERM, notes), grace=0.1)
    assert supervisor.run(until=lambda: len(pids(notes)) == 2)
    below = pids(notes)[1]
    os.kill(pids(notes)[0], signal.SIGKILL)
    assert supervisor.run(until=lambda: len(pids(notes)) == 4)
    assert not process_alive(below)


SUPERVISES = """
import os, sys
from pathlib import Path
from gateway.embedded.supervisor import Child, Supervisor
supervisor = Supervisor(Path(sys.argv[1]), report=print)
code = (
    "from domains.kernel.core.supervision.parent_watch import exit_with_supervisor as die;"
    " die(float(%r))" + chr(10)
)
env = {**os.environ, "NOTES": sys.argv[2]}
supervisor.start([
    Child("orderly", [sys.executable, "-c", code % "5" + sys.argv[3], sys.argv[2]], env),
    Child("hanging", [sys.executable, "-c", code % "0.3" + sys.argv[4], sys.argv[2]], env),
])
print("up", flush=True)
supervisor.run()
"""


def test_children_end_by_themselves_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    with python(SUPERVISES, tmp_path, notes, RECORDS_ITS_PID, IGNORES_SIGTERM) as process:
        read_line(process)
        until(lambda: len(pids(notes)) == 3)
        process.kill()
        until(lambda: not any(process_alive(pid) for pid in pids(notes)))


def test_a_process_without_a_supervisor_watches_no_pipe() -> None:
    code = (
        "import threading;"
        "from domains.kernel.core.supervision.parent_watch import exit_with_supervisor;"
        "exit_with_supervisor(); print(threading.active_count())"
    )
    with python(code) as process:
        assert read_line(process) == "1"
    with python(code, GATEWAY_SUPERVISOR_FD="0") as process:  # a descriptor that is no pipe
        assert read_line(process) == "1"


class FakeServer:
    """A server that ends and fails on demand."""

    def __init__(self) -> None:
        self.starts = 0
        self.up = False
        self.fails = False

    def start(self) -> str:
        self.starts += 1
        if self.fails:
            raise EmbeddedError("the server does not start: no room")
        self.up = True
        return "url"

    def stop(self, *, hard: bool = False) -> None:
        self.up = hard

    def alive(self) -> bool:
        return self.up


def test_a_server_is_restarted_until_it_fails_three_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SERVER_TICK", 0.01)
    reported: list[str] = []
    server = FakeServer()
    supervisor = Supervisor(tmp_path, report=reported.append)
    supervisor.start_servers({"FakeServer": server})
    assert supervisor.run(until=lambda: supervisor.urls() == {"FakeServer": "url"})
    server.up = False
    assert supervisor.run(until=lambda: "FakeServer is back." in reported)
    server.up, server.fails = False, True
    with pytest.raises(EmbeddedError, match="no room"):
        supervisor.run()
    assert server.starts == 2 + module.SERVER_FAILURES
    supervisor.stop()


WRITES_UNTIL_MOVED = """
import os, time
print("x" * 2000)
while os.fstat(1).st_size:
    time.sleep(0.01)
print("after")
time.sleep(60)
"""


def test_a_large_log_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.embedded.logged_process.LOG_LIMIT", 1000)
    monkeypatch.setattr(module, "LOG_TICK", 0.0)
    supervisor = Supervisor(tmp_path, report=lambda _: None)
    log = tmp_path / "logs" / "api.log"
    supervisor.start([child("api", WRITES_UNTIL_MOVED)])
    assert supervisor.run(until=lambda: log.read_text() == "after\n")
    assert (tmp_path / "logs" / "api.log.1").read_text() == "x" * 2000 + "\n"
    assert log.stat().st_mode & 0o077 == 0
    supervisor.stop()
