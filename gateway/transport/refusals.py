"""Responses to requests that are refused before they are routed."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar.types import Receive, Scope, Send

from domains.kernel.core.problems import Problem
from gateway.operations import Surface, surface_of

# Key of an ASGI scope: the Problem of a request that could not be received in full. The reader of
# the body raises it.
PROBLEM: Final = "gateway.problem"


class Refusals:
    """ASGI application that responds with the problem of the scope, in the path's error format."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = surfaces

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        problem: Problem = scope[PROBLEM]  # type: ignore[typeddict-item]
        surface = surface_of(scope["path"], self._surfaces)
        request_id: str = scope["state"]["request_id"]
        error = surface.error_body(problem, request_id, scope["method"])  # type: ignore[typeddict-item]
        body = msgspec.json.encode(error)
        headers = [
            (b"content-type", surface.media_type.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        await send(
            {"type": "http.response.start", "status": problem.status, "headers": headers},
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})
