"""What the operator sees: short lines on standard error, with a spinner on a terminal."""

import contextlib
import sys
from typing import Self


class Progress:
    """Lines on standard error. `step` is what goes on now, `say` is what happened.

    A terminal that has gone away is no reason to fail: nothing here raises.
    """

    def __init__(self) -> None:
        self._console = self._status = None
        if sys.stderr.isatty():
            # Here, because importing it takes 0.1 s that a start without a terminal need not spend.
            from rich.console import Console  # noqa: PLC0415

            self._console = Console(stderr=True, highlight=False)
            self._status = self._console.status("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def step(self, line: str) -> None:
        """Something begins that takes a moment."""
        with contextlib.suppress(OSError):
            if self._status is None:
                self.say(line)
            else:
                self._status.update(f"{line} ...")
                self._status.start()

    def say(self, line: str) -> None:
        """Something happened."""
        with contextlib.suppress(OSError):
            if self._console is None:
                print(line, file=sys.stderr, flush=True)  # noqa: T201 - the operator reads it
            else:
                self._console.print(line, markup=False, soft_wrap=True)

    def rest(self) -> None:
        """Nothing goes on any more."""
        with contextlib.suppress(OSError):
            if self._status is not None:
                self._status.stop()


def show(line: str) -> None:
    """A line of the result, on standard output, at once."""
    with contextlib.suppress(OSError):
        print(line, flush=True)  # noqa: T201 - the operator reads it
