"""Slow clients, oversized headers and malformed HTTP, over sockets of the test."""

import asyncio
import contextlib
import errno
import json
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock

import httpx
import pytest
import structlog
import uvicorn
from uvicorn.server import ServerState

from domains.kernel.core.problems import RequestTimeout
from domains.kernel.core.settings import Settings
from gateway.transport.http_protocol import (
    HttpProtocol,
    RefusedConnections,
    limited_protocol,
    unsent_in_kernel,
)
from gateway.transport.refusals import PROBLEM
from tests.stack import Stack, Tenant, eventually, new_tenant, running_stack

# Seconds. The limits of the API under test: short, but no request of a good client takes as long.
_HEADER, _BODY, _SEND = 1.5, 2.0, 1.0
_CONNECTIONS: Final = 40
# Longer than any of the limits: a connection that is still open then would stay open.
_PATIENCE: Final = 30.0
_SIGNALS: Final = "/external/v1/signals"


_LINUX: Final = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has further loopback addresses without setup"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without a worker, with short limits for slow clients."""
    settings = {
        "GATEWAY_HEADER_TIMEOUT": str(_HEADER),
        "GATEWAY_BODY_TIMEOUT": str(_BODY),
        "GATEWAY_SEND_TIMEOUT": str(_SEND),
        "GATEWAY_CONNECTIONS_PER_ADDRESS": str(_CONNECTIONS),
    }
    with running_stack(
        tmp_path_factory.mktemp("connections"), worker=False, settings=settings
    ) as started:
        yield started


@pytest.fixture
async def tenant(api: Stack) -> AsyncIterator[Tenant]:
    async with new_tenant(api) as created:
        yield created


