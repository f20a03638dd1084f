"""Composition root of the HTTP process."""

from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry

from domains.kernel.core.network import FetchAllowlist, parse_networks
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.storage.signed_urls import SignedUrls
from domains.kernel.tenancy.key_use import KeyUse
from domains.kernel.tenancy.keyring import Keyring
from domains.kernel.tenancy.signing import Signer
from gateway import files, health, metrics
from gateway.admission.auth import Admission
from gateway.admission.rate_limit import Limiter
from gateway.discovery.surface import DISCOVERY
from gateway.errors import ErrorHandler
from gateway.health import OPERATIONS
from gateway.invoker import Invoker
from gateway.middleware.stack import MiddlewareStack
from gateway.openapi.handlers import openapi_handlers
from gateway.openapi.reference.handlers import reference_handlers
from gateway.operations import serve_head
from gateway.revenue.surface import REVENUE
from gateway.transport.refusals import Refusals

# The last one renders the errors of paths outside all prefixes.
SURFACES = (DISCOVERY, REVENUE, OPERATIONS)

# Dependencies of handlers that belong to one request.
_OF_REQUESTS = ("actor", "caller", "if_match", "tx")


class UndeclaredOperation(Exception):
    """A handler without a declared operation. The application does not start."""


def create_app(
    database: Database,
    blobs: Blobs,
    limiter: Limiter,
    process_pool: ProcessPool,
    signer: Signer,
    settings: Settings,
) -> MiddlewareStack:
    """Build the ASGI application from open resources.

    Its lifespan listens for revoked keys and writes when keys were used. Raises
    UndeclaredOperation.
    """
    keyring = Keyring(database, settings)
    key_use = KeyUse(database.read)
    registry = CollectorRegistry()
    base_url = settings.base_url.rstrip("/")
    # The arguments of the handlers' parameters of the same name.
    resources = {
        "allowed": FetchAllowlist.parse(settings.fetch_allow),
        "base_url": settings.base_url,
        "blobs": blobs,
        "database": database,
        "limiter": limiter,
        "process_pool": process_pool,
        "read": database.read,
        "registry": registry,
        "settings": settings,
        "signed_urls": SignedUrls(signer, blobs, settings.base_url),
        "signer": signer,
    }

    invoker = Invoker(
        Admission(
            keyring,
            key_use,
            limiter,
            parse_networks(settings.trusted_proxies),
            settings.max_body_bytes,
        ),
        database,
        SURFACES,
        resources,
        settings.max_body_bytes,
    )
    app = Litestar(
        route_handlers=[
            *DISCOVERY.routers(),
            *REVENUE.routers(),
            *serve_head(
                [
                    *health.HANDLERS,
                    metrics.metrics,
                    *files.HANDLERS,
                    *openapi_handlers(SURFACES, base_url),
                    *reference_handlers(SURFACES, base_url),
                ]
            ),
        ],
        middleware=[invoker.middleware],
        dependencies={name: _declared() for name in (*resources, *_OF_REQUESTS)},
        exception_handlers={Exception: ErrorHandler(SURFACES)},
        lifespan=[lambda _app: keyring.listening(), lambda _app: key_use.writing()],
        openapi_config=None,
        logging_config=None,
    )
    require_operations(app)
    invoker.plan(app.routes)
    return MiddlewareStack(app, Refusals(SURFACES), registry, settings)


def _declared() -> Provide:
    """Litestar requires a provider for each parameter of a handler. `Invoker` passes the values."""
    return Provide(lambda: None, sync_to_thread=False)


def require_operations(app: Litestar) -> None:
    """Raise UndeclaredOperation naming the handlers that declare no operation."""
    undeclared = [
        f"{route.path} {handler.handler_name}"
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(handler, HTTPRouteHandler)
        and "operation" not in handler.opt
        # Litestar's own handlers of OPTIONS are never reached: the middleware answers.
        and set(handler.http_methods) != {"OPTIONS"}
    ]
    if undeclared:
        raise UndeclaredOperation(
            "declare opt=operation(...) for these handlers: " + ", ".join(undeclared)
        )
