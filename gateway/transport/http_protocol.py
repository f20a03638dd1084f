"""uvicorn's protocol for HTTP/1.1 with limits on slow clients and on the size of headers.

A slow client must not hold a connection, its memory and perhaps a handler without end. uvicorn
limits only the time between two requests of a connection.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, ClassVar, Final

import httptools
import structlog
from litestar.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from domains.kernel.core.problems import HeaderTooLarge, Invalid, Problem, RequestTimeout
from domains.kernel.core.settings import Settings
from gateway.transport.refusals import PROBLEM

logger = structlog.get_logger()

# Bytes of a request line with its headers. Also of the trailers after a body.
HEADER_LIMIT: Final = 64 * 1024

# Bytes per second. Slower transfers of bodies end after the timeout that they have in any case.
MINIMUM_RATE: Final = 10_000

# Bytes on the wire per byte of content. A chunk of one byte takes six.
_CHUNK_OVERHEAD: Final = 8

# Seconds in which the loop reads what has arrived.
_READ_TIME: Final = 0.001

# Seconds between two warnings about refused connections.
_WARNING_INTERVAL: Final = 60.0

# The headers of the parser after the header of a request: it drops trailers, which nothing reads.
_NO_TRAILERS: Final[Any] = deque[tuple[bytes, bytes]](maxlen=0)

# The socket option SO_NWRITE of macOS: bytes in the send buffer.
_SO_NWRITE: Final = 0x1024

# The C structure of the socket option.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


def limited_protocol(settings: Settings, refusals: ASGIApp) -> type[asyncio.Protocol]:
    """Return the protocol class of a server, for uvicorn.

    `refusals` responds to requests that have the problem `PROBLEM` in their scope.
    """

    class ConfiguredProtocol(HttpProtocol):
        _settings = settings
        _refusals = refusals
        _connections_of: ClassVar = Counter[str]()
        _refused_connections: ClassVar = RefusedConnections(_WARNING_INTERVAL)

    return ConfiguredProtocol


class RefusedConnections:
    """Counter of connections above the limit of an address.

    Logs the first at once, further ones as one warning per `interval` seconds with their number.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self) -> None:
        """Count a connection. Needs a running event loop."""
        self._number += 1
        if self._timer is None:
            self._warn()

    def _warn(self) -> None:
        self._timer = None
        if self._number:
            logger.warning(
                "connections_refused",
                connections=self._number,
                setting="GATEWAY_CONNECTIONS_PER_ADDRESS",
            )
            self._number = 0
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._warn)


