"""Computations in child processes: they outlive the death of a child, and take turns."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domains.kernel.core.problems import Unavailable
from domains.kernel.jobs.process_pool import _MOST_OF_ONE, ProcessPool
from tests.stack import eventually


@pytest.fixture
def compute() -> Iterator[ProcessPool]:
    with ProcessPool.open(2, 30) as opened:
        yield opened


async def test_a_child_that_dies_while_it_is_idle_is_replaced(compute: ProcessPool) -> None:
    for _ in range(3):
        child = await compute.run(os.getpid)
        assert child != os.getpid()
        os.kill(child, signal.SIGKILL)
        again = await asyncio.gather(*(compute.run(os.getpid) for _ in range(4)))
        assert child not in again


async def test_a_child_that_dies_at_work_costs_one_more_attempt(
    compute: ProcessPool, tmp_path: Path
) -> None:
    working = asyncio.create_task(compute.run(_work, tmp_path))

    async def begun() -> list[str]:
        return _begun(tmp_path)

    (marked,) = await eventually(begun)
    os.kill(int(marked), signal.SIGKILL)
    assert await working != int(marked)


async def test_what_kills_its_child_each_time_is_refused(compute: ProcessPool) -> None:
    with pytest.raises(Unavailable, match="twice"):
        await compute.run(os._exit, 3)
    assert await compute.run(os.getpid) != os.getpid()


async def test_only_so_many_of_one_wait_and_others_pass(compute: ProcessPool) -> None:
    many = [
        asyncio.create_task(compute.run_in_turn("one", time.sleep, 0.05))
        for _ in range(_MOST_OF_ONE)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="Too many"):
        await compute.run_in_turn("one", os.getpid)
    assert await compute.run_in_turn("another", os.getpid)
    await asyncio.gather(*many)
    assert await compute.run_in_turn("one", os.getpid)


def _begun(marks: Path) -> list[str]:
    return [each.name for each in marks.iterdir()]


def _work(marks: Path) -> int:
    """Marks that it has begun; the first one then works until it is killed."""
    first = not _begun(marks)
    (marks / str(os.getpid())).touch()
    if first:
        time.sleep(30)
    return os.getpid()
