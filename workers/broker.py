"""The Dramatiq brokers: they carry job ids, and nothing that could be lost with them."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import dramatiq
import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import ShutdownNotifications

from domains.kernel.settings import Settings

# Seconds after which an idle lane looks for what another process sent; its own wakes it.
_IDLE: Final = 0.25

# Milliseconds that Dramatiq's own consumer sleeps between two looks.
_NO_SLEEP: Final = 1

# Seconds after which one that waits for a slot looks whether the process stops.
_PATIENCE: Final = 0.2


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
        self._free = threading.Semaphore(slots)
        self._stopping = False
        self._run = run
        self._broker = _Broker(  # type: ignore[no-untyped-call]
            client=client,
            namespace="jobs",
            middleware=[ShutdownNotifications()],
            # What a killed worker had fetched comes back soon; its rows come back anyway.
            heartbeat_timeout=20_000,
            maintenance_chance=20_000,
            dead_message_ttl=60_000,
        )
        self._broker.prefetch = slots
        self._actor = dramatiq.Actor(
            self._receive,
            broker=self._broker,
            actor_name=name,
            queue_name=name,
            priority=0,
            options={},
        )
        self._worker = dramatiq.Worker(self._broker, worker_timeout=1_000, worker_threads=1)

    def prefetch(self, jobs: int) -> None:
        """How many jobs may lie ready in this process, beside those that run. Many keep the slots
        busy where jobs are short; where they are long, many would wait for this process alone.
        """
        self._broker.follow(jobs)

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
        for each in job_ids:
            while not self._free.acquire(timeout=_PATIENCE):
                if self._stopping:
                    return
            self._run(each)

    def ended(self) -> None:
        """A job of this lane has ended."""
        self._free.release()
        self._broker.wake()

    def stop(self) -> None:
        """Consume nothing more. What was fetched and not begun stays sent, in its row."""
        self._stopping = True
        self._worker.stop(timeout=5_000)


class _Consumer(Consumer):
    """Dramatiq's own, but for its sleep between two looks: this one can be woken."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.due = threading.Event()

    def __next__(self) -> MessageProxy | None:
        message: MessageProxy | None = next(self.inner)
        if message is None:
            self.due.wait(_IDLE)
            self.due.clear()
        return message

    def ack(self, message: MessageProxy) -> None:
        self.inner.ack(message)

    def nack(self, message: MessageProxy) -> None:
        self.inner.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self.inner.requeue(messages)

    def close(self) -> None:
        self.inner.close()


class _Broker(RedisBroker):
    prefetch = 1
    consumer: _Consumer | None = None

    def declare_queue(self, queue_name: str) -> None:
        """Without the queue of delayed messages, which a thread would poll in vain: rows wait."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """The consumer of the one queue; how much it takes ahead follows its jobs."""
        del prefetch, timeout
        self.consumer = _Consumer(super().consume(queue_name, self.prefetch, _NO_SLEEP))
        return self.consumer

    def follow(self, prefetch: int) -> None:
        """Take so many messages ahead from now on."""
        self.prefetch = prefetch
        if self.consumer is not None:
            self.consumer.inner.prefetch = prefetch

    def wake(self) -> None:
        """There is something to fetch, or room for it."""
        if self.consumer is not None:
            self.consumer.due.set()


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
