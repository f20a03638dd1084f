"""The composition root: the one place that knows every part of the HTTP process."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry

from domains.kernel.core.network import Allowed
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database, Read, Tx
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.storage.signed_urls import Downloads
from domains.kernel.tenancy.keyring import Keyring
from domains.kernel.tenancy.signing import Signer
from gateway import files, health, idempotency, metrics
from gateway.auth import Admission, provide_caller
from gateway.discovery.surface import DISCOVERY
from gateway.errors import Errors
from gateway.health import OPERATIONS
from gateway.middleware.edge import Edge
from gateway.openapi import handlers as openapi_handlers
from gateway.rate_limit import Limiter
from gateway.revenue.surface import REVENUE

# The last one answers for every path that is nobody's.
SURFACES = (DISCOVERY, REVENUE, OPERATIONS)


class UndeclaredOperation(Exception):
    """A handler does not say who may call it; the application does not start."""


def create_app(
    database: Database,
    blobs: Blobs,
    limiter: Limiter,
    compute: ProcessPool,
    signer: Signer,
    settings: Settings,
) -> Edge:
    """The whole application as an ASGI callable, over parts that are open already.

    Its lifespan runs the key cache's notification link. UndeclaredOperation if a handler declares
    no operation, and so no scope.
    """
    keyring = Keyring(database, settings)
    registry = CollectorRegistry()
    allowed = Allowed.parse(settings.fetch_allow)
    downloads = Downloads(signer, blobs, settings.base_url)

    async def provide_tx(request: Request[Any, Any, Any]) -> AsyncIterator[Tx]:
        # The only committer of a request. Litestar renders the answer before it leaves this, and
        # sends it afterwards: a commit that fails is an error, not a promise that was broken.
        async with idempotency.transaction(request, database) as tx:
            yield tx

    def provide_read() -> Read:
        return database.read

    @contextlib.asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with keyring.watching():
            yield

    app = Litestar(
        route_handlers=[
            *DISCOVERY.routers(),
            *REVENUE.routers(),
            *health.HANDLERS,
            metrics.metrics,
            *files.HANDLERS,
            *openapi_handlers.handlers(SURFACES),
        ],
        guards=[Admission(keyring, limiter, SURFACES, settings.max_body_bytes)],
        dependencies={
            "caller": Provide(provide_caller, sync_to_thread=False),
            "read": Provide(provide_read, sync_to_thread=False),
            "tx": Provide(provide_tx),
            "database": Provide(lambda: database, sync_to_thread=False),
            "blobs": Provide(lambda: blobs, sync_to_thread=False),
            "compute": Provide(lambda: compute, sync_to_thread=False),
            "limiter": Provide(lambda: limiter, sync_to_thread=False),
            "allowed": Provide(lambda: allowed, sync_to_thread=False),
            "signer": Provide(lambda: signer, sync_to_thread=False),
            "downloads": Provide(lambda: downloads, sync_to_thread=False),
            "registry": Provide(lambda: registry, sync_to_thread=False),
            "settings": Provide(lambda: settings, sync_to_thread=False),
        },
        exception_handlers={Exception: Errors(SURFACES)},
        response_class=idempotency.RememberedResponse,
        request_max_body_size=settings.max_body_bytes,
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    require_operations(app)
    return Edge(app, registry)


def require_operations(app: Litestar) -> None:
    """UndeclaredOperation naming each handler that declares no operation."""
    undeclared = [
        f"{route.path} {handler.handler_name}"
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(handler, HTTPRouteHandler)
        and "operation" not in handler.opt
        # Litestar's own answer to OPTIONS tells the methods, nothing else.
        and set(handler.http_methods) != {"OPTIONS"}
    ]
    if undeclared:
        raise UndeclaredOperation(
            "these handlers declare no scope (opt=operation(...)): " + ", ".join(undeclared)
        )
