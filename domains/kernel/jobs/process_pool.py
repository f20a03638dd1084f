"""Heavy computation in child processes, where it blocks nobody and can be ended."""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from domains.kernel.core.problems import Unavailable
from domains.kernel.untrusted.sandbox import hide_environment

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger()

# Texts that may wait in this process, of all callers and of one; each is held in memory.
_MOST_WAITING: Final = 50
_MOST_OF_ONE: Final = 10

# Seconds that somebody waits for a result while others have their turn.
_PATIENCE: Final = 30.0


class TookTooLong(Exception):
    """A computation exceeded its limit and was ended."""


class ProcessPool:
    """Runs pure functions of modules; arguments and results are copied between the processes."""

    def __init__(self, processes: int, time_limit: float) -> None:
        self._processes = processes
        self._time_limit = time_limit
        self._waiting: Counter[Hashable] = Counter()
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._pool = self._make()

    @classmethod
    @contextlib.contextmanager
    def open(cls, processes: int, time_limit: float) -> Iterator["ProcessPool"]:
        """So many child processes, made when they are first needed; gone on leaving."""
        made = cls(processes, time_limit)
        try:
            yield made
        finally:
            _end(made._pool)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result, or its exception. Cancelling ends the computation, too.

        TookTooLong when it exceeded the limit, not counting the wait for a free process.
        Unavailable when its process died, and that of a second attempt, too.
        """
        for _ in range(2):
            future = self._schedule(function, args, kwargs)
            try:
                return await asyncio.wrap_future(future)
            except TimeoutError:
                # The limit of a caller arrives here as a cancellation, so this one is the pool's.
                raise TookTooLong from None
            except (ProcessExpired, BrokenProcessPool) as error:
                log.warning("computation_died", error=type(error).__name__)
        raise Unavailable("The computation ended abnormally, twice. Try again in a moment.")

    async def run_in_turn(
        self, who: Hashable, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `run`, but one at a time for each `who`: many texts of one leave a process to others.

        Unavailable when too many wait, or for too long.
        """
        if self._waiting[who] >= _MOST_OF_ONE or self._waiting.total() >= _MOST_WAITING:
            raise Unavailable("Too many texts are being analysed. Try again in a moment.")
        self._waiting[who] += 1
        try:
            async with (
                asyncio.timeout(_PATIENCE),
                self._turns.setdefault(who, asyncio.Lock()),
            ):
                return await self.run(function, *args, **kwargs)
        except TimeoutError:
            raise Unavailable("Other texts take too long just now. Try again later.") from None
        finally:
            self._waiting[who] -= 1
            self._waiting += Counter()  # leaves out who has none

    async def warm(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run it in all processes at once, so that nobody has to wait until they are started."""
        await asyncio.gather(*(self.run(function, *args, **kwargs) for _ in range(self._processes)))

    def _make(self) -> ProcessPool:
        # Spawned, not forked: this process has threads, and connections that must not be shared.
        return ProcessPool(
            max_workers=self._processes,
            initializer=_begin,
            context=multiprocessing.get_context("spawn"),
        )

    def _schedule(
        self, function: Callable[..., T], args: Iterable[Any], kwargs: Mapping[str, Any]
    ) -> ProcessFuture[T]:
        try:
            return self._pool.schedule(function, args, kwargs, self._time_limit)
        except RuntimeError:
            # A pool breaks for good when a child dies that had nothing to do.
            threading.Thread(target=_end, args=(self._pool,), daemon=True).start()
            self._pool = self._make()
            return self._pool.schedule(function, args, kwargs, self._time_limit)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _begin() -> None:
    """How a child begins."""
    hide_environment()
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
