"""Fake web server on loopback, for documents and recordings that have a URL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple


class CannedResponse(NamedTuple):
    """The response to every request for a path."""

    body: bytes = b""
    content_type: str = "text/plain"
    status: int = 200


class WebServer:
    """Serves `responses` by path, and records the requested paths."""

    def __init__(self) -> None:
        self.responses: dict[str, CannedResponse] = {}
        self.requested_paths: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.requested_paths.append(path)
            response = self.responses.get(path, CannedResponse(b"nothing", status=404))
            writer.write(
                f"HTTP/1.1 {response.status} X\r\nContent-Type: {response.content_type}\r\n"
                f"Content-Length: {len(response.body)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(response.body)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def running_web_server() -> AsyncIterator[WebServer]:
    """Run a web server within the context."""
    web = WebServer()
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0)
    web.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield web
    finally:
        server.close()
        await server.wait_closed()
