"""Runs processes and servers, restarts what dies, and stops all of it in order."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from domains.kernel.core.parent_watch import VARIABLE
from gateway.embedded.errors import LocalError
from gateway.embedded.machine import last_line, log_since, open_log, trim_log, wait_until

FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
HEALTHY_SECONDS = 30.0  # a child that lived this long begins again with the first delay
QUICK_SECONDS = 10.0
QUICK_EXITS = 5
# A child that fails while a server comes back is not to blame.
FORGIVING_SECONDS = 20.0
SERVER_FAILURES = 3
TICK, SERVER_TICK, LOG_TICK = 0.05, 0.5, 60.0

_T = TypeVar("_T")
# Ends that come from outside, not from a fault of the program.
_SENT = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


class Server(Protocol):
    """A server that lives on its own and can be adopted: Postgres, Valkey."""

    def start(self) -> str:
        """Start or adopt it; its URL, the same each time."""

    def stop(self, *, hard: bool = False) -> None:
        """Stop it and wait for its end."""

    def alive(self) -> bool:
        """Whether its process runs."""


@dataclass(frozen=True)
class Child:
    """A process to keep running. Children of a lower stage are stopped first."""

    name: str
    argv: list[str]
    env: dict[str, str]
    stage: int = 0


class Task(Generic[_T]):
    """A function at work in a thread that does not keep the process from ending."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work = work
        self._value: list[_T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._error = error

    def done(self) -> bool:
        """Whether it has ended, in either way."""
        return not self._thread.is_alive()

    def result(self) -> _T:
        """Its value, or its exception raised here; waits for it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]


@dataclass
class _Kept:
    """A server and what became of the latest attempt to start it."""

    name: str
    server: Server
    task: Task[str] | None
    url: str = ""
    failures: int = 0


@dataclass
class _Slot:
    """A child, its process of the moment, and its history."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=Path)
    offset: int = 0
    started: float = 0.0
    due: float = 0.0
    delay: float = FIRST_DELAY
    quick_exits: int = 0


class Supervisor:
    """Keeps children and servers running until it is asked to stop.

    Single-threaded but for the starting of servers. `say` gets short lines for the operator.
    Children are told of this process' end, even by kill -9, through a pipe: see
    `lifeline.die_with_supervisor`.
    """

    def __init__(self, data: Path, *, say: Callable[[str], None], grace: float = 10.0) -> None:
        self._data = data
        self._say = say
        self._grace = grace
        self._slots: list[_Slot] = []
        self._kept: list[_Kept] = []
        self._trouble = float("-inf")
        self._next_server_tick = self._next_log_tick = 0.0
        # Nobody inherits the write end: it closes when this process ends, however that happens.
        self._lifeline, self._held = os.pipe()
        self.stop_asked = False
        self.hurry = False

    def ask_to_stop(self, *, hurry: bool = False) -> None:
        """Make `run` return soon; with `hurry`, make `stop` kill. Fit for signal handlers."""
        self.stop_asked = True
        self.hurry = self.hurry or hurry

    def start_servers(self, servers: Mapping[str, Server]) -> None:
        """Begin to start servers, all at once; `urls` is complete when they are up."""
        self._kept += [_Kept(name, server, Task(server.start)) for name, server in servers.items()]

    def urls(self) -> dict[str, str] | None:
        """The URL of every server by its name; None while one has not come up yet."""
        if not all(kept.url for kept in self._kept):
            return None
        return {kept.name: kept.url for kept in self._kept}

    def start(self, children: Iterable[Child]) -> None:
        """Start children and keep them running from now on."""
        slots = [_Slot(child) for child in children]
        self._slots += slots
        for slot in slots:
            self._spawn(slot)

    def run(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Watch over everything until the condition holds (True) or a stop was asked for (False).

        Raises:
            LocalError: a child or a server failed again and again.
        """
        while not self.stop_asked:
            self._tick(time.monotonic())
            if until():
                return True
            time.sleep(TICK)
        return False

    def stop(self) -> None:
        """Stop the children stage by stage, then the servers, the last one first."""
        self.stop_asked = True
        for stage in sorted({slot.child.stage for slot in self._slots}):
            self._stop_stage([slot for slot in self._slots if slot.child.stage == stage])
        for kept in reversed(self._kept):
            self._stop_server(kept)
        os.close(self._held)
        os.close(self._lifeline)

    # --- one round ---

    def _tick(self, now: float) -> None:
        if now >= self._next_server_tick or self.urls() is None:
            self._next_server_tick = now + SERVER_TICK
            for kept in self._kept:
                self._tend_server(kept, now)
        for slot in self._slots:
            self._tend(slot, now)
        if now >= self._next_log_tick:
            self._next_log_tick = now + LOG_TICK
            for log in (self._data / "logs").glob("*.log"):
                trim_log(log)

    def _tend_server(self, kept: _Kept, now: float) -> None:
        if kept.task is not None:
            if not kept.task.done():
                return
            task, kept.task = kept.task, None
            try:
                url, restarted = task.result(), bool(kept.url)
            except LocalError:
                kept.failures += 1
                if not kept.url or kept.failures >= SERVER_FAILURES:
                    raise
            else:
                kept.url, kept.failures = url, 0
                if restarted:
                    self._say(f"{kept.name} is back.")
        elif not kept.server.alive():
            self._trouble = now
            self._say(f"{kept.name} ended, starting it again.")
            kept.task = Task(kept.server.start)

    def _tend(self, slot: _Slot, now: float) -> None:
        if slot.process is None:
            if now >= slot.due:
                self._spawn(slot)
            return
        code = slot.process.poll()
        if code is None:
            if now - slot.started > HEALTHY_SECONDS:
                slot.delay, slot.quick_exits = FIRST_DELAY, 0
            return
        _kill_group(slot.process)  # what it had started itself would work on beside its successor
        slot.process = None
        self._count_exit(slot, code, now)
        self._say(
            f"{slot.child.name} ended ({_exit(code)}), starting it again. Its log: {slot.log}"
        )
        slot.due, slot.delay = now + slot.delay, min(slot.delay * 2, LONGEST_DELAY)

    def _count_exit(self, slot: _Slot, code: int, now: float) -> None:
        if code == 0 or now - slot.started > QUICK_SECONDS:
            slot.quick_exits = 0
        elif code not in _SENT and now - self._trouble > FORGIVING_SECONDS:
            slot.quick_exits += 1
        if slot.quick_exits >= QUICK_EXITS:
            line = last_line(log_since(slot.log, slot.offset))
            raise LocalError(
                f"{slot.child.name} ended {QUICK_EXITS} times in a row ({_exit(code)}):"
                f" {line.rstrip('.')}."
                f" Its whole log: {slot.log}"
            )

    def _spawn(self, slot: _Slot) -> None:
        slot.log, log = open_log(self._data, slot.child.name)
        slot.offset = slot.log.stat().st_size
        try:
            slot.process = subprocess.Popen(
                slot.child.argv,
                env={**slot.child.env, VARIABLE: str(self._lifeline)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._lifeline,),
                start_new_session=True,  # the terminal's Ctrl-C is ours to pass on, in order
            )
        except OSError as error:
            raise LocalError(f"{slot.child.argv[0]} cannot be started: {error.strerror}.") from None
        finally:
            os.close(log)
        slot.started = time.monotonic()

    # --- the end ---

    def _stop_stage(self, slots: list[_Slot]) -> None:
        processes = [slot.process for slot in slots if slot.process is not None]
        for process in processes:
            if not self.hurry:
                process.terminate()
        wait_until(
            lambda: self.hurry or all(process.poll() is not None for process in processes),
            self._grace,
        )
        for process in processes:
            _kill_group(process)
            process.wait()
        for slot in slots:
            slot.process = None

    def _stop_server(self, kept: _Kept) -> None:
        if kept.task is not None:
            wait_until(lambda: self.hurry or kept.task is None or kept.task.done(), 60)
        orderly = Task(kept.server.stop)
        wait_until(lambda: self.hurry or orderly.done(), 60)
        if orderly.done():
            orderly.result()
        else:
            kept.server.stop(hard=True)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left (macOS says so by the second)


def _exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
