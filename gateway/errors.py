"""Every failure becomes a Problem, and every Problem the error body of its surface."""

from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from domains.kernel.core.problems import (
    Contended,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
)
from gateway.idempotency import Replay, replayed
from gateway.middleware.edge import allowed_methods
from gateway.surface import Surface

log = structlog.get_logger()


class Errors:
    """The application's one exception handler."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = surfaces

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if isinstance(error, Replay):
            return replayed(error.answer)
        return self.render(request, problem_of(request, error))

    def render(self, request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
        """The answer in the form of the surface that the path belongs to."""
        surface = self.surface_of(request.scope["path"])
        if isinstance(problem, Contended):
            problem = surface.contention(problem.message)
        request_id = request.scope["state"]["request_id"]
        return Response(
            surface.error_body(problem, request_id, request.method),
            status_code=problem.status,
            media_type=surface.media_type,
            headers=problem.headers,
        )

    def surface_of(self, path: str) -> Surface:
        """The surface with the path under its prefixes; the last one takes what is left."""
        return next(
            (surface for surface in self._surfaces if surface.owns(path)), self._surfaces[-1]
        )


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Problem:
    """What may be said of an exception. Anything unexpected is logged and says nothing."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NotFoundException):
        return NotFound("There is nothing at this path.")
    if isinstance(error, MethodNotAllowedException):
        allowed = ", ".join(allowed_methods(request.app, request.scope["path"]))
        return MethodNotAllowed(
            f"{request.method} is not served at this path; allowed: {allowed}.",
            headers={"Allow": allowed},
        )
    if isinstance(error, HTTPException) and error.status_code == TooLarge.status:
        return TooLarge("The body is too large.")
    if request.scope["state"].get("gone"):
        return Invalid("The client hung up before its body was there.")
    if isinstance(error, HTTPException) and 400 <= error.status_code < 500:
        return Invalid("The request could not be read.")
    log.error("unexpected_error", exc_info=error)
    return Internal("Something went wrong on our side. The request id finds it in the log.")
