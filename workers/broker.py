"""Dramatiq brokers on Redis. Messages carry only job ids, so a lost message loses no job."""

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

# Seconds between polls of an idle queue for messages of other processes. Messages of this process
# wake the consumer.
_POLL_INTERVAL: Final = 0.25

# Milliseconds that Dramatiq's own consumer sleeps between polls.
_NO_SLEEP: Final = 1


class QueueConsumer:
    """Consumes one Dramatiq queue, whose messages are job ids, with a fixed number of slots.

    `run` is called with each id, in a thread, when a slot is free; `job_finished` frees the slot. A
    message is acknowledged as soon as all of its jobs have started: retries and results belong to
    the job rows, and messages lost with Redis or a worker are sent again from there.
    """

    def __init__(
        self, client: redis.Redis, name: str, slots: int, run: Callable[[str], None]
    ) -> None:
        self.slots = slots
        self._run = run
        self._free = slots
        self._changed = threading.Condition()
        self._last_start = time.monotonic()
        self._stopping = False
        self._unstarted: list[str] = []
        self._broker = _Broker(  # type: ignore[no-untyped-call]
            client=client,
            namespace="jobs",
            middleware=[ShutdownNotifications()],
            # Messages fetched by a killed worker return soon. Their rows are swept in any case.
            heartbeat_timeout=20_000,
            maintenance_chance=20_000,
            dead_message_ttl=60_000,
        )
        self._broker.free_slots = lambda: self._free
        self._actor = dramatiq.Actor(
            self._receive,
            broker=self._broker,
            actor_name=name,
            queue_name=name,
            priority=0,
            options={},
        )
        self._worker = dramatiq.Worker(self._broker, worker_timeout=1_000, worker_threads=1)

    def send(self, ids: Sequence[UUID], batch_size: int = 1) -> None:
        """Send jobs to the queue, `batch_size` per message. Raises RedisError or OSError."""
        for start in range(0, len(ids), batch_size):
            batch = map(str, ids[start : start + batch_size])
            self._broker.enqueue(self._actor.message(*batch))
        self._broker.wake_consumer()

    def start(self) -> None:
        """Start consuming."""
        self._worker.start()

    def _receive(self, *job_ids: str) -> None:
        for index, job_id in enumerate(job_ids):
            with self._changed:
                self._changed.wait_for(lambda: self._free or self._stopping)
                if self._stopping:
                    self._unstarted += job_ids[index:]
                    return
                self._free -= 1
                self._last_start = time.monotonic()
            self._run(job_id)

    def job_finished(self) -> None:
        """Free the slot of a job."""
        with self._changed:
            self._free += 1
            self._changed.notify()
        self._broker.wake_consumer()

    def is_saturated(self, seconds: float) -> bool:
        """True if every slot is in use and no job has started for `seconds`."""
        return not self._free and time.monotonic() - self._last_start > seconds

    def stop(self) -> list[UUID]:
        """Stop consuming. Returns the jobs that were received but have not started."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._worker.stop(timeout=5_000)
        return [UUID(job_id) for job_id in self._unstarted]


class _Consumer(Consumer):
    """Dramatiq's consumer with two changes: it prefetches for free slots only, and can be woken."""

    def __init__(self, inner: Any, free_slots: Callable[[], int]) -> None:
        self._inner = inner
        self._free_slots = free_slots
        self.wakeup = threading.Event()

    def __next__(self) -> MessageProxy | None:
        # A message prefetched beyond the free slots would wait here although another process could
        # start it at once.
        self._inner.prefetch = self._free_slots()
        message: MessageProxy | None = next(self._inner)
        if message is None:
            self.wakeup.wait(_POLL_INTERVAL)
            self.wakeup.clear()
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
    free_slots: Callable[[], int]
    _consumer: _Consumer | None = None

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue without Dramatiq's delay queue: delayed jobs wait in their rows."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        del timeout
        inner = super().consume(queue_name, prefetch, _NO_SLEEP)
        self._consumer = _Consumer(inner, self.free_slots)
        return self._consumer

    def wake_consumer(self) -> None:
        """Poll now: there is a new message or a free slot."""
        if self._consumer is not None:
            self._consumer.wakeup.set()


def connect(settings: Settings) -> redis.Redis:
    """Client of the queue's Redis database, shared by all lanes."""
    return redis.Redis.from_url(queue_url(settings))


def queue_url(settings: Settings) -> str:
    """URL of the queue's Redis database, by default the database after that of `redis_url`.

    The queue has its own database because Dramatiq's maintenance scans every key.
    """
    if settings.queue_redis_url:
        return settings.queue_redis_url
    url = urlsplit(settings.redis_url)
    is_socket = url.scheme == "unix"
    params = dict(parse_qsl(url.query))
    number = params.get("db") or ("" if is_socket else url.path.strip("/")) or "0"
    query = urlencode({**params, "db": int(number) + 1})
    # Not geturl(): it drops the slashes of unix:///socket.
    return f"{url.scheme}://{url.netloc}{url.path if is_socket else ''}?{query}"
