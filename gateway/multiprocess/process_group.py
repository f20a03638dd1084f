"""Several API processes behind one port: starts them, restarts those that end, stops all."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from domains.kernel.core import log_config
from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.core.supervision.parent_watch import SUPERVISOR_FD
from domains.kernel.core.supervision.watchdog import Notifier, Watch
from domains.kernel.core.tasks import background_task
from gateway.multiprocess.listener import bind

log = structlog.get_logger()

# All in seconds. The delay before a restart doubles each time, up to the longest.
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0
# A process that ran for this long restarts with the first delay again.
_HEALTHY_SECONDS: Final = 30.0
_POLL_INTERVAL: Final = 0.05
_WATCH_INTERVAL: Final = 0.25

# Variable of prometheus_client: the directory where each process keeps its metrics in files.
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"


class ProcessGroup:
    """API processes with the numbers 1 to `settings.serve_processes`.

    They stay in the process group of this process: Ctrl-C in a terminal reaches all of them, and a
    supervisor that kills the group leaves none behind. A frozen process is killed, then restarted.
    """

    def __init__(
        self, settings: Settings, environment: dict[str, str], watched_pipe: int, directory: Path
    ) -> None:
        """`directory` is private. It gets the sockets on which the processes report."""
        self._settings = settings
        self._directory = directory
        self._environment = environment
        self._watched_pipe = watched_pipe
        self._running: set[asyncio.subprocess.Process] = set()
        self._watches: dict[int, Watch] = {}
        self._stopping = asyncio.Event()

    def stop(self, number: signal.Signals) -> None:
        """Make all processes finish their requests and end. A second SIGINT ends them at once."""
        again = self._stopping.is_set() and number == signal.SIGINT
        self._stopping.set()
        for process in self._running:
            # SIGINT at first would count twice: a terminal sends it to each process, too.
            _send(process, signal.SIGINT if again else signal.SIGTERM)

    async def run(self, notifier: Notifier) -> int:
        """Run until `stop`. Returns the exit code: 1 if the first process did not start.

        The first process checks settings and servers for all. When it is ready, the others start,
        and `notifier` begins to report.
        """
        first = await self._start(1)
        if not await self._is_ready(first) and not self._stopping.is_set():
            return 1
        async with background_task(notifier.run()), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_running(1, first))
            for number in range(2, self._settings.serve_processes + 1):
                tasks.create_task(self._keep_running(number))
        return 0

    async def _keep_running(
        self, number: int, process: asyncio.subprocess.Process | None = None
    ) -> None:
        delay = _FIRST_DELAY
        loop = asyncio.get_running_loop()
        # A process that was started before `stop` is waited for.
        while process is not None or not self._stopping.is_set():
            started_at = loop.time()
            process = process or await self._start(number)
            async with background_task(self._kill_when_frozen(number, process)):
                code = await process.wait()
            self._running.discard(process)
            process = None
            if self._stopping.is_set():
                return
            if loop.time() - started_at > _HEALTHY_SECONDS:
                delay = _FIRST_DELAY
            log.warning("api_process_ended", process=number, exit_code=code, restart_in=delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _open_watch(self, number: int) -> Watch | None:
        if number not in self._watches:
            address = self._directory / f"notify-{number}"
            try:
                self._watches[number] = Watch(address, self._settings.watchdog_timeout)
            except OSError as error:  # no room for the socket: the next start tries again
                log.warning("api_process_not_watched", process=number, error=str(error))
        return self._watches.get(number)

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        environment = self._environment
        if (watch := self._open_watch(number)) is not None:
            watch.restart()
            environment = {**environment, **watch.environment}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.serve", str(number)),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(self._watched_pipe,),
        )
        self._running.add(process)
        if self._stopping.is_set():
            _send(process, signal.SIGTERM)
        return process

    async def _is_ready(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until the process accepts connections. False if it has ended."""
        loop = asyncio.get_running_loop()
        address = self._settings.host, self._settings.port
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        while process.returncode is None:
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                connection.setblocking(False)
                with contextlib.suppress(OSError):
                    await loop.sock_connect(connection, address)
                    return True
            await asyncio.sleep(_POLL_INTERVAL)
        return False

    async def _kill_when_frozen(self, number: int, process: asyncio.subprocess.Process) -> None:
        watch = self._watches.get(number)
        while watch is not None:
            await asyncio.sleep(_WATCH_INTERVAL)
            if watch.is_frozen():
                log.error("api_process_frozen", process=number)
                _send(process, signal.SIGKILL)
                return


def main(settings: Settings) -> int:
    """Run several API processes. Returns 0 after a signal, 1 after printing an error message."""
    log_config.configure_logging(settings.log_level, settings.log_format)
    try:
        return asyncio.run(_run(settings))
    except Unavailable as error:
        print(f"gateway serve: {error}", file=sys.stderr)  # noqa: T201
        return 1


async def _run(settings: Settings) -> int:
    # Not shared, so that a second group cannot take part of the connections of the first one.
    bind(settings.host, settings.port).close()
    # First, so that no API process inherits the socket of this process' own supervisor.
    notifier = Notifier.take_from(os.environ)
    with (
        tempfile.TemporaryDirectory(prefix="gateway-metrics-") as metrics,
        _watched_pipe() as watched_pipe,
    ):
        environment = {
            **os.environ,
            METRICS_DIRECTORY: metrics,
            SUPERVISOR_FD: str(watched_pipe),
        }
        group = ProcessGroup(settings, environment, watched_pipe, Path(metrics))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, group.stop, number)
        return await group.run(notifier)


@contextlib.contextmanager
def _watched_pipe() -> Iterator[int]:
    """Read end of a pipe that closes when this process ends, however that happens."""
    # No child inherits the write end.
    read_end, write_end = os.pipe()
    try:
        yield read_end
    finally:
        os.close(write_end)
        os.close(read_end)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
