"""Many callers, one statement: each gets its own answer."""

import asyncio
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from workers.batches import Batches


class Away(Exception):
    """The statement failed."""


# What a caller does: after so many rounds of the loop it asks about a number, and it may give up
# after so many more.
_callers = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.none() | st.integers(0, 6)), max_size=12
)


async def _rounds(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@given(
    callers=_callers,
    lasts=st.integers(0, 5),
    unknown=st.sets(st.integers(0, 9)),
    failing=st.sets(st.integers(0, 9), max_size=2),
)
async def test_each_caller_gets_its_own_answer_whatever_befalls_the_others(
    callers: list[tuple[int, int, int | None]], lasts: int, unknown: set[int], failing: set[int]
) -> None:
    acting = 0
    asked: list[list[int]] = []

    async def act(about: list[int]) -> Mapping[int, str]:
        nonlocal acting
        acting += 1
        assert acting == 1
        asked.append(about)
        await _rounds(lasts)
        acting -= 1
        if failing & set(about):
            raise Away(about)
        return {each: f"about {each}" for each in about if each not in unknown}

    batches = Batches(act)

    async def call(after: int, about: int, patience: int | None) -> str | None:
        await _rounds(after)
        task = asyncio.create_task(batches.ask(about))
        if patience is not None:
            await _rounds(patience)
            task.cancel()
        return await task

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(call(*each) for each in callers), return_exceptions=True)
    for (_, about, patience), answer in zip(callers, answers, strict=True):
        if isinstance(answer, asyncio.CancelledError):
            assert patience is not None
        elif isinstance(answer, Away):
            # Of a batch that failed, everyone is told.
            assert about in answer.args[0]
            assert failing & set(answer.args[0])
        else:
            assert answer == (None if about in unknown else f"about {about}")
            assert about not in failing
    assert all(asked)


async def test_what_is_asked_for_meanwhile_goes_together() -> None:
    asked: list[list[int]] = []
    go_on = asyncio.Event()

    async def act(about: list[int]) -> Mapping[int, int]:
        asked.append(about)
        await go_on.wait()
        return {each: each for each in about}

    batches = Batches(act)
    first = asyncio.create_task(batches.ask(0))
    await _rounds(3)
    others = [asyncio.create_task(batches.ask(each)) for each in range(1, 10)]
    await _rounds(3)
    others[0].cancel()
    await _rounds(1)
    go_on.set()
    assert await asyncio.gather(first, *others[1:]) == [0, *range(2, 10)]
    # Nothing is done for whoever gave up before it began.
    assert asked == [[0], list(range(2, 10))]
