"""Enqueue jobs in the transaction of the data they belong to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    CTE,
    FromClause,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from domains.kernel.core import log_context
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, parameters, row, scalar, seconds, statement
from domains.kernel.db.tables import jobs
from domains.kernel.jobs.model import CHANNEL, LIVE, Job, id_in, in_state

# Maximum seconds after its creation to which a job can be postponed.
MAX_DELAY: Final = 300.0

# From the clock, not from the start of the transaction, which may be long ago.
_DUE = func.clock_timestamp() + seconds("delay")

_COLUMNS: Final = ("id", "kind", "subject", "queue", "payload", "request_id")

_ENQUEUE = statement(
    insert(jobs).values(workspace_id=WORKSPACE, run_after=_DUE, **parameters(*_COLUMNS)), row
)

# Arrays of JSON would be encoded element by element in Python: payloads are sent as text.
_ARRAYS: Final[Mapping[str, Any]] = {
    "id": Uuid(),
    "kind": Text(),
    "queue": Text(),
    "payload": Text(),
}
_new_jobs = (
    func.unnest(*(bindparam(name, type_=ARRAY(of)) for name, of in _ARRAYS.items()))
    .table_valued(*(column(name, of) for name, of in _ARRAYS.items()))
    .render_derived(name="new_jobs")
)

# One statement for all jobs: as one statement each, they would cost several times as much.
_ENQUEUE_ALL = statement(
    insert(jobs).from_select(
        ["workspace_id", "run_after", "request_id", *_ARRAYS],
        select(
            WORKSPACE,
            func.clock_timestamp(),
            bindparam("request_id", type_=Text),
            *(cast(_new_jobs.c[name], jobs.c[name].type) for name in _ARRAYS),
        ),
    ),
    row,
)

_JOB_PARAMETERS: Final = {
    name: bindparam(f"job_{name}", type_=jobs.c[name].type) for name in _COLUMNS
}

# An INSERT of a job within another statement, with the parameters of `job_parameters`.
WITH_JOB: Final = (
    insert(jobs)
    .values(
        workspace_id=WORKSPACE,
        run_after=func.clock_timestamp(),
        **_JOB_PARAMETERS,
    )
    .cte("enqueued_job")
)


# Locks the job until the commit: relays skip locked rows.
_POSTPONE = statement(
    update(jobs)
    .where(
        jobs.c.workspace_id == WORKSPACE,
        id_in(
            select(jobs.c.id)
            .where(
                jobs.c.workspace_id == WORKSPACE,
                jobs.c.kind == bindparam("kind"),
                jobs.c.subject == bindparam("subject"),
                in_state("queued"),
                # A job that is being cancelled will not run.
                jobs.c.cancelling.is_(false()),
            )
            .limit(literal_column("1"))
            .with_for_update(skip_locked=True)
        ),
    )
    .values(run_after=func.least(_DUE, jobs.c.created_at + seconds(MAX_DELAY)))
    .returning(jobs.c.id),
    scalar,
)

_IS_LIVE = statement(
    select(jobs.c.id).where(jobs.c.workspace_id == WORKSPACE, jobs.c.id == bindparam("id"), LIVE),
    scalar,
)

_IS_WAITING = statement(
    select(jobs.c.id).where(
        jobs.c.workspace_id == WORKSPACE,
        jobs.c.id == bindparam("id"),
        or_(in_state("queued"), in_state("sent")),
        jobs.c.cancelling.is_(false()),
    ),
    scalar,
)


async def enqueue_debounced(tx: Tx, workspace: WorkspaceId, job: Job, delay: float) -> None:
    """Enqueue a job due in `delay` seconds, or postpone the queued one of its kind and subject.

    A job is postponed until at most MAX_DELAY after its creation, and never starts before this
    transaction has committed.
    """
    postponed = await tx.first(
        _POSTPONE,
        workspace=workspace,
        kind=job.__struct_config__.tag,
        subject=job.subject,
        delay=delay,
    )
    if postponed is None:
        await _insert(tx, _params(workspace, job, delay, job.subject))


async def enqueue(tx: Tx, workspace: WorkspaceId, job: Job, delay: float = 0) -> UUID:
    """Enqueue a job, due in `delay` seconds. Returns its id."""
    params = _params(workspace, job, delay)
    await _insert(tx, params)
    job_id: UUID = params["id"]
    return job_id


def job_parameters(workspace: WorkspaceId, job: Job) -> dict[str, Any]:
    """Parameters of a statement with `WITH_JOB` or `with_job_for`. `job_id` is the id of the job.

    After the statement, call `tx.notify_after_commit(CHANNEL)`.
    """
    params = _params(workspace, job)
    return {f"job_{name}": params[name] for name in _COLUMNS}


def with_job_for(rows: FromClause) -> CTE:
    """Like `WITH_JOB`, but enqueues the job only if `rows`, of one row at most, has a row."""
    return (
        insert(jobs)
        .from_select(
            ["workspace_id", "run_after", *_COLUMNS],
            select(WORKSPACE, func.clock_timestamp(), *_JOB_PARAMETERS.values()).select_from(rows),
        )
        .cte("enqueued_job")
    )


async def enqueue_all(tx: Tx, workspace: WorkspaceId, batch: Sequence[Job]) -> None:
    """Enqueue many jobs in one statement, due at once."""
    if batch:
        await tx.first(
            _ENQUEUE_ALL,
            workspace=workspace,
            request_id=_request_id(),
            id=[new_id() for _ in batch],
            kind=[job.__struct_config__.tag for job in batch],
            queue=[job.queue for job in batch],
            payload=[msgspec.json.encode(job).decode() for job in batch],
        )
        tx.notify_after_commit(CHANNEL)


async def _insert(tx: Tx, params: dict[str, Any]) -> None:
    await tx.first(_ENQUEUE, **params)
    tx.notify_after_commit(CHANNEL)


def _params(
    workspace: WorkspaceId, job: Job, delay: float = 0, subject: str | None = None
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "workspace": workspace,
        "kind": job.__struct_config__.tag,
        "subject": subject,
        "queue": job.queue,
        "payload": msgspec.json.encode(job),
        "request_id": _request_id(),
        "delay": delay,
    }


def _request_id() -> str | None:
    return log_context.current().get("request_id")


async def is_waiting(read: Read, workspace: WorkspaceId, job_id: UUID) -> bool:
    """True while a job has not started. It may start before the caller's transaction commits."""
    return await read.first(_IS_WAITING, workspace=workspace, id=job_id) is not None


async def is_live(read: Read, workspace: WorkspaceId, job_id: UUID) -> bool:
    """True while a job has not ended."""
    return await read.first(_IS_LIVE, workspace=workspace, id=job_id) is not None
