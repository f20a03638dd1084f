"""Metrics and access log of completed requests."""

import time
from collections.abc import Callable
from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import CollectorRegistry

from domains.kernel.core.settings import Settings
from gateway.middleware.access_log import WriteLine, line_writer
from gateway.middleware.request_metrics import RequestMetrics

_METHODS: Final = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})


class CompletedRequests:
    """Measures and logs each request when it ends, also one that was aborted (status 0)."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, write_line: WriteLine) -> None:
        self._app = app
        self._metrics = metrics
        self._write_line = write_line

    @classmethod
    def configured(
        cls, registry: CollectorRegistry, settings: Settings
    ) -> Callable[[ASGIApp], "CompletedRequests"]:
        """Return a function that wraps applications whose requests are counted together."""
        metrics, write_line = RequestMetrics(registry), line_writer(settings)
        return lambda app: cls(app, metrics, write_line)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - started
            method: str = scope["method"]  # type: ignore[typeddict-item]
            if method not in _METHODS:
                method = "other"
            # The template of the path, never the path, which contains ids.
            route = scope.get("path_template") or "unmatched"
            status = scope["state"].get("status", 0)
            self._write_line(method, route, status, seconds)
            self._metrics.add(method, route, status, seconds)
