"""Request ids."""

import re
from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

from domains.kernel.core import log_context
from domains.kernel.core.ids import new_id_text

_SAFE: Final = re.compile(rb"[A-Za-z0-9._:+/=-]{1,64}")


class RequestId:
    """Starts the request's state and log context with its id.

    Keeps the client's X-Request-Id if it is safe to log, otherwise makes a new id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _safe_id(scope) or new_id_text()
        scope["state"] = {"request_id": request_id}
        log_context.begin(request_id=request_id)
        await self._app(scope, receive, send)


def _safe_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SAFE.fullmatch(value):
            return value.decode()
    return None
