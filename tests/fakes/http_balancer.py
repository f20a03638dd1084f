"""HTTP proxy on loopback that sends each request to the next of several servers."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from email.parser import BytesHeaderParser

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_NO_SERVER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
    b"Connection: close\r\n\r\n"
)


class HttpBalancer:
    """Round-robin proxy with one connection per request, to the client and to the server.

    Like a common proxy it tries the next server only if a connection is refused: a request that
    was sent is never sent again.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.url = ""
        # Number of requests that were sent to each port.
        self.sent = dict.fromkeys(ports, 0)
        # Number of requests that every server refused; they are answered 503.
        self.refused = 0
        # Number of requests that were sent and got no complete response.
        self.lost = 0
        self._ports = tuple(ports)
        self._turns = itertools.count()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request to a server, and its response to the client."""
        # The client disconnected.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head, body = await _read_message(reader)
            server = await self._connect()
            if server is None:
                self.refused += 1
                writer.write(_NO_SERVER)
            elif (response := await _exchange(server, _without_keep_alive(head) + body)) is None:
                self.lost += 1
            else:
                writer.write(response)
            await writer.drain()
        writer.close()

    async def _connect(self) -> _Streams | None:
        """Connect to the next server that accepts the connection."""
        first = next(self._turns)
        for number in range(first, first + len(self._ports)):
            port = self._ports[number % len(self._ports)]
            with contextlib.suppress(ConnectionRefusedError):
                server = await asyncio.open_connection("127.0.0.1", port)
                self.sent[port] += 1
                return server
        return None


@contextlib.asynccontextmanager
async def running_balancer(ports: Sequence[int]) -> AsyncIterator[HttpBalancer]:
    """Run a balancer of the servers on these ports within the context."""
    balancer = HttpBalancer(ports)
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", 0, backlog=1024)
    balancer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield balancer
    finally:
        server.close()


async def _exchange(server: _Streams, request: bytes) -> bytes | None:
    """Send a request and return the response. None: the connection ended before its end."""
    reader, writer = server
    try:
        writer.write(request)
        head, body = await _read_message(reader)
        return head + body
    except (ConnectionError, asyncio.IncompleteReadError):
        return None
    finally:
        writer.close()


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read the head and the body of a request or response with a Content-Length, or no body."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head.partition(b"\r\n")[2])
    return head, await reader.readexactly(int(headers.get("Content-Length", 0)))


def _without_keep_alive(head: bytes) -> bytes:
    """The head of a request with `Connection: close`."""
    lines = head.split(b"\r\n")
    kept = [line for line in lines[:-2] if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])
