"""Topics that apply to all operations with a key, in the description of the OpenAPI documents."""

from typing import Final

from gateway.operations import Surface

_AUTHENTICATION: Final = """\
## Authentication

Send an API key in the header `Authorization` of every request: \
`Authorization: Bearer sk_live_...`. A key belongs to one workspace. Records of other workspaces \
are reported as not found.

Each key has scopes, and each operation names the scope that it needs. Without a valid key the \
status is `401`, without the scope `403`. A revoked key stops working immediately. Create keys \
with `gateway keys create`. The text of a key is shown only once."""

_LIMITS: Final = """\
## Rate limits

Each key has three sliding windows: 60 requests per minute, 1,000 per hour and 10,000 per day, \
unless the key or the deployment sets others. Requests refused with `401`, `403` or `429` and \
health checks do not count.

The headers `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` describe the \
window nearest to its limit. After a `429`, wait for the seconds in `Retry-After`.

## Idempotency

Any `POST` may have an `Idempotency-Key` of up to 255 characters. For 24 hours, the same key with \
the same body gets the first response again, with the header `Idempotent-Replayed: true`, and has \
no second effect.

The same key with another body or path is refused with `409`, and so is a repetition while the \
first request is running. After an error, the key can be used again.

## Request ids

Every response has the header `X-Request-Id`. If you send one of your own (up to 64 letters, \
digits and `._:+/=-`), the response and the logs contain it."""


def with_topics(surface: Surface) -> str:
    """The description of a surface, followed by its topics, in Markdown."""
    if not surface.guide:
        return surface.description
    return f"{surface.description}\n\n{_AUTHENTICATION}\n\n{surface.guide}\n\n{_LIMITS}"
