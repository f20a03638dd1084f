"""Problems: the errors that domains raise for callers.

Problem
|-- Invalid             400  the request is invalid; `field_errors` name the fields
|-- Unauthorized        401
|-- Forbidden           403
|-- NotFound            404
|-- MethodNotAllowed    405
|-- Conflict            409
|-- LengthRequired      411
|-- TooLarge            413
|-- RateLimited         429
|-- Internal            500  the message does not reveal the cause
`-- Unavailable         503  a dependency is unavailable
    `-- WriteConflict        concurrent changes of the same record

Each API surface renders them as response bodies of its own form.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """An invalid field: its path in the request, such as `source.type`, and what is wrong."""

    field: str
    message: str


class Problem(Exception):
    """An error with a status, a stable code, a message for the caller and response headers."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, message: str, *field_errors: FieldError, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field_errors = field_errors
        self.headers = dict(headers or {})


class Invalid(Problem):
    status, code, title = 400, "validation_error", "Invalid request"


class Unauthorized(Problem):
    status, code, title = 401, "unauthorized", "Unauthorized"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Forbidden"


class NotFound(Problem):
    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "Method not allowed"


class Conflict(Problem):
    status, code, title = 409, "conflict", "Conflict"


class LengthRequired(Problem):
    status, code, title = 411, "length_required", "Length required"


class TooLarge(Problem):
    status, code, title = 413, "payload_too_large", "Payload too large"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"


class Internal(Problem):
    status, code, title = 500, "internal_error", "Internal error"


class Unavailable(Problem):
    status, code, title = 503, "internal_error", "Service unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "1"})


class WriteConflict(Unavailable):
    """A write failed because of a concurrent one. The same request may succeed if sent again."""


def invalid(field: str, message: str) -> Invalid:
    """Create a problem with one invalid field. `message` continues "<field>: "."""
    return Invalid(f"{field}: {message}", FieldError(field, message))
