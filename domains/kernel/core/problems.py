"""All that domains raise on purpose.

Problem
|-- Invalid             400  the request is wrong; `faults` say where
|-- Unauthorized        401
|-- Forbidden           403
|-- NotFound            404
|-- MethodNotAllowed    405
|-- Conflict            409
|-- LengthRequired      411
|-- TooLarge            413
|-- RateLimited         429
|-- Internal            500  says nothing of its cause
`-- Unavailable         503  a part that the request needs is away
    `-- WriteConflict            two changes got in each other's way

A problem knows no body shape: each surface renders it in its own form.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: its path in the request (`source.type`) and a sentence."""

    field: str
    message: str


class Problem(Exception):
    """A refusal with a status, a stable code, a message for the caller and response headers."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, message: str, *faults: FieldError, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field_errors = faults
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
    """Two changes got in each other's way; the same request may succeed when it is sent again."""


def invalid(field: str, message: str) -> Invalid:
    """The usual refusal: one field is wrong."""
    return Invalid(f"{field}: {message}", FieldError(field, message))