class _Client:
    """A connection of the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def drip(self, part: bytes, pause: float) -> None:
        """Send the part again and again until the connection closes."""
        with contextlib.suppress(OSError):
            while True:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(pause)

    async def response(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers with names in lower case, and decoded body of the next response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), _PATIENCE)
        start, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(start.split()[1]), headers, json.loads(body) if body else None

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), _PATIENCE)
        return b""


@contextlib.asynccontextmanager
async def _connected(stack: Stack, address: str = "127.0.0.1") -> AsyncIterator[_Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port, local_addr=(address, 0))
    try:
        yield _Client(reader, writer)
    finally:
        writer.close()


def _head(tenant: Tenant, *headers: str, method: str = "POST", path: str = _SIGNALS) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: api", f"Authorization: Bearer {tenant.key}")
    return "\r\n".join([*lines, *headers, "", ""]).encode()


async def _count(stack: Stack, method: str, route: str, status: int) -> int:
    """Requests that the metrics count."""
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        text = (await client.get("/metrics")).text
    labels = f'method="{method}",route="{route}",status="{status}"'
    found = re.search(rf"^gateway_requests_total{{{re.escape(labels)}}} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def _logged(stack: Stack, request_id: str) -> dict[str, Any]:
    """The line of the access log with this request id."""
    lines = map(json.loads, stack.api.log.read_text().splitlines())
    return next(line for line in lines if line.get("request_id") == request_id)


# --- headers ----------------------------------------------------------------------------------


async def test_a_header_that_does_not_end_gets_408(api: Stack) -> None:
    before = await _count(api, "GET", "unmatched", 408)
    async with _connected(api) as client:
        client.send(b"GET /external/v1/signals HTTP/1.1\r\nHost: api\r\n")
        status, headers, body = await client.response()
        assert await client.rest() == b""
    assert (status, headers["connection"]) == (408, "close")
    assert headers["content-type"] == "application/problem+json"
    assert (body["status"], body["type"]) == (408, "urn:gateway:problem:request-timeout")
    assert body["requestId"] == headers["x-request-id"]
    line = _logged(api, headers["x-request-id"])
    assert (line["method"], line["route"], line["status"]) == ("GET", "unmatched", 408)
    assert await _count(api, "GET", "unmatched", 408) == before + 1


async def test_a_dripping_header_gets_408_in_time(api: Stack) -> None:
    async with _connected(api) as client:
        started = time.monotonic()
        client.send(b"POST /v1/rows HTTP/1.1\r\n")
        dripping = asyncio.create_task(client.drip(b"X: y\r\n", _HEADER / 20))
        status, _, body = await client.response()
        took = time.monotonic() - started
        await client.rest()
        dripping.cancel()
    assert (status, body["detail"]["error"]) == (408, "request_timeout")
    assert took < _PATIENCE / 2


async def test_a_dripping_second_header_of_a_connection_gets_408(
    api: Stack, tenant: Tenant
) -> None:
    async with _connected(api) as client:
        client.send(_head(tenant, method="GET"))
        assert (await client.response())[0] == 200
        # Empty lines before a request belong to no header.
        dripping = asyncio.create_task(client.drip(b"\r\n", _HEADER / 20))
        assert (await client.response())[0] == 408
        await client.rest()
        dripping.cancel()


async def test_a_silent_connection_is_closed(api: Stack) -> None:
    async with _connected(api) as client:
        assert await client.rest() == b""


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("line", [b"X: " + b"x" * 1_000_000, b"X: y\r\n" * 170_000])
async def test_a_header_of_1_mb_gets_431(api: Stack, line: bytes, at_once: bool) -> None:
    async with _connected(api) as client:
        client.send(b"POST /v1/rows HTTP/1.1\r\n")
        if not at_once:
            await client.writer.drain()
        client.send(line + b"\r\n\r\n")
        status, headers, body = await client.response()
        assert await client.rest() == b""
    assert (status, headers["connection"]) == (431, "close")
    assert body["detail"]["error"] == "header_too_large"
    assert "65,536 bytes" in body["detail"]["message"]


async def test_a_long_request_line_gets_431(api: Stack) -> None:
    async with _connected(api) as client:
        client.send(b"GET /external/v1/signals?" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n")
        status, headers, body = await client.response()
    assert (status, headers["content-type"]) == (431, "application/problem+json")
    assert body["type"] == "urn:gateway:problem:header-too-large"


@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 431)])
async def test_headers_of_64_kb_are_accepted(
    api: Stack, tenant: Tenant, size: int, status: int
) -> None:
    head = _head(tenant, "X: ", method="GET")
    head = head.replace(b"X: ", b"X: " + b"x" * (size - len(head)))
    async with _connected(api) as client:
        client.send(head)
        assert (await client.response())[0] == status


@_LINUX
async def test_other_requests_are_served_during_a_slowloris_attack(
    api: Stack, tenant: Tenant
) -> None:
    async with contextlib.AsyncExitStack() as opened:
        clients = []
        for number in range(200):
            client = await opened.enter_async_context(_connected(api, f"127.0.1.{number}"))
            client.send(b"GET /livez HTTP/1.1\r\n")
            clients.append(client)
        dripping = [asyncio.create_task(each.drip(b"X: y\r\n", 0.1)) for each in clients]
        for _ in range(20):
            await tenant.create_signal()
        assert [(await client.response())[0] for client in clients] == [408] * 200
        for task in dripping:
            task.cancel()


async def test_malformed_http_gets_400_in_the_format_of_the_path(api: Stack) -> None:
    async with _connected(api) as client:
        client.send(b"POST /v1/rows HTTP/1.1\r\nHost: api\r\nContent-Length: many\r\n\r\n")
        status, headers, body = await client.response()
        assert await client.rest() == b""
    assert (status, headers["connection"]) == (400, "close")
    assert body["detail"]["error"] == "validation_error"
    async with _connected(api) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert (await client.response())[0] == 400


# --- bodies -----------------------------------------------------------------------------------


async def _signals(tenant: Tenant) -> int:
    return len(await tenant.get("signals"))


@pytest.mark.parametrize(
    ("framing", "sent"),
    [("Content-Length: 100", b""), ("Transfer-Encoding: chunked", b'5\r\n{"tex\r\n')],
)
async def test_a_body_that_does_not_come_gets_408(
    api: Stack, tenant: Tenant, framing: str, sent: bytes
) -> None:
    before = await _count(api, "POST", _SIGNALS, 408)
    async with _connected(api) as client:
        client.send(_head(tenant, framing, "Idempotency-Key: key-1") + sent)
        status, headers, body = await client.response()
        assert await client.rest() == b""
    assert (status, headers["connection"]) == (408, "close")
    assert body["type"] == "urn:gateway:problem:request-timeout"
    assert await _signals(tenant) == 0
    line = _logged(api, headers["x-request-id"])
    assert (line["route"], line["status"], line["workspace"]) == (_SIGNALS, 408, tenant.workspace)
    assert await _count(api, "POST", _SIGNALS, 408) == before + 1
    # The idempotency key is free.
    response = await tenant.http.post(
        _SIGNALS,
        json={"text": "The export fails.", "signalType": "review"},
        headers={"Idempotency-Key": "key-1"},
    )
    assert response.status_code == 201


async def test_a_dripping_body_gets_408(api: Stack, tenant: Tenant) -> None:
    async with _connected(api) as client:
        client.send(_head(tenant, "Transfer-Encoding: chunked", path="/external/v1/ideas"))
        dripping = asyncio.create_task(client.drip(b"1\r\n \r\n", _BODY / 20))
        assert (await client.response())[0] == 408
        await client.rest()
        dripping.cancel()


async def test_a_slow_but_steady_body_is_accepted(api: Stack, tenant: Tenant) -> None:
    text = "The export fails every day. " * 6_000
    body = json.dumps({"text": text, "signalType": "review"}).encode()
    started = time.monotonic()
    async with _connected(api) as client:
        client.send(_head(tenant, f"Content-Length: {len(body)}"))
        # About 40 kB/s, for longer than the timeout.
        for start in range(0, len(body), 4_000):
            client.send(body[start : start + 4_000])
            await client.writer.drain()
            await asyncio.sleep(0.1)
        assert (await client.response())[0] == 201
    assert time.monotonic() - started > _BODY * 2


async def test_a_body_that_is_sent_after_100_continue_has_its_time(
    api: Stack, tenant: Tenant
) -> None:
    async with _connected(api) as client:
        body = b'{"text": "The export fails.", "signalType": "review"}'
        client.send(_head(tenant, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert b"100 Continue" in await client.reader.readuntil(b"\r\n\r\n")
        client.send(body)
        assert (await client.response())[0] == 201


async def test_a_body_that_nobody_reads_does_not_hold_the_connection(api: Stack) -> None:
    async with _connected(api) as client:
        client.send(b"POST /external/v1/signals HTTP/1.1\r\nHost: api\r\n")
        client.send(b"Transfer-Encoding: chunked\r\n\r\n")
        assert (await client.response())[0] == 401
        dripping = asyncio.create_task(client.drip(b"1\r\n \r\n", 0.05))
        assert await client.rest() == b""
        dripping.cancel()


async def test_a_malformed_chunk_gets_400_and_stores_nothing(api: Stack, tenant: Tenant) -> None:
    async with _connected(api) as client:
        client.send(_head(tenant, "Transfer-Encoding: chunked") + b"no number\r\n")
        status, headers, body = await client.response()
        assert await client.rest() == b""
    assert (status, body["title"]) == (400, "Invalid request")
    assert _logged(api, headers["x-request-id"])["status"] == 400
    assert await _signals(tenant) == 0


class _Loop:
    """Loop whose time the test sets, and which runs no tasks."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[..., None], *args: Any) -> Mock:
        timer = (self.now + seconds, lambda: callback(*args))
        self._timers.append(timer)
        return Mock(cancel=lambda: self._timers.remove(timer) if timer in self._timers else None)

    def create_task(self, coroutine: Coroutine[Any, Any, None]) -> Mock:
        coroutine.close()
        return Mock()

    def run_until(self, end: float) -> None:
        while due := [timer for timer in self._timers if timer[0] <= end]:
            timer = min(due, key=lambda each: each[0])
            self._timers.remove(timer)
            self.now = timer[0]
            timer[1]()
        self.now = end


