"""Base of the fake OpenAI-compatible servers: HTTP over real sockets, with failure modes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from email.parser import BytesHeaderParser
from typing import Generic, TypeVar

import click
import msgspec

T = TypeVar("T")


class FakeResponse(msgspec.Struct, frozen=True):
    """A response, sent after `delay` seconds.

    With `drip`, one byte of the body is sent every `drip` seconds. With `cut`, the connection is
    closed after `cut` bytes, headers included.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    delay: float = 0.0
    drip: float = 0.0
    cut: int | None = None
    headers: dict[str, str] = {}


def error(
    status: int, message: str, headers: dict[str, str] | None = None, **more: str
) -> FakeResponse:
    """An error response in OpenAI's format."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, **more}}
    return FakeResponse(msgspec.json.encode(body), status, headers=headers or {})


Parse = Callable[[str, dict[str, str], bytes], T | None]


class FakeEndpoint(Generic[T]):
    """A running server. `requests` are those received, `behaviour` makes the responses.

    `parse` reads target, headers (lower-case names) and body. It returns None for a bad request.
    """

    def __init__(self, path: str, parse: Parse[T], behaviour: Callable[[T], FakeResponse]) -> None:
        self.behaviour = behaviour
        self.requests: list[T] = []
        self.url = ""
        self._path = path
        self._parse = parse
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listen(
        self, port: int, certificate: ssl.SSLContext | None = None
    ) -> AsyncIterator["FakeEndpoint[T]"]:
        """Listen on loopback. Port 0 selects a free port. Closes all connections on exit."""
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=1 << 20, ssl=certificate
        )
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            open_ = list(self._tasks)
            for task in open_:
                task.cancel()
            await asyncio.gather(*open_, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which carries one request."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # The client disconnected, or the server is closing.
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            try:
                await self._respond(reader, writer)
            finally:
                self._tasks.discard(task)
                writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, _, head = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        method, target, _ = first.decode().split()
        parsed = BytesHeaderParser().parsebytes(head)
        headers = {name.lower(): value for name, value in parsed.items()}
        body = await reader.readexactly(int(headers["content-length"]))
        response = self._response(method, target, headers, body)
        await asyncio.sleep(response.delay)
        more = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        written = (
            f"HTTP/1.1 {response.status} Said\r\nContent-Type: {response.content_type}\r\n"
            f"Content-Length: {len(response.body)}\r\nConnection: close\r\n{more}\r\n"
        ).encode()
        whole = (written + response.body)[: response.cut]
        writer.write(whole[: len(written)])
        step = 1 if response.drip else 1 << 16
        for at in range(len(written), len(whole), step):
            writer.write(whole[at : at + step])
            await writer.drain()
            await asyncio.sleep(response.drip)

    def _response(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> FakeResponse:
        if method != "POST" or not target.partition("?")[0].endswith(self._path):
            return error(404, f"Invalid URL ({method} {target})")
        request = self._parse(target, headers, body)
        if request is None:
            return error(400, "The request is invalid")
        self.requests.append(request)
        return self.behaviour(request)


def serve_forever(server: AbstractAsyncContextManager[FakeEndpoint[T]]) -> None:
    """Print the base URL and serve until the process is interrupted."""

    async def serve() -> None:
        async with server as running:
            click.echo(running.url)
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