class _FlowControl(FlowControl):
    """uvicorn's flow control with a clock that stops while the server does not read."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self._paused_at = 0.0
        self._paused_seconds = 0.0

    def pause_reading(self) -> None:
        if not self.read_paused:
            self._paused_at = self._loop.time()
            FlowControl.pause_reading(self)

    def resume_reading(self) -> None:
        if self.read_paused:
            self._paused_seconds += self._loop.time() - self._paused_at
            FlowControl.resume_reading(self)

    def reading_time(self) -> float:
        """Seconds by the clock of the loop, without those in which reading was paused."""
        now = self._paused_at if self.read_paused else self._loop.time()
        return now - self._paused_seconds


class HttpProtocol(HttpToolsProtocol):
    """A connection. Has at most one timer for what it receives, and one for what it sends.

    A request that arrives in one piece on a connection in use sets no timer.
    """

    _settings: ClassVar[Settings]
    _refusals: ClassVar[ASGIApp]
    # Open connections by the address of the client. Only kept if their number is limited.
    _connections_of: ClassVar[Counter[str]]
    _refused_connections: ClassVar[RefusedConnections]

    flow: _FlowControl

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receive_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        # True: further input is ignored.
        self._refused = False
        self._malformed = False
        # uvicorn declares them without the None that they are before the first request.
        self.cycle: Any
        self.scope: Any
        self._counted_address: str | None = None
        self._header_bytes = 0
        # Between the headers of a request and the end of its body.
        self._in_body = False
        # Start of the body's reception and time of its latest part, in reading time.
        self._body_started_at = self._body_part_at = 0.0
        # Content of the body, without chunk sizes and trailers.
        self._body_bytes = 0
        # Bytes of trailers and of chunk extensions.
        self._overhead = 0

    # --- connections ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _FlowControl(transport, self.loop)
        if not self._admit_address():
            self._refused_connections.add()
            self._refused = True
            transport.close()
            return
        self._start_receive_timer(self._settings.header_timeout, self._check_header)

    def _admit_address(self) -> bool:
        limit = self._settings.connections_per_address
        if not limit or self.client is None:
            return True
        address = self.client[0]
        if self._connections_of[address] >= limit:
            return False
        self._connections_of[address] += 1
        self._counted_address = address
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel_receive_timer()
        self._cancel_send_timer()
        if self._counted_address is not None:
            self._connections_of[self._counted_address] -= 1
            if not self._connections_of[self._counted_address]:
                del self._connections_of[self._counted_address]

    def eof_received(self) -> bool:  # type: ignore[override]
        """Respond to complete requests, although the client sends no more, before closing."""
        if self._in_body or self.cycle is None or self.cycle.response_complete:
            return False
        self._close_after_response()
        return True

    # --- requests ---

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        room = HEADER_LIMIT - self._header_bytes
        if len(data) > room and not self._in_body:
            # The limit holds also for a header that arrives in one piece with its end.
            self.data_received(data[:room])
            self.data_received(data[room:])
            return
        cycle, was_in_body, content = self.cycle, self._in_body, self._body_bytes
        # Named, because `super()` takes as long as the checks below.
        HttpToolsProtocol.data_received(self, data)
        size = len(data)
        if self.cycle is not cycle:
            self._start_request()
            # The part holds the header, too, whose size has a limit of its own.
            size = 0
        if self._malformed:
            self._refuse(Invalid("The request is not valid HTTP/1.1."))
        elif self._in_body:
            self._count_body(size, self._body_bytes - content)
        elif was_in_body:
            self._cancel_receive_timer()
        elif self.cycle is cycle:
            self._count_header(size)

    def _start_request(self) -> None:
        """Note that the header of a request has ended."""
        self._header_bytes = 0
        self._in_body = self.cycle.more_body
        self._overhead = 0
        if self._receive_timer is not None:
            self._cancel_receive_timer()
        if not self.cycle.keep_alive:
            self._close_after_response()

    def on_headers_complete(self) -> None:
        HttpToolsProtocol.on_headers_complete(self)
        self.headers = _NO_TRAILERS

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self._in_body = False
        HttpToolsProtocol.on_message_complete(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the text of uvicorn
        self._malformed = True

    def _count_header(self, size: int) -> None:
        """Count bytes of a header that has not ended."""
        self._header_bytes += size
        if self._header_bytes >= HEADER_LIMIT:
            self._refuse(
                HeaderTooLarge(f"The request line and headers exceed {HEADER_LIMIT:,} bytes.")
            )
        elif self._receive_timer is None:
            self._start_receive_timer(self._settings.header_timeout, self._check_header)

    def _check_header(self) -> None:
        self._receive_timer = None
        if self.flow.read_paused:
            self._start_receive_timer(self._settings.header_timeout, self._check_header)
        elif self._header_bytes:
            self._refuse(
                RequestTimeout(
                    "The request line and headers took longer than"
                    f" {self._settings.header_timeout:g} s. Send the request again."
                )
            )
        else:
            self._close()

    def _count_body(self, size: int, content: int) -> None:
        """Count bytes of a body that has not ended, of which `content` are not framing."""
        if self._receive_timer is None:
            self._start_body()
            self._body_bytes = content
            self._start_receive_timer(self._settings.body_timeout, self._check_body)
        self._body_part_at = self.flow.reading_time()
        self._overhead = max(0, self._overhead + size - _CHUNK_OVERHEAD * content)
        if self._overhead > HEADER_LIMIT:
            self._refuse(
                HeaderTooLarge(
                    f"The trailers or chunk extensions of the body exceed {HEADER_LIMIT:,} bytes."
                )
            )

    def _start_body(self) -> None:
        self._body_started_at = self._body_part_at = self.flow.reading_time()
        self._body_bytes = 0

    def _check_body(self) -> None:
        self._receive_timer = None
        if self.cycle.waiting_for_100_continue or self.pipeline:
            # The client had to wait for the server. Its time starts now.
            self._start_body()
        now = self.flow.reading_time()
        required = self._body_started_at + self._body_bytes / MINIMUM_RATE
        remaining = min(self._body_part_at, required) + self._settings.body_timeout - now
        if remaining > 0:
            self._start_receive_timer(max(remaining, 0.1), self._check_body)
        else:
            self._refuse(
                RequestTimeout(
                    f"The body came too slowly: nothing for {self._settings.body_timeout:g} s, or"
                    f" less than {MINIMUM_RATE // 1000} kB per second. Send the request again."
                )
            )

    def _start_receive_timer(self, seconds: float, check: Callable[[], None]) -> None:
        self._receive_timer = self.loop.call_later(seconds, self._check_after_reading, check)

    def _check_after_reading(self, check: Callable[[], None]) -> None:
        # The loop runs timers first. What arrived while this process did not run is read before.
        self._receive_timer = self.loop.call_later(_READ_TIME, check)

    def _cancel_receive_timer(self) -> None:
        if self._receive_timer is not None:
            self._receive_timer.cancel()
            self._receive_timer = None

    # --- refusals ---

    def _refuse(self, problem: Problem) -> None:
        """Respond to the request that is being received, after earlier ones, and close."""
        self._refused = True
        self._cancel_receive_timer()
        if not self._in_body:
            self._respond_without_handler(problem)
        elif self.cycle.response_complete:
            self._close()
        else:
            # The handler raises the problem when it reads the body.
            self.cycle.scope[PROBLEM] = problem
            self.cycle.keep_alive = False
            self.cycle.transport = _LastResponse(self.transport, self.transport.write_eof)
            self.cycle.message_event.set()

    def _respond_without_handler(self, problem: Problem) -> None:
        earlier = self.cycle
        self.cycle = RequestResponseCycle(
            scope=self._partial_scope() | {PROBLEM: problem},  # type: ignore[arg-type]
            transport=_LastResponse(self.transport, self.transport.write_eof),  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        refusals: Any = type(self)._refusals
        if earlier is None or earlier.response_complete:
            self._start_asgi_task(self.cycle, refusals)
        else:
            self.pipeline.appendleft((self.cycle, refusals))

    def _partial_scope(self) -> dict[str, Any]:
        """The ASGI scope of a request whose header was not received or understood in full."""
        if self.scope is None or (self.cycle is not None and self.scope is self.cycle.scope):
            self.on_message_begin()
        try:
            path = httptools.parse_url(self.url).path.decode("latin-1")
        except (httptools.HttpParserInvalidURLError, AttributeError):
            path = "/"
        method = self.parser.get_method().decode("latin-1") if self.url else ""
        return {
            **self.scope,
            "method": method,
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": b"",
        }

    # --- responses ---

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_unsent()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_send_timer()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self._watch_unsent()
        else:
            self._close_after_response()

    def _close_after_response(self) -> None:
        self.cycle.keep_alive = False
        self.cycle.transport = _LastResponse(self.transport, self._close)

    def _close(self) -> None:
        """Close the connection when all is sent, or when the client does not read."""
        self.transport.close()
        self._watch_unsent()

    def _watch_unsent(self) -> None:
        """Reset the connection if the client does not read what was sent before."""
        if self._send_timer is None and self.transport.get_write_buffer_size():
            unsent = self._unsent()
            deadline = self.loop.time() + self._settings.send_timeout + unsent / MINIMUM_RATE
            self._check_unsent_later(unsent, deadline)

    def _check_unsent_later(self, unsent: int, deadline: float) -> None:
        self._send_timer = self.loop.call_later(
            self._settings.send_timeout, self._check_unsent, unsent, deadline
        )

    def _check_unsent(self, before: int, deadline: float) -> None:
        unsent = self._unsent()
        if unsent >= before or self.loop.time() >= deadline:
            self._reset()
        else:
            self._check_unsent_later(unsent, deadline)

    def _unsent(self) -> int:
        """Bytes that the client has not acknowledged.

        The kernel takes more from this process only when a large part of its buffer is free: a slow
        client would seem to read nothing.
        """
        connection = self.transport.get_extra_info("socket")
        return self.transport.get_write_buffer_size() + unsent_in_kernel(connection)

    def _reset(self) -> None:
        """Close the connection at once. The kernel, too, drops what it has not sent."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _cancel_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


class _LastResponse:
    """The transport of the last response of a connection, with another way to close it.

    After a refusal, `write_eof`: it ends only the sending side. Closing a socket with unread input
    resets the connection, and the client could lose the response. The connection closes when the
    client closes it, at the latest after the keep-alive timeout.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def unsent_in_kernel(connection: socket.socket) -> int:
    """Bytes in the send buffer of the system; 0 where the system does not report them."""
    try:
        if sys.platform == "darwin":
            return connection.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        unsent = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(unsent, sys.byteorder)
