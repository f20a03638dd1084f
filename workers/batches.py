"""Many callers, one statement: what is asked for while a statement runs goes into the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Batches(Generic[K, V]):
    """Answers each caller from what `act` answers for all that asked meanwhile."""

    def __init__(self, act: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._act = act
        self._waiting: list[tuple[K, asyncio.Future[V | None]]] = []
        self._acting: asyncio.Task[None] | None = None

    async def ask(self, about: K) -> V | None:
        """The answer about this one, or None if there is none; raises what `act` raises."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((about, answer))
        if self._acting is None or self._acting.done():
            self._acting = asyncio.create_task(self._drain())
        return await answer

    async def _drain(self) -> None:
        while self._waiting:
            # Nothing is done for whoever was cancelled before it began.
            batch = [each for each in self._waiting if not each[1].done()]
            self._waiting = []
            if not batch:
                return
            acting = asyncio.ensure_future(  # noqa: RUF006 - waited for at once
                self._act([about for about, _ in batch])
            )
            await asyncio.wait([acting])
            error = acting.exception()
            for about, answer in batch:
                # Whoever was cancelled meanwhile waits no more.
                if answer.done():
                    continue
                if error is None:
                    answer.set_result(acting.result().get(about))
                else:
                    answer.set_exception(error)
