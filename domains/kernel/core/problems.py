"""Problems: the errors that domains raise for callers. Each API surface renders its own body."""

import errno
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from domains.kernel.core.field_docs import doc

# The second one: a quota is exhausted.
FULL_DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# Texts of the C library and of Python's module tempfile.
_FULL_DISK_TEXTS: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "No usable temporary dir",
)
NO_DISK_SPACE: Final = "There is no space for temporary files."

# The servers and services that the product calls, and the worker's own disk. Reads and writes of
# the object store are two dependencies: a full store serves reads.
Dependency = Literal[
    "database", "redis", "object_store", "object_store_writes", "speech", "chat", "disk"
]


class FieldError(msgspec.Struct, frozen=True):
    """An invalid field of a request."""

    field: Annotated[str, doc("Path of the field in the request, such as `source.type`")]
    message: Annotated[str, doc("What the field must be")]


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


class RequestTimeout(Problem):
    """The client sent its request too slowly."""

    status, code, title = 408, "request_timeout", "Request timeout"


class Conflict(Problem):
    status, code, title = 409, "conflict", "Conflict"


class LengthRequired(Problem):
    status, code, title = 411, "length_required", "Length required"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition_failed", "Precondition failed"


class TooLarge(Problem):
    status, code, title = 413, "payload_too_large", "Payload too large"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"


class HeaderTooLarge(Problem):
    status, code, title = 431, "header_too_large", "Request header too large"


class Internal(Problem):
    """An unexpected error. The message does not reveal its cause."""

    status, code, title = 500, "internal_error", "Internal error"


class Unavailable(Problem):
    """The request or job cannot be completed at present. It may succeed later."""

    status, code, title = 503, "internal_error", "Service unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "1"})


class DependencyUnavailable(Unavailable):
    """A dependency does not respond, whatever the request or job.

    Jobs wait for it, which counts as no failure of theirs. A dependency that responds but refuses
    one request raises another Problem.

    `suspect`: the request itself may be the cause, such as a file that makes a service fail. A job
    counts it as a failure if the dependency served another job since the previous attempt.
    """

    def __init__(self, dependency: Dependency, message: str, *, suspect: bool = False) -> None:
        super().__init__(message)
        self.dependency = dependency
        self.suspect = suspect


def no_disk_space(error: OSError) -> DependencyUnavailable | None:
    """Return the problem to raise if the error is a full disk or an exceeded quota."""
    if error.errno in FULL_DISK_ERRORS:
        return DependencyUnavailable("disk", NO_DISK_SPACE)
    return None


def names_full_disk(output: str) -> bool:
    """Return True if a program printed that a disk is full."""
    return any(text in output for text in _FULL_DISK_TEXTS)


class WriteConflict(Unavailable):
    """A write failed because of a concurrent one. The same request may succeed if sent again."""


def invalid(field: str, message: str) -> Invalid:
    """Create a problem with one invalid field. `message` is shown after "<field>: "."""
    return Invalid(f"{field}: {message}", FieldError(field, message))
