"""Several API processes behind one port: limits, keys, metrics, restarts, freezes and the end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import RateLimitOverrides
from gateway.cli import admin
from gateway.embedded.process_info import process_alive
from gateway.multiprocess.process_group import ProcessGroup
from tests.chaos.process_tree import children, listening_sockets
from tests.stack import TIMEOUT, Process, Stack, Tenant, eventually, free_port, new_tenant

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux distributes connections between processes"
)

CONTEXT = "/external/v1/auth/context"
# Other tests send no requests to this path.
COUNTED = "/v1/health"
# New connections, which the kernel distributes at random: all in one process is impossible.
CONNECTIONS = 40


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("processes")
    # Temporary files of the API, to see what it leaves.
    (folder / "tmp").mkdir()
    stack = Stack(folder, {"TMPDIR": str(folder / "tmp"), "GATEWAY_WATCHDOG_TIMEOUT": "5"})
    stack.api = Process("gateway", stack.env, folder / "api.log", "serve", "--processes", "2")
    try:
        stack.start_servers()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def api(two_processes: Stack) -> Stack:
    """A stack with two API processes, both ready."""
    if two_processes.api.alive and listening_sockets(two_processes.port) < 2:
        # It is stopping, because a test has failed.
        two_processes.api.stop()
    if not two_processes.api.alive:
        two_processes.start_api()
    await eventually(lambda: listening_sockets(two_processes.port) == 2)
    return two_processes


def _processes(stack: Stack) -> set[int]:
    """Ids of the API processes."""
    return {process.pid for process in children(stack.api.pid)}


async def _on_new_connections(tenant: Tenant, path: str = CONTEXT) -> list[httpx.Response]:
    """Responses to concurrent requests on as many new connections."""
    # Without keep-alive, each request opens a connection.
    headers = {"Connection": "close"}
    return await asyncio.gather(
        *(tenant.http.get(path, headers=headers) for _ in range(CONNECTIONS))
    )


async def test_exactly_the_rate_limit_is_admitted_across_processes(api: Stack) -> None:
    limits = RateLimitOverrides(minute=CONNECTIONS // 2)
    async with new_tenant(api, limits=limits) as limited:
        statuses = [response.status_code for response in await _on_new_connections(limited)]
    assert (statuses.count(200), statuses.count(429)) == (CONNECTIONS // 2, CONNECTIONS // 2)


async def test_all_processes_refuse_a_revoked_key(api: Stack) -> None:
    async with Database.open(api.database_url) as database, new_tenant(api) as caller:
        cached = await _on_new_connections(caller)
        assert {response.status_code for response in cached} == {200}
        await admin.revoke_key(database, caller.key_id)

        async def refused() -> bool:
            responses = await _on_new_connections(caller)
            return {response.status_code for response in responses} == {401}

        await eventually(refused)
        assert await refused()


async def test_every_process_returns_the_sum_of_metrics_also_after_a_restart(api: Stack) -> None:
    async with new_tenant(api) as caller:
        await _on_new_connections(caller, COUNTED)

        async def counted(requests: int) -> bool:
            return await _counts(caller) == [requests] * CONNECTIONS

        # A request is counted after its response.
        await eventually(lambda: counted(CONNECTIONS))
        processes = _processes(api)
        os.kill(min(processes), signal.SIGKILL)
        await eventually(lambda: listening_sockets(api.port) == 1)
        while listening_sockets(api.port) < 2:
            assert await counted(CONNECTIONS)
        assert len(_processes(api) - processes) == 1
        await _on_new_connections(caller, COUNTED)
        await eventually(lambda: counted(2 * CONNECTIONS))


async def _counts(caller: Tenant) -> list[int]:
    """How many requests to `COUNTED` there were, as many calls of `/metrics` say."""
    counts = []
    for response in await _on_new_connections(caller, "/metrics"):
        lines = response.text.splitlines()
        # The number of jobs is the same in all processes, and not added up.
        assert 'gateway_jobs{queue="fetch",state="queued"} 0.0' in lines
        name = f'gateway_requests_total{{method="GET",route="{COUNTED}",status="200"}} '
        figures = [line.removeprefix(name) for line in lines if line.startswith(name)]
        counts.append(sum(int(float(figure)) for figure in figures))
    return counts


async def test_a_frozen_process_is_replaced(api: Stack) -> None:
    processes = _processes(api)
    frozen, other = processes
    # A process is not judged before its first report.
    await _on_all_connections(api)
    os.kill(frozen, signal.SIGSTOP)
    await eventually(lambda: len(_processes(api) - processes) == 1)
    await eventually(lambda: listening_sockets(api.port) == 2)
    assert not process_alive(frozen)
    assert other in _processes(api)


async def _on_all_connections(api: Stack) -> None:
    async with httpx.AsyncClient(base_url=api.base_url) as client:
        headers = {"Connection": "close"}
        answers = await asyncio.gather(
            *(client.get("/livez", headers=headers) for _ in range(CONNECTIONS))
        )
    assert {answer.status_code for answer in answers} == {200}


async def test_a_process_that_started_without_a_watch_is_watched_after_a_restart(
    tmp_path: Path,
) -> None:
    watched_pipe, write_end = os.pipe()
    directory = tmp_path / "full"  # does not exist: no socket can be created
    settings = Settings(database_url="", redis_url="", blob_url="")
    group = ProcessGroup(settings, dict(os.environ), watched_pipe, directory)
    try:
        for expected in (False, True):
            process = await group._start(1)
            assert (directory / "notify-1").exists() is expected
            process.kill()
            await process.wait()
            directory.mkdir(exist_ok=True)
    finally:
        for watch in group._watches.values():
            watch.close()
        os.close(watched_pipe)
        os.close(write_end)


@pytest.mark.parametrize(
    ("module", "processes"), [("gateway.serve", "1"), ("gateway.serve", "2"), ("workers", "1")]
)
def test_processes_report_to_systemd(
    two_processes: Stack, tmp_path: Path, module: str, processes: str
) -> None:
    environment = {
        **two_processes.env,
        "GATEWAY_PORT": str(free_port()),
        "GATEWAY_SERVE_PROCESSES": processes,
        "NOTIFY_SOCKET": str(tmp_path / "systemd"),
        "WATCHDOG_USEC": "2000000",
    }
    process = Process(module, environment, tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(environment["NOTIFY_SOCKET"])
        systemd.settimeout(TIMEOUT)
        process.start()
        try:
            assert systemd.recv(100) == b"READY=1"
            if module == "gateway.serve":
                url = f"http://127.0.0.1:{environment['GATEWAY_PORT']}/livez"
                assert httpx.get(url).status_code == 200
            # No child reports in its place: there is one READY, and one STOPPING at the end.
            assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            process.send(signal.SIGTERM)
            while (message := systemd.recv(100)) == b"WATCHDOG=1":
                pass
            assert message == b"STOPPING=1"
            assert process.wait() == 0
            systemd.setblocking(False)
            with pytest.raises(BlockingIOError):
                systemd.recv(100)
        finally:
            if process.alive:
                process.kill()


async def test_sigterm_finishes_the_running_requests_of_all_processes(api: Stack) -> None:
    async with new_tenant(api) as caller:
        body = b'{"text": "The export fails.", "signalType": "review"}'
        head = (
            f"POST /external/v1/signals HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\n"
            f"Authorization: Bearer {caller.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connections = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(20)]
        for reader, writer in connections:
            writer.write(head.encode())
            # The request runs: it waits for its body.
            assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        processes = _processes(api)
        api.api.send(signal.SIGTERM)
        await eventually(lambda: listening_sockets(api.port) == 0)
        for reader, writer in connections:
            writer.write(body)
            assert b"201 Created" in await reader.read()
            writer.close()
    assert await asyncio.to_thread(api.api.wait) == 0
    assert not any(map(process_alive, processes))
    assert not list((api.folder / "tmp").glob("gateway-metrics-*"))


async def test_sigterm_loses_no_request(api: Stack) -> None:
    """Clients with open connections and clients that connect anew send requests without a pause.

    The last response on each open connection says so; then connections are refused.
    """
    lost: list[Exception] = []
    requests = 0

    async def request(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
        nonlocal requests
        reader, writer = connection
        writer.write(b"GET /livez HTTP/1.1\r\nHost: api\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r")[0]))
        requests += 1
        return head.lower()

    async def reuse() -> None:
        connection = await asyncio.open_connection("127.0.0.1", api.port)
        while b"connection: close" not in await request(connection):
            pass
        connection[1].close()

    async def connect_anew() -> None:
        while True:
            try:
                connection = await asyncio.open_connection("127.0.0.1", api.port)
            except ConnectionRefusedError:
                return
            await request(connection)
            connection[1].close()

    async def count_lost(client: Callable[[], Awaitable[None]]) -> None:
        try:
            await client()
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            lost.append(error)

    async with asyncio.TaskGroup() as clients:
        for client in (reuse, connect_anew) * 20:
            clients.create_task(count_lost(client))
        await eventually(lambda: requests > 200)
        api.api.send(signal.SIGTERM)
    assert lost == []
    assert await asyncio.to_thread(api.api.wait) == 0


async def test_the_processes_end_when_their_parent_is_killed(api: Stack) -> None:
    processes = _processes(api)
    api.api.kill(signal.SIGKILL)
    await eventually(lambda: not any(map(process_alive, processes)))
    assert len(processes) == 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, "cannot listen on 127.0.0.1:"),
        ({"DATABASE_URL": "/missing?", "GATEWAY_PORT": "0"}, '"missing" does not exist'),
    ],
)
async def test_a_failed_start_is_one_error_message(
    api: Stack, changes: dict[str, str], error: str
) -> None:
    if "GATEWAY_PORT" in changes:
        url = api.database_url.replace("/gateway?", changes["DATABASE_URL"])
        changes = {"DATABASE_URL": url, "GATEWAY_PORT": str(free_port())}
    failed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway.serve"],
        env={**os.environ, **api.env, "GATEWAY_SERVE_PROCESSES": "2", **changes},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    sentences = [line for line in failed.stderr.splitlines() if not line.startswith("{")]
    assert (failed.returncode, failed.stdout) == (1, "")
    assert len(sentences) == 1
    assert error in sentences[0]
