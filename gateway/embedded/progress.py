"""Output of `gateway up`: progress on standard error, results on standard output."""

import contextlib
import os
import sys
from typing import Self, TextIO


class Progress:
    """Lines on standard error; on a terminal the current step has a spinner.

    Never raises: `gateway up` goes on when its terminal has been closed or its disk is full.
    """

    def __init__(self) -> None:
        self._console = self._status = None
        # There is no stream if the process was started with a closed descriptor.
        if sys.stderr is not None and sys.stderr.isatty():
            # Here, because the import takes 0.1 s, which a start without a terminal saves.
            from rich.console import Console  # noqa: PLC0415

            self._console = Console(stderr=True, highlight=False)
            self._status = self._console.status("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_step()

    def begin_step(self, line: str) -> None:
        """Show the current step until the next one or `end_step`."""
        with contextlib.suppress(OSError):
            if self._status is None:
                self.report(line)
            else:
                self._status.update(f"{line} ...")
                self._status.start()

    def report(self, line: str) -> None:
        """Print a line about something that has happened."""
        with contextlib.suppress(OSError):
            if self._console is not None:
                self._console.print(line, markup=False, soft_wrap=True)
            else:
                _write_line(sys.stderr, line)

    def end_step(self) -> None:
        """Remove the spinner."""
        with contextlib.suppress(OSError):
            if self._status is not None:
                self._status.stop()


def print_result(line: str) -> None:
    """Print a line on standard output, flushed at once."""
    with contextlib.suppress(OSError):
        _write_line(sys.stdout, line)


def _write_line(stream: TextIO | None, line: str) -> None:
    if stream is None:
        return
    # Directly: a line that a full disk does not take would stay in the buffer, and the exit code
    # would be that of the failed flush at the end.
    stream.flush()
    os.write(stream.fileno(), f"{line}\n".encode(errors="replace"))
