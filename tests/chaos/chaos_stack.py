"""A stack whose processes can be killed, frozen and restarted; further API servers on demand."""

import asyncio
import contextlib
import secrets
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import redis

from domains.kernel.core.tasks import background_task
from tests.chaos.process_tree import (
    ProcessInfo,
    children,
    listening_sockets,
    orphans,
    stack_processes,
)
from tests.fakes.http_balancer import HttpBalancer, running_balancer
from tests.stack import TIMEOUT, Process, Stack, eventually, free_port

# Settings with short intervals, so that recovery takes seconds.
FAST_SETTINGS: Final = {
    "GATEWAY_JOB_LEASE": "1",
    "GATEWAY_JOB_RESEND": "1",
    "GATEWAY_WORKER_HEARTBEAT": "0.5",
    "GATEWAY_FETCH_ALLOW": "127.0.0.1",
    "GATEWAY_SPEECH_TIME_LIMIT": "1",
}
# The environment variable by which the processes of a stack are found.
MARK: Final = "CHAOS_STACK"

# Seconds within which a process notices that its parent has ended.
ORPHAN_TIMEOUT: Final = 10.0

# Where sockets that listen can be counted.
_HAS_PROC: Final = Path("/proc/net/tcp").exists()


class Server(Process):
    """A `gateway serve` with its own port, in one process or in several."""

    def __init__(self, env: Mapping[str, str], log: Path, processes: int) -> None:
        self.port = free_port()
        settings = {
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_SERVE_PROCESSES": str(processes),
            # The analysis of transcripts is not under test, and every start prepares it.
            "GATEWAY_API_PROCESSES": "1",
            "GATEWAY_TRANSCRIPT_TIME_LIMIT": "1",
            # On a busy machine, Valkey is late and not unavailable.
            "GATEWAY_REDIS_TIMEOUT": "10",
        }
        super().__init__("gateway.serve", {**env, **settings}, log)
        self.processes = processes

    async def until_ready(self) -> None:
        """Wait until all processes listen. On a busy machine a start takes half a minute."""
        await eventually(self.is_ready, 2 * TIMEOUT)

    def members(self) -> list[int]:
        """Ids of the processes that answer requests."""
        return [child.pid for child in children(self.pid)] if self.processes > 1 else [self.pid]

    def is_ready(self) -> bool:
        """True if all processes listen on the port, or one of them on systems without /proc."""
        if not self.alive or _HAS_PROC:
            return self.alive and listening_sockets(self.port) >= self.processes
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class ChaosStack(Stack):
    """A stack with workers that run the jobs of `worker.py`. `stop` ends all its processes."""

    def __init__(self, folder: Path) -> None:
        self.mark = secrets.token_hex(8)
        self.speech_port = free_port()
        settings = {
            **FAST_SETTINGS,
            "GATEWAY_SPEECH_URL": f"http://127.0.0.1:{self.speech_port}/v1",
            MARK: self.mark,
        }
        super().__init__(folder, settings)
        self.workers: list[Process] = []
        # Further API servers, for scenarios with several.
        self.servers: list[Server] = []
        # Number of faults injected.
        self.faults = 0

    @property
    def processes(self) -> list[Process]:
        """The API, the workers and the further servers."""
        return [self.api, *self.workers, *self.servers]

    @property
    def blobs(self) -> Path:
        """The object store's directory."""
        return self.folder / "blobs"

    async def start(self) -> None:
        """Start everything, with one worker."""
        await asyncio.to_thread(self.start_servers)
        async with self.connected() as connection:
            await connection.execute("create table if not exists chaos_effects (job uuid not null)")
        await self.repair(1)

    async def repair(self, workers: int, servers: Sequence[int] | None = None) -> None:
        """Start the processes that are not running, and wait until the stack is ready.

        `servers`: the number of processes of each further server. None: those that there are.
        """
        await asyncio.to_thread(self.valkey.start)
        await asyncio.to_thread(self.postgres.start)
        while len(self.workers) < workers:
            log = self.folder / f"worker-{len(self.workers) + 1}.log"
            self.workers.append(Process("tests.chaos.worker", self.env, log))
        while len(self.workers) > workers:
            await asyncio.to_thread(self.workers.pop().stop)
        if servers is not None and [each.processes for each in self.servers] != list(servers):
            for server in self.servers:
                await asyncio.to_thread(server.stop)
            self.servers = [
                Server(self.env, self.folder / f"server-{number}.log", processes)
                for number, processes in enumerate(servers, 1)
            ]
        for process in (*self.workers, *self.servers):
            if not process.alive:
                process.start()
        if not self.api.alive:
            await asyncio.to_thread(self.start_api)
        for server in self.servers:
            await server.until_ready()

        async def ready() -> bool:
            async with httpx.AsyncClient(base_url=self.base_url, timeout=10) as client:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("/readyz")).status_code == 200
            return False

        await eventually(ready)

    @contextlib.asynccontextmanager
    async def balanced(self) -> AsyncIterator[HttpBalancer]:
        """A balancer of the further servers."""
        async with running_balancer([server.port for server in self.servers]) as balancer:
            yield balancer

    async def restart(self, environment: Mapping[str, str]) -> None:
        """Restart the API and the workers with more variables in their environment."""
        for process in self.processes:
            # Faster than an orderly stop, and no job is running.
            await asyncio.to_thread(process.kill)
        self.env.update(environment)
        await self.repair(len(self.workers))

    @contextlib.asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Restart processes that end, as an operator's supervisor does."""

        async def watch() -> None:
            while True:
                for process in self.processes:
                    if not process.alive:
                        process.start()
                await asyncio.sleep(0.05)

        async with background_task(watch()):
            yield

    async def kill(self, process: Process) -> None:
        """Send SIGKILL and wait until the process has ended."""
        self.faults += 1
        if process.alive:
            await asyncio.to_thread(process.kill)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        """A database connection of the test."""
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    def redis(self) -> redis.Redis:
        """A Redis client of the test."""
        return redis.Redis.from_url(self.env["REDIS_URL"])

    def valkey_pid(self) -> int:
        """The process of the Valkey server."""
        pid = self.valkey.pid()
        assert pid is not None
        return pid

    def orphans(self) -> list[ProcessInfo]:
        """Processes of this stack whose parent has died."""
        return orphans(stack_processes(self.mark, self.folder))

    def stop(self) -> None:
        # Killed, so that frozen processes end, too; jobs need no orderly end here.
        for process in self.processes:
            if process.alive:
                process.kill()
        super().stop()
        self.workers.clear()
        self.servers.clear()

    def leftovers(self) -> list[ProcessInfo]:
        """Processes that still run some time after `stop`."""
        deadline = time.monotonic() + ORPHAN_TIMEOUT
        while (left := stack_processes(self.mark, self.folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


@contextlib.contextmanager
def mounted_tmpfs(folder: Path, size: str) -> Iterator[None]:
    """A file system of this size on a folder. Raises OSError where mounting is not allowed."""
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        timeout=10,
    )
    if mount.returncode != 0:
        raise OSError("no file system may be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)


def mounts_below(folder: Path) -> list[str]:
    """The mount points in a folder; none on systems without /proc."""
    mounts = Path("/proc/mounts")
    points = (
        [line.split()[1] for line in mounts.read_text().splitlines()] if mounts.exists() else []
    )
    return [point for point in points if Path(point).is_relative_to(folder)]
