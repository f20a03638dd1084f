"""Shutdown of an API process that loses no request, so that servers can be restarted in turn."""

import asyncio
import contextlib
import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

# Passes of the event loop in which connections that clients have begun to open are accepted, and
# the seconds of each: together longer than a round trip. Several, because a pass after a late timer
# has not accepted yet.
_HANDSHAKE_PASSES: Final = 10
_HANDSHAKE_PASS: Final = 0.01
# Seconds in which a client may send a request on a connection that it has open.
_IDLE_TIME: Final = 1.0
_POLL_INTERVAL: Final = 0.05

_CLOSE: Final = (b"connection", b"close")

# Not in the module `socket`.
_SO_ATTACH_FILTER: Final = 26
# Instructions of a BPF program: operation, jumps if true and false, operand. It drops TCP segments
# with the flag SYN, in byte 13.
_DROP_SYN: Final = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class DrainingServer(uvicorn.Server):
    """A server whose shutdown answers each request that a client sends before it is refused.

    uvicorn resets the connections that it has not accepted yet and closes idle ones at once, even
    if a request is under way. Here they are accepted, and every response says `Connection: close`.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, serve the open ones, then stop. A second SIGINT stops at once."""
        self._announce_close()
        for listener in sockets or ():
            _drop_new_connections(listener)
        for _ in range(_HANDSHAKE_PASSES):
            await asyncio.sleep(_HANDSHAKE_PASS)
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for _ in range(round(_IDLE_TIME / _POLL_INTERVAL)):
            if self.force_exit or not any(self._idle_connections()):
                break
            await asyncio.sleep(_POLL_INTERVAL)
        await super().shutdown(sockets)

    def _announce_close(self) -> None:
        """Send `Connection: close` with every response from now on."""
        state = self.server_state
        state.default_headers = [*state.default_headers, _CLOSE]
        idle = set(self._idle_connections())
        for connection in state.connections - idle:
            # With a request in progress, this makes its response the last one.
            connection.shutdown()

    def _idle_connections(self) -> Iterator[Any]:
        """The connections without a request in progress."""
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is None or cycle.response_complete:
                yield connection


def _drop_new_connections(listener: socket.socket) -> None:
    """Ignore clients that begin to connect; those that have begun before are still accepted.

    The client tries again after a second, and is then refused or reaches another process. Only
    Linux can do this: elsewhere connections that were opened just before the close are lost.
    """
    if sys.platform != "linux" or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    instructions = ctypes.create_string_buffer(program, len(program))
    address = ctypes.addressof(instructions)
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN), address)
        )
