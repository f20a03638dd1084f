"""`gateway up`: everything on one machine, from an empty folder to READY, until Ctrl-C."""

import contextlib
import errno
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gateway.embedded import runfile
from gateway.embedded.errors import LocalError
from gateway.embedded.machine import (
    data_directory,
    last_line,
    log_since,
    open_lock,
    open_log,
    private_directory,
    wait_until,
)
from gateway.embedded.postgres import Postgres
from gateway.embedded.progress import Progress, show
from gateway.embedded.supervisor import Child, Server, Supervisor, Task
from gateway.embedded.valkey import Valkey

if sys.platform != "win32":
    import fcntl

ROOM_NEEDED = (
    200_000_000  # an empty database takes 40 MB; the rest is so that it does not fill up at once
)
READY_SECONDS = 60.0
# The children of an `up` that was killed give the port back within this time: see `lifeline`.
LEFTOVER_SECONDS = 10.0

Urls = dict[str, str]


@dataclass(frozen=True)
class Commands:
    """The commands of the processes that `up` runs."""

    migrate: tuple[str, ...] = (sys.executable, "-m", "migrations")
    serve: tuple[str, ...] = (sys.executable, "-m", "gateway.serve")
    work: tuple[str, ...] = (sys.executable, "-m", "workers")


def free_space(folder: Path) -> int:
    """Bytes that we may still write there."""
    return shutil.disk_usage(folder).free


def up(
    data: Path,
    *,
    host: str,
    port: int,
    workers: int,
    demo: Callable[[Urls], list[str]] | None,
    environment: Mapping[str, str],
    migrated: Callable[[str], bool] | None = None,
    commands: Commands = Commands(),
    free_space: Callable[[Path], int] = free_space,
) -> None:
    """Run the whole product on this machine until Ctrl-C or SIGTERM; then stop what was started.

    Prints the lines that `demo` returns and then `READY <url>` to standard output, everything else
    to standard error. `demo` gets `database_url`, `redis_url`, `blob_url` and `api_url` of a
    migrated database, in a thread. `migrated` says of a database URL that its schema is at head,
    which saves running the migrations. A port of 0 takes any free one. `DATABASE_URL`, `REDIS_URL`
    and `BLOB_URL` in `environment` replace what is embedded.

    Raises:
        LocalError: it cannot run here, or a part of it failed for good; what was started is
        stopped.
    """
    if sys.platform == "win32":
        raise LocalError(
            "The embedded servers run on Linux and macOS only: set DATABASE_URL and REDIS_URL."
        )
    data = data_directory(data)
    with _only_one(data):
        _refuse_without_room(data, free_space(data))
        leftover = bool(runfile.read(data))
        address = _free_address(host, port, patience=LEFTOVER_SECONDS if leftover else 0.0)
        with Progress() as progress:
            supervisor = Supervisor(data, say=progress.say)
            with _stop_on_signals(supervisor):
                try:
                    _Run(
                        data, address, workers, dict(environment), commands, supervisor, progress
                    ).run(demo, migrated)
                except _StopAskedError:
                    pass
                finally:
                    progress.step("Stopping")
                    supervisor.stop()
                    runfile.remove(data)
                    progress.rest()
                    progress.say("Stopped.")


class _StopAskedError(Exception):
    """The operator wants out."""


