"""A lane: jobs start in free slots only, and none is lost when it stops."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import cast
from uuid import UUID

import pytest
import redis
from dramatiq.broker import MessageProxy
from dramatiq.errors import ConnectionClosed
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.ids import new_id
from domains.kernel.core.settings import Settings
from tests.stack import eventually
from workers.broker import QueueConsumer, RedisWatch, WakeableConsumer, connect

SLOTS = 2
JOBS = 9


class Lane:
    """A consumer of a queue of its own, and the jobs that it has started, which run until ended."""

    def __init__(self, consumer: QueueConsumer, started: list[UUID]) -> None:
        self.consumer = consumer
        self.started = started

    def has_started(self, count: int) -> bool:
        return len(self.started) >= count

    async def send(self, ids: list[UUID], batch_size: int) -> None:
        await asyncio.to_thread(self.consumer.send, ids, batch_size)


@pytest.fixture
async def lane(settings: Settings) -> AsyncIterator[Lane]:
    with connect(settings) as client:
        started: list[UUID] = []
        consumer = QueueConsumer(
            client,
            f"tests.{new_id()}",
            SLOTS,
            lambda job_id: started.append(UUID(job_id)),
            Breaker("redis", "Redis is unavailable.", 1.0),
        )
        consumer.start()
        yield Lane(consumer, started)
        await consumer.stop()


@pytest.mark.parametrize("batch_size", [1, 4, JOBS])
async def test_a_job_starts_when_a_slot_is_free(lane: Lane, batch_size: int) -> None:
    ids = [new_id() for _ in range(JOBS)]
    await lane.send(ids, batch_size)
    for ended in range(JOBS - SLOTS + 1):
        await eventually(partial(lane.has_started, ended + SLOTS))
        # Longer than an idle consumer waits between polls.
        if ended == 0:
            await asyncio.sleep(0.3)
        assert len(lane.started) == ended + SLOTS
        lane.consumer.job_finished()
    # Two messages may overtake each other: Dramatiq's threads take them at the same time.
    assert lane.started == ids if batch_size == JOBS else sorted(lane.started) == sorted(ids)


async def test_the_next_message_is_fetched_while_jobs_of_the_first_wait(lane: Lane) -> None:
    """A slot that becomes free does not wait for Redis."""
    ids = [new_id() for _ in range(6)]
    await lane.send(ids, 3)
    await eventually(lambda: len(lane.started) == SLOTS)
    await asyncio.sleep(0.3)
    for _ in range(len(ids) - SLOTS):
        lane.consumer.job_finished()
    # Without a turn of the event loop in between, which is needed to receive a message.
    assert sorted(lane.started) == sorted(ids)


async def test_stopping_returns_the_received_jobs_that_have_not_started(lane: Lane) -> None:
    ids = [new_id() for _ in range(6)]
    await lane.send(ids, 3)
    await eventually(lambda: len(lane.started) == SLOTS)
    await asyncio.sleep(0.3)
    unstarted = await lane.consumer.stop()
    lane.consumer.job_finished()
    assert len(lane.started) == SLOTS
    assert sorted(lane.started + unstarted) == sorted(ids)


async def test_a_command_that_began_before_the_recovery_opens_no_outage(
    settings: Settings,
) -> None:
    breaker = Breaker("redis", "Redis is unavailable.", 1.0)
    with connect(settings) as client:
        watch = RedisWatch(client, breaker, asyncio.get_running_loop())

        def fail() -> None:
            raise RedisError

        def recover_and_fail() -> None:
            asyncio.run_coroutine_threadsafe(_succeed(breaker), loop).result()
            fail()

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(watch.call, recover_and_fail)
        assert not breaker.is_open
        await asyncio.to_thread(watch.call, fail)
        await eventually(lambda: breaker.is_open)


async def _succeed(breaker: Breaker) -> None:
    breaker.succeeded()


def test_a_thread_that_outlives_the_event_loop_raises_no_error(settings: Settings) -> None:
    loop = asyncio.new_event_loop()
    loop.close()

    def fail() -> None:
        raise RedisError

    with connect(settings) as client:
        breaker = Breaker("redis", "Redis is unavailable.", 1.0)
        assert RedisWatch(client, breaker, loop).call(fail) is None


class _Inner:
    """Dramatiq's consumer without Redis: each call fails. Counts the acknowledgements."""

    def __init__(self) -> None:
        self.prefetch = 0
        self.acknowledged = 0

    def __next__(self) -> None:
        raise ConnectionClosed(RedisError())  # type: ignore[no-untyped-call]

    def ack(self, _message: object) -> None:
        self.acknowledged += 1
        raise ConnectionClosed(RedisError())  # type: ignore[no-untyped-call]


class _NoRedis:
    """A client whose server does not run."""

    def ping(self) -> None:
        raise RedisConnectionError


async def test_a_message_is_acknowledged_during_an_outage() -> None:
    """Dramatiq frees the place of a message even if Redis does not get its acknowledgement."""
    breaker = Breaker("redis", "Redis is unavailable.", 1.0)
    watch = RedisWatch(cast("redis.Redis", _NoRedis()), breaker, asyncio.get_running_loop())
    inner = _Inner()
    consumer = WakeableConsumer(inner, lambda: 1, watch)
    assert next(consumer) is None
    await eventually(lambda: breaker.is_open)
    consumer.ack(cast("MessageProxy", None))
    assert inner.acknowledged == 1
    consumer.wakeup.set()
    assert next(consumer) is None
