"""Standard error that drops lines instead of raising."""

import io
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

_STANDARD_ERROR: Final = 2


class LogStream(io.RawIOBase):
    """Unbuffered output to a file descriptor. Never raises, and may be used by several threads.

    Lines that cannot be written are dropped and counted: the disk is full, the reader of the pipe
    is gone, or the descriptor is non-blocking and its buffer is full. The next line that can be
    written comes after one with the number of dropped lines, which `describe_dropped` renders.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.describe_dropped: Callable[[int], bytes] = _describe_dropped
        self._descriptor = descriptor
        # Reentrant: a signal handler may log while its thread writes a line.
        self._lock = threading.RLock()
        self._dropped = 0
        # True if the output ends with a part of a line that was dropped.
        self._ends_in_fragment = False

    def write(self, data: Any, /) -> int:
        """Write whole lines or drop them. Returns the size of `data` in both cases."""
        lines = bytes(data)
        with self._lock:
            if (self._dropped and not self._report_dropped()) or not self._write_all(lines):
                self._dropped += lines.count(b"\n") or 1
        return len(lines)

    def _report_dropped(self) -> bool:
        newline = b"\n" if self._ends_in_fragment else b""
        if not self._write_all(newline + self.describe_dropped(self._dropped)):
            return False
        self._dropped, self._ends_in_fragment = 0, False
        return True

    def _write_all(self, data: bytes) -> bool:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            if written:
                self._ends_in_fragment = True
            return False
        return True

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def protect_standard_streams() -> None:
    """Make standard error a LogStream. Call it before a process opens files or sockets.

    Also opens the null device as each of the descriptors 0 to 2 that is closed. Otherwise the next
    socket or file would get its number, and the output of libraries or child processes.

    A standard error that was redirected within Python is left as it is.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is sys.__stderr__:
        sys.stderr = io.TextIOWrapper(
            LogStream(_STANDARD_ERROR),
            encoding=sys.stderr.encoding if sys.stderr else "utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )


def _describe_dropped(lines: int) -> bytes:
    return b"%d lines could not be written here.\n" % lines
