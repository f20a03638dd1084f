"""The supervisor: children that die, hang and leave children of their own."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.embedded import supervisor as module
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.process_info import process_alive
from gateway.embedded.supervisor import Child, Supervisor
from tests.embedded.processes import ROOT, python, read_line, until

Keep = Callable[..., Supervisor]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """Makes a supervisor of children; it is stopped at the end of the test."""
    made: list[Supervisor] = []

    def build(*children: Child, grace: float = 5.0) -> Supervisor:
        made.append(Supervisor(tmp_path, report=lambda _: None, grace=grace))
        made[-1].start(children)
        return made[-1]

    yield build
    for supervisor in made:
        if not supervisor.stop_requested:
            supervisor.stop()


def child(name: str, code: str, *arguments: object, stage: int = 0) -> Child:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return Child(name, [sys.executable, "-c", code, *map(str, arguments)], environment, stage)


def pids(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


def noted(file: Path, count: int) -> bool:
    return len(pids(file)) == count


STAYS = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def test_a_child_that_is_killed_is_started_again(keep: Keep, tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    supervisor = keep(child("worker", STAYS, notes))
    for number in range(1, 4):
        assert supervisor.run(until=partial(noted, notes, number))
        os.kill(pids(notes)[-1], signal.SIGKILL)
    assert supervisor.run(until=lambda: len(pids(notes)) == 4)
    supervisor.stop()
    assert not any(process_alive(pid) for pid in pids(notes))


def test_a_child_that_cannot_start_stops_everything_and_says_why(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.01)
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    supervisor = keep(
        child("api", "print('fine so far'); raise SystemExit('no such setting: PROT')")
    )
    with pytest.raises(
        EmbeddedError,
        match=r"api ended 5 times in a row \(exit code 1\): no such setting: PROT\. .*api\.log",
    ):
        supervisor.run()
    assert (tmp_path / "logs" / "api.log").read_text().count("fine so far") == 5


def test_a_missing_program_is_named(keep: Keep) -> None:
    with pytest.raises(EmbeddedError, match="/nowhere/program cannot be started"):
        keep(Child("api", ["/nowhere/program"], {}))


SAYS_WHEN_IT_ENDS = """
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


def test_children_are_stopped_in_order(keep: Keep, tmp_path: Path) -> None:
    order = tmp_path / "order"
    supervisor = keep(
        child("worker-1", SAYS_WHEN_IT_ENDS, order, "worker", 0, stage=1),
        child("worker-2", SAYS_WHEN_IT_ENDS, order, "worker", 0, stage=1),
        child("api", SAYS_WHEN_IT_ENDS, order, "api", 0.3, stage=0),
    )
    ready = tmp_path / "order.up"
    assert supervisor.run(until=lambda: ready.exists() and ready.read_text().count("up") == 3)
    supervisor.stop()
    assert order.read_text().split() == ["api", "worker", "worker"]


HANGS = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
below = subprocess.Popen([sys.executable, "-c", deaf])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {below.pid}\\n")
time.sleep(60)
"""


def test_a_child_that_hangs_is_killed_with_all_below_it(keep: Keep, tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    supervisor = keep(child("worker", HANGS, notes), grace=0.2)
    assert supervisor.run(until=lambda: len(pids(notes)) == 2)
    supervisor.stop()
    until(lambda: not any(process_alive(pid) for pid in pids(notes)))


def test_what_a_killed_child_started_ends_before_its_successor_begins(
    keep: Keep, tmp_path: Path
) -> None:
    notes = tmp_path / "pids"
    supervisor = keep(child("worker", HANGS, notes), grace=0.1)
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
    "from domains.kernel.core.parent_watch import exit_with_supervisor as die; die(float(%r))"
    + chr(10)
)
env = {**os.environ, "NOTES": sys.argv[2]}
supervisor.start([
    Child("polite", [sys.executable, "-c", code % "5" + sys.argv[3], sys.argv[2]], env),
    Child("deaf", [sys.executable, "-c", code % "0.3" + sys.argv[4], sys.argv[2]], env),
])
print("up", flush=True)
supervisor.run()
"""


def test_children_end_by_themselves_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    with python(SUPERVISES, tmp_path, notes, STAYS, HANGS) as process:
        read_line(process)
        until(lambda: len(pids(notes)) == 3)
        began = time.monotonic()
        process.kill()
        until(lambda: not any(process_alive(pid) for pid in pids(notes)), seconds=8)
        assert time.monotonic() - began < 4


def test_a_process_without_a_supervisor_is_left_alone() -> None:
    code = (
        "import threading; from domains.kernel.core.parent_watch import exit_with_supervisor;"
        "exit_with_supervisor(); print(threading.active_count())"
    )
    with python(code) as process:
        assert read_line(process) == "1"
    with python(code, GATEWAY_SUPERVISOR_FD="0") as process:  # stands for something that is no pipe
        assert read_line(process) == "1"


class Flaky:
    """A server that can be told to be dead, and to fail."""

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


def test_a_server_that_ends_is_started_again_and_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SERVER_TICK", 0.01)
    said: list[str] = []
    server = Flaky()
    supervisor = Supervisor(tmp_path, report=said.append)
    supervisor.start_servers({"Flaky": server})
    assert supervisor.run(until=lambda: supervisor.urls() == {"Flaky": "url"})
    server.up = False
    assert supervisor.run(until=lambda: "Flaky is back." in said)
    server.up, server.fails = False, True
    with pytest.raises(EmbeddedError, match="no room"):
        supervisor.run()
    assert server.starts == 2 + module.SERVER_FAILURES
    supervisor.stop()


def test_a_log_that_grew_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.embedded.logged_process.LOG_LIMIT", 1000)
    monkeypatch.setattr(module, "LOG_TICK", 0.0)
    supervisor = Supervisor(tmp_path, report=lambda _: None)
    code = "import time; print('x' * 2000); time.sleep(0.5); print('after'); time.sleep(60)"
    supervisor.start([child("api", code)])
    log = tmp_path / "logs" / "api.log"
    assert supervisor.run(until=lambda: log.read_text() == "after\n")
    assert (tmp_path / "logs" / "api.log.1").read_text() == "x" * 2000 + "\n"
    assert log.stat().st_mode & 0o077 == 0
    supervisor.stop()
