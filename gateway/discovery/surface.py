"""The discovery API as a surface: problem+json, no Content-Length needed, two prefixes."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from domains.kernel.core.problems import Problem
from gateway.discovery import auth_context, ideas, insights, opportunities, products, signals
from gateway.surface import Surface


class FieldError(msgspec.Struct):
    """What is wrong with one field."""

    field: Annotated[str, Meta(description="Its path in the request: `source.type`, `limit`")]
    message: Annotated[str, Meta(description="What it must be")]


class ProblemDetails(msgspec.Struct, rename="camel", omit_defaults=True):
    """RFC 9457."""

    type: Annotated[str, Meta(description="Names the kind of problem, for programs")]
    title: Annotated[str, Meta(description="The kind of problem in words")]
    status: Annotated[int, Meta(description="The HTTP status")]
    detail: Annotated[str, Meta(description="What is wrong, and what to do")]
    request_id: Annotated[str, Meta(description="Finds this request in the logs")]
    errors: Annotated[
        list[FieldError], Meta(description="The fields at fault, where there are any")
    ] = msgspec.field(default_factory=list)


def problem_details(problem: Problem, request_id: str, _method: str) -> ProblemDetails:
    """application/problem+json for a refusal."""
    return ProblemDetails(
        f"urn:gateway:problem:{problem.code.replace('_', '-')}",
        problem.title,
        problem.status,
        problem.message,
        request_id,
        [FieldError(fault.field, fault.message) for fault in problem.field_errors],
    )


DISCOVERY: Final = Surface(
    name="discovery",
    title="Discovery API",
    description=(
        "Signals (transcripts, tickets, reviews, reports) go in as text and come out as insights "
        "with quotes. Lists are bare arrays, paged by `limit` and `offset`; errors are RFC 9457 "
        "problem details."
    ),
    prefixes=("/external/v1", "/api/external/v1"),
    handlers=[
        *signals.HANDLERS,
        *insights.HANDLERS,
        *opportunities.HANDLERS,
        *ideas.HANDLERS,
        *products.HANDLERS,
        *auth_context.HANDLERS,
    ],
    media_type="application/problem+json",
    error_types={"GET": ProblemDetails, "*": ProblemDetails},
    error_body=problem_details,
    tag_of=lambda path: path.split("/")[3].capitalize(),
    vendor_parameters=frozenset({"limit", "offset"}),
)
