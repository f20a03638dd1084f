"""`make bench`: rate of empty jobs through one worker process, compared with Dramatiq alone.

`python -m tests.bench.jobs --rounds N --jobs N`
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

import asyncpg
import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from tests.bench.harness import report, run
from tests.stack import Process, Stack, eventually

THREADS = 16


def _dramatiq_worker(url: str, count: int, ready: Event, done: Any) -> None:
    """Consume `count` messages. Puts the seconds from the first to the last into `done`."""
    broker = RedisBroker(url=url)  # type: ignore[no-untyped-call]
    times: list[float] = []

    def nothing(_text: str) -> None:
        times.append(time.monotonic())

    dramatiq.Actor(
        nothing, broker=broker, actor_name="nothing", queue_name="plain", priority=0, options={}
    )
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=THREADS)
    ready.set()
    worker.start()
    while len(times) < count:
        time.sleep(0.01)
    done.put(times[-1] - times[0])
    worker.stop()


def dramatiq_alone(stack: Stack, jobs: int) -> float:
    """Messages per second of Dramatiq without the product."""
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        client.flushall()
    broker = RedisBroker(url=stack.env["REDIS_URL"])  # type: ignore[no-untyped-call]
    actor = dramatiq.Actor(
        print, broker=broker, actor_name="nothing", queue_name="plain", priority=0, options={}
    )
    for number in range(jobs):
        broker.enqueue(actor.message(str(number)))
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Queue()
    child = context.Process(
        target=_dramatiq_worker, args=(stack.env["REDIS_URL"], jobs, ready, done)
    )
    child.start()
    seconds: float = done.get(timeout=120)
    child.join()
    broker.close()
    return jobs / seconds


async def product(stack: Stack, jobs: int) -> float:
    """Jobs per second of the product, from the first claim to the end of the last job."""
    connection = await asyncpg.connect(stack.database_url)
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        client.flushall()
    await connection.execute("delete from jobs")
    workspace = await connection.fetchval(
        "insert into workspaces (id, name) values (gen_random_uuid(), gen_random_uuid()::text)"
        " returning id"
    )
    await connection.execute(
        "insert into jobs (id, workspace_id, kind, queue, payload)"
        " select gen_random_uuid(), $1, $2, 'housekeeping', $3 from generate_series(1, $4)",
        workspace,
        "bench.noop",
        '{"kind": "bench.noop"}',
        jobs,
    )
    await connection.execute("vacuum analyze jobs")
    with _worker(stack):
        await eventually(lambda: _all_done(connection))
    seconds = await connection.fetchval(
        "select extract(epoch from max(finished_at) - min(started_at)) from jobs"
    )
    await connection.close()
    return jobs / float(seconds)


async def _all_done(connection: asyncpg.Connection) -> bool:
    return not await connection.fetchval("select count(*) from jobs where state <> 'done'")


async def start_latencies(stack: Stack, times: int) -> list[float]:
    """Milliseconds from the commit of a job to its start, with an idle worker."""
    connection = await asyncpg.connect(stack.database_url)
    workspace = await connection.fetchval("select id from workspaces limit 1")
    latencies = []
    with _worker(stack):
        await asyncio.sleep(2)
        for _ in range(times):
            await asyncio.sleep(0.2)
            job = await connection.fetchval(
                "insert into jobs (id, workspace_id, kind, queue, payload)"
                " values (gen_random_uuid(), $1, 'bench.noop', 'housekeeping', $2) returning id",
                workspace,
                '{"kind": "bench.noop"}',
            )
            await connection.execute("select pg_notify('jobs', '')")
            latency = "extract(epoch from started_at - created_at) * 1000"
            query = f"select {latency} from jobs where id = $1 and state = 'done'"
            latencies.append(float(await eventually(partial(connection.fetchval, query, job))))
    await connection.close()
    return latencies


@contextlib.contextmanager
def _worker(stack: Stack) -> Iterator[None]:
    env = {**stack.env, "GATEWAY_WORKER_HOUSEKEEPING": str(THREADS), "GATEWAY_LOG_LEVEL": "info"}
    worker = Process("tests.bench.noop", env, stack.folder / "noop.log")
    worker.start()
    try:
        yield
    finally:
        worker.stop()


async def _measure(stack: Stack) -> None:
    """Report both rates of each round, their medians, and the latency at idle."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    stack.api.stop()
    alone, ours = [], []
    for _ in range(options.rounds):
        alone.append(await asyncio.to_thread(dramatiq_alone, stack, options.jobs))
        ours.append(await product(stack, options.jobs))
        report(f"Dramatiq alone {alone[-1]:7,.0f}/s   product {ours[-1]:7,.0f}/s")
    alone_rate, our_rate = statistics.median(alone), statistics.median(ours)
    report(f"medians: {alone_rate:,.0f}/s and {our_rate:,.0f}/s")
    report(f"the product reaches {our_rate / alone_rate:.0%} of Dramatiq alone")
    latencies = sorted(await start_latencies(stack, 50))
    median = statistics.median(latencies)
    report(f"from commit to start: {median:.0f} ms, p95 {latencies[47]:.0f} ms")


if __name__ == "__main__":
    run(_measure, worker=False, durable=True)