@dataclass
class _Run:
    """The way to READY and on. Whatever waits raises _StopAskedError when that is asked for."""

    data: Path
    address: tuple[str, int]
    workers: int
    environment: dict[str, str]
    commands: Commands
    supervisor: Supervisor
    progress: Progress

    def run(
        self, demo: Callable[[Urls], list[str]] | None, migrated: Callable[[str], bool] | None
    ) -> None:
        began = time.monotonic()
        urls = self._start_servers()
        variables = {name.upper(): urls[name] for name in ("database_url", "redis_url", "blob_url")}
        env = {**self.environment, **variables, "PYTHONUNBUFFERED": "1"}
        current = Task(lambda: migrated is not None and migrated(urls["database_url"]))
        self._wait(current.done)
        if not current.result():
            self._migrate(env)
        runfile.write(self.data, urls)
        self.progress.step(
            f"Starting the API and {self.workers} worker{'s' if self.workers != 1 else ''}"
        )
        self.supervisor.start(self._children(env))
        lines = Task(lambda: demo(urls) if demo is not None else [])
        self._wait(
            lambda: _answers(self.address), seconds=READY_SECONDS, what="The API does not answer"
        )
        self._wait(lines.done)
        self.progress.rest()
        for line in lines.result():
            show(line)
        self.progress.say(f"Started in {time.monotonic() - began:.1f} s. Ctrl-C stops everything.")
        show(f"READY {urls['api_url']}")
        self._wait(lambda: False)

    def _wait(
        self, until: Callable[[], bool], *, seconds: float = float("inf"), what: str = ""
    ) -> None:
        deadline = time.monotonic() + seconds
        if not self.supervisor.run(until=lambda: until() or time.monotonic() > deadline):
            raise _StopAskedError
        if time.monotonic() > deadline:
            raise LocalError(f"{what} within {seconds:.0f} s: see {self.data / 'logs'}.")

    def _start_servers(self) -> Urls:
        servers: dict[str, Server] = {}
        given = {
            name: self.environment.get(name.upper(), "")
            for name in ("database_url", "redis_url", "blob_url")
        }
        if not given["database_url"]:
            servers["PostgreSQL"] = Postgres(self.data)
        if not given["redis_url"]:
            servers["Valkey"] = Valkey(self.data)
        if not given["blob_url"]:
            given["blob_url"] = private_directory(self.data / "blobs").as_uri()
        if servers:
            self.progress.step(f"Starting {' and '.join(servers)}")
            self.supervisor.start_servers(servers)
            self._wait(lambda: self.supervisor.urls() is not None)
        urls = self.supervisor.urls() or {}
        return {
            "database_url": given["database_url"] or urls["PostgreSQL"],
            "redis_url": given["redis_url"] or urls["Valkey"],
            "blob_url": given["blob_url"],
            "api_url": f"http://{_in_url(self.address[0])}:{self.address[1]}",
        }

    def _migrate(self, env: dict[str, str]) -> None:
        self.progress.step("Migrating the database")
        path, log = open_log(self.data, "migrate")
        offset = path.stat().st_size
        try:
            process = subprocess.Popen(
                self.commands.migrate,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        try:
            self._wait(lambda: process.poll() is not None)
        finally:
            process.terminate()
            wait_until(lambda: process.poll() is not None, 10.0)
            process.kill()
            process.wait()
        if process.returncode != 0:
            line = last_line(log_since(path, offset))
            raise LocalError(
                f"The database could not be migrated: {line.rstrip('.')}. The whole log: {path}"
            )

    def _children(self, env: dict[str, str]) -> list[Child]:
        host, port = self.address
        api = Child(
            "api", [*self.commands.serve], {**env, "GATEWAY_HOST": host, "GATEWAY_PORT": str(port)}
        )
        count = range(1, self.workers + 1)
        return [
            api,
            *(Child(f"worker-{number}", [*self.commands.work], env, stage=1) for number in count),
        ]


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the folder for this process; the kernel lets go of it however the process ends."""
    with open_lock(data / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = runfile.read(data).get("pid")
            raise LocalError(
                f"Another `gateway up`{f' (process {other})' if other else ''} uses {data}:"
                " stop it first, or give another folder with --data."
            ) from None
        yield


def _refuse_without_room(data: Path, free: int) -> None:
    if free < ROOM_NEEDED:
        raise LocalError(
            f"No room: {free // 1_000_000} MB are free on the disk of {data}, at least"
            f" {ROOM_NEEDED // 1_000_000} MB are needed. Free some, or give a folder on another"
            " disk"
            " with --data."
        )


def _free_address(host: str, port: int, *, patience: float) -> tuple[str, int]:
    """The address to serve on, found free within `patience` seconds."""
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
            raise LocalError(_why_not(host, port, error)) from None


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken by another program: stop that, or choose another"
            " port with --port."
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} needs rights that this user does not have: choose one above 1023"
            " with --port."
        )
    return f"The address {host}, port {port}, cannot be served on this machine: {error.strerror}."


def _in_url(host: str) -> str:
    """The host by which this machine reaches itself."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _answers(address: tuple[str, int]) -> bool:
    connection = http.client.HTTPConnection(_in_url(address[0]).strip("[]"), address[1], timeout=2)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def _stop_on_signals(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal ask for a stop; a second Ctrl-C for a quick one."""
    first = float("inf")

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        # `make` and a terminal may both pass the same Ctrl-C on: only a later one is a second one.
        supervisor.ask_to_stop(hurry=number == signal.SIGINT and time.monotonic() - first > 0.5)
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
