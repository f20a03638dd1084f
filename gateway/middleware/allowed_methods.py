"""Answers OPTIONS with the methods of the path."""

import re

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send


class AllowedMethods:
    """Answers OPTIONS with the methods of all handlers of the path.

    Litestar's own answer has only the methods of the handler that was registered first.
    """

    def __init__(self, app: ASGIApp, router: Litestar) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "OPTIONS" or not (  # type: ignore[typeddict-item]
            methods := allowed_methods(self._router, scope["path"])
        ):
            await self._app(scope, receive, send)
            return
        headers = [(b"allow", ", ".join(methods).encode())]
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
