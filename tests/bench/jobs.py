"""`make bench`: rate of empty jobs through one worker process, compared with Dramatiq alone.

Also the time from the commit of a job to its start, and the start of a worker and of the API.
`python -m tests.bench.jobs --rounds N --jobs N`
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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

# Bars of the figures.
MIN_RATIO = 0.9  # of the rate of Dramatiq alone
MAX_LATENCY = 15.0  # ms from commit to start, median
MAX_IMPORTS = 1.0  # seconds
MAX_START = 1.0  # seconds from the start of `gateway.serve` to its first response


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


def import_seconds(module: str) -> float:
    """Seconds that a new process needs to import the module, with compiled byte code."""
    code = (
        "import time; started = time.perf_counter()\n"
        f"import {module}\n"
        "print(time.perf_counter() - started)"
    )
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def serve_seconds(stack: Stack) -> float:
    """Seconds from the start of the API process to its first response, on a migrated database."""
    started = time.perf_counter()
    stack.api.start()
    try:
        while not _is_ready(stack.port):
            assert stack.api.alive, stack.api.log.read_text()
            time.sleep(0.002)
        return time.perf_counter() - started
    finally:
        stack.api.stop()


def _is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


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
    # The variable would add the compilation of all modules to every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _report_starts(stack)
    alone, ours = [], []
    for _ in range(options.rounds):
        alone.append(await asyncio.to_thread(dramatiq_alone, stack, options.jobs))
        ours.append(await product(stack, options.jobs))
        report(f"Dramatiq alone {alone[-1]:7,.0f}/s   product {ours[-1]:7,.0f}/s")
    alone_rate, our_rate = statistics.median(alone), statistics.median(ours)
    report(f"medians: {alone_rate:,.0f}/s and {our_rate:,.0f}/s")
    ratio = our_rate / alone_rate
    report(f"the product reaches {ratio:.0%} of Dramatiq alone (must: {MIN_RATIO:.0%} or more)")
    latencies = sorted(await start_latencies(stack, 50))
    median = statistics.median(latencies)
    report(
        f"from commit to start: {median:.1f} ms, p95 {latencies[47]:.0f} ms"
        f" (must: median under {MAX_LATENCY:.0f} ms)"
    )


def _report_starts(stack: Stack) -> None:
    """Report medians of 7 starts. The first, which compiles, does not count."""
    starts: list[tuple[str, Callable[[], float], float]] = [
        ("imports of a worker", partial(import_seconds, "workers.main"), MAX_IMPORTS),
        ("imports of the API", partial(import_seconds, "gateway.server"), MAX_IMPORTS),
        ("from the start of `serve` to readiness", partial(serve_seconds, stack), MAX_START),
    ]
    for what, measure, limit in starts:
        seconds = [measure() for _ in range(8)][1:]
        report(f"{what}: {statistics.median(seconds):.2f} s (must: under {limit:.0f} s)")


if __name__ == "__main__":
    run(_measure, worker=False, durable=True)
