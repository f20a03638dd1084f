"""Background tasks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any


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
