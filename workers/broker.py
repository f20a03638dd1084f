"""The Dramatiq brokers: they carry job ids, and nothing that could be lost with them."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import dramatiq
import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import ShutdownNotifications

from domains.kernel.core.settings import Settings

# Seconds after which an idle lane looks for what another process sent; its own wakes it.
_IDLE: Final = 0.25

# Milliseconds that Dramatiq's own consumer sleeps between two looks.
_NO_SLEEP: Final = 1


class Lane:
    """One Dramatiq queue with one actor, whose messages are job ids, and so many slots.

    `run` gets each id, in a thread, when a slot is free; `ended` frees the slot. A message is
    acknowledged as soon as all of its jobs have begun: Dramatiq neither retries nor keeps results,
    since both belong to the job rows. What is lost with Redis, or with a worker, is sent again from
    its row.
    """

    def __init__(
        self, client: redis.Redis, name: str, slots: int, run: Callable[[str], None]
    ) -> None:
        self.slots = slots
        self._run = run
        self._free = slots
        self._changed = threading.Condition()
        self._last_begun = time.monotonic()
        self._stopping = False
        self._dropped: list[str] = []
        self._broker = _Broker(  # type: ignore[no-untyped-call]
            client=client,
            namespace="jobs",
            middleware=[ShutdownNotifications()],
            # What a killed worker had fetched comes back soon; its rows come back anyway.
            heartbeat_timeout=20_000,
            maintenance_chance=20_000,
            dead_message_ttl=60_000,
        )
        self._broker.room = lambda: self._free
        self._actor = dramatiq.Actor(
            self._receive,
            broker=self._broker,
            actor_name=name,
            queue_name=name,
            priority=0,
            options={},
        )
        self._worker = dramatiq.Worker(self._broker, worker_timeout=1_000, worker_threads=1)

    def send(self, ids: Sequence[UUID], together: int = 1) -> None:
        """Hand jobs to the workers, so many in one message; raises the Redis client's error."""
        for first in range(0, len(ids), together):
            batch = map(str, ids[first : first + together])
            self._broker.enqueue(self._actor.message(*batch))
        self._broker.wake()

    def start(self) -> None:
        """Begin to consume."""
        self._worker.start()

    def _receive(self, *job_ids: str) -> None:
        for number, each in enumerate(job_ids):
            with self._changed:
                self._changed.wait_for(lambda: self._free or self._stopping)
                if self._stopping:
                    self._dropped += job_ids[number:]
                    return
                self._free -= 1
                self._last_begun = time.monotonic()
            self._run(each)

    def ended(self) -> None:
        """A job of this lane has ended."""
        with self._changed:
            self._free += 1
            self._changed.notify()
        self._broker.wake()

    def stuck(self, seconds: float) -> bool:
        """Whether all slots are taken, and none of them has changed hands for so long."""
        return not self._free and time.monotonic() - self._last_begun > seconds

    def stop(self) -> list[UUID]:
        """Consume nothing more; the jobs that were received and are not begun."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._worker.stop(timeout=5_000)
        return [UUID(each) for each in self._dropped]


class _Consumer(Consumer):
    """Dramatiq's own, but for two things: it takes no more than there is room for, and its sleep
    between two looks can be ended.
    """

    def __init__(self, inner: Any, room: Callable[[], int]) -> None:
        self._inner = inner
        self._room = room
        self.due = threading.Event()

    def __next__(self) -> MessageProxy | None:
        # What another process could begin at once must not wait here.
        self._inner.prefetch = self._room()
        message: MessageProxy | None = next(self._inner)
        if message is None:
            self.due.wait(_IDLE)
            self.due.clear()
        return message

    def ack(self, message: MessageProxy) -> None:
        self._inner.ack(message)

    def nack(self, message: MessageProxy) -> None:
        self._inner.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._inner.requeue(messages)

    def close(self) -> None:
        self._inner.close()


class _Broker(RedisBroker):
    room: Callable[[], int]
    _consumer: _Consumer | None = None

    def declare_queue(self, queue_name: str) -> None:
        """Without the queue of delayed messages, which a thread would poll in vain: rows wait."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """The consumer of the one queue."""
        del timeout
        self._consumer = _Consumer(super().consume(queue_name, prefetch, _NO_SLEEP), self.room)
        return self._consumer

    def wake(self) -> None:
        """There is something to fetch, or room for it."""
        if self._consumer is not None:
            self._consumer.due.set()


def connect(settings: Settings) -> redis.Redis:
    """A client of the queue's Redis; lanes share it."""
    return redis.Redis.from_url(queue_url(settings))


def queue_url(settings: Settings) -> str:
    """The queue's own Redis database: Dramatiq's maintenance reads every key of it."""
    if settings.queue_redis_url:
        return settings.queue_redis_url
    url = urlsplit(settings.redis_url)
    given = dict(parse_qsl(url.query))
    in_path = url.path.strip("/") if url.scheme != "unix" else ""
    following = int(given.get("db", in_path or "0")) + 1
    path = url.path if url.scheme == "unix" else ""
    query = urlencode({**given, "db": following})
    # Not geturl(): it drops the slashes of unix:///socket.
    return f"{url.scheme}://{url.netloc}{path}?{query}"
