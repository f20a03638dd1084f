"""Batched calls: each caller gets its own result."""

import asyncio
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from workers.batches import Batcher


class BatchError(Exception):
    """The batch failed."""


# A caller submits a key after some turns of the event loop. It may be cancelled some turns later.
_callers = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.none() | st.integers(0, 6)), max_size=12
)


async def _turns(number: int) -> None:
    """Let the event loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)


@given(
    callers=_callers,
    duration=st.integers(0, 5),
    unknown=st.sets(st.integers(0, 9)),
    failing=st.sets(st.integers(0, 9), max_size=2),
)
async def test_each_caller_gets_its_own_result_or_error(
    callers: list[tuple[int, int, int | None]], duration: int, unknown: set[int], failing: set[int]
) -> None:
    running = 0
    batches: list[list[int]] = []

    async def process(keys: list[int]) -> Mapping[int, str]:
        nonlocal running
        running += 1
        assert running == 1
        batches.append(keys)
        await _turns(duration)
        running -= 1
        if failing & set(keys):
            raise BatchError(keys)
        return {key: f"result of {key}" for key in keys if key not in unknown}

    batcher = Batcher(process)

    async def call(start: int, key: int, cancel_after: int | None) -> str | None:
        await _turns(start)
        task = asyncio.create_task(batcher.submit(key))
        if cancel_after is not None:
            await _turns(cancel_after)
            task.cancel()
        return await task

    async with asyncio.timeout(5):
        results = await asyncio.gather(
            *(call(*caller) for caller in callers), return_exceptions=True
        )
    for (_, key, cancel_after), result in zip(callers, results, strict=True):
        if isinstance(result, asyncio.CancelledError):
            assert cancel_after is not None
        elif isinstance(result, BatchError):
            # Every caller of a failed batch gets its error.
            assert key in result.args[0]
            assert failing & set(result.args[0])
        else:
            assert result == (None if key in unknown else f"result of {key}")
            assert key not in failing
    assert all(batches)


async def test_calls_during_a_batch_form_the_next_batch_without_the_cancelled_ones() -> None:
    batches: list[list[int]] = []
    go_on = asyncio.Event()

    async def process(keys: list[int]) -> Mapping[int, int]:
        batches.append(keys)
        await go_on.wait()
        return {key: key for key in keys}

    batcher = Batcher(process)
    first = asyncio.create_task(batcher.submit(0))
    await _turns(3)
    others = [asyncio.create_task(batcher.submit(key)) for key in range(1, 10)]
    await _turns(3)
    others[0].cancel()
    await _turns(1)
    go_on.set()
    assert await asyncio.gather(first, *others[1:]) == [0, *range(2, 10)]
    assert batches == [[0], list(range(2, 10))]
