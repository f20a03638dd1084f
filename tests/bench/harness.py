"""Servers, timing and output of the benchmarks. They print figures without pass or fail."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from tests.stack import Stack, Tenant, running_stack


def run(measure: Callable[[Stack], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a benchmark with its own servers, started by `running_stack` with `options`."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder), **options) as stack:
        asyncio.run(measure(stack))


def report(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


async def time_requests(
    caller: Tenant, method: str, path: str, body: object = None, *, rounds: int, warm_up: int = 0
) -> tuple[httpx.Response, list[float]]:
    """Repeat a request, which must succeed. Returns the last response and each round's ms."""

    async def send() -> tuple[httpx.Response, float]:
        started = time.perf_counter()
        response = await caller.http.request(method, path, json=body, timeout=120)
        elapsed = (time.perf_counter() - started) * 1000
        assert response.is_success, (path, response.text)
        return response, elapsed

    sent = [await send() for _ in range(warm_up + rounds)]
    return sent[-1][0], [milliseconds for _, milliseconds in sent[warm_up:]]


def median_and_worst(milliseconds: list[float]) -> str:
    """Format the median and the maximum for one line of output."""
    return f"p50 {statistics.median(milliseconds):7.1f} ms   worst {max(milliseconds):7.1f} ms"
