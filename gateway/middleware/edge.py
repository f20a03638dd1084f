"""The outermost layer: request id, access log, metrics, and the headers of every answer."""

import re
import time
from collections.abc import Iterable
from typing import Final

import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import (
    HTTPReceiveMessage,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)
from prometheus_client import CollectorRegistry, Counter, Histogram

from domains.kernel.core.ids import new_id

log = structlog.get_logger()

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9._:+/=-]{1,64}")
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Edge:
    """Wraps the application; what the router refuses (404, 405) passes here, too."""

    def __init__(self, app: Litestar, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._requests = Counter("gateway_requests", "Requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "gateway_request_seconds",
            "Seconds from the first byte to the last",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        state: dict[str, object] = {"request_id": request_id}
        scope["state"] = state
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0

        async def ask() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            if message["type"] == "http.disconnect":
                state["gone"] = True
            return message

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                verdict = state.get("verdict")
                if verdict is not None:
                    headers += [
                        (name.lower().encode(), value.encode())
                        for name, value in verdict.headers().items()  # type: ignore[attr-defined]
                    ]
                message["headers"] = headers
            await send(message)

        try:
            if scope["method"] == "OPTIONS" and (
                allowed := allowed_methods(self._app, scope["path"])
            ):
                await _tell_methods(allowed, answer)
            else:
                await self._app(scope, ask, answer)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, never the path: paths hold ids, and as a label they would have no end.
        route = scope.get("path_template") or "unmatched"
        method = scope["method"] if scope["method"] in _METHODS else "other"  # type: ignore[typeddict-item]
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
        )


_METHODS: Final = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})


async def _tell_methods(allowed: list[str], send: Send) -> None:
    # Litestar's own answer names the methods of the handler that was registered first.
    headers = [(b"allow", ", ".join(allowed).encode())]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _SAFE_ID.fullmatch(given):
                return given
    return str(new_id())


def allowed_methods(app: Litestar, path: str) -> list[str]:
    """The methods of the routes that a path fits."""
    found: set[str] = set()
    for route in _http_routes(app):
        if _fits(route, path):
            found |= {str(method) for method in route.methods}
    return sorted(found)


def _http_routes(app: Litestar) -> Iterable[HTTPRoute]:
    return (route for route in app.routes if isinstance(route, HTTPRoute))


def _fits(route: HTTPRoute, path: str) -> bool:
    pattern = "/".join(
        re.escape(part) if isinstance(part, str) else "[^/]+" for part in route.path_components
    )
    return re.fullmatch(f"/?{pattern}/?", path) is not None
