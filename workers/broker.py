"""Dramatiq brokers on Redis. Messages carry only job ids, so a lost message loses no job."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import dramatiq
import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from dramatiq.middleware import ShutdownNotifications
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.settings import Settings

# Seconds between polls of an idle queue for messages of other processes. Messages of this process
# wake the consumer.
_POLL_INTERVAL: Final = 0.25

# Messages of several jobs that are handed over at a time: one whose jobs are being started, and the
# next one, so that no slot waits for Redis.
_MESSAGES_AHEAD: Final = 2

# Seconds for connecting to Redis, and for each command.
_REDIS_TIMEOUT: Final = 5.0

_UNAVAILABLE: Final = (RedisError, BrokerConnectionError, OSError)

# Milliseconds that Dramatiq's own consumer sleeps between polls.
_NO_SLEEP: Final = 1


T = TypeVar("T")


class _Message(NamedTuple):
    """Jobs of a received message that have not started yet. `all_started` frees its thread."""

    job_ids: deque[str]
    all_started: threading.Event


class QueueConsumer:
    """Consumes one Dramatiq queue, whose messages are job ids, with a fixed number of slots.

    `run` is called with each id when a slot is free; `job_finished` frees the slot. A message is
    acknowledged as soon as all of its jobs have started: retries and results belong to the job
    rows, and messages lost with Redis or a worker are sent again from there.

    Slots are counted in the event loop. Dramatiq's threads hand over whole messages: a thread that
    is woken for each job would compete with the event loop for the interpreter.

    While Redis is unavailable, the consumer tries to reach it once per probe interval. `breaker`,
    shared by all consumers of the process, shows the outage and logs it.
    """

    def __init__(
        self,
        client: redis.Redis,
        name: str,
        slots: int,
        run: Callable[[str], None],
        breaker: Breaker,
    ) -> None:
        self.slots = slots
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._free = slots
        self._received: deque[_Message] = deque()
        self._last_start = time.monotonic()
        self._batch_size = 1
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
        self._broker.max_messages = self._max_messages
        self._broker.watch = RedisWatch(client, breaker, self._loop)
        self._actor = dramatiq.Actor(
            self._receive,
            broker=self._broker,
            actor_name=name,
            queue_name=name,
            priority=0,
            options={},
        )
        self._worker = dramatiq.Worker(
            self._broker, worker_timeout=1_000, worker_threads=_MESSAGES_AHEAD
        )

    def send(self, ids: Sequence[UUID], batch_size: int = 1) -> None:
        """Send jobs to the queue, `batch_size` per message. Raises RedisError or OSError.

        Blocks: call it in a thread.
        """
        self._batch_size = batch_size
        for start in range(0, len(ids), batch_size):
            batch = map(str, ids[start : start + batch_size])
            self._broker.enqueue(self._actor.message(*batch))
        self._broker.wake_consumer()

    def start(self) -> None:
        """Start consuming."""
        self._worker.start()

    def _max_messages(self) -> int:
        """Messages that may be held here.

        A message of one job beyond the free slots would wait here although another process could
        start it at once. Messages of many jobs, which are short, are fetched while others start.
        """
        return self._free if self._batch_size == 1 else _MESSAGES_AHEAD

    def _receive(self, *job_ids: str) -> None:
        """Hand a message to the event loop and wait until its jobs have started. In a thread."""
        message = _Message(deque(job_ids), threading.Event())
        self._loop.call_soon_threadsafe(self._accept, message)
        message.all_started.wait()

    def _accept(self, message: _Message) -> None:
        self._received.append(message)
        if self._stopping:
            self._return_received()
        else:
            self._start_jobs()

    def _start_jobs(self) -> None:
        while self._free and self._received:
            message = self._received[0]
            self._free -= 1
            self._last_start = time.monotonic()
            self._run(message.job_ids.popleft())
            if not message.job_ids:
                self._received.popleft()
                message.all_started.set()

    def _return_received(self) -> None:
        for message in self._received:
            self._unstarted += message.job_ids
            message.all_started.set()
        self._received.clear()

    def job_finished(self) -> None:
        """Free the slot of a job."""
        self._free += 1
        self._start_jobs()
        if not self._received:
            self._broker.wake_consumer()

    def is_saturated(self, seconds: float) -> bool:
        """True if every slot is in use and no job has started for `seconds`."""
        return not self._free and time.monotonic() - self._last_start > seconds

    async def stop(self) -> list[UUID]:
        """Stop consuming. Returns the jobs that were received but have not started."""
        self._stopping = True
        self._return_received()
        await asyncio.to_thread(self._worker.stop, timeout=5_000)
        return [UUID(job_id) for job_id in self._unstarted]


class RedisWatch:
    """Reports to a breaker if Redis responds. Used in threads; the breaker in the event loop."""

    def __init__(
        self, client: redis.Redis, breaker: Breaker, loop: asyncio.AbstractEventLoop
    ) -> None:
        # Seconds between two attempts to reach Redis during an outage.
        self.probe_interval: Final = breaker.probe_interval
        self._client = client
        self._breaker = breaker
        self._loop = loop

    def call(self, function: Callable[[], T]) -> T | None:
        """Call a function that uses Redis. Returns None if Redis is unavailable.

        The function is called during an outage, too: it may have to release what it holds here.
        """
        began = time.monotonic()
        try:
            return function()
        except _UNAVAILABLE as error:
            reason = type(error).__name__
            self._report(lambda: self._breaker.failed(reason, began=began))
            return None

    def _report(self, record: Callable[[], None]) -> None:
        # A thread may outlive the event loop when the worker stops.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(record)

    def is_redis_available(self) -> bool:
        """Return False during an outage. Asks Redis if it has ended."""
        if self._breaker.is_open and self.call(self._client.ping):
            self._report(self._breaker.succeeded)
            return True
        return not self._breaker.is_open


class WakeableConsumer(Consumer):
    """Dramatiq's consumer, which prefetches what can start soon, can be woken, and never fails.

    Dramatiq would log each failed attempt, and restart the consumer after 3 seconds.
    """

    def __init__(self, inner: Any, max_messages: Callable[[], int], watch: RedisWatch) -> None:
        self._inner = inner
        self._max_messages = max_messages
        self._watch = watch
        self.wakeup = threading.Event()

    def __next__(self) -> MessageProxy | None:
        if not self._watch.is_redis_available():
            self._wait(self._watch.probe_interval)
            return None
        self._inner.prefetch = self._max_messages()
        message: MessageProxy | None = self._watch.call(lambda: next(self._inner))
        if message is None:
            self._wait(_POLL_INTERVAL)
        return message

    def _wait(self, seconds: float) -> None:
        self.wakeup.wait(seconds)
        self.wakeup.clear()

    def ack(self, message: MessageProxy) -> None:
        # A message that Redis still has arrives again, and its jobs cannot be claimed. Its place
        # among the prefetched messages is free in any case.
        self._watch.call(lambda: self._inner.ack(message))
        # There is room for the next message.
        self.wakeup.set()

    def nack(self, message: MessageProxy) -> None:
        self._watch.call(lambda: self._inner.nack(message))

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._watch.call(lambda: self._inner.requeue(messages))

    def close(self) -> None:
        self._inner.close()


class _Broker(RedisBroker):
    max_messages: Callable[[], int]
    watch: RedisWatch
    _consumer: WakeableConsumer | None = None

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue without Dramatiq's delay queue: delayed jobs wait in their rows."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        del timeout
        inner = super().consume(queue_name, prefetch, _NO_SLEEP)
        self._consumer = WakeableConsumer(inner, self.max_messages, self.watch)
        return self._consumer

    def wake_consumer(self) -> None:
        """Poll now: there is a new message or a free slot."""
        if self._consumer is not None:
            self._consumer.wakeup.set()


def connect(settings: Settings) -> redis.Redis:
    """Client of the queue's Redis database, shared by all lanes. Connects with the first command.

    A command that fails is sent once more, on a new connection.
    """
    return redis.Redis.from_url(
        queue_url(settings),
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
    )


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
