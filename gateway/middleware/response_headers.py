"""Headers of every response."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send


class ResponseHeaders:
    """Adds X-Request-Id, the rate limit headers and those of deprecated operations.

    Also keeps the status in the request's state, so that no other middleware wraps `send`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                headers = [
                    *message.get("headers", ()),
                    (b"x-request-id", state["request_id"].encode()),
                ]
                if (rate_limit := state.get("rate_limit")) is not None:
                    headers += rate_limit.raw_headers()
                headers += state.get("deprecation", ())
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_with_headers)
