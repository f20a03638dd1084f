"""`gateway up`: the whole product on one machine, from an empty folder until Ctrl-C."""

import contextlib
import errno
import http.client
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from domains.kernel.core.problems import names_full_disk
from domains.kernel.core.supervision.watchdog import Notifier
from domains.kernel.core.tasks import in_daemon_thread
from gateway.embedded import runfile
from gateway.embedded.directories import data_directory, open_lock, private_directory
from gateway.embedded.disk_space import free_space, full_disk_errors
from gateway.embedded.errors import DiskFull, EmbeddedError
from gateway.embedded.logged_process import start_logged
from gateway.embedded.postgres import Postgres
from gateway.embedded.process_info import wait_until
from gateway.embedded.progress import Progress, print_result
from gateway.embedded.supervisor import Child, Server, Supervisor
from gateway.embedded.valkey import Valkey

if sys.platform != "win32":
    import fcntl

# Bytes. An empty database takes 40 MB; the rest keeps the disk from filling up at once.
SPACE_NEEDED = 200_000_000
READY_SECONDS = 60.0
# Between two tries of a step of the start that finds the disk full.
RETRY_SECONDS = 2.0
# Within this time the children of a killed `up` release the port: see `parent_watch`.
LEFTOVER_SECONDS = 10.0
# `make` and the terminal may both pass on one Ctrl-C: signals within this time count as one.
CTRL_C_DEDUP_SECONDS = 0.5

Urls = dict[str, str]

# URLs that the children get as environment variables. The second is that of PostgreSQL itself,
# where `database_url` is that of a pooler.
_VARIABLES = ("database_url", "gateway_database_direct_url", "redis_url", "blob_url")


@dataclass(frozen=True)
class Commands:
    """The commands of the processes that `up` runs."""

    migrate: tuple[str, ...] = (sys.executable, "-m", "migrations")
    serve: tuple[str, ...] = (sys.executable, "-m", "gateway.serve")
    work: tuple[str, ...] = (sys.executable, "-m", "workers")


def up(
    data: Path,
    *,
    host: str,
    port: int,
    workers: int,
    api_processes: int = 1,
    demo: Callable[[Urls], list[str]] | None,
    environment: Mapping[str, str],
    migrated: Callable[[str], bool] | None = None,
    commands: Commands = Commands(),
    watchdog_timeout: float = 10.0,
    free_space: Callable[[Path], int] = free_space,
) -> None:
    """Run the product on this machine until Ctrl-C or SIGTERM, then stop everything it started.

    Prints the lines that `demo` returns and then `READY <url>` on standard output, everything else
    on standard error. `demo` runs in a thread and gets the URLs that `runfile.running` returns,
    with the database migrated. `migrated` returns True if the schema of a database URL
    is current; migrations are skipped then. Port 0 takes a free port. `DATABASE_URL`, `REDIS_URL`
    and `BLOB_URL` in `environment` replace the embedded servers, and
    `GATEWAY_DATABASE_DIRECT_URL` belongs to `DATABASE_URL`. A process of the product that is silent
    for `watchdog_timeout` seconds is replaced. If a disk becomes full later, everything continues
    once there is room. Reports to systemd if `environment` has its NOTIFY_SOCKET.

    Raises:
        EmbeddedError: it cannot run here, or a part failed repeatedly; all parts are stopped.
    """
    if sys.platform == "win32":
        raise EmbeddedError(
            "The embedded servers run on Linux and macOS only: set DATABASE_URL and REDIS_URL."
        )
    data = data_directory(data)
    variables = dict(environment)
    # Removed, so that no child process reports to the supervisor of this process.
    notifier = Notifier.take_from(variables)
    with _lock_data_directory(data):
        _refuse_full_disk(data, free_space(data))
        leftover = bool(runfile.read(data))
        address = _free_address(host, port, patience=LEFTOVER_SECONDS if leftover else 0.0)
        with Progress() as progress:
            supervisor = Supervisor(
                data,
                report=progress.report,
                watchdog_timeout=watchdog_timeout,
                free=free_space,
                notifier=notifier,
            )
            with _stop_on_signals(supervisor):
                try:
                    _Run(
                        data,
                        address,
                        workers,
                        api_processes,
                        variables,
                        commands,
                        supervisor,
                        progress,
                        notifier,
                    ).run(demo, migrated)
                except _StopRequested:
                    pass
                finally:
                    notifier.stopping()
                    progress.begin_step("Stopping")
                    supervisor.stop()
                    runfile.remove(data)
                    progress.end_step()
                    progress.report("Stopped.")


