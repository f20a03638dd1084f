"""Prometheus metrics of requests."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class RequestMetrics:
    """Counts requests and measures their duration, by method and route."""

    def __init__(self, registry: CollectorRegistry) -> None:
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

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Add a request that took `seconds`. Labels must have few values."""
        labels = (method, route, status)
        requests, durations = self._metrics.get(labels) or self._add(labels)
        requests.inc()
        durations.observe(seconds)

    def _add(self, labels: tuple[str, str, int]) -> tuple[Counter, Histogram]:
        metrics = (self._requests.labels(*labels), self._seconds.labels(*labels[:2]))
        self._metrics[labels] = metrics
        return metrics
