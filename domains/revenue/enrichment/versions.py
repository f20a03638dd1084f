"""Access to one version of a record, for the jobs that enrich it.

A job names the record and the version that it was enqueued for. Its statements find nothing once
that version was replaced or the record was deleted, so a late job never overwrites a newer version.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Invalid, Unavailable
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, Statement, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.model import Job
from domains.kernel.jobs.record_names import names_in
from domains.kernel.untrusted.fetch import FetchResponse, PermanentFetchError, TransientFetchError
from domains.revenue.conversations import ConversationJob
from domains.revenue.documents import DocumentJob
from domains.revenue.tables import conversations, documents

T = TypeVar("T")


def _remote_names(table: Table) -> Statement[Any]:
    remote_id = func.coalesce(table.c.remote_id, cast(table.c.id, Text))
    return names_in(table, f"{table.name.removesuffix('s')} ", remote_id)


DOCUMENT_NAMES: Final = _remote_names(documents)
CONVERSATION_NAMES: Final = _remote_names(conversations)


def is_version(table: Table) -> tuple[ColumnElement[bool], ...]:
    """Conditions on a record: its id and version are the parameters, and it is not deleted."""
    return (
        table.c.workspace_id == WORKSPACE,
        table.c.id == bindparam("id", type_=Uuid),
        table.c.version == bindparam("version", type_=Integer),
        table.c.deleted_at.is_(None),
    )


def start_version(
    table: Table,
    columns: Sequence[ColumnElement[Any]],
    row_factory: Callable[..., T],
    *,
    error: str = "error",
) -> Statement[T]:
    """Select `columns` of a version, and mark it as being processed.

    Clears the column `error` if the version had failed. Changes nothing if it is being processed
    or was processed.
    """
    may_start = or_(
        table.c.state == literal_column("'pending'"), table.c.state == literal_column("'failed'")
    )
    started = (
        update(table)
        .where(*is_version(table), may_start)
        .values({"state": literal_column("'processing'"), error: null()})
        .returning(table.c.id)
        .cte("started")
    )
    return statement(select(*columns).where(*is_version(table)).add_cte(started), row_factory)


def update_version(
    table: Table, *conditions: ColumnElement[bool], **values: Any
) -> Statement[UUID]:
    """Update a version that meets `conditions`. Returns its id, or nothing."""
    changed = update(table).where(*is_version(table), *conditions).values(values)
    return statement(changed.returning(table.c.id), scalar)


def params(workspace: WorkspaceId, job: ConversationJob | DocumentJob) -> dict[str, Any]:
    """Parameters of the statements above: the version that the job was enqueued for."""
    return {"workspace": workspace, "id": job.record_id, "version": job.version}


def blob_key(folder: str, workspace: WorkspaceId, job: ConversationJob | DocumentJob) -> str:
    """Key of the object made from a version. A repeated attempt overwrites the same object."""
    return f"{folder}/{workspace}/{job.record_id}/{job.version}"


def enqueue_only(workspace: WorkspaceId, job: Job) -> Write:
    """Return a write function that stores nothing and enqueues another job."""

    async def write(tx: Tx) -> None:
        await enqueue(tx, workspace, job)

    return write


@asynccontextmanager
async def fetched(tools: Tools, url: str, max_bytes: int) -> AsyncIterator[FetchResponse]:
    """Open the response from a URL given by a caller.

    Raises Invalid if the URL or content is refused, Unavailable if a later attempt may succeed.
    """
    try:
        async with tools.fetcher.stream(url, max_bytes) as response:
            yield response
    except PermanentFetchError as error:
        raise Invalid(str(error)) from error
    except TransientFetchError as error:
        raise Unavailable(str(error)) from error
