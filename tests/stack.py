"""Test stacks: PostgreSQL, Valkey, the API and a worker as real processes in a folder."""

import asyncio
import atexit
import contextlib
import inspect
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import httpx

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES, UNLIMITED, RateLimitOverrides, Scope
from domains.kernel.tenancy.audit import Actor
from gateway.cli import admin
from gateway.embedded.postgres import Postgres
from gateway.embedded.valkey import Valkey

# The operator of changes that tests make without a command.
OPERATOR = Actor("tests", "localhost")

# Seconds to wait for anything before a test fails.
TIMEOUT = 60.0

# Clients load no certificates: no test needs them, and loading them takes longer than most
# tests.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Process:
    """A process of the product. Its output is appended to `log`."""

    def __init__(self, module: str, env: dict[str, str], log: Path, *arguments: str) -> None:
        self._command = (module, *arguments)
        self._env = env
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def alive(self) -> bool:
        """Return True if the process has not ended. It may be stopped by SIGSTOP."""
        return self._process is not None and self._process.poll() is None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait until the process has ended. Returns the exit code."""
        self.send(number)
        return self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal without waiting."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self.alive:
            self.kill(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until the process ends by itself. Returns the exit code."""
        assert self._process is not None
        return self._process.wait(TIMEOUT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class Stack:
    """PostgreSQL, Valkey, the API and a worker. Nothing is started by the constructor."""

    # Copy the first stack's migrated, empty database, which is much faster than creating one.
    _template: ClassVar[Path | None] = None

    def __init__(self, folder: Path, settings: Mapping[str, str], *, durable: bool = False) -> None:
        self.folder = folder
        self.postgres = Postgres(folder, durable=durable)
        self.valkey = Valkey(folder, durable=True)
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "BLOB_URL": (folder / "blobs").as_uri(),
            "GATEWAY_PORT": str(self.port),
            # Each loads the analysis engine soon after the start, which takes seconds of CPU time.
            "GATEWAY_API_PROCESSES": "1",
            **settings,
        }
        self.api = Process("gateway.serve", self.env, folder / "api.log")
        self.worker = Process("workers", self.env, folder / "worker.log")

    def start_servers(self) -> None:
        """Start PostgreSQL and Valkey, and migrate the database."""
        template = None if self.postgres.durable else Stack._template
        if template is not None:
            shutil.copytree(template, self.folder / template.name)
        self.env["DATABASE_URL"] = self.postgres.start()
        self.env["REDIS_URL"] = self.valkey.start()
        if template is None:
            subprocess.run(
                [sys.executable, "-m", "migrations"],
                env={**os.environ, **self.env},
                check=True,
                capture_output=True,
            )
            self._keep_template()

    def _keep_template(self) -> None:
        (cluster,) = self.folder.glob("pg[0-9]*")
        # A link: PostgreSQL runs from a copy (see `postgres_root`) and accepts no other directory.
        if self.postgres.durable or cluster.is_symlink():
            return
        self.postgres.stop()
        kept = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        Stack._template = shutil.copytree(cluster, kept / cluster.name)
        self.postgres.start()

    def start_api(self) -> None:
        """Start the API and wait until it answers. Fails at once if the process ends."""
        self.api.start()
        deadline = time.monotonic() + TIMEOUT
        while True:
            with contextlib.suppress(httpx.TransportError):
                if get(f"{self.base_url}/livez").status_code == 200:
                    return
            assert self.api.alive, self.api.log.read_text()
            assert time.monotonic() < deadline, self.api.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        processes = [process for process in (self.api, self.worker) if process.alive]
        for process in processes:
            process.send(signal.SIGTERM)
        for process in processes:
            process.wait()
        self.valkey.stop()
        self.postgres.stop()

    @property
    def database_url(self) -> str:
        """URL of PostgreSQL itself, also if the product uses it through a pooler."""
        return self.env.get("GATEWAY_DATABASE_DIRECT_URL") or self.env["DATABASE_URL"]

    @property
    def urls(self) -> dict[str, str]:
        """The variables with the URLs of the servers and the object store."""
        return {name: self.env[name] for name in ("DATABASE_URL", "REDIS_URL", "BLOB_URL")}