class _StopRequested(Exception):
    """A stop was requested while `gateway up` was waiting."""


@dataclass
class _Run:
    """A run of `up`, from the start of the servers on. Raises _StopRequested while it waits."""

    data: Path
    address: tuple[str, int]
    workers: int
    api_processes: int
    environment: dict[str, str]
    commands: Commands
    supervisor: Supervisor
    progress: Progress
    notifier: Notifier

    def run(
        self, demo: Callable[[Urls], list[str]] | None, migrated: Callable[[str], bool] | None
    ) -> None:
        began = time.monotonic()
        urls = self._start_servers()
        variables = {name.upper(): urls[name] for name in _VARIABLES}
        env = {**self.environment, **variables, "PYTHONUNBUFFERED": "1"}
        direct_url = urls["gateway_database_direct_url"]
        current = in_daemon_thread(lambda: migrated is not None and migrated(direct_url))
        self._wait(current.done)
        if not current.result():
            self._repeat_while_full(lambda: self._migrate(env))
        self._repeat_while_full(lambda: self._write_runfile(urls))
        api = "the API" if self.api_processes == 1 else f"{self.api_processes} API processes"
        self.progress.begin_step(
            f"Starting {api} and {self.workers} worker{'s' if self.workers != 1 else ''}"
        )
        self.supervisor.start(self._children(env))
        lines = in_daemon_thread(lambda: demo(urls) if demo is not None else [])
        self._wait_for_api()
        self._wait(lines.done)
        self.progress.end_step()
        for line in lines.result():
            print_result(line)
        self.progress.report(
            f"Started in {time.monotonic() - began:.1f} s. Ctrl-C stops everything."
        )
        print_result(f"READY {urls['api_url']}")
        self.notifier.ready()
        self._wait(lambda: False)

    def _wait(self, until: Callable[[], bool]) -> None:
        if not self.supervisor.run(until):
            raise _StopRequested

    def _wait_for_api(self) -> None:
        deadline = time.monotonic() + READY_SECONDS

        def ready_or_late() -> bool:
            nonlocal deadline
            if self.supervisor.disk_full:
                deadline = time.monotonic() + READY_SECONDS
            return _accepts_connections(self.address) or time.monotonic() > deadline

        self._wait(ready_or_late)
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"The API does not answer within {READY_SECONDS:.0f} s: see {self.data / 'logs'}."
            )

    def _repeat_while_full(self, step: Callable[[], None]) -> None:
        reported = False
        while True:
            try:
                return step()
            except DiskFull as error:
                if not reported:
                    self.progress.report(f"{error} Trying again every {RETRY_SECONDS:.0f} s.")
                reported = True
            self._pause(RETRY_SECONDS)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() >= end)

    def _write_runfile(self, urls: Urls) -> None:
        with full_disk_errors(self.data):
            runfile.write(self.data, urls)

    def _start_servers(self) -> Urls:
        servers: dict[str, Server] = {}
        urls = {name: self.environment.get(name.upper(), "") for name in _VARIABLES}
        if not urls["database_url"]:
            servers["PostgreSQL"] = Postgres(self.data)
        if not urls["redis_url"]:
            servers["Valkey"] = Valkey(self.data)
        if not urls["blob_url"]:
            urls["blob_url"] = private_directory(self.data / "blobs").as_uri()
        if servers:
            self.progress.begin_step(f"Starting {' and '.join(servers)}")
            self.supervisor.start_servers(servers)
            self._wait(lambda: self.supervisor.urls() is not None)
        embedded = self.supervisor.urls() or {}
        database_url = embedded.get("PostgreSQL", urls["database_url"])
        direct_url = urls["gateway_database_direct_url"] if urls["database_url"] else ""
        return {
            "database_url": database_url,
            "gateway_database_direct_url": direct_url or database_url,
            "redis_url": urls["redis_url"] or embedded["Valkey"],
            "blob_url": urls["blob_url"],
            "api_url": f"http://{url_host(self.address[0])}:{self.address[1]}",
        }

    def _migrate(self, env: dict[str, str]) -> None:
        self.progress.begin_step("Migrating the database")
        migration = start_logged(self.data, "migrate", self.commands.migrate, env)
        try:
            self._wait(lambda: not migration.running())
        finally:
            migration.process.terminate()
            wait_until(lambda: not migration.running(), 10.0)
            migration.process.kill()
            migration.process.wait()
        if migration.process.returncode != 0:
            message = (
                f"The database could not be migrated: {migration.last_line()}."
                f" The whole log: {migration.log}"
            )
            if self.supervisor.disk_full or names_full_disk(migration.output()):
                raise DiskFull(message, self.data)
            raise EmbeddedError(message)

    def _children(self, env: dict[str, str]) -> list[Child]:
        host, port = self.address
        # One child also for several API processes: it restarts those that end, as it does without
        # this supervisor.
        address = {
            "GATEWAY_HOST": host,
            "GATEWAY_PORT": str(port),
            "GATEWAY_SERVE_PROCESSES": str(self.api_processes),
        }
        api = Child("api", [*self.commands.serve], {**env, **address})
        count = range(1, self.workers + 1)
        return [
            api,
            *(Child(f"worker-{number}", [*self.commands.work], env, stage=1) for number in count),
        ]


