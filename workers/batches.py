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
        self._one_at_a_time = asyncio.Lock()
        self._next: tuple[list[K], asyncio.Task[Mapping[K, V]]] | None = None

    async def ask(self, about: K) -> V | None:
        """The answer about this one, or None if there is none; raises what `act` raises."""
        if self._next is None:
            asked: list[K] = []
            self._next = asked, asyncio.create_task(self._run(asked))
        asked, answers = self._next
        asked.append(about)
        # Whoever is cancelled does not take the others' answer away.
        return (await asyncio.shield(answers)).get(about)

    async def _run(self, asked: list[K]) -> Mapping[K, V]:
        async with self._one_at_a_time:
            self._next = None
            return await self._act(asked)
