"""A web server of a test's own on loopback, for documents and recordings that have an address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple


class Page(NamedTuple):
    """What lies at a path."""

    body: bytes = b""
    content_type: str = "text/plain"
    status: int = 200


class Host:
    """Serves `pages`, and counts what was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            page = self.pages.get(path, Page(b"nothing", status=404))
            writer.write(
                f"HTTP/1.1 {page.status} X\r\nContent-Type: {page.content_type}\r\n"
                f"Content-Length: {len(page.body)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(page.body)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def hosting() -> AsyncIterator[Host]:
    """A host that answers until this is left."""
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()
