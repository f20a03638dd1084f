"""TCP proxies in front of PostgreSQL that read the messages of its protocol.

`running_proxy` forwards connections and may drop notifications, as some proxies do.
`running_pooler` is a small connection pooler in transaction mode. Both run in a thread, so that a
test may block. PostgreSQL must trust the connections, as the embedded server does on its socket.
"""

import asyncio
import contextlib
import secrets
import struct
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from domains.kernel.core.tasks import background_task

_SSL_REQUEST: Final = 80877103
_CANCEL_REQUEST: Final = 80877102
_PROTOCOL: Final = 196608
# Messages of a client after which it waits for the server.
_ENDS_OF_GROUPS: Final = b"QSHX"

# Parameters of a start that PgBouncer knows; it refuses all others.
_KNOWN_PARAMETERS: Final = frozenset(
    {
        *("user", "database", "application_name", "client_encoding"),
        *("datestyle", "timezone", "standard_conforming_strings"),
    }
)

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Target:
    """Address, role and database of a PostgreSQL server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.role = unquote(parts.username or "")
        self.database = parts.path.lstrip("/")
        options = parse_qs(parts.query)
        (self._directory,), (self._port,) = options["host"], options["port"]

    async def connect(self) -> _Connection:
        path = f"{self._directory}/.s.PGSQL.{self._port}"
        return await asyncio.open_unix_connection(path)

    def url(self, port: int) -> str:
        """URL of the same database at a port of this machine."""
        return f"postgresql://{self.role}@127.0.0.1:{port}/{self.database}"


class PostgresProxy:
    """Forwards each connection to PostgreSQL.

    `drops_notifications` is called for each notification, with the number of its listener: 0 for
    the first connection of a listener of the product, 1 for the second one.
    """

    def __init__(self, target: str) -> None:
        self._target = _Target(target)
        self.url = ""
        # Connections of listeners so far, and notifications that they received.
        self.listeners = 0
        self.forwarded_notifications = 0
        self.drops_notifications: Callable[[int], bool] = lambda _listener: False

    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until cancelled. Calls `started` when `url` is set."""
        async with _listening(self._forward) as port:
            self.url = self._target.url(port)
            started()
            await asyncio.Event().wait()

    async def _forward(self, client: _Connection) -> None:
        start = await _read_start(client)
        server = await self._target.connect()
        listener = self.listeners
        self.listeners += _start_parameters(start).get("application_name") == "gateway-listener"
        server[1].write(start)
        async with _closing(server), background_task(_copy(client, server)):
            while message := await _read_message(server[0]):
                if message[:1] == b"A":
                    if self.drops_notifications(listener):
                        continue
                    self.forwarded_notifications += 1
                client[1].write(message)
                await client[1].drain()


class _Server:
    """A connection of the pooler to PostgreSQL."""

    def __init__(self, connection: _Connection) -> None:
        self.reader, self.writer = connection
        self.start: list[bytes] = []
        self.key = b""
        self.parameters: dict[str, str] = {}

    @classmethod
    async def open(cls, target: _Target) -> "_Server":
        server = cls(await target.connect())
        server.writer.write(_start({"user": target.role, "database": target.database}))
        while (message := await _read_message(server.reader))[:1] != b"Z":
            assert message[:1] in b"RSK", message
            assert message[:1] != b"R" or message == _AUTHENTICATED, message
            if message[:1] == b"K":
                server.key = message[5:]
            else:
                server.start.append(message)
        return server

    async def skip_to_ready(self) -> None:
        """Read and drop messages up to ReadyForQuery."""
        while (message := await _read_message(self.reader))[:1] != b"Z":
            assert message, "PostgreSQL closed the connection"

    async def apply(self, parameters: dict[str, str]) -> None:
        """Set the parameters of a client, as PgBouncer does."""
        changed = {
            name: value
            for name, value in parameters.items()
            if name.lower() in ("application_name", "timezone")
            and self.parameters.get(name) != value
        }
        if changed:
            settings = "".join(f"set {name} = '{value}';" for name, value in changed.items())
            self.writer.write(_message(b"Q", settings.encode() + b"\0"))
            await self.skip_to_ready()
            self.parameters |= changed


