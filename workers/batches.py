"""Batches concurrent calls: all calls that arrive while a batch runs form the next batch."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

# Turns of the event loop between two batches. A caller whose job does nothing submits its next key
# within them, and so joins the next batch. Without them, the callers would split into two groups,
# each of which waits for the batch of the other.
_TURNS: Final = 4

K = TypeVar("K")
V = TypeVar("V")


class Batcher(Generic[K, V]):
    """Calls `process` with the keys of all waiting callers, one batch at a time."""

    def __init__(self, process: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._process = process
        self._waiting: list[tuple[K, asyncio.Future[V | None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, key: K) -> V | None:
        """Return the result of `process` for the key, or None. Raises the error of `process`."""
        result: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, result))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._process_all())
        return await result

    async def _process_all(self) -> None:
        while self._waiting:
            # Callers that were cancelled before their batch started are left out.
            batch = [(key, result) for key, result in self._waiting if not result.done()]
            self._waiting = []
            if not batch:
                return
            processing = asyncio.ensure_future(  # noqa: RUF006 - awaited on the next line
                self._process([key for key, _ in batch])
            )
            await asyncio.wait([processing])
            error = processing.exception()
            for key, result in batch:
                # The caller may have been cancelled while the batch ran.
                if result.done():
                    continue
                if error is None:
                    result.set_result(processing.result().get(key))
                else:
                    result.set_exception(error)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
