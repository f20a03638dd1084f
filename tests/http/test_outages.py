"""PostgreSQL frozen under load, servers that start after the API, and another schema."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from domains.kernel.db.tables import SCHEMA_REVISION
from tests.embedded.processes import sql
from tests.frozen_postgres import frozen_postgres
from tests.stack import Process, Stack, Tenant, eventually, new_tenant, running_stack

# Seconds: twice what is promised of each request, of /readyz and of /health, for busy machines.
REQUEST_LIMIT: Final = 4.0
READYZ_LIMIT: Final = 2.0
HEALTH_LIMIT: Final = 4.0

PROBES: Final = ("/livez", "/healthcheck", "/readyz", "/health")


@contextlib.contextmanager
def _frozen_endpoint() -> Iterator[str]:
    """URL of a server that accepts connections, as the kernel does, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _timed(
    request: Callable[[], Awaitable[httpx.Response]],
) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return await request(), time.monotonic() - began


def _requests(tenant: Tenant) -> list[Callable[[], Awaitable[httpx.Response]]]:
    """A read and a write of discovery, and a read of the revenue record."""
    http = tenant.http
    return [
        lambda: http.get("/external/v1/signals"),
        lambda: http.post("/external/v1/products", json={"name": "Atlas"}),
        lambda: http.get("/v1/rows"),
    ]


async def test_requests_get_503_within_two_seconds_while_postgres_is_frozen(
    tmp_path: Path,
) -> None:
    """Includes requests in progress. The other servers are frozen at the same time."""
    with (
        _frozen_endpoint() as endpoint,
        running_stack(
            tmp_path,
            worker=False,
            settings={
                "BLOB_URL": "s3://bucket",
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "b",
            },
        ) as stack,
    ):
        async with new_tenant(stack) as tenant:
            await _freeze_under_load(stack, tenant)


async def _freeze_under_load(stack: Stack, tenant: Tenant) -> None:
    answers: list[tuple[httpx.Response, float]] = []
    stopping = asyncio.Event()

    async def send(request: Callable[[], Awaitable[httpx.Response]]) -> None:
        while not stopping.is_set():
            answers.append(await _timed(request))
            await asyncio.sleep(0.01)

    def statuses() -> list[int]:
        return [response.status_code for response, _ in answers]

    async with asyncio.TaskGroup() as group:
        for request in _requests(tenant) * 2:
            group.create_task(send(request))
        await eventually(lambda: len(answers) > 30)
        assert set(statuses()) <= {200, 201}
        # The first call reads the files of the sentence encoders.
        await tenant.http.get("/health")
        answers.clear()
        with frozen_postgres(stack.postgres), _frozen(stack.valkey.pid() or 0):
            await _check_probes(tenant.http)
            await eventually(lambda: statuses().count(503) > 30)
            # The outage is known.
            await _check_probes(tenant.http)
            health = (await tenant.http.get("/health")).json()
            assert "PostgreSQL does not answer for" in health["parts"]["database"]["detail"]
            assert health["parts"]["redis"]["status"] == "degraded"
            assert health["parts"]["blobs"]["status"] == "degraded"
        continued = time.monotonic()
        for request in _requests(tenant):
            await eventually(partial(_succeeds, request))
        assert time.monotonic() - continued < 5
        stopping.set()
    assert set(statuses()) <= {200, 201, 503}
    assert max(seconds for _, seconds in answers) < REQUEST_LIMIT
    refused = [response for response, _ in answers if response.status_code == 503]
    assert all(response.headers["Retry-After"] for response in refused)
    assert _outage_lines(stack.api, "dependency_unavailable") == 1
    assert _outage_lines(stack.api, "dependency_available") == 1


async def _succeeds(request: Callable[[], Awaitable[httpx.Response]]) -> bool:
    return (await request()).status_code < 300


async def _check_probes(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(_timed(partial(http.get, path)) for path in PROBES))
    (livez, _), (healthcheck, _), (readyz, until_ready), (health, until_health) = answers
    assert livez.status_code == healthcheck.status_code == 200
    assert readyz.status_code == health.status_code == 503
    assert until_ready < READYZ_LIMIT
    assert until_health < HEALTH_LIMIT


