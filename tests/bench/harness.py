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
    """Run a benchmark with its own servers; `options` are those of `running_stack`."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder), **options) as stack:
        asyncio.run(measure(stack))


def report(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


async def time_requests(
    caller: Tenant, method: str, path: str, body: object = None, *, rounds: int, warm_up: int = 0
) -> tuple[httpx.Response, list[float]]:
    """Send the same request, which must succeed: the last response, and milliseconds per round."""

    async def send() -> tuple[httpx.Response, float]:
        started = time.perf_counter()
        response = await caller.http.request(method, path, json=body, timeout=120)
        elapsed = (time.perf_counter() - started) * 1000
        assert response.is_success, (path, response.text)
        return response, elapsed

    sent = [await send() for _ in range(warm_up + rounds)]
    return sent[-1][0], [milliseconds for _, milliseconds in sent[warm_up:]]


def median_and_worst(milliseconds: list[float]) -> str:
    """The figures of a line for a list."""
    return f"p50 {statistics.median(milliseconds):7.1f} ms   worst {max(milliseconds):7.1f} ms"
