"""Watchdog: processes report that their event loop runs; supervisors replace frozen ones.

The messages are those of systemd's sd_notify, so that a process reports in the same way to
`gateway up`, to the parent of several API processes, and to systemd.
"""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Final

NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
WATCHDOG_USEC: Final = "WATCHDOG_USEC"

_READY: Final = b"READY=1"
_ALIVE: Final = b"WATCHDOG=1"
_STOPPING: Final = b"STOPPING=1"

# All in seconds. A process reports at least this often.
_LONGEST_INTERVAL: Final = 1.0
# An orderly stop ends with steps that block the event loop. It may be silent for this much longer.
_STOP_ALLOWANCE: Final = 30.0
# Silence that one poll may add. The supervisor may have been stopped itself, or the machine
# suspended, for most of the time since its previous poll.
_LONGEST_STEP: Final = 0.5

_MAX_MESSAGE: Final = 4096


class Notifier:
    """Reports the state of this process to the supervisor that started it, if there is one.

    Never blocks or raises: a supervisor that is stopped or gone does not disturb this process.
    """

    def __init__(self, address: str = "", timeout: float | None = None) -> None:
        """`address` is a path, or a Linux abstract socket (@name); empty without a supervisor.

        `timeout` is the silence in seconds after which the supervisor replaces this process.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.interval: Final = min(_LONGEST_INTERVAL, (timeout or _LONGEST_INTERVAL * 4) / 4)
        self._socket: socket.socket | None = None
        if address and sys.platform != "win32":
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def take_from(cls, environment: MutableMapping[str, str]) -> "Notifier":
        """Read the supervisor's socket from the environment and remove it from there.

        Removed, so that no child process reports in the name of this one.
        """
        address = environment.pop(NOTIFY_SOCKET, "")
        usec = environment.pop(WATCHDOG_USEC, "")
        environment.pop("WATCHDOG_PID", None)
        return cls(address, int(usec) / 1e6 if usec.isdigit() and int(usec) else None)

    def ready(self) -> None:
        """Report that this process serves."""
        self._send(_READY)

    def alive(self) -> None:
        """Report that this process runs."""
        self._send(_ALIVE)

    def stopping(self) -> None:
        """Report that this process stops in order."""
        self._send(_STOPPING)

    def close(self) -> None:
        """Stop reporting."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def run(self) -> None:
        """Report that this process serves, then every `interval` that its event loop runs.

        On cancellation, report that it stops.
        """
        self.ready()
        try:
            while True:
                self.alive()
                await asyncio.sleep(self.interval)
        finally:
            self.stopping()

    def _send(self, message: bytes) -> None:
        if self._socket is None:
            return
        try:
            # Once connected, the socket works even if its file is removed.
            self._socket.send(message)
        except BlockingIOError:
            pass  # a supervisor that is stopped does not read: it has enough messages already
        except OSError:  # not connected yet, or the supervisor has opened another socket
            with contextlib.suppress(OSError):
                self._socket.connect(self._address)
                self._socket.send(message)


class Watch:
    """The supervisor's side: receives the reports of one child process and measures its silence.

    Used again for the next process after a restart.
    """

    def __init__(
        self, address: Path, timeout: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Listen at `address`. `timeout` is the silence in seconds that makes a process frozen.

        Raises OSError if no socket can be created there.
        """
        self._address = address
        self._timeout = timeout
        self._clock = clock
        self._polled_at = clock()
        self._silence = 0.0
        self._limit = float("inf")
        address.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(str(address))
        except OSError:
            self._socket.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the child process, which `Notifier.take_from` reads."""
        return {
            NOTIFY_SOCKET: str(self._address),
            WATCHDOG_USEC: str(round(self._timeout * 1e6)),
        }

    @property
    def reported(self) -> bool:
        """True if the latest `is_frozen` had a report of the process. It is not judged before."""
        return self._limit < float("inf")

    def restart(self) -> None:
        """Forget the reports of the previous process. Call it before the next one starts."""
        for _ in self._messages():
            pass
        self._limit = float("inf")

    def is_frozen(self) -> bool:
        """True if the process reported once and has been silent for the timeout since.

        Call it often. Only time in which it is called counts, so a supervisor that was stopped, or
        a machine that was suspended, gives the process time to report again.
        """
        now = self._clock()
        self._silence += min(now - self._polled_at, _LONGEST_STEP)
        self._polled_at = now
        for message in self._messages():
            self._silence = 0.0
            if _STOPPING in message.split(b"\n"):
                self._limit = self._timeout + _STOP_ALLOWANCE
            elif self._limit == float("inf"):
                self._limit = self._timeout
        return self._silence > self._limit

    def close(self) -> None:
        """Close the socket and remove its file."""
        self._socket.close()
        with contextlib.suppress(OSError):
            self._address.unlink(missing_ok=True)

    def _messages(self) -> Iterator[bytes]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self._socket.recv(_MAX_MESSAGE)
