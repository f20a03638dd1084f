"""The revenue-record API as a surface: its two error bodies, Content-Length needed."""

from typing import Final

import msgspec

from domains.kernel.problems import Conflict, Problem
from gateway.revenue import (
    accounts,
    conversations,
    deals,
    documents,
    health,
    messages,
    object_types,
    rows,
    sources,
)
from gateway.surface import Surface


class ReadError(msgspec.Struct):
    """The error body of GET."""

    detail: str


class WriteFault(msgspec.Struct):
    """What was wrong, in which field, and the id to find it in the log."""

    error: str
    message: str
    field: str | None
    request_id: str


class WriteError(msgspec.Struct):
    """The error body of POST, PATCH and DELETE."""

    detail: WriteFault


def revenue_error(problem: Problem, request_id: str, method: str) -> ReadError | WriteError:
    """The documented body: a sentence for reads, an object for writes."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return ReadError(problem.message)
    field = problem.faults[0].field if problem.faults else None
    return WriteError(WriteFault(problem.code, problem.message, field, request_id))


REVENUE: Final = Surface(
    name="revenue",
    title="Revenue record API",
    description=(
        "Conversations, messages, rows, documents, deals and accounts of an organization. Lists "
        "are paged by cursor."
    ),
    prefixes=("/v1",),
    handlers=[
        *health.HANDLERS,
        *sources.HANDLERS,
        *object_types.HANDLERS,
        *rows.HANDLERS,
        *conversations.HANDLERS,
        *messages.HANDLERS,
        *documents.HANDLERS,
        *deals.HANDLERS,
        *accounts.HANDLERS,
    ],
    media_type="application/json",
    error_types={"GET": ReadError, "*": WriteError},
    error_body=revenue_error,
    needs_length=True,
    needs_json=True,
    contention=Conflict,
    tag_of=lambda path: path.split("/")[2].replace("-", " ").capitalize(),
)
