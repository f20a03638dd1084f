"""Access log."""

import time

import structlog
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.middleware.request_metrics import method_and_route

logger = structlog.get_logger()


class AccessLog:
    """Logs each request when it ends, also one that was aborted (status 0)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            method, route = method_and_route(scope)
            logger.info(
                "request_completed",
                method=method,
                route=route,
                status=scope["state"].get("status", 0),
                ms=round((time.perf_counter() - started) * 1000, 2),
            )
