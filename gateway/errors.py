"""Conversion of exceptions to Problems, rendered in the error body of each surface."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from domains.kernel.core.field_docs import doc
from domains.kernel.core.problems import (
    FieldError,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    WriteConflict,
)
from gateway.idempotency import Replay, to_response
from gateway.middleware.allowed_methods import allowed_methods
from gateway.operations import Surface, surface_of

logger = structlog.get_logger()


class ErrorHandler:
    """The exception handler of the application."""

    def __init__(self, surfaces: Sequence[Surface]) -> None:
        self._surfaces = surfaces

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if isinstance(error, Replay):
            return to_response(error.stored)
        return self.render(request, to_problem(request, error))

    def render(self, request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
        """Render the problem as an error body of the path's surface."""
        surface = surface_of(request.scope["path"], self._surfaces)
        if isinstance(problem, WriteConflict):
            problem = surface.write_conflict(problem.message)
        request_id = request.scope["state"]["request_id"]
        return Response(
            surface.error_body(problem, request_id, request.method),
            status_code=problem.status,
            media_type=surface.media_type,
            headers=problem.headers,
        )


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Problem:
    """Convert an exception. An unexpected one is logged and becomes Internal."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NotFoundException):
        return NotFound("There is nothing at this path.")
    if isinstance(error, MethodNotAllowedException):
        allowed = ", ".join(allowed_methods(request.app, request.scope["path"]))
        return MethodNotAllowed(
            f"{request.method} is not allowed at this path. Use {allowed}.",
            headers={"Allow": allowed},
        )
    if isinstance(error, HTTPException) and 400 <= error.status_code < 500:
        return Invalid("The request could not be read.")
    logger.error("request_failed", exc_info=error)
    return Internal("An internal error occurred. The request id identifies it in the log.")


# --- RFC 9457 ---------------------------------------------------------------------------------


class ProblemDetails(msgspec.Struct, rename="camel", omit_defaults=True):
    """RFC 9457 problem details."""

    type: Annotated[
        str,
        doc("Identifies the kind of problem, for programs", extra_json_schema={"format": "uri"}),
    ]
    title: Annotated[str, doc("The kind of problem in words")]
    status: Annotated[int, doc("The HTTP status")]
    detail: Annotated[str, doc("What is wrong and what to do")]
    request_id: Annotated[str, doc("Identifies this request in the logs")]
    errors: Annotated[list[FieldError], doc("The wrong fields, if any")] = []


def problem_details(problem: Problem, request_id: str, _method: str) -> ProblemDetails:
    """The body of a problem as application/problem+json."""
    return ProblemDetails(
        f"urn:gateway:problem:{problem.code.replace('_', '-')}",
        problem.title,
        problem.status,
        problem.message,
        request_id,
        list(problem.field_errors),
    )
