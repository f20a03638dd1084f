"""A stack whose processes can be killed, frozen and restarted."""

import asyncio
import contextlib
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import redis

from domains.kernel.core.tasks import background_task
from tests.chaos.process_tree import ProcessInfo, orphans, stack_processes
from tests.stack import Process, Stack, eventually, free_port

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
        # Number of faults injected.
        self.faults = 0

    @property
    def processes(self) -> list[Process]:
        """The API and the workers."""
        return [self.api, *self.workers]

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

    async def repair(self, workers: int) -> None:
        """Start the processes that are not running, and wait until the stack is ready."""
        await asyncio.to_thread(self.valkey.start)
        await asyncio.to_thread(self.postgres.start)
        while len(self.workers) < workers:
            log = self.folder / f"worker-{len(self.workers) + 1}.log"
            self.workers.append(Process("tests.chaos.worker", self.env, log))
        while len(self.workers) > workers:
            await asyncio.to_thread(self.workers.pop().stop)
        for worker in self.workers:
            if not worker.alive:
                worker.start()
        if not self.api.alive:
            await asyncio.to_thread(self.start_api)

        async def ready() -> bool:
            async with httpx.AsyncClient(base_url=self.base_url, timeout=10) as client:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("/readyz")).status_code == 200
            return False

        await eventually(ready)

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
