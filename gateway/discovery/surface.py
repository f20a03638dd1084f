"""The discovery API: errors as problem+json, two path prefixes."""

from typing import Final

from gateway.discovery import (
    accounts,
    auth_context,
    ideas,
    insights,
    opportunities,
    products,
    signals,
)
from gateway.errors import ProblemDetails, problem_details
from gateway.operations import Surface

_GUIDE: Final = """\
## Errors

A refused request stores nothing. The status gives the kind of error; the body explains what to \
do. Errors are RFC 9457 problem details (`application/problem+json`) and list the wrong fields in \
`errors`.

Requests are checked in a fixed order: `401` key, `403` scope, `429` rate limit, `413` length, \
`400` content, then `404` and `409` for the record.

## Pagination

Lists are bare arrays, newest first. `limit` (default 20 or 100, at most 100) and `offset` choose \
the page. `order=asc` puts the oldest record first: then no record is returned twice while others \
are added.

The headers `X-Total-Count`, `X-Limit` and `X-Offset` describe the page. Counting stops at \
10,000: longer lists have `X-Total-Count-Capped: true`.

## Bodies and times

Bodies are JSON of at most 10 MB. Unknown fields are ignored. A `PATCH` changes only the fields \
that it contains, and `null` clears a nullable field. Times are ISO 8601 in UTC."""

DISCOVERY: Final = Surface(
    title="Discovery API",
    description=(
        "Send signals (transcripts, tickets, reviews, reports) as text, get insights with quotes. "
        "Lists are bare arrays, paged by `limit` and `offset`. Errors are RFC 9457 problem details."
    ),
    guide=_GUIDE,
    prefixes=("/external/v1", "/api/external/v1"),
    handlers=[
        *signals.HANDLERS,
        *insights.HANDLERS,
        *opportunities.HANDLERS,
        *ideas.HANDLERS,
        *products.HANDLERS,
        *accounts.HANDLERS,
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
        "Accounts": "Accounts of the CRM, which imports create.",
        "Auth": "The key that a request sends.",
    },
    vendor_parameters=frozenset({"limit", "offset"}),
)
