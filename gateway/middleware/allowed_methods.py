"""Answers OPTIONS with the methods of the path, and the preflight requests of browsers."""

import re

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.middleware.cors import Cors


class AllowedMethods:
    """Answers OPTIONS with the methods of all handlers of the path.

    Litestar's own answer has only the methods of the handler that was registered first.
    """

    def __init__(self, app: ASGIApp, router: Litestar, cors: Cors | None) -> None:
        self._app = app
        self._router = router
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "OPTIONS" or not (  # type: ignore[typeddict-item]
            methods := allowed_methods(self._router, scope["path"])
        ):
            await self._app(scope, receive, send)
            return
        allowed = ", ".join(methods).encode()
        headers = [(b"allow", allowed)]
        if self._cors is not None:
            headers += self._cors.preflight_headers(scope, allowed)  # type: ignore[arg-type]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def allowed_methods(router: Litestar, path: str) -> list[str]:
    """Methods of all routes that match the path, sorted."""
    methods: set[str] = set()
    for route in router.routes:
        if isinstance(route, HTTPRoute) and _matches(route, path):
            methods |= {str(method) for method in route.methods}
    return sorted(methods)


def _matches(route: HTTPRoute, path: str) -> bool:
    pattern = "/".join(
        re.escape(part) if isinstance(part, str) else "[^/]+" for part in route.path_components
    )
    return re.fullmatch(f"/?{pattern}/?", path) is not None
