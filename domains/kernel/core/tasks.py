"""Background tasks."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

_T = TypeVar("_T")

# Seconds after which a call that hangs no longer prevents a second one. Doubles with each call
# that hangs, so that the threads stay few.
_HANG_TIMEOUT: Final = 60.0


@contextlib.asynccontextmanager
async def background_task(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` as a task inside the context. On leaving, cancel it and wait for its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            # Before Python 3.12 a timeout that expires at this moment swallows the cancellation.
            await asyncio.wait([task], timeout=1)


class SharedCall(Generic[_T]):
    """A blocking function that may hang, for example on a network file system.

    At most one call runs at a time. Callers that arrive meanwhile get its result. It runs in a
    daemon thread: the threads of asyncio stay free and the process can end. After a minute a call
    counts as hung and a second one may run; the next after twice as long, and so on.
    """

    def __init__(self, function: Callable[[], _T]) -> None:
        self._function = function
        self._calls: list[Future[_T]] = []
        self._started_at = 0.0

    def start(self) -> Future[_T]:
        """Return the running call, or start one."""
        self._calls = [call for call in self._calls if not call.done()]
        patience = _HANG_TIMEOUT * 2 ** (len(self._calls) - 1)
        if not self._calls or time.monotonic() - self._started_at > patience:
            self._started_at = time.monotonic()
            self._calls.append(in_daemon_thread(self._function))
        return self._calls[-1]

    async def result(self) -> _T:
        """Await the running call, or a new one. Cancelling this leaves the call running."""
        return await asyncio.wrap_future(self.start())


def in_daemon_thread(function: Callable[[], _T]) -> Future[_T]:
    """Run a function in a new thread, which does not keep the process from ending."""
    future: Future[_T] = Future()
    # From here on nobody can cancel it.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised by result()
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
