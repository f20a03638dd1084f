"""The product to be broken: a stack whose processes are started again when they die."""

import asyncio
import contextlib
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import redis

from tests.chaos import processes
from tests.stack import Process, Stack, eventually

QUICK: Final = {
    "GATEWAY_JOB_LEASE": "1",
    "GATEWAY_JOB_RESEND": "1",
    "GATEWAY_WORKER_HEARTBEAT": "0.5",
    "GATEWAY_FETCH_ALLOW": "127.0.0.1",
    "GATEWAY_SPEECH_TIME_LIMIT": "1",
}
MARK: Final = "CHAOS_SITE"

# Seconds after which a process whose parent has ended must have noticed.
PARTING: Final = 10.0


class Part(Process):
    """A process that can be frozen, and that tells whether it runs."""

    @property
    def alive(self) -> bool:
        """Whether it runs, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal and do not wait."""
        assert self._process is not None
        self._process.send_signal(number)


class Site(Stack):
    """A stack with workers that know the jobs of `worker.py`; nothing of it outlives `stop`."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.mark = secrets.token_hex(8)
        self.speech_port = _free_port()
        settings = {
            **QUICK,
            "GATEWAY_SPEECH_URL": f"http://127.0.0.1:{self.speech_port}/v1",
            MARK: self.mark,
        }
        super().__init__(folder, settings, durable=durable)
        self.api: Part = Part("gateway.serve", self.env, folder / "api.log")
        self.workers: list[Part] = []
        self.held: set[Part] = set()
        self.faults = 0

    @property
    def parts(self) -> list[Part]:
        """The API and the workers."""
        return [self.api, *self.workers]

    @property
    def blobs(self) -> Path:
        """The object store's directory."""
        return self.folder / "blobs"

    async def begin(self) -> None:
        """Start all of it."""
        await asyncio.to_thread(self.start_servers)
        async with self.connected() as connection:
            await connection.execute("create table if not exists chaos_effects (job uuid not null)")
        await self.repair(1)

    async def repair(self, workers: int) -> None:
        """Bring back what is missing, with so many workers."""
        self.held.clear()
        await asyncio.to_thread(self.valkey.start)
        await asyncio.to_thread(self.postgres.start)
        while len(self.workers) < workers:
            log = self.folder / f"worker-{len(self.workers) + 1}.log"
            self.workers.append(Part("tests.chaos.worker", self.env, log))
        while len(self.workers) > workers:
            await asyncio.to_thread(self.workers.pop().stop)
        for each in self.workers:
            if not each.alive:
                each.start()
        if not self.api.alive:
            await asyncio.to_thread(self.start_api)

        async def serves() -> bool:
            async with httpx.AsyncClient(base_url=self.base_url, timeout=10) as client:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("/readyz")).status_code == 200
            return False

        await eventually(serves)

    async def restart(self, more: Mapping[str, str]) -> None:
        """Start API and workers anew, with more in their environment."""
        for each in self.parts:
            # Quicker than in order, and no job is under way.
            await asyncio.to_thread(each.kill)
        self.env.update(more)
        await self.repair(len(self.workers))

    @contextlib.asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Start parts that died again, as whoever runs the product does; but not those `held`."""

        async def watch() -> None:
            while True:
                for each in self.parts:
                    if not each.alive and each not in self.held:
                        each.start()
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def kill(self, part: Part) -> None:
        """kill -9."""
        self.faults += 1
        if part.alive:
            await asyncio.to_thread(part.kill)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the test's own."""
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    def redis(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis.from_url(self.env["REDIS_URL"])

    def valkey_pid(self) -> int:
        """The process of the Redis server."""
        with self.redis() as client:
            info = client.info("server")
        assert isinstance(info, dict)
        return int(info["process_id"])

    def strangers(self) -> list[processes.Seen]:
        """Processes of this site whose parent has died."""
        return processes.unattended(processes.belonging(self.mark, self.folder))

    def stop(self) -> None:
        for each in self.parts:
            # What is frozen hears nothing.
            if each.alive:
                each.send(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.stop()
        super().stop()
        self.workers.clear()

    def remains(self) -> list[processes.Seen]:
        """What still runs of this site, when its children had time to see that it has stopped."""
        deadline = time.monotonic() + PARTING
        while (left := processes.belonging(self.mark, self.folder)) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.05)
        return left


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A file system of so many bytes at the folder; OSError where that is not allowed."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        timeout=10,
    )
    if made.returncode != 0:
        raise OSError("no file system may be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
