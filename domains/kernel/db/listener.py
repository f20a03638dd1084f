"""Listener for PostgreSQL notifications."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import asyncpg
import structlog

from domains.kernel.db.errors import UNAVAILABLE

log = structlog.get_logger()

# Seconds without an answer to a ping after which the connection counts as lost.
PING_TIMEOUT: Final = 1.0
# Seconds between two pings, and before a reconnect.
_PING_INTERVAL: Final = 0.3


class Listener:
    """Receives notifications on a connection of its own, which it reopens whenever it is lost.

    `handlers` maps each channel to a function that is called with the payload. `resync` is called
    whenever notifications may have been missed: on connecting and on losing the connection.
    """

    def __init__(
        self, dsn: str, handlers: Mapping[str, Callable[[str], None]], resync: Callable[[], None]
    ) -> None:
        self._dsn = dsn
        self._handlers = handlers
        self._resync = resync
        self._answered_ping_at = float("-inf")

    @property
    def alive(self) -> bool:
        """True if the server answered a ping that was sent within the last PING_TIMEOUT seconds."""
        return time.monotonic() - self._answered_ping_at < PING_TIMEOUT

    async def run(self) -> None:
        """Listen until cancelled. Reconnects while the database is unavailable."""
        while True:
            try:
                await self._listen()
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                log.warning("listener_disconnected", error=type(error).__name__)
            self._answered_ping_at = float("-inf")
            self._resync()
            await asyncio.sleep(_PING_INTERVAL)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=5,
            command_timeout=PING_TIMEOUT,
            server_settings={"application_name": "gateway-listener"},
        )
        try:
            for channel, handler in self._handlers.items():
                await connection.add_listener(channel, _payload_only(handler))
            self._resync()
            while True:
                sent_at = time.monotonic()
                await connection.execute("SELECT 1")
                self._answered_ping_at = sent_at
                await asyncio.sleep(_PING_INTERVAL)
        finally:
            connection.terminate()


def _payload_only(handler: Callable[[str], None]) -> Callable[[object, int, str, str], None]:
    return lambda _connection, _pid, _channel, payload: handler(payload)
