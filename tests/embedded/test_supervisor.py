"""The supervisor: children that end or hang, their own children, and servers that fail."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.embedded import supervisor as module
from gateway.embedded.disk_space import DiskWatch
from gateway.embedded.errors import DiskFull, EmbeddedError
from gateway.embedded.logged_process import trim_logs
from gateway.embedded.process_info import process_alive
from gateway.embedded.supervisor import Child, Supervisor
from tests.embedded.processes import ROOT, python, read_line, until

Supervise = Callable[..., Supervisor]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts supervisors with children and stops them at the end of the test."""
    started: list[Supervisor] = []

    def build(
        *children: Child, grace: float = 5.0, report: Callable[[str], None] = lambda _: None
    ) -> Supervisor:
        started.append(Supervisor(tmp_path, report=report, grace=grace, watchdog_timeout=3))
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
        self.full = False
        self.answering = True
        self.killed = False

    def start(self) -> str:
        self.starts += 1
        if self.full:
            raise DiskFull("the server does not start: no room", Path("/disk"))
        if self.fails:
            raise EmbeddedError("the server does not start: no room")
        self.up = True
        return "url"

    def stop(self, *, hard: bool = False) -> None:
        self.up, self.killed = False, hard
        self.answering = True

    def alive(self) -> bool:
        return self.up

    def answers(self) -> bool:
        return self.answering


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


REPORTS_AND_RECORDS_ITS_PID = """
import asyncio, os, subprocess, sys
from domains.kernel.core.supervision.watchdog import Notifier
notifier = Notifier.take_from(os.environ)
below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {below.pid}\\n")
asyncio.run(notifier.run())
"""


def test_a_frozen_child_is_replaced_with_its_own_children(
    supervise: Supervise, tmp_path: Path
) -> None:
    notes, reported = tmp_path / "pids", list[str]()
    supervisor = supervise(
        child("worker", REPORTS_AND_RECORDS_ITS_PID, notes), report=reported.append
    )
    assert supervisor.run(until=partial(has_pids, notes, 2))
    (watch,) = (state.watch for state in supervisor._children)
    assert watch is not None
    assert supervisor.run(until=lambda: watch.reported)
    frozen = pids(notes)
    os.kill(frozen[0], signal.SIGSTOP)
    assert supervisor.run(until=partial(has_pids, notes, 4))
    assert not any(process_alive(pid) for pid in frozen)
    assert "worker is frozen: no report for 3 s. Replacing it." in reported


