"""Cancellation of asyncio tasks."""

import asyncio
from typing import Any


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, however it ends."""
    while not task.done():
        task.cancel()
        # Before Python 3.12 a timeout that expires at this moment swallows the cancellation.
        await asyncio.wait([task], timeout=1)