def _protocol(loop: _Loop, body_timeout: float) -> HttpProtocol:
    """A connection without a socket, in the body of a request."""
    config = uvicorn.Config(app=Mock(), ws="none", lifespan="off", log_config=None)
    settings = Settings(database_url="-", redis_url="-", blob_url="-", body_timeout=body_timeout)
    connection: Any = limited_protocol(settings, Mock())
    protocol: HttpProtocol = connection(config, ServerState(), {}, loop)
    protocol.connection_made(Mock(get_extra_info=lambda _name: None))
    protocol.data_received(b"POST /v1/rows HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n")
    return protocol


def test_pauses_of_the_server_do_not_restart_the_time_of_a_body() -> None:
    loop = _Loop()
    protocol = _protocol(loop, 30.0)
    # More than the server buffers, but only 2.5 kB/s.
    for end in (28, 56):
        protocol.data_received(b"x" * 70_000)
        assert protocol.flow.read_paused
        protocol.cycle.body.clear()
        protocol.flow.resume_reading()
        loop.run_until(end)
    assert isinstance(protocol.cycle.scope[PROBLEM], RequestTimeout)


def test_the_time_in_which_the_server_does_not_read_does_not_count() -> None:
    loop = _Loop()
    protocol = _protocol(loop, 30.0)
    for end in range(1_000, 10_000, 1_000):
        protocol.data_received(b"x" * 70_000)
        loop.run_until(end)
        protocol.cycle.body.clear()
        protocol.flow.resume_reading()
    assert PROBLEM not in protocol.cycle.scope
    loop.run_until(11_000)
    assert isinstance(protocol.cycle.scope[PROBLEM], RequestTimeout)


