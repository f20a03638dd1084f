"""Detection of clients that disconnect."""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send


class ClientDisconnect:
    """Sets `disconnected` in the request's state if the client leaves before its body is read.

    This distinguishes an incomplete body from an error of the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_and_detect() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                scope["state"]["disconnected"] = True
            return message

        await self._app(scope, receive_and_detect, send)