@contextlib.contextmanager
def _lock_data_directory(data: Path) -> Iterator[None]:
    """Lock the data directory. The kernel releases the lock however the process ends."""
    with open_lock(data / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = runfile.read(data).get("pid")
            raise EmbeddedError(
                f"Another `gateway up`{f' (process {other})' if other else ''} uses {data}:"
                " stop it first, or give another folder with --data."
            ) from None
        yield


def _refuse_full_disk(data: Path, free: int) -> None:
    if free < SPACE_NEEDED:
        raise EmbeddedError(
            f"No room: {free // 1_000_000} MB are free on the disk of {data}, at least"
            f" {SPACE_NEEDED // 1_000_000} MB are needed. Free some, or give a folder on another"
            " disk with --data."
        )


def _free_address(host: str, port: int, *, patience: float) -> tuple[str, int]:
    """Return host and port to serve on. Waits up to `patience` seconds for a taken port."""
    deadline = time.monotonic() + patience
    while True:
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                return host, int(listener.getsockname()[1])
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise EmbeddedError(_address_problem(host, port, error)) from None


def _address_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken by another program: stop that program, or choose"
            " another port with --port."
        )
    if error.errno == errno.EACCES:
        return (
            f"This user has no permission to serve on port {port}: choose one above 1023"
            " with --port."
        )
    return f"The address {host}, port {port}, cannot be served on this machine: {error.strerror}."


def url_host(host: str) -> str:
    """The host for URLs that reach a server on this machine which listens on `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _accepts_connections(address: tuple[str, int]) -> bool:
    connection = http.client.HTTPConnection(url_host(address[0]).strip("[]"), address[1], timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def _stop_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """Stop on Ctrl-C, SIGTERM and a closed terminal; kill on a second Ctrl-C."""
    first = float("inf")

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        second = time.monotonic() - first > CTRL_C_DEDUP_SECONDS
        supervisor.request_stop(kill=number == signal.SIGINT and second)
        first = min(first, time.monotonic())

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
