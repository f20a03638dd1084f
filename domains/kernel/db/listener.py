"""Listener for PostgreSQL notifications, which proves that they arrive."""

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg
import structlog

from domains.kernel.db.errors import UNAVAILABLE

log = structlog.get_logger()

# Seconds after the sending of a nonce for which its arrival proves the connection.
PROOF_LIFETIME: Final = 1.0
# Seconds between two nonces. Less than the lifetime: each has 0.4 s to arrive before the last one
# expires.
NONCE_INTERVAL: Final = 0.6
# Seconds without a proof after which the connection is reopened.
_RECONNECT_AFTER: Final = 3.0
# Seconds before a reconnect.
_RECONNECT_PAUSE: Final = 0.3


class Listener:
    """Receives notifications on a connection of its own, which it reopens whenever it is lost.

    `handlers` maps each channel to a function that is called with the payload.

    An open connection does not prove that notifications arrive: poolers and proxies may swallow
    them. The listener therefore sends a nonce to itself every `interval` seconds, by `send`, which
    notifies a channel from another connection and returns False if that failed. `resync` is called
    at the first proof after a time without one, because notifications may have been missed.
    """

    def __init__(
        self,
        url: str,
        handlers: Mapping[str, Callable[[str], None]],
        resync: Callable[[], None],
        send: Callable[[str, str], Awaitable[bool]],
        interval: float = NONCE_INTERVAL,
    ) -> None:
        self._url = url
        # A channel per listener: PostgreSQL does not send it the nonces of others.
        self._channel = f"listener_{secrets.token_hex(8)}"
        self._handlers = {**handlers, self._channel: self._receive_nonce}
        self._resync = resync
        self._send = send
        self._interval = interval
        self._nonce = b""
        self._sent_at = self._proven_at = float("-inf")
        # Set when the nonce arrives and when the connection is closed.
        self._wakeup = asyncio.Event()
        self._outage_logged = False

    @property
    def proven(self) -> bool:
        """True if a nonce has arrived that was sent within the last PROOF_LIFETIME seconds."""
        return time.monotonic() - self._proven_at < PROOF_LIFETIME

    async def run(self) -> None:
        """Listen until cancelled. Reconnects while the database is unavailable."""
        while True:
            try:
                await self._listen()
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                self._log_outage(type(error).__name__)
            # Notifications are missed from here on. A new nonce, because the last one may arrive
            # yet.
            self._new_nonce()
            self._proven_at = float("-inf")
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=5,
            command_timeout=5,
            server_settings={"application_name": "gateway-listener"},
        )
        try:
            connection.add_termination_listener(lambda _connection: self._wakeup.set())
            # In one transaction: else a pooler may distribute the channels over connections.
            async with connection.transaction():
                for channel, handler in self._handlers.items():
                    await connection.add_listener(channel, _payload_only(handler))
            await self._prove_repeatedly(connection)
        finally:
            connection.terminate()

    async def _prove_repeatedly(self, connection: asyncpg.Connection) -> None:
        """Send nonces until the connection is closed, or none has arrived for too long."""
        opened_at = time.monotonic()
        while not connection.is_closed():
            nonce = self._new_nonce()
            if await self._send(self._channel, nonce):
                await self._wait(PROOF_LIFETIME)
                if time.monotonic() - max(self._proven_at, opened_at) > _RECONNECT_AFTER:
                    self._log_outage(
                        "notifications do not arrive: set GATEWAY_DATABASE_DIRECT_URL to the URL of"
                        " PostgreSQL itself"
                    )
                    return
            self._wakeup.clear()
            await self._wait(self._interval)

    def _new_nonce(self) -> str:
        nonce = secrets.token_hex(16)
        self._nonce, self._sent_at = nonce.encode(), time.monotonic()
        self._wakeup.clear()
        return nonce

    def _receive_nonce(self, payload: str) -> None:
        if not hmac.compare_digest(payload.encode(), self._nonce):
            return
        if not self.proven:
            self._resync()
        self._proven_at = self._sent_at
        self._wakeup.set()
        if self._outage_logged:
            self._outage_logged = False
            log.warning("notifications_arrive")

    async def _wait(self, seconds: float) -> None:
        # Not wait_for: before Python 3.12 it may swallow a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wakeup.wait()

    def _log_outage(self, reason: str) -> None:
        """Log the begin of an outage, once."""
        if not self._outage_logged:
            self._outage_logged = True
            log.warning("notifications_missed", reason=reason)


def _payload_only(handler: Callable[[str], None]) -> Callable[[object, int, str, str], None]:
    return lambda _connection, _pid, _channel, payload: handler(payload)
