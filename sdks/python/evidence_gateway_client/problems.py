"""Errors that the gateway reports, one class for each common status."""

from typing import Any

import httpx

from evidence_gateway_client.models import ProblemDetails, ReadError, WriteError, WriteFault

ErrorBody = ProblemDetails | ReadError | WriteError


class GatewayError(Exception):
    """A response with a status of 400 or more.

    `body` is the decoded body: `ProblemDetails` of the discovery API, `ReadError` or `WriteError`
    of the revenue record API, and None if a proxy answered. `request_id` finds the request in the
    gateway's log. `fields` maps the wrong fields of the request to messages.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.request_id = response.headers.get("X-Request-Id")
        self.body = _decode(response)
        self.fields = dict(_fields(self.body))
        detail = self.body and self.body.detail
        message = detail.message if isinstance(detail, WriteFault) else detail
        super().__init__(f"{self.status}: {message}")


class BadRequest(GatewayError):
    """The request is wrong (400)."""


class NotFound(GatewayError):
    """There is no such record in this workspace (404)."""


class Conflict(GatewayError):
    """A name is taken, or another request conflicts (409)."""


class RateLimited(GatewayError):
    """The key's rate limit is exceeded, also after the retries (429)."""


class Unavailable(GatewayError):
    """The gateway cannot serve the request now, also after the retries (503)."""


_CLASSES = {400: BadRequest, 404: NotFound, 409: Conflict, 429: RateLimited, 503: Unavailable}


def error_of(response: httpx.Response) -> GatewayError:
    """The error of a response whose body has been read."""
    return _CLASSES.get(response.status_code, GatewayError)(response)


def _decode(response: httpx.Response) -> ErrorBody | None:
    try:
        body: Any = response.json()
        if isinstance(body["detail"], dict):
            return WriteError.from_dict(body)
        return ProblemDetails.from_dict(body) if "title" in body else ReadError.from_dict(body)
    except (ValueError, TypeError, KeyError):
        return None


def _fields(body: ErrorBody | None) -> list[tuple[str, str]]:
    if isinstance(body, ProblemDetails):
        return [(each.field, each.message) for each in body.errors or ()]
    if isinstance(body, WriteError) and body.detail.field:
        return [(body.detail.field, body.detail.message)]
    return []
