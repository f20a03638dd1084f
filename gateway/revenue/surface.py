"""The revenue record API: its handlers and error bodies."""

from typing import Annotated, Final

import msgspec

from domains.kernel.core.field_docs import doc
from domains.kernel.core.problems import Conflict, Problem
from gateway.operations import Surface
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


class ReadError(msgspec.Struct):
    """The error body of GET."""

    detail: Annotated[str, doc("Error message")]


class WriteFault(msgspec.Struct):
    """A write error: code, message, field and request id."""

    error: Annotated[str, doc("Stable code, such as `validation_error`")]
    message: Annotated[str, doc("Error message")]
    field: Annotated[str | None, doc("Path of the wrong field, if the error is about one")]
    request_id: Annotated[str, doc("Id of the request, also in the logs")]


class WriteError(msgspec.Struct):
    """The error body of POST, PATCH and DELETE."""

    detail: Annotated[WriteFault, doc("The error")]


def revenue_error(problem: Problem, request_id: str, method: str) -> ReadError | WriteError:
    """Build the error body. Reads get a message only; writes get code, message and field."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return ReadError(problem.message)
    field = problem.field_errors[0].field if problem.field_errors else None
    return WriteError(WriteFault(problem.code, problem.message, field, request_id))


REVENUE: Final = Surface(
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
    write_conflict=Conflict,
    id_fields=("recordId", "id"),
    added_parameters=frozenset({"processingStatus"}),
    refuses_malformed_ids=True,
    tag_of=lambda path: path.split("/")[2].replace("-", " ").capitalize(),
    tags={
        "Health": "Check of a key.",
        "Sources": "Systems that push records. Every pushed record belongs to one.",
        "Object types": "Schemas of the typed fields of rows.",
        "Rows": "Records of any kind, such as tickets, with fields that an object type defines.",
        "Conversations": "Calls and meetings: transcript, recording, summary and linked deal.",
        "Messages": "E-mails and chat messages with their attachments.",
        "Documents": "Files, pushed by URL or by content, and their text.",
        "Deals": "Deals of the CRM, read-only, with a summary of what was said about them.",
        "Accounts": "Accounts of the CRM, read-only, with contacts and the latest deal.",
    },
)