class TransactionPooler:
    """A pooler in transaction mode that is as strict as the protocol allows.

    Each transaction runs on another connection of the server than the last one, also a statement
    that is prepared and executed in two steps. Notifications are dropped. Parameters at the start
    of a connection are refused with PgBouncer's message, other than the few that it knows.
    """

    def __init__(self, target: str, size: int) -> None:
        self._target = _Target(target)
        self._size = size
        # The connection that was released first is used next.
        self._free: deque[_Server] = deque()
        self._available = asyncio.Semaphore(0)
        # Connections in use, by the cancel key of the client.
        self._in_use: dict[bytes, _Server] = {}
        self.url = ""
        # Largest number of clients that were connected at the same time.
        self.clients = 0

    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until cancelled. Calls `started` when `url` is set."""
        async with contextlib.AsyncExitStack() as opened:
            for _ in range(self._size):
                await self._add_server()
            opened.push_async_callback(self._close_servers)
            self.url = self._target.url(await opened.enter_async_context(_listening(self._pool)))
            started()
            await asyncio.Event().wait()

    async def _close_servers(self) -> None:
        for server in self._free:
            await _close(server.writer)

    async def _add_server(self) -> None:
        self._free.append(await _Server.open(self._target))
        self._available.release()

    async def _pool(self, client: _Connection) -> None:
        start = await _read_start(client)
        if struct.unpack("!i", start[4:8])[0] == _CANCEL_REQUEST:
            await self._cancel(start[8:16])
            return
        parameters = _start_parameters(start)
        for name in parameters:
            if name.lower() not in _KNOWN_PARAMETERS:
                client[1].write(_refusal(f"unsupported startup parameter: {name}"))
                return
        key = secrets.token_bytes(8)
        client[1].write(b"".join([*self._greeting, _message(b"K", key), _message(b"Z", b"I")]))
        while group := await _read_group(client[0]):
            if group[-1][:1] == b"X":
                return
            await self._run_transaction(client, group, parameters, key)

    @property
    def _greeting(self) -> list[bytes]:
        servers = [*self._free, *self._in_use.values()]
        return servers[0].start

    async def _run_transaction(
        self, client: _Connection, group: list[bytes], parameters: dict[str, str], key: bytes
    ) -> None:
        """Forward groups of messages until no transaction is open."""
        await self._available.acquire()
        server = self._in_use[key] = self._free.popleft()
        self.clients = max(self.clients, len(self._in_use))
        released = False
        try:
            await server.apply(parameters)
            in_transaction = False
            while True:
                server.writer.write(b"".join(group))
                if group[-1][:1] == b"H":
                    await _relay(server, client, b"TnE")
                    if not in_transaction:
                        # The client will execute it on another connection.
                        server.writer.write(_message(b"S", b""))
                        await server.skip_to_ready()
                else:
                    in_transaction = (await _relay(server, client, b"Z"))[5:] != b"I"
                if not in_transaction:
                    released = True
                    break
                group = await _read_group(client[0])
                if not group or group[-1][:1] == b"X":
                    break
        finally:
            del self._in_use[key]
            if released:
                self._free.append(server)
                self._available.release()
            else:
                await _close(server.writer)
                await self._add_server()

    async def _cancel(self, key: bytes) -> None:
        if (server := self._in_use.get(key)) is not None:
            async with _closing(await self._target.connect()) as (reader, writer):
                writer.write(struct.pack("!ii", 16, _CANCEL_REQUEST) + server.key)
                await reader.read()


@contextlib.contextmanager
def running_proxy(target: str) -> Iterator[PostgresProxy]:
    """Run a proxy in front of the server at the URL `target` within the block."""
    proxy = PostgresProxy(target)
    with _in_thread(proxy.serve):
        yield proxy


@contextlib.contextmanager
def running_pooler(target: str, size: int = 3) -> Iterator[TransactionPooler]:
    """Run a pooler with `size` connections to the server at the URL `target` within the block."""
    pooler = TransactionPooler(target, size)
    with _in_thread(pooler.serve):
        yield pooler


@contextlib.contextmanager
def _in_thread(serve: Callable[[Callable[[], None]], Awaitable[None]]) -> Iterator[None]:
    started = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        with contextlib.suppress(asyncio.CancelledError):
            await serve(started.set)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    try:
        assert started.wait(30), "the proxy does not start"
        yield
    finally:
        ((loop, task),) = running
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)


@contextlib.asynccontextmanager
async def _listening(handle: Callable[[_Connection], Awaitable[None]]) -> AsyncIterator[int]:
    """Handle connections to a free port of this machine. Yields the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(client: _Connection) -> None:
        # Either side may close its connection at any moment.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with _closing(client):
                await handle(client)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(run((reader, writer)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- messages ---------------------------------------------------------------------------------


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


_AUTHENTICATED: Final = _message(b"R", bytes(4))


def _refusal(text: str) -> bytes:
    fields = {b"S": b"FATAL", b"C": b"08P01", b"M": text.encode()}
    content = b"".join(name + value + b"\0" for name, value in fields.items())
    return _message(b"E", content + b"\0")


def _start(parameters: dict[str, str]) -> bytes:
    words = [word.encode() + b"\0" for pair in parameters.items() for word in pair]
    content = struct.pack("!i", _PROTOCOL) + b"".join(words) + b"\0"
    return struct.pack("!i", len(content) + 4) + content


def _start_parameters(start: bytes) -> dict[str, str]:
    words = iter(start[8:].decode().split("\0"))
    # An empty name ends them.
    return {name: next(words) for name in iter(words.__next__, "")}


async def _read_start(client: _Connection) -> bytes:
    """Read the first message of a client. Encryption is refused."""
    reader, writer = client
    while True:
        size = await reader.readexactly(4)
        start = size + await reader.readexactly(struct.unpack("!i", size)[0] - 4)
        if struct.unpack("!i", start[4:8])[0] != _SSL_REQUEST:
            return start
        writer.write(b"N")


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """Read a message. Empty at the end of the connection."""
    try:
        head = await reader.readexactly(5)
        return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
    except (OSError, asyncio.IncompleteReadError):
        return b""


async def _read_group(reader: asyncio.StreamReader) -> list[bytes]:
    """Read the messages of a client until it waits for the server. Empty at the end."""
    group = []
    while message := await _read_message(reader):
        group.append(message)
        if message[:1] in _ENDS_OF_GROUPS:
            return group
    return []


async def _relay(server: _Server, client: _Connection, ends: bytes) -> bytes:
    """Forward messages of the server up to one of the kinds `ends`, which is returned."""
    while message := await _read_message(server.reader):
        if message[:1] != b"A":
            client[1].write(message)
        if message[:1] in ends:
            return message
    raise ConnectionResetError


async def _copy(source: _Connection, sink: _Connection) -> None:
    with contextlib.suppress(OSError):
        while data := await source[0].read(65536):
            sink[1].write(data)
            await sink[1].drain()
        sink[1].close()


@contextlib.asynccontextmanager
async def _closing(connection: _Connection) -> AsyncIterator[_Connection]:
    try:
        yield connection
    finally:
        await _close(connection[1])


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send the rest, then close the connection. A peer that does not read has a second."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    writer.transport.abort()
