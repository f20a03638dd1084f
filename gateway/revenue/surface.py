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


_GUIDE: Final = """\
## Errors

A refused request stores nothing. The status gives the kind of error; the body explains what to \
do. It is `{"detail": "..."}` for reads, and for writes `detail` is an object with `error`, \
`message`, `field` and `request_id`.

Requests are checked in a fixed order: `401` key, `403` scope, `429` rate limit, `411` and `413` \
length, `400` content, then `404` and `409` for the record.

## Pagination

Lists are objects with the records and `pagination`. While `hasMore` is true, send `nextCursor` as \
`cursor` to get the next page. A cursor contains the filters of the first page. You may repeat \
them, but not change them. The maximum `limit` is 50. Records that are added or deleted meanwhile \
cause no duplicates and no gaps. Lists of sources and of object types have a single page.

## Bodies and times

Bodies are JSON of at most 10 MB. Unknown fields are ignored. A body needs the header \
`Content-Length` and a JSON `Content-Type`. A `POST` replaces the whole record with the same \
`sourceId` and `id`. A `PATCH` ignores fields that are `null`.

Times are ISO 8601 in UTC. Bodies may also contain times as Unix seconds or milliseconds; a time \
without an offset is UTC."""

REVENUE: Final = Surface(
    title="Revenue record API",
    description=(
        "Conversations, messages, rows, documents, deals and accounts of an organization. Lists "
        "are paged by cursor."
    ),
    guide=_GUIDE,
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
