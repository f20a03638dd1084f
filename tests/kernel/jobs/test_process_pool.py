"""Process pool: time limits, exceptions, children that die, and one call per key at a time."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domains.kernel.core.problems import Unavailable
from domains.kernel.jobs.process_pool import (
    MAX_WAITING_PER_KEY,
    ComputationTimeout,
    ProcessPool,
)
from tests.stack import eventually


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    with ProcessPool.open(2, 30) as opened:
        yield opened


@pytest.fixture
def new_pool() -> Iterator[ProcessPool]:
    """A separate pool for tests that kill children, because a later call may fail."""
    with ProcessPool.open(2, 30) as opened:
        yield opened


async def test_computation_is_stopped_at_its_time_limit() -> None:
    with ProcessPool.open(1, 0.3) as pool:
        child = await pool.run(os.getpid)
        with pytest.raises(ComputationTimeout):
            await pool.run(pow, 7, 10**9)
        assert await pool.run(os.getpid) != child


async def test_computation_is_repeated_if_the_clock_was_set_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with ProcessPool.open(1, 30) as pool:
        child = await pool.run(os.getpid)
        computing = asyncio.create_task(pool.run(gate.read_bytes))
        # Opens when the child reads: the computation is running.
        with await asyncio.to_thread(gate.open, "wb"):
            now, shift = time.time, 0
            monkeypatch.setattr(time, "time", lambda: now() + shift)

            def is_stopped() -> bool:
                nonlocal shift
                # Not `active_children`, which would reap the process before the pool does.
                try:
                    os.kill(child, 0)
                except ProcessLookupError:
                    return True
                # Again, as the pool may note the start of a computation late.
                shift += 3600
                return False

            def write_to_reader() -> bool:
                try:
                    writer = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
                except OSError:
                    return False
                os.write(writer, b"read anew")
                os.close(writer)
                return True

            assert await eventually(is_stopped)
            assert await eventually(write_to_reader)
        assert await computing == b"read anew"


async def test_event_loop_is_free_during_a_computation(pool: ProcessPool, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    computing = asyncio.create_task(pool.run(gate.read_bytes))
    await asyncio.to_thread(gate.write_bytes, b"written by the parent meanwhile")
    assert await computing == b"written by the parent meanwhile"


async def test_exception_of_the_function_is_raised(pool: ProcessPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)


async def test_calls_per_key_are_limited_and_other_keys_pass(
    pool: ProcessPool, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    blocked = asyncio.create_task(pool.run_one_per_key("one", gate.read_bytes))
    waiting = [
        asyncio.create_task(pool.run_one_per_key("one", os.getpid))
        for _ in range(MAX_WAITING_PER_KEY - 1)
    ]
    assert await pool.run_one_per_key("another", os.getpid)
    with pytest.raises(Unavailable, match="Too many"):
        await pool.run_one_per_key("one", os.getpid)
    assert not any(task.done() for task in (blocked, *waiting))
    await asyncio.to_thread(gate.write_bytes, b"open")
    assert await blocked == b"open"
    assert all(await asyncio.gather(*waiting))
    assert await pool.run_one_per_key("one", os.getpid)


async def test_idle_child_that_dies_is_replaced(new_pool: ProcessPool) -> None:
    for _ in range(3):
        child = await new_pool.run(os.getpid)
        assert child != os.getpid()
        os.kill(child, signal.SIGKILL)
        others = await asyncio.gather(*(new_pool.run(os.getpid) for _ in range(4)))
        assert child not in others


async def test_computation_is_repeated_when_its_child_dies(
    new_pool: ProcessPool, tmp_path: Path
) -> None:
    computing = asyncio.create_task(new_pool.run(_block_first_call, tmp_path))
    (child,) = await eventually(lambda: _calls(tmp_path))
    os.kill(int(child), signal.SIGKILL)
    assert await computing != int(child)


async def test_computation_that_kills_its_child_twice_is_refused(new_pool: ProcessPool) -> None:
    with pytest.raises(Unavailable, match="twice"):
        await new_pool.run(os._exit, 3)
    assert await new_pool.run(os.getpid) != os.getpid()


def _calls(folder: Path) -> list[str]:
    """The process ids that have called `_block_first_call`."""
    return [path.name for path in folder.iterdir()]


def _block_first_call(folder: Path) -> int:
    """Record the call; the first one blocks until its process is killed."""
    is_first = not _calls(folder)
    (folder / str(os.getpid())).touch()
    if is_first:
        threading.Event().wait()
    return os.getpid()
