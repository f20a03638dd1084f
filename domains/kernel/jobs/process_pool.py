"""Pool of child processes for CPU-bound functions, with a time limit for each call."""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import pebble
import structlog

from domains.kernel.core.problems import Unavailable
from domains.kernel.untrusted.sandbox import hide_environment

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger()

# Calls of `run_one_per_key` that may wait or run: in total, and with one key. Their arguments are
# held in memory.
MAX_WAITING: Final = 50
MAX_WAITING_PER_KEY: Final = 10

# Attempts at a call, and those of them in which the child may die. A clock that is set forward ends
# an attempt, and the end of its child may end the next one, too.
_MAX_ATTEMPTS: Final = 4
_MAX_DEATHS: Final = 2

# Seconds until a call of `run_one_per_key` is given up, including its wait.
_WAIT_TIMEOUT: Final = 30.0


class ComputationTimeout(Exception):
    """A computation exceeded its time limit and was stopped."""


class ProcessPool:
    """Runs module-level functions in child processes. Arguments and results are pickled."""

    def __init__(self, processes: int, time_limit: float) -> None:
        self._processes = processes
        self._time_limit = time_limit
        self._waiting: Counter[Hashable] = Counter()
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._pool = self._create_pool()

    @classmethod
    @contextlib.contextmanager
    def open(cls, processes: int, time_limit: float) -> Iterator["ProcessPool"]:
        """Open a pool of child processes, which start on first use and stop on exit."""
        pool = cls(processes, time_limit)
        try:
            yield pool
        finally:
            _stop(pool._pool)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function and return its result or raise its exception.

        Cancellation stops the computation. Raises ComputationTimeout beyond the time limit, which
        excludes the wait for a free process, and Unavailable if the child process died twice.
        """
        deaths = 0
        for _ in range(_MAX_ATTEMPTS):
            started = time.monotonic()
            future = self._schedule(function, args, kwargs)
            try:
                return await asyncio.wrap_future(future)
            except TimeoutError:
                # Raised by the pool: a timeout of the caller would arrive as a cancellation.
                if time.monotonic() - started >= self._time_limit:
                    raise ComputationTimeout from None
                # The pool measures by the system's clock, which was set forward.
                log.warning("computation_stopped_by_clock_change")
            except (pebble.ProcessExpired, BrokenProcessPool) as error:
                log.warning("computation_process_died", error=type(error).__name__)
                deaths += 1
                if deaths == _MAX_DEATHS:
                    break
        raise Unavailable("The computation ended abnormally, twice. Try again in a moment.")

    async def run_one_per_key(
        self, key: Hashable, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Like `run`, but one call per key at a time, so that one key cannot use every process.

        Raises Unavailable if too many calls wait, or if wait and run exceed 30 seconds.
        """
        if self._waiting[key] >= MAX_WAITING_PER_KEY or self._waiting.total() >= MAX_WAITING:
            raise Unavailable("Too many texts are being analysed. Try again in a moment.")
        self._waiting[key] += 1
        try:
            async with (
                asyncio.timeout(_WAIT_TIMEOUT),
                self._locks.setdefault(key, asyncio.Lock()),
            ):
                return await self.run(function, *args, **kwargs)
        except TimeoutError:
            raise Unavailable("Other texts take too long just now. Try again later.") from None
        finally:
            self._waiting[key] -= 1
            self._waiting += Counter()  # removes keys with a count of 0

    async def warm(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Start all processes by running the function once in each."""
        await asyncio.gather(*(self.run(function, *args, **kwargs) for _ in range(self._processes)))

    def _create_pool(self) -> pebble.ProcessPool:
        # Spawned, not forked: this process has threads, and connections that must not be shared.
        return pebble.ProcessPool(
            max_workers=self._processes,
            initializer=_initialize_child,
            context=multiprocessing.get_context("spawn"),
        )

    def _schedule(
        self, function: Callable[..., T], args: Iterable[Any], kwargs: Mapping[str, Any]
    ) -> pebble.ProcessFuture[T]:
        try:
            return self._pool.schedule(function, args, kwargs, self._time_limit)
        except RuntimeError:
            # The death of an idle child breaks a pebble pool permanently: replace the pool.
            threading.Thread(target=_stop, args=(self._pool,), daemon=True).start()
            self._pool = self._create_pool()
            return self._pool.schedule(function, args, kwargs, self._time_limit)


def _stop(pool: pebble.ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _initialize_child() -> None:
    hide_environment()
    # Lower priority than the parent, which answers requests that need no computation.
    if sys.platform != "win32":
        os.nice(5)
    # A parent that was killed cannot stop its children: each child exits when the parent does.
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
