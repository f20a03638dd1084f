"""Runs child processes and servers, restarts those that end, and stops all of them in order."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from domains.kernel.core.problems import names_full_disk
from domains.kernel.core.supervision.parent_watch import SUPERVISOR_FD
from domains.kernel.core.supervision.watchdog import Notifier, Watch
from domains.kernel.core.tasks import in_daemon_thread
from gateway.embedded.directories import socket_directory
from gateway.embedded.disk_space import DiskWatch, free_space
from gateway.embedded.errors import DiskFull, EmbeddedError
from gateway.embedded.logged_process import LoggedProcess, start_logged, trim_logs
from gateway.embedded.process_info import wait_until

# All in seconds. The delay before a restart doubles each time, up to the longest.
FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
# A child that ran for this long starts with the first delay again.
HEALTHY_SECONDS = 30.0
# MAX_QUICK_EXITS failures in a row, each within QUICK_SECONDS of the start, stop all processes.
QUICK_SECONDS = 10.0
MAX_QUICK_EXITS = 5
# Failures of children while a server is down or a disk is full, and this soon afterwards, do not
# count: that may be their cause.
GRACE_AFTER_OUTAGE = 20.0
SERVER_FAILURES = 3
# A server that does not answer this many pings in a row is frozen. A ping takes 5 s at most.
PING_INTERVAL, MISSED_PINGS = 10.0, 3
TICK, SERVER_TICK, LOG_TICK = 0.05, 0.5, 60.0

# Signals that other processes send: an exit by one of these is not a failure of the child.
_EXTERNAL_SIGNALS = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


class Server(Protocol):
    """A server that outlives its launcher; see `ServerProcess`."""

    def start(self) -> str: ...
    def stop(self, *, hard: bool = False) -> None: ...
    def alive(self) -> bool: ...
    def answers(self) -> bool: ...


@dataclass(frozen=True)
class Child:
    """A process to keep running. Children of a lower stage are stopped first."""

    name: str
    argv: list[str]
    env: dict[str, str]
    stage: int = 0


@dataclass
class _ServerState:
    """A server and the result of its latest start. `task` is set while it starts.

    `full` is the folder in which it found no room, until it has started. `ping` is set while a ping
    runs.
    """

    name: str
    server: Server
    task: Future[str] | None
    url: str = ""
    running: bool = False
    failures: int = 0
    full: Path | None = None
    ping: Future[bool] | None = None
    next_ping: float = 0.0
    missed_pings: int = 0
    restart_at: float = 0.0
    delay: float = FIRST_DELAY


@dataclass
class _ChildState:
    """A child and its current process, None between two of them."""

    child: Child
    watch: Watch | None = None
    unwatched: bool = False  # and reported
    running: LoggedProcess | None = None
    started: float = 0.0
    restart_at: float = 0.0
    delay: float = FIRST_DELAY
    quick_exits: int = 0


class Supervisor:
    """Keeps children and servers running until it is asked to stop.

    Single-threaded, but servers start and stop in threads. `report` gets lines for the operator.
    Children notice the end of this process, even by kill -9, through a pipe: see `parent_watch`.
    A child that reported to its watchdog, and is silent for `watchdog_timeout` seconds, is killed
    and started again. While a disk is full, servers and children are tried again without end.
    """

    def __init__(
        self,
        data: Path,
        *,
        report: Callable[[str], None],
        grace: float = 10.0,
        watchdog_timeout: float = 10.0,
        free: Callable[[Path], int] = free_space,
        notifier: Notifier | None = None,
    ) -> None:
        """`grace`: seconds for children to stop. `free`: free bytes on the disk of a folder.

        `notifier` reports to the supervisor of this process while `run` runs.
        """
        self._data = data
        self._report = report
        self._grace = grace
        self._watchdog_timeout = watchdog_timeout
        self._watch_directory: Path | None = None
        self._disks = DiskWatch(data, report, free)
        self._notifier = notifier or Notifier()
        self._children: list[_ChildState] = []
        self._servers: list[_ServerState] = []
        self._outage_at = float("-inf")
        self._next_server_tick = self._next_log_tick = self._next_report = 0.0
        # No child inherits the write end: it closes when this process ends, however that happens.
        self._watched_pipe, self._write_end = os.pipe()
        self.stop_requested = False
        self._kill = False

    def request_stop(self, *, kill: bool = False) -> None:
        """Make `run` return soon. With `kill`, `stop` kills. May be called in signal handlers.

        `kill` also turns an orderly stop in progress into a kill.
        """
        self.stop_requested = True
        self._kill = self._kill or kill

    def start_servers(self, servers: Mapping[str, Server]) -> None:
        """Begin to start all servers at once. `urls` is None until all have started."""
        self._servers += [
            _ServerState(name, server, in_daemon_thread(server.start))
            for name, server in servers.items()
        ]

    def urls(self) -> dict[str, str] | None:
        """URLs by server name. None until all servers have started."""
        if not all(state.url for state in self._servers):
            return None
        return {state.name: state.url for state in self._servers}

    @property
    def disk_full(self) -> bool:
        """True while a disk is full."""
        return self._disks.full

    def start(self, children: Iterable[Child]) -> None:
        """Start children and keep them running."""
        states = [_ChildState(child) for child in children]
        self._children += states
        for state in states:
            self._spawn(state)

    def run(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Watch until the condition is true (returns True) or a stop is requested (False).

        Raises:
            EmbeddedError: a child or a server failed repeatedly.
        """
        while not self.stop_requested:
            self._tick(time.monotonic())
            if until():
                return True
            time.sleep(TICK)
        return False

    def stop(self) -> None:
        """Stop the children stage by stage, then the servers in reverse order."""
        self.stop_requested = True
        for stage in sorted({state.child.stage for state in self._children}):
            self._stop_children([each for each in self._children if each.child.stage == stage])
        for state in reversed(self._servers):
            self._stop_server(state)
        self._close_watches()
        os.close(self._write_end)
        os.close(self._watched_pipe)

    # --- watching ---

    def _tick(self, now: float) -> None:
        if now >= self._next_report:
            self._next_report = now + self._notifier.interval
            self._notifier.alive()
        if now >= self._next_server_tick or self.urls() is None:
            self._next_server_tick = now + SERVER_TICK
            for server in self._servers:
                self._check_server(server, now)
            self._check_disks(now)
        for child in self._children:
            self._check_child(child, now)
        if now >= self._next_log_tick:
            self._next_log_tick = now + LOG_TICK
            trim_logs(self._data)

    def _check_disks(self, now: float) -> None:
        failed = next((state.full for state in self._servers if state.full), None)
        if self._disks.check(now, failed):
            self._restart_at_once([*self._servers, *self._children])
        if self._disks.full or not all(state.running for state in self._servers):
            self._outage_at = now

    def _restart_at_once(self, states: Iterable[_ServerState | _ChildState]) -> None:
        for state in states:
            state.restart_at, state.delay = 0.0, FIRST_DELAY

    def _check_server(self, state: _ServerState, now: float) -> None:
        if state.task is not None:
            if state.task.done():
                self._finish_start(state, state.task, now)
        elif not state.server.alive():
            if state.running:
                state.running = False
                self._report(f"{state.name} ended, starting it again.")
            if now >= state.restart_at:
                state.task = in_daemon_thread(state.server.start)
        else:
            self._ping(state, now)

    def _ping(self, state: _ServerState, now: float) -> None:
        """Replace a server that runs, but does not answer."""
        if state.ping is None:
            if now >= state.next_ping:
                state.next_ping = now + PING_INTERVAL
                state.ping = in_daemon_thread(state.server.answers)
        elif state.ping.done():
            state.missed_pings = 0 if state.ping.result() else state.missed_pings + 1
            state.ping = None
            if state.missed_pings >= MISSED_PINGS:
                state.missed_pings, state.running = 0, False
                self._report(f"{state.name} is frozen: it does not answer. Replacing it.")
                state.task = in_daemon_thread(partial(_replace, state.server))

    def _finish_start(self, state: _ServerState, task: Future[str], now: float) -> None:
        state.task = None
        try:
            url = task.result()
        except DiskFull as error:
            state.full = error.folder
            state.restart_at, state.delay = now + state.delay, min(state.delay * 2, LONGEST_DELAY)
        except EmbeddedError:
            state.failures += 1
            if not state.url or state.failures >= SERVER_FAILURES:
                raise
        else:
            if state.url:
                self._report(f"{state.name} is back.")
            state.url, state.running, state.failures, state.full = url, True, 0, None
            # Children that could not start without the server wait no longer.
            self._restart_at_once([state, *self._children])

    def _check_child(self, state: _ChildState, now: float) -> None:
        if state.running is None:
            if now >= state.restart_at:
                self._spawn(state)
            return
        ended, name = state.running, state.child.name
        code = ended.process.poll()
        if code is None:
            if now - state.started > HEALTHY_SECONDS:
                state.delay, state.quick_exits = FIRST_DELAY, 0
            self._kill_if_frozen(state)
            return
        _kill_group(ended.process)  # its own children would work beside those of its successor
        state.running = None
        full = self._disks.full or names_full_disk(ended.output())
        self._count_exit(state, code, now, full=full)
        if state.quick_exits >= MAX_QUICK_EXITS:
            raise EmbeddedError(
                f"{name} ended {MAX_QUICK_EXITS} times in a row ({_exit(code)}):"
                f" {ended.last_line()}. The whole log: {ended.log}"
            )
        if not self._disks.full:  # reported already
            self._report(f"{name} ended ({_exit(code)}), starting it again. Its log: {ended.log}")
        state.restart_at, state.delay = now + state.delay, min(state.delay * 2, LONGEST_DELAY)

    def _kill_if_frozen(self, state: _ChildState) -> None:
        if state.running is None or state.watch is None or not state.watch.is_frozen():
            return
        self._report(
            f"{state.child.name} is frozen: no report for {self._watchdog_timeout:.0f} s."
            " Replacing it."
        )
        state.watch.restart()
        _kill_group(state.running.process)

    def _count_exit(self, state: _ChildState, code: int, now: float, *, full: bool) -> None:
        if code == 0 or now - state.started > QUICK_SECONDS:
            state.quick_exits = 0
        elif (
            not full
            and code not in _EXTERNAL_SIGNALS
            and now - self._outage_at > GRACE_AFTER_OUTAGE
        ):
            state.quick_exits += 1

    def _spawn(self, state: _ChildState) -> None:
        child = state.child
        environment = {**child.env, SUPERVISOR_FD: str(self._watched_pipe)}
        # Tried again at each start: there may have been no room for the socket.
        state.watch = state.watch or self._open_watch(state)
        if state.watch is not None:
            state.watch.restart()
            environment |= state.watch.environment
        state.running = start_logged(
            self._data, child.name, child.argv, environment, pass_fds=(self._watched_pipe,)
        )
        state.started = time.monotonic()

    def _open_watch(self, state: _ChildState) -> Watch | None:
        name = state.child.name
        self._watch_directory = self._watch_directory or socket_directory(self._data, "watch")
        with contextlib.suppress(OSError):
            if self._watch_directory is not None:
                return Watch(self._watch_directory / name, self._watchdog_timeout)
        if not state.unwatched:
            state.unwatched = True
            self._report(
                f"{name} is not replaced if it freezes: no socket can be created for it. The next"
                " start tries again."
            )
        return None

    # --- stopping ---

    def _close_watches(self) -> None:
        for state in self._children:
            if state.watch is not None:
                state.watch.close()
        if self._watch_directory is not None:
            with contextlib.suppress(OSError):
                self._watch_directory.rmdir()

    def _stop_children(self, states: list[_ChildState]) -> None:
        processes = [state.running.process for state in states if state.running is not None]
        for process in processes:
            if not self._kill:
                process.terminate()
        wait_until(
            lambda: self._kill or all(process.poll() is not None for process in processes),
            self._grace,
        )
        for process in processes:
            _kill_group(process)
            process.wait()
        for state in states:
            state.running = None

    def _stop_server(self, state: _ServerState) -> None:
        if state.task is not None:
            wait_until(lambda: self._kill or state.task is None or state.task.done(), 60)
        orderly = in_daemon_thread(state.server.stop)
        wait_until(lambda: self._kill or orderly.done(), 60)
        if orderly.done():
            orderly.result()
        else:
            state.server.stop(hard=True)


def _replace(server: Server) -> str:
    server.stop(hard=True)
    return server.start()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # no process is left (macOS raises PermissionError then)


def _exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
