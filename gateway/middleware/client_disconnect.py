"""Notes when the client disconnects."""

from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)


class ClientDisconnect:
    """Sets `disconnected` in the request's state if the client leaves before its body is read.

    An incomplete body can then be distinguished from an error of the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]

        async def receive_noting() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            if message["type"] == "http.disconnect":
                state["disconnected"] = True
            return message

        await self._app(scope, receive_noting, send)
