"""Heavy computation in child processes, where it blocks nobody and can be ended."""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Final, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from pebble import ProcessPool

from domains.kernel.problems import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


# Each of them holds its text in memory.
_MOST_WAITING: Final = 50


class TookTooLong(Exception):
    """A computation exceeded its limit and was ended."""


class Compute:
    """Runs pure functions of modules; arguments and results are copied between the processes."""

    def __init__(self, pool: ProcessPool, processes: int, time_limit: float) -> None:
        self._pool = pool
        self._processes = processes
        self._time_limit = time_limit
        self._waiting = 0
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

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

    async def run_in_turn(
        self, who: Hashable, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `run`, but one at a time for each `who`: many texts of one leave a process to others.

        Unavailable when too many wait.
        """
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("Too many texts are being analysed. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._turns.setdefault(who, asyncio.Lock()):
                return await self.run(function, *args, **kwargs)
        finally:
            self._waiting -= 1

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
