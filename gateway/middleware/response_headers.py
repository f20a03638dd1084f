"""The last step of every response: common headers, 304, compression, and HEAD without a body."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from gateway import etags
from gateway.middleware import compression
from gateway.middleware.cors import Cors

_NO_STORE: Final = (b"cache-control", b"no-store")
_VARY: Final = (b"vary", b"Accept-Encoding")
_READS: Final = ("GET", "HEAD")
# Headers that describe a body.
_OF_BODY: Final = (b"content-type", b"content-length")

Headers = list[tuple[bytes, bytes]]


class ResponseHeaders:
    """Completes responses when their body is known.

    The concerns are together, so that one function wraps `send`. It also keeps the status in the
    request's state, for metrics and log.
    """

    def __init__(self, app: ASGIApp, cors: Cors | None) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The start of the response, until the first part of its body is known.
        start: Any = None
        http: HTTPScope = scope  # type: ignore[assignment]
        is_head = http["method"] == "HEAD"

        async def send_completed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                given = dict(start["headers"])
                start["headers"] = self._with_common_headers(http, start["headers"], given)
                if not message.get("more_body", False):
                    await _compress_or_omit_body(http, start, message, given)  # type: ignore[arg-type]
                scope["state"]["status"] = start["status"]
                await send(start)
                start = None
            if is_head:
                message["body"] = b""  # type: ignore[typeddict-unknown-key]
            await send(message)

        await self._app(scope, receive, send_completed)

    def _with_common_headers(
        self, scope: HTTPScope, headers: Headers, given: Mapping[bytes, bytes]
    ) -> Headers:
        state = scope["state"]
        headers = [*headers, (b"x-request-id", state["request_id"].encode())]
        if (rate_limit := state.get("rate_limit")) is not None:
            headers += rate_limit.raw_headers()
        headers += state.get("deprecation", ())
        # Responses hold data of customers: nothing keeps them unless it is told to.
        if b"cache-control" not in given:
            headers.append(_NO_STORE)
        if self._cors is not None:
            headers += self._cors.response_headers(scope)
        return headers


async def _compress_or_omit_body(
    scope: HTTPScope,
    start: MutableMapping[str, Any],
    message: MutableMapping[str, Any],
    given: Mapping[bytes, bytes],
) -> None:
    """Compress the body if the client accepts that, and omit it if the client has it already.

    `given`: the headers of the handler.
    """
    body: bytes = message.get("body", b"")
    etag = given.get(b"etag") if scope["method"] in _READS else None
    # Stored files, which are sent in ranges, are left as they are.
    if (etag is None and len(body) < compression.MIN_SIZE) or b"accept-ranges" in given:
        return
    coding = None
    if len(body) >= compression.MIN_SIZE and compression.is_compressible(given):
        start["headers"].append(_VARY)
        accepted = etags.header_value(scope["headers"], b"accept-encoding")
        coding = None if accepted is None else compression.negotiate(accepted)
    if etag is not None:
        if coding is not None:
            _replace(start, b"etag", etags.with_coding(etag, coding))
        if start["status"] == 200 and _is_current(scope, etag):
            start["status"] = 304
            start["headers"] = [each for each in start["headers"] if each[0] not in _OF_BODY]
            message["body"] = b""
            return
    if coding is not None:
        message["body"] = await compression.compress(body, coding)
        start["headers"].append((b"content-encoding", coding))
        _replace(start, b"content-length", b"%d" % len(message["body"]))


def _is_current(scope: HTTPScope, etag: bytes) -> bool:
    condition = etags.header_value(scope["headers"], b"if-none-match")
    return condition is not None and etags.matches(condition, etag, strong=False)


def _replace(start: MutableMapping[str, Any], name: bytes, value: bytes) -> None:
    start["headers"] = [(name, value) if each[0] == name else each for each in start["headers"]]
