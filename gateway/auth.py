"""Admission of requests: authentication, scope, rate limit and the headers of the body."""

import re
from collections.abc import Sequence
from typing import Any, Final

import structlog
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from domains.kernel.core.problems import Forbidden, Invalid, LengthRequired, TooLarge
from domains.kernel.tenancy.keyring import Caller, Keyring
from gateway.operations import Operation, Surface, surface_of
from gateway.rate_limit import Limiter

_JSON: Final = re.compile(r"application/(.+\+)?json")


class Admission:
    """The guard of all operations that need a key.

    Refuses in a fixed order, before the body is read: 401 key, 403 scope, 429 rate limit, 411 and
    413 length, 400 Content-Type.
    """

    def __init__(
        self, keyring: Keyring, limiter: Limiter, surfaces: Sequence[Surface], max_body_bytes: int
    ) -> None:
        self._keyring = keyring
        self._limiter = limiter
        self._surfaces = surfaces
        self._max_body_bytes = max_body_bytes

    async def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        operation: Operation | None = handler.opt.get("operation")
        if operation is None or operation.access == "public":
            return
        state = connection.scope["state"]
        caller = await self._keyring.authenticate(connection.headers.get("authorization"))
        structlog.contextvars.bind_contextvars(workspace=str(caller.workspace), key=caller.prefix)
        state["caller"] = caller
        if operation.access != "any key" and operation.access not in caller.scopes:
            raise Forbidden(f"API key missing required scope: {operation.access}")
        if operation.counted:
            state["rate_limit"] = await self._limiter.admit(caller)
        surface = surface_of(connection.scope["path"], self._surfaces)
        length = connection.headers.get("content-length")
        if length is not None:
            self._check_length(length)
        elif surface.needs_length and connection.scope.get("method") in ("POST", "PATCH"):
            raise LengthRequired("Send the body's size in the header Content-Length.")
        if surface.needs_json and operation.request is not None:
            header = connection.headers.get("content-type", "")
            media_type = header.partition(";")[0].strip().lower()
            if media_type and not _JSON.fullmatch(media_type):
                raise Invalid("The body must be JSON, and Content-Type application/json.")

    def _check_length(self, length: str) -> None:
        if not length.isascii() or not length.isdigit():
            raise Invalid("The header Content-Length is not a number.")
        if int(length) > self._max_body_bytes:
            raise TooLarge(f"The body is larger than {self._max_body_bytes:,} bytes.")


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Dependency: the authenticated caller."""
    caller: Caller = request.scope["state"]["caller"]
    return caller