@contextlib.contextmanager
def running_stack(
    folder: Path,
    *,
    worker: bool = True,
    durable: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stack]:
    """Run a stack within the block. `durable` is slower, and meant for measurements."""
    stack = Stack(folder, settings, durable=durable)
    try:
        stack.start_servers()
        if worker:
            stack.worker.start()
        stack.start_api()
        yield stack
    finally:
        stack.stop()


class Tenant:
    """A workspace with an API key, and an HTTP client that sends it."""

    def __init__(self, key: admin.NewKey, client: httpx.AsyncClient) -> None:
        self.workspace = str(key.workspace_id)
        self.name = key.workspace_name
        self.key_id = str(key.id)
        self.key = key.key
        self.http = client

    async def create_signal(self, text: str = "The export fails every day.", **fields: Any) -> Any:
        """Create a text signal and return it."""
        return await self.create("signals", **{"text": text, "signalType": "review", **fields})

    async def create(self, resource: str, **body: Any) -> Any:
        """POST to a resource of discovery and expect 201. Returns the decoded body."""
        response = await self.http.post(f"/external/v1/{resource}", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    async def get(self, path: str) -> Any:
        """GET a path of discovery and expect 200. Returns the decoded body."""
        response = await self.http.get(f"/external/v1/{path}")
        assert response.status_code == 200, response.text
        return response.json()

    async def patch(self, path: str, **body: Any) -> Any:
        """PATCH a path of discovery and expect 200. Returns the decoded body."""
        response = await self.http.patch(f"/external/v1/{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def delete(self, path: str) -> None:
        """DELETE a path of discovery and expect 200."""
        response = await self.http.delete(f"/external/v1/{path}")
        assert (response.status_code, response.json()) == (200, {"message": "Deleted"})

    async def process_text(self, text: str = "The export fails every day.", **fields: Any) -> Any:
        """Create a text signal and wait until it is analysed. Returns the signal."""
        return await self.wait_until_processed((await self.create_signal(text, **fields))["id"])

    async def wait_until_processed(self, signal_id: str) -> Any:
        """Wait until the signal's analysis has succeeded or failed. Returns the signal."""

        async def ended() -> Any:
            signal = await self.get(f"signals/{signal_id}")
            return signal if signal["status"] in ("processed", "failed") else None

        return await eventually(ended)


@contextlib.asynccontextmanager
async def new_tenant(
    stack: Stack,
    scopes: list[Scope] | None = None,
    *,
    limits: RateLimitOverrides = UNLIMITED,
    workspace: str | None = None,
    database: Database | None = None,
) -> AsyncIterator[Tenant]:
    """A new workspace with a key, or a new key of `workspace`. Default: all scopes, no limits."""
    async with AsyncExitStack() as opened:
        if database is None:
            database = await opened.enter_async_context(Database.open(stack.database_url))
        if workspace is None:
            workspace = f"w-{secrets.token_hex(6)}"
            await admin.create_workspace(database, workspace)
        key = await admin.create_key(
            database, workspace, list(SCOPES) if scopes is None else scopes, limits=limits
        )
    async with httpx.AsyncClient(
        base_url=stack.base_url,
        headers={"Authorization": f"Bearer {key.key}"},
        timeout=30,
        verify=NO_CERTIFICATES,
        # Less than the server's keep-alive timeout of 5 s: a request on a connection that the
        # server is closing would fail.
        limits=httpx.Limits(keepalive_expiry=2),
    ) as client:
        yield Tenant(key, client)


def get(url: str, **options: Any) -> httpx.Response:
    """Do the same as `httpx.get`, without loading certificates."""
    return httpx.get(url, verify=NO_CERTIFICATES, **options)


async def eventually(condition: Callable[[], Any], patience: float = TIMEOUT) -> Any:
    """Poll a condition, async or not, until it returns a true value, and return that value.

    Fail after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.02)


def free_port() -> int:
    """A TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
