"""The embedded PostgreSQL: one server per data directory, with one database for the product."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from gateway.embedded.directories import (
    open_lock,
    private_directory,
    socket_directory,
    user_name,
)
from gateway.embedded.disk_space import NEARLY_NOTHING_FOR_POSTGRES
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.logged_process import LoggedProcess, last_line, start_logged
from gateway.embedded.postgres_programs import Binaries, RunAs, find_binaries
from gateway.embedded.postgres_root import ROOT_METHODS, RootMethod, run_as_other_user
from gateway.embedded.process_info import process_alive, process_state, serves_directory
from gateway.embedded.server_process import ServerProcess, server_environment

if sys.platform != "win32":
    import fcntl

ROLE = DATABASE = "gateway"
PORT = 5432  # only part of the socket's file name: its directory is private
SECRET_FILE = "gateway.secret"  # noqa: S105 - a file name

# Seconds for which leftovers of a killed server may prevent a start. They disappear on their own.
_CONFLICT_SECONDS = 20.0
_CONFLICTS = ("lock file", "shared memory block", "Address already in use")
_ERROR = re.compile(r"^.*?(FATAL|PANIC|ERROR|error):\s*")


@dataclass
class Postgres(ServerProcess):
    """The PostgreSQL server of one data directory, with its files in `<data>/pg<major version>`.

    The URL is that of the database `gateway`. `binaries` is a directory of programs to use instead
    of the best ones found. `root_methods` are tried in order if this process is root.
    """

    NAME = "PostgreSQL"
    LOG = "postgres"
    START_TIMEOUT = 120.0  # crash recovery of a large database takes time
    ROOM = NEARLY_NOTHING_FOR_POSTGRES
    ORDERLY_STOP: ClassVar = {signal.SIGINT: 30.0}
    HARD_STOP: ClassVar = {signal.SIGQUIT: 5.0, signal.SIGKILL: 5.0}

    binaries: Path | None = field(default=None, kw_only=True)
    root_methods: tuple[RootMethod, ...] = field(default=ROOT_METHODS, kw_only=True)
    _run_as: RunAs | None = field(default=None, init=False)
    _socket_directory: Path | None = field(default=None, init=False)
    _tcp_port: int = field(default=0, init=False)

    @property
    def version(self) -> str:
        """The version of the programs, such as "18.6"."""
        return self._programs.version

    def alive(self) -> bool:
        """True if the server's process runs, even if another process started it."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """Process id of the server, even if another process started it. None if it does not run."""
        if self._server is not None and self._server.running():
            return self._server.process.pid
        cluster = self._directory().resolve()
        status = _postmaster_file(cluster)
        if not status:
            return None
        pid = int(status[0])
        return pid if process_alive(pid) and serves_directory(pid, cluster) else None

    def answers(self) -> bool:
        """True if the server answers a new connection, with an error or not, within 5 s."""
        return _log_in(*self._address()) != b""

    def _address(self) -> tuple[int, str | tuple[str, int]]:
        if self._socket_directory is not None:
            return socket.AF_UNIX, str(self._socket_directory / f".s.PGSQL.{PORT}")
        return socket.AF_INET, ("127.0.0.1", self._tcp_port)

    @cached_property
    def _programs(self) -> Binaries:
        programs = Binaries.read(self.binaries) if self.binaries else find_binaries()
        if programs is None:
            raise EmbeddedError(
                f"There are no PostgreSQL programs that run on this machine in {self.binaries}."
            )
        return programs

    @property
    def _home(self) -> Path:
        # The directory of the database does not exist before it is complete.
        directory = self._directory().resolve()
        return directory if directory.exists() else self.data

    def _directory(self) -> Path:
        """The database's directory, or a link to it."""
        return self.data / f"pg{self._programs.major}"

    @contextlib.contextmanager
    def _start_lock(self) -> Iterator[None]:
        """Serialize starts: the first process launches the server, the others adopt it."""
        with open_lock(self.data / "postgres.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _prepare(self) -> None:
        self._refuse_other_versions()
        self._run_as = run = self._choose_user()
        self._create_database(run)
        # Chosen once: clients go on using the URL after a restart.
        if self._socket_directory is None and not self._tcp_port:
            self._socket_directory = socket_directory(run.home, "postgres", run.account)
            if self._socket_directory is None:
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", 0))
                    self._tcp_port = listener.getsockname()[1]

    # --- version and user ---

    def _refuse_other_versions(self) -> None:
        major = str(self._programs.major)
        cluster = self._directory()
        if os.path.lexists(cluster):
            try:
                created_by = (cluster / "PG_VERSION").read_text().strip()
            except FileNotFoundError:
                raise EmbeddedError(
                    f"{cluster} is not a PostgreSQL data directory (it has no PG_VERSION):"
                    " move it away, or give another folder with --data."
                ) from None
            except PermissionError:
                raise self._wrong_owner(cluster) from None
        else:
            others = [path.name[2:] for path in self.data.glob("pg*")]
            created_by = max(filter(str.isdigit, others), default=major)
        if created_by != major:
            raise EmbeddedError(
                f"The database in {self.data} was made by PostgreSQL {created_by}, but this is"
                f" PostgreSQL {self.version}: dump it with the old version's pg_dump and load it"
                " into a new folder, move it away to start with an empty database, give another"
                " folder with --data, or set DATABASE_URL."
            )

    def _wrong_owner(self, cluster: Path) -> EmbeddedError:
        return EmbeddedError(
            f"The database in {cluster} belongs to user {user_name(cluster.stat().st_uid)}, not to"
            f" {user_name(os.geteuid())}: start as that user, hand it over with chown -R, or give"
            " another folder with --data."
        )

    def _choose_user(self) -> RunAs:
        binaries, cluster = self._programs, self._directory()
        if os.geteuid() != 0:
            if os.path.lexists(cluster) and cluster.stat().st_uid != os.geteuid():
                raise self._wrong_owner(cluster)
            return RunAs(binaries, self.data)
        run = run_as_other_user(binaries, self.data, self.root_methods, durable=self.durable)
        if run is None:
            raise EmbeddedError(
                f"PostgreSQL refuses to run as root, and no other user may enter {self.data} and"
                f" {binaries.directory}: start as an ordinary user, move the folder to where other"
                " users may enter, or set DATABASE_URL."
            )
        return run

    # --- the data directory ---

    def _create_database(self, run: RunAs) -> None:
        """Create the database directory atomically, if there is none."""
        name = f"pg{run.binaries.major}"
        cluster = run.home / name
        for leftover in run.home.glob(f"{name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not (cluster / "PG_VERSION").exists():
            partial = private_directory(run.home / f"{name}.partial-{os.getpid()}")
            _change_owner(partial, run)
            self._initialise(run, partial)
            partial.rename(cluster)
        elif cluster.stat().st_uid != run.owner and self.pid() is None:
            _change_owner(cluster, run)
        link = self.data / name
        if run.home != self.data and not link.is_symlink():
            link.symlink_to(cluster)

    def _initialise(self, run: RunAs, cluster: Path) -> None:
        arguments = [
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        ]
        # The first WAL segment is half of an empty database and is written in full.
        arguments += [] if self.durable else ["--no-sync", "--wal-segsize=4"]
        self._setup(run, "initdb", "-D", str(cluster), "-U", ROLE, "--no-instructions", *arguments)
        # In single-user mode: the database exists before the server accepts connections.
        secret = secrets.token_hex(24)
        options = ["-c", "log_checkpoints=off", *([] if self.durable else ["-F"])]
        sql = f"ALTER ROLE {ROLE} PASSWORD '{secret}'\nCREATE DATABASE {DATABASE}\n"
        self._setup(
            run, "postgres", "--single", "-D", str(cluster), *options, "postgres", stdin=sql
        )
        (cluster / SECRET_FILE).write_text(secret)  # private: the directory has mode 0700
        _change_owner(cluster, run)

    def _setup(self, run: RunAs, program: str, *arguments: str, stdin: str = "") -> None:
        result = run.run(program, *arguments, stdin=stdin)
        if result.returncode != 0 or "ERROR:" in result.stdout or "FATAL:" in result.stdout:
            failure = f"PostgreSQL's {program} could not create the database in {self.data}"
            raise self._failure(self.failure_message(failure, result.stdout), result.stdout)

    # --- the process ---

    def _launch(self) -> LoggedProcess:
        cluster = self._directory().resolve()  # `pid` compares it with the working directory
        self._remove_leftover_files(cluster)
        run = self._run_as or self._choose_user()
        settings = {
            "listen_addresses": "" if self._socket_directory else "127.0.0.1",
            "unix_socket_directories": str(self._socket_directory or ""),
            "port": str(self._tcp_port or PORT),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "min_wal_size": "64MB",
            "max_wal_size": "512MB",
            "jit": "off",
            "timezone": "GMT",  # the one name that needs no time zone files
            "log_timezone": "GMT",
            "log_checkpoints": "off",
            "log_line_prefix": "%m [%p] ",
            "logging_collector": "off",
        }
        if not self.durable:
            # Not synchronous_commit: off. It loses committed data when the server is killed, and
            # without fsync it gains nothing.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return start_logged(
            self.data,
            self.LOG,
            run.command("postgres", "-D", str(cluster), *options),
            server_environment(),
            **run.popen_options(),
        )

    def _remove_leftover_files(self, cluster: Path) -> None:
        """Remove a killed server's files. Its shared memory still protects the data."""
        status = _postmaster_file(cluster)
        # A zombie, or another process with the old pid, would keep PostgreSQL from starting.
        if status and process_state(int(status[0])) is not None:
            (cluster / "postmaster.pid").unlink(missing_ok=True)
        if self._socket_directory is not None:
            for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
                (self._socket_directory / name).unlink(missing_ok=True)

    def _handle_early_exit(self, server: LoggedProcess, seconds: float) -> None:
        """Wait if leftovers of a killed server prevented the start, else raise the reason."""
        output = server.output()
        conflict = any(words in output for words in _CONFLICTS) and not self._disk_is_full(output)
        if not conflict or seconds > _CONFLICT_SECONDS:
            super()._handle_early_exit(server, seconds)
        time.sleep(0.1)

    @classmethod
    def _reason(cls, output: str) -> str:
        errors = [line for line in output.splitlines() if _ERROR.match(line)]
        return _ERROR.sub("", last_line("\n".join(errors) or output)).rstrip(".")

    def _url_if_ready(self) -> str | None:
        """Return the URL at the address in postmaster.pid, or None if the server is not ready.

        An adopted server may have another address than a new one would get. A server does not
        recreate a socket that a cleaner of temporary files removed, so such a server is stopped.
        """
        status = _postmaster_file(self._directory())
        if len(status) < 8 or not status[7].startswith("ready"):
            return None
        port, directory = status[3], status[4]
        if directory:
            address = Path(directory, f".s.PGSQL.{port}")
            if _accepts_connections(socket.AF_UNIX, str(address)):
                self._socket_directory = Path(directory)
                return f"postgresql://{ROLE}@/{DATABASE}?host={quote(directory)}&port={port}"
            if not address.exists():
                self.stop()
        elif _accepts_connections(socket.AF_INET, ("127.0.0.1", int(port))):
            self._tcp_port = int(port)
            secret = (self._directory() / SECRET_FILE).read_text()
            return f"postgresql://{ROLE}:{secret}@127.0.0.1:{port}/{DATABASE}"
        return None


def _postmaster_file(cluster: Path) -> list[str]:
    """Lines of postmaster.pid: pid, directory, start, port, sockets, address, memory, state.

    Empty if there is none, or if it belongs to another user.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, PermissionError):
        return []
    return lines if len(lines) > 1 and lines[0].isdigit() else []


def _accepts_connections(family: int, address: str | tuple[str, int]) -> bool:
    """True if the server accepts log-ins. False while it recovers or shuts down."""
    answer = _log_in(family, address)
    return answer[:1] == b"R" or (answer[:1] == b"E" and b"C57P03\0" not in answer)


def _log_in(family: int, address: str | tuple[str, int]) -> bytes:
    """The server's first answer to a log-in; empty if there is none within 5 s."""
    body = struct.pack("!i", 196608) + f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
    with socket.socket(family) as client:
        client.settimeout(5)
        try:
            client.connect(address)
            client.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = client.recv(4096)
            client.sendall(b"X\0\0\0\4")  # ends the connection without a line in the log
        except OSError:
            return b""
    return answer


def _change_owner(directory: Path, run: RunAs) -> None:
    """Make the user who runs the server the owner of a directory and its contents."""
    if os.geteuid() != 0:
        return
    uid, gid = run.account or (0, 0)
    os.chown(directory, uid, gid)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)
