"""Prometheus metrics of requests."""

import time
from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS: Final = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})


class RequestMetrics:
    """Counts requests and measures their duration, by method and route."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route")
        self._requests = Counter(
            "gateway_requests", "Requests answered", (*labels, "status"), registry=registry
        )
        self._seconds = Histogram(
            "gateway_request_seconds",
            "Seconds from the first byte to the last",
            labels,
            buckets=_BUCKETS,
            registry=registry,
        )
        # Counter and histogram by method, route and status: `labels` takes longer than both.
        self._metrics: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            labels = (*method_and_route(scope), scope["state"].get("status", 0))
            requests, seconds = self._metrics.get(labels) or self._add(labels)
            requests.inc()
            seconds.observe(time.perf_counter() - started)

    def _add(self, labels: tuple[str, str, int]) -> tuple[Counter, Histogram]:
        metrics = (self._requests.labels(*labels), self._seconds.labels(*labels[:2]))
        self._metrics[labels] = metrics
        return metrics


def method_and_route(scope: Scope) -> tuple[str, str]:
    """Method and route template. Both have few values: never the path, which contains ids."""
    method: str = scope["method"]  # type: ignore[typeddict-item]
    return method if method in _METHODS else "other", scope.get("path_template") or "unmatched"
