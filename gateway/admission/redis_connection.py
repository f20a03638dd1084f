"""One connection to Redis that all requests of the process share.

redis-py takes a connection from a pool for every command, with a timer and a retry object: 0.1 ms
of CPU time. Here the commands of all requests in one turn of the event loop are written together,
and the replies are matched in order.
"""

import asyncio
from collections import deque
from typing import Any, Final, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

# Exceptions of `execute` while Redis is unavailable.
UNAVAILABLE: Final = (RedisError, OSError, TimeoutError)


class RedisConnection:
    """Connects on the first command, and again after the connection was lost."""

    def __init__(self, url: str, timeout: float) -> None:
        """`timeout`: maximum seconds for connecting and for each command."""
        self._options: dict[str, Any] = dict(parse_url(url))
        self._timeout = timeout
        self._pipeline: _Pipeline | None = None
        self._connecting: asyncio.Task[_Pipeline] | None = None

    async def execute(self, *command: str | bytes | int) -> Any:
        """Send a command and return its reply.

        A command that is lost with its connection is sent once more on a new one, so it may be
        executed twice. Raises an exception of `UNAVAILABLE`.
        """
        packed = _pack(*command)
        try:
            return await self._send(packed)
        except (RedisConnectionError, OSError, TimeoutError):
            return await self._send(packed)

    async def aclose(self) -> None:
        """Close the connection. Commands that have no reply yet fail."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._pipeline is not None:
            self._pipeline.close(RedisConnectionError("The connection was closed."))

    async def _send(self, packed: bytes) -> Any:
        pipeline = self._pipeline
        if pipeline is None or pipeline.closed:
            pipeline = await self._connect()
        return await pipeline.send(packed)

    async def _connect(self) -> "_Pipeline":
        """Connect once for all requests that wait for a connection."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open())
            self._connecting.add_done_callback(self._connected)
        return await asyncio.shield(self._connecting)

    def _connected(self, task: "asyncio.Task[_Pipeline]") -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._pipeline = task.result()

    async def _open(self) -> "_Pipeline":
        loop, options = asyncio.get_running_loop(), self._options
        pipeline = _Pipeline(self._timeout)
        async with asyncio.timeout(self._timeout):
            if "path" in options:
                await loop.create_unix_connection(lambda: pipeline, options["path"])
            else:
                uses_tls = options.get("connection_class") is SSLConnection
                await loop.create_connection(
                    lambda: pipeline,
                    options.get("host", "localhost"),
                    options.get("port", 6379),
                    ssl=_tls_context(options) if uses_tls else None,
                )
            try:
                if password := options.get("password"):
                    user = options.get("username")
                    await pipeline.send(_pack("AUTH", *([user] if user else []), password))
                if database := options.get("db"):
                    await pipeline.send(_pack("SELECT", database))
            except BaseException:
                pipeline.close(RedisConnectionError("The connection was refused."))
                raise
        return pipeline


def _tls_context(options: dict[str, Any]) -> Any:
    """The context that redis-py makes from the TLS options of a URL."""
    arguments = {name: value for name, value in options.items() if name != "connection_class"}
    return SSLConnection(**arguments).ssl_context.get()


class _Pipeline(asyncio.Protocol):
    """An open connection. Replies arrive in the order of the commands."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=_response_error)
        self._unsent: list[bytes] = []
        # The futures of commands without a reply, and when each times out.
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.closed = False

    def send(self, packed: bytes) -> asyncio.Future[Any]:
        """Send a command with the others of this turn of the event loop."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.closed:
            future.set_exception(RedisConnectionError("The connection was lost."))
            return future
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)
        deadline = self._loop.time() + self._timeout
        self._waiting.append((future, deadline))
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._check_deadline)
        return future

    def close(self, error: Exception) -> None:
        """Close the connection. Commands that have no reply yet fail with the error."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not a subclass in uvloop.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(RedisConnectionError(f"The connection was lost: {exc}"))

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            # False: the next reply is incomplete.
            while (reply := self._reader.gets()) is not False:
                future, _ = self._waiting.popleft()
                # A request that was cancelled does not wait for its reply.
                if future.done():
                    continue
                if isinstance(reply, ResponseError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            self.close(RedisConnectionError("The reply is not one of Redis."))

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self.closed:
            self._transport.write(b"".join(unsent))

    def _check_deadline(self) -> None:
        """Close the connection if the oldest command has no reply in time.

        One timer serves all commands: most have their reply long before it fires.
        """
        self._timer = None
        if not self._waiting:
            return
        deadline = self._waiting[0][1]
        if self._loop.time() < deadline:
            self._timer = self._loop.call_at(deadline, self._check_deadline)
        else:
            self.close(TimeoutError("Redis did not answer in time."))


def _pack(*command: str | bytes | int) -> bytes:
    # The type in hiredis allows one element only.
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]
    return packed


def _response_error(message: str) -> ResponseError:
    return NoScriptError(message) if message.startswith("NOSCRIPT") else ResponseError(message)
