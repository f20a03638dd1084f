"""Topics of the reference page that apply to all operations."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.openapi.html import panel, paragraphs, prose

# Method, path and operation object.
Operation = tuple[str, str, Mapping[str, Any]]


class Topic(NamedTuple):
    anchor: str
    title: str
    # HTML.
    text: str
    code: str


def topics_of(operations: Sequence[Operation]) -> list[Topic]:
    """All topics, with the error statuses and error bodies of the operations."""
    return [
        Topic(
            "authentication",
            "Authentication",
            paragraphs(
                "Send an API key in the header `Authorization` of every request. A key belongs to "
                "one workspace. Records of other workspaces are reported as not found.",
                "Each key has scopes, and each operation names the scope that it needs. Without a "
                "valid key the status is `401`, without the scope `403`. A revoked key stops "
                "working immediately. Create keys with `gateway keys create`. The text of a key "
                "is shown only once.",
            ),
            panel(
                "Request",
                'export BASE=http://127.0.0.1:8000\nexport KEY=sk_live_...\n\ncurl "$BASE'
                '/external/v1/auth/context" \\\n  -H "Authorization: Bearer $KEY"',
            ),
        ),
        Topic(
            "errors",
            "Errors",
            paragraphs(
                "A refused request stores nothing. The status gives the kind of error; the body "
                "explains what to do. The discovery API returns RFC 9457 problem details "
                "(`application/problem+json`) and lists the wrong fields in `errors`. The "
                'revenue-record API returns `{"detail": "..."}` for reads and an object with '
                "`error`, `message`, `field` and `request_id` for writes.",
                "Requests are checked in a fixed order: `401` key, `403` scope, `429` rate limit, "
                "`411` and `413` length, `400` content, then `404` and `409` for the record.",
            )
            + _status_table(operations),
            _error_panels(operations),
        ),
        Topic(
            "pagination",
            "Pagination",
            paragraphs(
                "Discovery lists are bare arrays, newest first. `limit` (default 20 or 100, max. "
                "100) and `offset` choose the page. `order=asc` puts the oldest record first: "
                "then no record is returned twice while others are added.",
                "The headers `X-Total-Count`, `X-Limit` and `X-Offset` describe the page. Counting "
                "stops at 10,000: longer lists have `X-Total-Count-Capped: true`.",
                "Lists of the revenue-record API are objects with the records and `pagination`. "
                "While `hasMore` is true, send `nextCursor` as `cursor` to get the next page. A "
                "cursor contains the filters of the first page. You may repeat them, but not "
                "change them. The maximum `limit` is 50. Records that are added or deleted "
                "meanwhile cause no duplicates and no gaps. Lists of sources and of object types "
                "have a single page.",
            ),
            panel(
                "Request",
                'curl -i "$BASE/external/v1/signals?limit=50&offset=100" \\\n'
                '  -H "Authorization: Bearer $KEY"',
            )
            + panel("Headers", "X-Total-Count: 1284\nX-Limit: 50\nX-Offset: 100")
            + panel(
                "Request",
                'curl "$BASE/v1/messages?limit=20&cursor=$NEXT_CURSOR" \\\n'
                '  -H "Authorization: Bearer $KEY"',
            ),
        ),
        Topic(
            "rate-limits",
            "Rate limits",
            paragraphs(
                "Each key has three sliding windows: 60 requests per minute, 1,000 per hour and "
                "10,000 per day, unless the key or the deployment sets others. Requests refused "
                "with `401`, `403` or `429` and health checks do not count.",
                "The `X-RateLimit` headers describe the window nearest to its limit. After a "
                "`429`, wait for the seconds in `Retry-After`.",
            ),
            panel(
                "Headers",
                "X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1773239460\n"
                "Retry-After: 17",
            ),
        ),
        Topic(
            "idempotency",
            "Idempotency",
            paragraphs(
                "Any `POST` may have an `Idempotency-Key` of up to 255 characters. For 24 hours, "
                "the same key with the same body gets the first response again, with the header "
                "`Idempotent-Replayed: true`, and has no second effect.",
                "The same key with another body or path is refused with `409`, and so is a "
                "repetition while the first request is running. After an error, the key can be "
                "used again.",
            ),
            panel(
                "Request",
                'curl -X POST "$BASE/external/v1/signals" \\\n'
                '  -H "Authorization: Bearer $KEY" \\\n'
                '  -H "Idempotency-Key: survey-7-answer-318" \\\n  -d @signal.json',
            ),
        ),
        Topic(
            "requests",
            "Bodies, times and request ids",
            paragraphs(
                "Bodies are JSON of at most 10 MB. Unknown fields are ignored. A `PATCH` changes "
                "only the fields that it contains, and `null` clears a nullable field. Times are "
                "ISO 8601 in UTC.",
                "Bodies for the revenue-record API may also contain times as Unix seconds or "
                "milliseconds; a time without an offset is UTC. Its `POST` replaces the whole "
                "record with the same `sourceId` and `id`. Its `PATCH` ignores fields that are "
                "`null`. It needs the header `Content-Length` and a JSON `Content-Type`.",
                "Every response has the header `X-Request-Id`. If you send one of your own (up to "
                "64 letters, digits and `._:+/=-`), the response and the logs contain it.",
            ),
            "",
        ),
    ]


def _status_table(operations: Sequence[Operation]) -> str:
    """All documented error statuses with their meanings."""
    meanings = {
        status: response["description"]
        for _, _, operation in operations
        for status, response in operation["responses"].items()
        if int(status) >= 400
    }
    rows = "".join(
        f"<tr><td><code>{status}</code></td><td>{prose(meaning)}</td></tr>"
        for status, meaning in sorted(meanings.items())
    )
    return f"<table>{rows}</table>"


def _error_panels(operations: Sequence[Operation]) -> str:
    """The first example of each kind of error body."""
    panels: dict[str, str] = {}
    for method, _, operation in operations:
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                example = content.get("example")
                if int(status) < 400 or example is None:
                    continue
                title = media_type
                if not media_type.endswith("problem+json"):
                    title += " · reads" if method == "GET" else " · writes"
                panels.setdefault(title, panel(title, example))
    return "".join(panels.values())
