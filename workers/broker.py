"""The Dramatiq broker: it carries job ids, and nothing that could be lost with it."""

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import ShutdownNotifications

from domains.kernel.jobs import Queue
from domains.kernel.settings import Settings

# The queues that this version serves; jobs of others wait for one that does.
QUEUES: Final[tuple[Queue, ...]] = ("analysis", "housekeeping")


class Broker:
    """One actor per queue, whose messages are job ids; `run` gets each id in a worker thread.

    Dramatiq neither retries nor keeps results: both belong to the job rows. A message that is lost
    with Redis, or with a worker, is sent again from its row.
    """

    def __init__(self, url: str, run: Callable[[str], None]) -> None:
        self._broker = RedisBroker(  # type: ignore[no-untyped-call]
            url=url,
            namespace="jobs",
            middleware=[ShutdownNotifications()],
            # What a killed worker had fetched comes back soon; its rows come back anyway.
            heartbeat_timeout=20_000,
            maintenance_chance=20_000,
            dead_message_ttl=60_000,
        )
        self._actors = {
            queue: dramatiq.Actor(
                run,
                broker=self._broker,
                actor_name=queue,
                queue_name=queue,
                priority=0,
                options={},
            )
            for queue in QUEUES
        }

    def send(self, queue: Queue, ids: Sequence[UUID]) -> None:
        """Hand jobs to the workers of a queue; raises the Redis client's error."""
        actor = self._actors[queue]
        for each in ids:
            self._broker.enqueue(actor.message(str(each)))

    def worker(self, threads: int) -> dramatiq.Worker:
        """Consumes every queue with so many threads; idle ones look again every 50 ms."""
        return dramatiq.Worker(self._broker, worker_timeout=50, worker_threads=threads)

    def close(self) -> None:
        """Close the connections."""
        self._broker.close()


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
