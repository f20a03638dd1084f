"""Heavy computation in child processes, where it blocks nobody and can be ended."""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from pebble import ProcessPool

P = ParamSpec("P")
T = TypeVar("T")


class TookTooLong(Exception):
    """A computation exceeded its limit and was ended."""


class Compute:
    """Runs pure functions of modules; arguments and results are copied between the processes."""

    def __init__(self, pool: ProcessPool, processes: int, time_limit: float) -> None:
        self._pool = pool
        self._processes = processes
        self._time_limit = time_limit

    @classmethod
    @contextlib.contextmanager
    def open(cls, processes: int, time_limit: float) -> Iterator["Compute"]:
        """So many child processes, made when they are first needed; gone on leaving."""
        # Spawned, not forked: this process has threads, and connections that must not be shared.
        pool = ProcessPool(
            max_workers=processes,
            initializer=_begin,
            context=multiprocessing.get_context("spawn"),
        )
        try:
            yield cls(pool, processes, time_limit)
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, or its exception. Cancelling ends the computation, too.

        TookTooLong when it exceeded the limit, not counting the wait for a free process.
        """
        future = self._pool.schedule(function, args=args, kwargs=kwargs, timeout=self._time_limit)
        try:
            return await asyncio.wrap_future(future)
        except TimeoutError:
            # The limit of a caller arrives here as a cancellation, so this one is the pool's.
            raise TookTooLong from None

    async def warm(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run it in all processes at once, so that nobody has to wait until they are started."""
        await asyncio.gather(*(self.run(function, *args, **kwargs) for _ in range(self._processes)))


def _begin() -> None:
    """How a child begins."""
    # Whoever waits for an answer that needs no computation comes first.
    if sys.platform != "win32":
        os.nice(5)
    # A parent that was killed cannot stop its children: they watch it themselves.
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