def _log_lines(process: Process, event: str) -> int:
    return process.log.read_text().count(f'"{event}"')


def _outage_lines(process: Process, event: str) -> int:
    """Number of log lines about outages of PostgreSQL."""
    lines = [line for line in process.log.read_text().splitlines() if f'"{event}"' in line]
    return sum('"dependency":"database"' in line for line in lines)


# --- start ------------------------------------------------------------------------------------


@pytest.fixture
async def waiting(tmp_path: Path) -> Any:
    """A stack with a tenant, whose servers are stopped and whose processes have not started."""
    settings = {"GATEWAY_OUTAGE_PROBE_INTERVAL": "0.2", "GATEWAY_WORKER_HEARTBEAT": "0.5"}
    stack = Stack(tmp_path, settings)
    try:
        await asyncio.to_thread(stack.start_servers)
        async with new_tenant(stack) as tenant:
            await asyncio.to_thread(stack.postgres.stop)
            await asyncio.to_thread(stack.valkey.stop)
            yield stack, tenant
    finally:
        await asyncio.to_thread(stack.stop)


def _ready(stack: Stack) -> bool:
    return httpx.get(f"{stack.base_url}/readyz").status_code == 200


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_api_and_worker_start_before_their_servers(
    waiting: tuple[Stack, Tenant], processes: str
) -> None:
    stack, tenant = waiting
    stack.api = Process(
        "gateway", stack.env, stack.folder / "api.log", "serve", "--processes", processes
    )
    stack.worker.start()
    await asyncio.to_thread(stack.start_api)
    for request in _requests(tenant):
        response, seconds = await _timed(request)
        assert response.status_code == 503
        assert seconds < REQUEST_LIMIT
        assert response.headers["Retry-After"]
    discovery, _, revenue = [(await request()).json() for request in _requests(tenant)]
    assert "not available" in discovery["detail"]
    assert "not available" in str(revenue)
    link = "/files/x?purpose=download&expires=9999999999&signature=x"
    assert (await tenant.http.get(link)).status_code in (404, 503)
    # The first call reads the files of the sentence encoders, in each process.
    await asyncio.gather(*(tenant.http.get("/health") for _ in range(8)))
    await _check_probes(tenant.http)
    await asyncio.to_thread(stack.valkey.start)
    await asyncio.to_thread(stack.postgres.start)
    await eventually(lambda: _ready(stack))
    # The worker reports, too.
    await eventually(lambda: httpx.get(f"{stack.base_url}/health").json()["status"] != "down")
    for process in (stack.api, stack.worker):
        assert 1 <= _outage_lines(process, "dependency_unavailable") <= int(processes)
        assert _log_lines(process, "task_interrupted") == 0


async def test_another_schema_is_reported_until_it_is_migrated(
    waiting: tuple[Stack, Tenant],
) -> None:
    stack, tenant = waiting
    set_revision = "update alembic_version set version_num = "
    url = await asyncio.to_thread(stack.postgres.start)
    await asyncio.to_thread(sql, url, f"{set_revision}'0001'")
    await asyncio.to_thread(stack.postgres.stop)
    await asyncio.to_thread(stack.start_api)
    await asyncio.to_thread(stack.postgres.start)

    async def reported() -> bool:
        readyz = await tenant.http.get("/readyz")
        assert readyz.status_code == 503
        return "run `gateway migrate`" in readyz.text

    await eventually(reported)
    for request in _requests(tenant):
        assert (await request()).status_code == 503
    schema = (await tenant.http.get("/health")).json()["parts"]["schema"]
    assert schema["status"] == "down"
    assert "gateway migrate" in schema["detail"]
    await asyncio.to_thread(sql, url, f"{set_revision}'{SCHEMA_REVISION}'")
    await eventually(lambda: _ready(stack))
    assert (await tenant.http.get("/external/v1/signals")).status_code == 200
    assert _log_lines(stack.api, "database_refused") == 1
