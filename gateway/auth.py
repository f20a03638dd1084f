"""Admission: the refusals that come before a handler runs, in their fixed order.

401 key, 403 scope, 429 limit, 411 and 413 length, 400 Content-Type. Only then is the body read.
"""

import re
from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from domains.kernel.core.problems import Forbidden, Invalid, LengthRequired, TooLarge
from domains.kernel.tenancy.keyring import Caller, Keyring
from gateway.rate_limit import Limiter
from gateway.surface import Operation, Surface


class Admission:
    """The one guard of the application."""

    def __init__(
        self,
        keyring: Keyring,
        limiter: Limiter,
        surfaces: Sequence[Surface],
        max_body_bytes: int,
    ) -> None:
        self._keyring = keyring
        self._limiter = limiter
        self._need_length = tuple(surface for surface in surfaces if surface.needs_length)
        self._need_json = tuple(surface for surface in surfaces if surface.needs_json)
        self._max_body = max_body_bytes

    async def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        declared: Operation | None = handler.opt.get("operation")
        if declared is None or declared.access == "public":
            return
        caller = await self._keyring.authenticate(connection.headers.get("authorization"))
        structlog.contextvars.bind_contextvars(workspace=str(caller.workspace), key=caller.prefix)
        connection.scope["state"]["caller"] = caller
        if declared.access != "any key" and declared.access not in caller.scopes:
            raise Forbidden(f"API key missing required scope: {declared.access}")
        if declared.counted:
            connection.scope["state"]["verdict"] = await self._limiter.admit(caller)
        self._check_length(connection)
        if declared.request is not None:
            self._check_type(connection)

    def _check_type(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        given = connection.headers.get("content-type", "")
        kind = given.partition(";")[0].strip().lower()
        path = connection.scope["path"]
        if (
            kind
            and not re.fullmatch(r"application/(.+\+)?json", kind)
            and any(surface.owns(path) for surface in self._need_json)
        ):
            raise Invalid("The body must be JSON, and Content-Type application/json.")

    def _check_length(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        length = connection.headers.get("content-length")
        if length is None:
            if connection.scope.get("method") in ("POST", "PATCH") and any(
                surface.owns(connection.scope["path"]) for surface in self._need_length
            ):
                raise LengthRequired("Send the body's size in the header Content-Length.")
            return
        if not length.isascii() or not length.isdigit():
            raise Invalid("The header Content-Length is not a number.")
        if int(length) > self._max_body:
            raise TooLarge(f"The body is larger than {self._max_body:,} bytes.")


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Who was admitted."""
    caller: Caller = request.scope["state"]["caller"]
    return caller