def test_a_child_that_started_without_a_watch_is_watched_after_a_restart(
    supervise: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, reported = tmp_path / "pids", list[str]()
    with monkeypatch.context() as patched:
        patched.setattr(module, "Watch", _no_room)
        supervisor = supervise(
            child("worker", REPORTS_AND_RECORDS_ITS_PID, notes), report=reported.append
        )
        assert supervisor.run(until=partial(has_pids, notes, 2))
        os.kill(pids(notes)[0], signal.SIGKILL)
        assert supervisor.run(until=partial(has_pids, notes, 4))
    (state,) = supervisor._children
    assert state.watch is None
    assert len([line for line in reported if "is not replaced if it freezes" in line]) == 1
    os.kill(pids(notes)[2], signal.SIGKILL)
    assert supervisor.run(until=lambda: state.watch is not None and state.watch.reported)


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_no_process_inherits_the_socket_of_another_supervisor(
    supervise: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    code = "import os, sys; open(sys.argv[1], 'w').write(os.environ['NOTIFY_SOCKET'])"
    note = tmp_path / "note"
    supervisor = supervise(child("api", code, note))
    assert supervisor.run(until=lambda: note.exists() and bool(note.read_text()))
    assert note.read_text().endswith("/api")


# --- full disks ---

MEGABYTE = 1_000_000


class FakeDisk:
    """Free space that a test sets."""

    def __init__(self) -> None:
        self.free = 1000 * MEGABYTE

    def measure(self, _folder: Path) -> int:
        return self.free


@pytest.fixture
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_DELAY", "LONGEST_DELAY", "SERVER_TICK"):
        monkeypatch.setattr(module, name, 0.01)
    # Each failure of a child counts as soon as the disk has room.
    monkeypatch.setattr(module, "GRACE_AFTER_OUTAGE", 0.0)


@pytest.mark.usefixtures("short_delays")
def test_a_server_on_a_full_disk_is_tried_until_there_is_room(tmp_path: Path) -> None:
    reported: list[str] = []
    server = FakeServer()
    supervisor = Supervisor(tmp_path, report=reported.append)
    supervisor.start_servers({"FakeServer": server})
    assert supervisor.run(until=lambda: supervisor.urls() is not None)
    server.up, server.full = False, True
    assert supervisor.run(until=lambda: server.starts > 3 * module.SERVER_FAILURES)
    assert supervisor.disk_full
    server.full = False
    assert supervisor.run(until=lambda: not supervisor.disk_full)
    assert [line.split(":")[0] for line in reported] == [
        "FakeServer ended, starting it again.",
        "Disk full",
        "FakeServer is back.",
        "Room again on the disk of /disk",
    ]
    assert "are free on the disk of /disk. Free some; everything continues" in reported[1]
    supervisor.stop()


FAILS_WITHOUT_ROOM = """
import os, sys
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
if not os.path.exists(sys.argv[2]):
    raise SystemExit("no room")
import time
time.sleep(60)
"""


@pytest.mark.usefixtures("short_delays")
def test_a_child_that_fails_on_a_full_disk_is_restarted_without_end(tmp_path: Path) -> None:
    notes, room, reported = tmp_path / "pids", tmp_path / "room", list[str]()
    disk = FakeDisk()
    disk.free = 0
    supervisor = Supervisor(tmp_path, report=reported.append, free=disk.measure)
    assert supervisor.run(until=lambda: supervisor.disk_full)
    supervisor.start([child("api", FAILS_WITHOUT_ROOM, notes, room)])
    assert supervisor.run(until=lambda: len(pids(notes)) > module.MAX_QUICK_EXITS + 1)
    room.touch()
    disk.free = 1000 * MEGABYTE
    assert supervisor.run(until=lambda: not supervisor.disk_full)
    assert supervisor.run(until=lambda: process_alive(pids(notes)[-1]))
    supervisor.stop()
    lines = [line.split(":")[0] for line in reported]
    # The end of a child that began without room may be reported afterwards.
    assert lines[:2] == ["Disk full", f"Room again on the disk of {tmp_path}"]


@pytest.mark.usefixtures("short_delays")
def test_a_child_that_names_the_full_disk_is_restarted_without_end(
    supervise: Supervise, tmp_path: Path
) -> None:
    code = FAILS_WITHOUT_ROOM.replace("no room", "OSError: [Errno 28] No space left on device")
    notes = tmp_path / "pids"
    supervisor = supervise(child("api", code, notes, tmp_path / "room"))
    assert supervisor.run(until=lambda: len(pids(notes)) > module.MAX_QUICK_EXITS + 1)


def test_a_child_waits_no_longer_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 3600.0)
    monkeypatch.setattr(module, "SERVER_TICK", 0.01)
    disk, notes, room = FakeDisk(), tmp_path / "pids", tmp_path / "room"
    disk.free = 0
    supervisor = Supervisor(tmp_path, report=lambda _: None, free=disk.measure)
    supervisor.start([child("api", FAILS_WITHOUT_ROOM, notes, room)])
    (state,) = supervisor._children
    assert supervisor.run(until=lambda: state.running is None and supervisor.disk_full)
    room.touch()
    disk.free = 1000 * MEGABYTE
    assert supervisor.run(until=lambda: len(pids(notes)) == 2)
    supervisor.stop()


def test_a_reminder_follows_once_a_minute(tmp_path: Path) -> None:
    reported: list[str] = []
    disk = FakeDisk()
    watch = DiskWatch(tmp_path, reported.append, disk.measure)
    assert not watch.check(0)
    disk.free = 999_999
    for now in range(180):
        assert not watch.check(float(now))
    assert len(reported) == 3
    disk.free = 1_500_000  # less than twice the limit
    assert not watch.check(180)
    assert watch.full
    disk.free = 2 * MEGABYTE
    assert watch.check(181)
    assert not watch.check(182)
    (tmp_path / "pg18").mkdir()
    disk.free = 19 * MEGABYTE  # PostgreSQL needs a file of 16 MB
    assert not watch.check(183)
    assert f"19 MB are free on the disk of {tmp_path}/pg18, at least 40 MB are" in reported[-1]
    disk.free = 25 * MEGABYTE
    assert not watch.check(243)
    assert f"25 MB are free on the disk of {tmp_path}/pg18, at least 40 MB are" in reported[-1]
    disk.free = 40 * MEGABYTE
    assert watch.check(244)
    watch.check(245, tmp_path / "valkey")  # a server found no room, such as under a quota
    assert reported[-1].startswith(f"Disk full: 40 MB are free on the disk of {tmp_path}/valkey. ")


def test_a_process_starts_although_its_log_cannot_be_created(
    supervise: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def full(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, flags, *mode)

    notes = tmp_path / "pids"
    with monkeypatch.context() as patched:
        patched.setattr("gateway.embedded.logged_process.os.open", full)
        supervisor = supervise(child("worker", "print('1')\n" + RECORDS_ITS_PID, notes))
    assert supervisor.run(until=partial(has_pids, notes, 1))
    assert not (tmp_path / "logs" / "worker.log").exists()
    os.kill(pids(notes)[0], signal.SIGKILL)
    assert supervisor.run(until=partial(has_pids, notes, 2))
    assert (tmp_path / "logs" / "worker.log").read_text() == "1\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
def test_a_log_that_cannot_be_copied_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.embedded.logged_process.LOG_LIMIT", 1000)
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "api.log"
    log.write_text("x" * 2000)
    log.with_suffix(".log.1").symlink_to("/dev/full")
    trim_logs(tmp_path)
    assert log.read_text() == "x" * 2000
    assert not log.with_suffix(".log.1").is_symlink()
    trim_logs(tmp_path)
    assert log.read_text() == ""
    assert log.with_suffix(".log.1").read_text() == "x" * 2000


PRINTS = """
import sys
from gateway.embedded.progress import Progress, print_result
with Progress() as progress:
    progress.begin_step("step")
    for _ in range(10_000):
        progress.report("line")
    print_result("result")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is full")
@pytest.mark.parametrize("redirection", [">/dev/full 2>&1", ">&- 2>&-", "2>/dev/full"])
def test_progress_goes_on_without_a_place_to_print(redirection: str) -> None:
    command = f'exec "$0" -c "$1" {redirection}'
    ended = subprocess.run(
        ["sh", "-c", command, sys.executable, PRINTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0
    assert ended.stdout == (b"result\n" if redirection == "2>/dev/full" else b"")


@pytest.mark.usefixtures("short_delays")
def test_a_server_that_answers_no_ping_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_INTERVAL", 0.01)
    reported: list[str] = []
    server = FakeServer()
    supervisor = Supervisor(tmp_path, report=reported.append)
    supervisor.start_servers({"FakeServer": server})
    assert supervisor.run(until=lambda: supervisor.urls() is not None)
    server.answering = False
    assert supervisor.run(until=lambda: server.starts == 2)
    assert server.killed
    assert supervisor.run(until=lambda: "FakeServer is back." in reported)
    assert "FakeServer is frozen: it does not answer. Replacing it." in reported
    supervisor.stop()
