"""The discovery API: errors as problem+json, two path prefixes."""

from typing import Final

from gateway.discovery import auth_context, ideas, insights, opportunities, products, signals
from gateway.errors import ProblemDetails, problem_details
from gateway.operations import Surface

DISCOVERY: Final = Surface(
    title="Discovery API",
    description=(
        "Send signals (transcripts, tickets, reviews, reports) as text, get insights with quotes. "
        "Lists are bare arrays, paged by `limit` and `offset`. Errors are RFC 9457 problem details."
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
    tags={
        "Signals": "Texts from and about customers. Each one is analysed after it is stored.",
        "Insights": "Findings with the quotes that support them: made by analyses or by people.",
        "Opportunities": "Needs of customers, linked to the insights that show them.",
        "Ideas": "What could be built, linked to opportunities and insights.",
        "Products": "Products whose names analyses look for in texts.",
        "Auth": "The key that a request sends.",
    },
    vendor_parameters=frozenset({"limit", "offset"}),
)