# --- trailers ---------------------------------------------------------------------------------

_REVIEW: Final = b'{"text": "The export fails.", "signalType": "review"}'


def _chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n"


@pytest.mark.parametrize("trailer", [b"X: y\r\n" * 10_000, b"x" * 60_000])
async def test_trailers_without_end_close_the_connection(api: Stack, trailer: bytes) -> None:
    async with _connected(api) as client:
        client.send(b"POST /v1/rows HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await client.response())[0] == 401
        client.send(b"0\r\nX: ")
        closed = False
        # More than the buffers of the system hold.
        for _ in range(1_000):
            try:
                client.send(trailer)
                await client.writer.drain()
            except ConnectionError:
                closed = True
                break
    assert closed


async def test_trailers_of_more_than_64_kb_get_431(api: Stack, tenant: Tenant) -> None:
    async with _connected(api) as client:
        client.send(_head(tenant, "Transfer-Encoding: chunked") + _chunked(_REVIEW, 100))
        await client.writer.drain()
        client.send(b"X: y\r\n" * 100_000)
        status, headers, body = await client.response()
        assert await client.rest() == b""
    assert (status, headers["connection"]) == (431, "close")
    assert "65,536 bytes" in body["detail"]
    assert await _signals(tenant) == 0


async def test_trailers_are_not_headers(api: Stack, tenant: Tenant) -> None:
    head = _head(tenant, "Transfer-Encoding: chunked")
    async with _connected(api) as client:
        for body in (_REVIEW, _REVIEW.replace(b"fails", b"stops")):
            client.send(head + _chunked(body, 100) + b"Idempotency-Key: key-2\r\n\r\n")
            assert (await client.response())[0] == 201
    assert await _signals(tenant) == 2


async def test_a_body_in_chunks_of_one_byte_is_accepted(api: Stack, tenant: Tenant) -> None:
    text = "The export fails every day. " * 3_000
    body = json.dumps({"text": text, "signalType": "review"}).encode()
    async with _connected(api) as client:
        client.send(_head(tenant, "Transfer-Encoding: chunked") + _chunked(body, 1) + b"\r\n")
        assert (await client.response())[0] == 201


# --- responses --------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [b"", b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n"])
async def test_a_client_that_reads_nothing_is_disconnected(api: Stack, ending: bytes) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", api.port))
        # More than the buffers of the system hold.
        document = b"GET /external/v1/openapi.json HTTP/1.1\r\n\r\n"
        await loop.sock_sendall(connection, document * 100 + ending)
        await eventually(
            lambda: connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET,
            _PATIENCE,
        )


async def test_a_client_that_reads_slowly_gets_the_whole_response(api: Stack) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", api.port))
        document = b"GET /external/v1/openapi.json HTTP/1.1\r\n"
        last = document + b"Connection: close\r\n\r\n"
        await loop.sock_sendall(connection, (document + b"\r\n") * 99 + last)
        started, received = time.monotonic(), bytearray()
        while part := await loop.sock_recv(connection, 1 << 18):
            received += part
            # About 5 MB in each period of the timeout.
            await asyncio.sleep(len(part) / 5_000_000 * _SEND)
    assert received.count(b"HTTP/1.1 200 OK") == 100
    assert received.endswith(b"}")
    assert time.monotonic() - started > 2 * _SEND


async def test_a_client_that_closes_its_sending_side_gets_its_response(
    api: Stack, tenant: Tenant
) -> None:
    body = b'{"text": "The export fails.", "signalType": "review"}'
    async with _connected(api) as client:
        client.send(_head(tenant, f"Content-Length: {len(body)}") + body)
        client.writer.write_eof()
        status, headers, _ = await client.response()
        assert await client.rest() == b""
    assert (status, headers["connection"]) == (201, "close")


async def test_pipelined_requests_are_answered_in_order(api: Stack, tenant: Tenant) -> None:
    body = b'{"text": "The export fails.", "signalType": "review"}'
    post = _head(tenant, f"Content-Length: {len(body)}") + body
    async with _connected(api) as client:
        client.send(post * 3 + _head(tenant, method="GET") + b"GET\r\n\r\n")
        statuses = [(await client.response())[0] for _ in range(5)]
        assert await client.rest() == b""
    assert statuses == [201, 201, 201, 200, 400]


async def test_a_request_of_http_1_0_is_answered_and_the_connection_closed(api: Stack) -> None:
    async with _connected(api) as client:
        client.send(b"GET /livez HTTP/1.0\r\n\r\n")
        assert (await client.response())[0] == 200
        assert await client.rest() == b""


# --- connections ------------------------------------------------------------------------------


@_LINUX
async def test_connections_above_the_limit_of_an_address_are_closed(api: Stack) -> None:
    async def is_served(address: str) -> bool:
        async with _connected(api, address) as client:
            client.send(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n")
            return b" 200 " in await client.rest()

    async def refused() -> bool:
        # Another address than that of the other tests.
        async with contextlib.AsyncExitStack() as opened:
            for _ in range(_CONNECTIONS):
                await opened.enter_async_context(_connected(api, "127.0.0.2"))
            # Not if the limit of silent connections has passed meanwhile.
            return not await is_served("127.0.0.2") and await is_served("127.0.0.3")

    await eventually(refused)
    # The connections have closed.
    await eventually(lambda: is_served("127.0.0.2"))
    # One warning per minute says so.
    lines = map(json.loads, api.api.log.read_text().splitlines())
    warnings = [line for line in lines if line["event"] == "connections_refused"]
    assert [warning["level"] for warning in warnings] == ["warning"]


async def test_refused_connections_are_counted_in_one_warning_per_interval() -> None:
    with structlog.testing.capture_logs() as lines:
        refused = RefusedConnections(0.2)
        for _ in range(5):
            refused.add()
        assert [line["connections"] for line in lines] == [1]
        await eventually(lambda: len(lines) == 2)
        assert lines[1]["connections"] == 4


def test_unsent_bytes_are_0_where_the_system_does_not_report_them(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert unsent_in_kernel(Mock(fileno=file.fileno)) == 0
