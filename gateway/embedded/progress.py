"""Output of `gateway up`: progress on standard error, results on standard output."""

import contextlib
import sys
from typing import Self


class Progress:
    """Lines on standard error; on a terminal the current step has a spinner.

    Never raises: `gateway up` goes on when its terminal has been closed.
    """

    def __init__(self) -> None:
        self._console = self._status = None
        if sys.stderr.isatty():
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
            if self._console is None:
                print(line, file=sys.stderr, flush=True)  # noqa: T201 - output of a command
            else:
                self._console.print(line, markup=False, soft_wrap=True)

    def end_step(self) -> None:
        """Remove the spinner."""
        with contextlib.suppress(OSError):
            if self._status is not None:
                self._status.stop()


def print_result(line: str) -> None:
    """Print a line on standard output, flushed at once."""
    with contextlib.suppress(OSError):
        print(line, flush=True)  # noqa: T201 - output of a command
