"""Start, adopt, watch and stop the server of a data directory: common to PostgreSQL and Valkey."""

import contextlib
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from domains.kernel.core.problems import names_full_disk
from gateway.embedded.directories import data_directory
from gateway.embedded.disk_space import free_space, full_disk_errors
from gateway.embedded.errors import DiskFull, EmbeddedError
from gateway.embedded.logged_process import LoggedProcess, last_line, log_path
from gateway.embedded.process_info import end_process

# No library path and none of the servers' own variables: they would redirect the servers.
_SERVER_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")

# Seconds. A server that another thread or process launches has no known process id for a moment.
_PID_TIMEOUT: Final = 5.0


def server_environment() -> dict[str, str]:
    """The environment of an embedded server."""
    kept = {name: os.environ[name] for name in _SERVER_ENVIRONMENT if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


@dataclass
class ServerProcess(ABC):
    """The server of one data directory. It continues to run after its launcher has ended.

    `durable=False` trades the safety of the data in a power cut for speed (tests).
    """

    NAME: ClassVar[str]
    LOG: ClassVar[str]
    # Seconds within which the server must accept connections.
    START_TIMEOUT: ClassVar[float]
    # Free bytes without which the server may fail and be unable to log the reason.
    ROOM: ClassVar[int]
    # Signals that stop the server, each with the seconds to wait before the next.
    ORDERLY_STOP: ClassVar[Mapping[signal.Signals, float]]
    HARD_STOP: ClassVar[Mapping[signal.Signals, float]]

    data: Path
    durable: bool = field(default=True, kw_only=True)
    _server: LoggedProcess | None = field(default=None, init=False)
    _killed: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def start(self) -> str:
        """Start the server, or adopt the running one. Returns its URL, the same each time.

        Creates its files first if there are none. Waits for recovery after a crash.

        Raises:
            DiskFull: there is no room; it may be started again once there is.
            EmbeddedError: the server cannot run here, or was stopped meanwhile with `hard`.
        """
        self._killed = False
        self.data = data_directory(self.data)
        with self._lock, full_disk_errors(self.data), self._start_lock():
            self._prepare()
            began = time.monotonic()
            launched = False  # by this call: only then the log says why the server ended
            while not self._killed:
                if self.alive():
                    if (url := self._url_if_ready()) is not None:
                        return url
                elif self._server is not None:
                    ended, self._server = self._server, None
                    if launched:
                        self._handle_early_exit(ended, time.monotonic() - began)
                else:
                    self._server = self._launch()
                    launched = self._server is not None
                if time.monotonic() - began > self.START_TIMEOUT:
                    raise self._failure(
                        f"{self.NAME} did not accept connections within"
                        f" {self.START_TIMEOUT:.0f} s: see {log_path(self.data, self.LOG)}.",
                    )
                time.sleep(0.01)
            raise EmbeddedError(f"{self.NAME} was killed while it started.")

    def stop(self, *, hard: bool = False) -> None:
        """Stop the server and wait until it has ended. `hard` skips the orderly shutdown.

        Raises:
            EmbeddedError: the server does not end, or its process cannot be found.
        """
        self._killed = hard
        # A hard stop takes no lock: it must overtake an orderly stop that hangs.
        with contextlib.nullcontext() if hard else self._lock:
            pid = self._find_pid()
            if pid is None:
                return
            signals = {} if hard else dict(self.ORDERLY_STOP)
            if not end_process(pid, signals | dict(self.HARD_STOP), lambda: not self.alive()):
                raise EmbeddedError(
                    f"{self.NAME} (process {pid}) does not stop, not even when killed."
                )
            self._server = None

    def _find_pid(self) -> int | None:
        """Process id of the server, None if it does not run. Raises EmbeddedError if unknown."""
        deadline = time.monotonic() + _PID_TIMEOUT
        while (pid := self.pid()) is None and self.alive():
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"{self.NAME} runs in {self._home}, but its process cannot be found: end it"
                    " yourself."
                )
            time.sleep(0.01)
        return pid

    @property
    @abstractmethod
    def _home(self) -> Path:
        """Directory of the server's files."""

    @abstractmethod
    def alive(self) -> bool:
        """True if the server's process runs, even if another process started it."""

    @abstractmethod
    def pid(self) -> int | None:
        """Process id of the server, even if another process started it. None if it does not run."""

    @abstractmethod
    def answers(self) -> bool:
        """True if the server answers a new connection, with an error or not, within 5 s."""

    def _start_lock(self) -> contextlib.AbstractContextManager[None]:
        """Held during `start`."""
        return contextlib.nullcontext()

    @abstractmethod
    def _prepare(self) -> None:
        """Create what the server needs before it is launched."""

    @abstractmethod
    def _launch(self) -> LoggedProcess | None:
        """Start the server's process. Returns None if another process is just starting it."""

    @abstractmethod
    def _url_if_ready(self) -> str | None:
        """The URL if the server accepts connections, else None."""

    def _handle_early_exit(self, server: LoggedProcess, _seconds: float) -> None:
        """Raise the reason why the server ended while it started, `_seconds` after `start`."""
        output = server.output()
        message = self.failure_message(f"{self.NAME} does not start", output)
        raise self._failure(f"{message} The whole log: {server.log}", output)

    def _failure(self, message: str, output: str = "") -> EmbeddedError:
        """The error to raise: DiskFull if the output names a full disk, or nothing is free."""
        if self._disk_is_full(output):
            return DiskFull(message, self._home)
        return EmbeddedError(message)

    def _disk_is_full(self, output: str) -> bool:
        # A server on a full disk cannot write its log either.
        return names_full_disk(output) or free_space(self._home) < self.ROOM

    @classmethod
    def failure_message(cls, failure: str, output: str) -> str:
        """A failure with the reason that the server printed. A full disk gets a plain sentence."""
        if names_full_disk(output):
            return (
                f"{failure}: no room on the disk."
                " Free some, or give a folder on another disk with --data."
            )
        return f"{failure}: {cls._reason(output)}."

    @classmethod
    def _reason(cls, output: str) -> str:
        return last_line(output).rstrip(".")
