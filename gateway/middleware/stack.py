"""Composition of the middleware."""

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import CollectorRegistry

from domains.kernel.core.settings import Settings
from gateway.middleware.allowed_methods import AllowedMethods
from gateway.middleware.completed_requests import CompletedRequests
from gateway.middleware.cors import Cors
from gateway.middleware.request_id import RequestId
from gateway.middleware.response_headers import ResponseHeaders


class MiddlewareStack:
    """ASGI application: Litestar within the middleware.

    Litestar's own middleware would not see requests that its router refuses (404, 405).
    """

    def __init__(
        self, app: Litestar, refusals: ASGIApp, registry: CollectorRegistry, settings: Settings
    ) -> None:
        self._app = app
        cors = Cors.parse(settings.cors_origins)
        complete = CompletedRequests.configured(registry, settings)
        answering = ResponseHeaders(AllowedMethods(app, app, cors), cors)
        self._http = RequestId(complete(answering))
        # Responds to requests that the server refuses before they are routed.
        self.refusals: ASGIApp = RequestId(complete(ResponseHeaders(refusals, cors)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)
