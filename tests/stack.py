"""The product as real processes on servers of its own, for tests."""

import asyncio
import atexit
import contextlib
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import httpx

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES, UNLIMITED, LimitChoice, Scope
from gateway.cli import admin
from gateway.embedded.postgres import Postgres
from gateway.embedded.valkey import Valkey

PATIENCE = 60.0

# Nothing here is asked over TLS: reading the authorities' certificates anew for every client takes
# longer than most tests.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Process:
    """One process of the product; its output goes to a file."""

    def __init__(self, module: str, env: dict[str, str], log: Path) -> None:
        self._module = module
        self._env = env
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until it ends by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class Stack:
    """PostgreSQL, Valkey, the API and a worker in a folder. Nothing starts until it is asked to."""

    # The first stack's database, migrated and still empty: a copy starts several times as fast.
    _template: ClassVar[Path | None] = None

    def __init__(self, folder: Path, settings: Mapping[str, str], *, durable: bool = False) -> None:
        self.folder = folder
        self.postgres = Postgres(folder, durable=durable)
        self.valkey = Valkey(folder, durable=True)
        self.port = _free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "BLOB_URL": (folder / "blobs").as_uri(),
            "GATEWAY_PORT": str(self.port),
            **settings,
        }
        self.api = Process("gateway.serve", self.env, folder / "api.log")
        self.worker = Process("workers", self.env, folder / "worker.log")

    def start_servers(self) -> None:
        """Start both servers and migrate."""
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
        # Where only a copy of PostgreSQL may run, it takes no data directory from elsewhere.
        if self.postgres.durable or cluster.is_symlink():
            return
        self.postgres.stop()
        kept = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        Stack._template = shutil.copytree(cluster, kept / cluster.name)
        self.postgres.start()

    def start_api(self) -> None:
        """Start the API and wait until it answers."""
        self.api.start()
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.base_url}/livez").status_code == 200:
                    return
            assert time.monotonic() < deadline, self.api.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        for process in (self.api, self.worker):
            process.stop()
        self.valkey.stop()
        self.postgres.stop()

    @property
    def database_url(self) -> str:
        return self.env["DATABASE_URL"]


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    worker: bool = True,
    durable: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stack]:
    """A stack with everything started, stopped afterwards."""
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
    """A workspace of its own and a client with its key."""

    def __init__(self, key: admin.NewKey, client: httpx.AsyncClient) -> None:
        self.workspace = key.workspace_id
        self.name = key.workspace_name
        self.key_id = key.id
        self.key = key.key
        self.http = client

    async def signal(self, text: str = "The export fails every day.", **fields: Any) -> Any:
        """Create a text signal; its answer."""
        body = {"text": text, "signalType": "review", **fields}
        response = await self.http.post("/external/v1/signals", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    async def create(self, resource: str, **body: Any) -> Any:
        """POST to a resource of discovery; the answer to a 201."""
        response = await self.http.post(f"/external/v1/{resource}", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    async def get(self, path: str) -> Any:
        """GET below discovery's prefix; the answer to a 200."""
        response = await self.http.get(f"/external/v1/{path}")
        assert response.status_code == 200, response.text
        return response.json()

    async def change(self, path: str, **body: Any) -> Any:
        """PATCH below discovery's prefix; the answer to a 200."""
        response = await self.http.patch(f"/external/v1/{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def delete(self, path: str) -> None:
        """DELETE below discovery's prefix."""
        response = await self.http.delete(f"/external/v1/{path}")
        assert (response.status_code, response.json()) == (200, {"message": "Deleted"})

    async def processed(self, signal_id: str) -> Any:
        """Wait until the signal's analysis has ended; the signal."""

        async def ended() -> Any:
            signal = (await self.http.get(f"/external/v1/signals/{signal_id}")).json()
            return signal if signal["status"] in ("processed", "failed") else None

        return await eventually(ended)


@contextlib.asynccontextmanager
async def tenant(
    stack: Stack,
    scopes: list[Scope] | None = None,
    *,
    limits: LimitChoice = UNLIMITED,
    workspace: str | None = None,
    database: Database | None = None,
) -> AsyncIterator[Tenant]:
    """A new workspace, or a new key of one; all scopes and no limits unless said otherwise."""
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
        verify=_NO_AUTHORITIES,
    ) as client:
        yield Tenant(key, client)


async def eventually(condition: Callable[[], Awaitable[Any]], patience: float = PATIENCE) -> Any:
    """What the condition answers as soon as that is something; an error after `patience` s."""
    deadline = time.monotonic() + patience
    while not (found := await condition()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.02)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
