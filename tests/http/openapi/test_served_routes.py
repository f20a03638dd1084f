"""The documents describe every served operation."""

import re

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.signing import Signer
from gateway import app
from gateway.admission.rate_limit import Limiter
from gateway.admission.redis_connection import RedisConnection
from tests.http.published import DOCUMENTS, FULL_DOCUMENT, Json, operations
from tests.stack import Stack


async def test_no_served_operation_is_missing(
    stack: Stack,
    database: Database,
    documents: dict[str, Json],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The router has the served operations. Pages, metrics and files are left out on purpose."""
    blobs = Blobs.open(stack.env["BLOB_URL"], {})
    connection = RedisConnection(stack.env["REDIS_URL"], 1)
    built: list[Litestar] = []
    monkeypatch.setattr(app, "require_operations", built.append)
    with ProcessPool.open(1, 1) as compute:
        app.create_app(
            database,
            blobs,
            Limiter(connection),
            compute,
            Signer(b""),
            load_settings(stack.env),
        )
    await connection.aclose()
    served = {
        (str(method).lower(), re.sub("_([a-z])", lambda found: found[1].upper(), route.path_format))
        for route in built[0].routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "operation" in handler.opt
        for method in handler.http_methods
    }
    described = {(method, path) for path, method, _ in operations(documents[FULL_DOCUMENT])}
    aliases = {
        (method, f"/api{path}")
        for method, path in described
        if path.startswith("/external/v1/") or path == "/readyz"
    }
    others = ("/", "/reference", "/metrics", "/files/{key}", *DOCUMENTS)
    unlisted = {("get", path) for path in others} | {("head", "/files/{key}")}
    assert served == described | aliases | unlisted
