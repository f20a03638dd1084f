"""Enqueue jobs in the transaction of the data they belong to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import (
    ARRAY,
    Float,
    Interval,
    Uuid,
    any_,
    bindparam,
    false,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from domains.kernel.core.ids import new_id
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.db.tables import jobs
from domains.kernel.jobs.model import CHANNEL, LIVE, Job, in_state

# Seconds for which a job can be put off in all.
LONGEST_DELAY: Final = 300.0


_seconds = bindparam("seconds", type_=Float)
_second = literal(timedelta(seconds=1), Interval)

_ENQUEUE = statement(
    insert(jobs).values(
        id=bindparam("id"),
        workspace_id=bindparam("workspace"),
        kind=bindparam("kind"),
        subject=bindparam("subject"),
        queue=bindparam("queue"),
        payload=bindparam("payload"),
        request_id=bindparam("request_id"),
        # Of now, not of when the transaction began: that may have been long ago.
        run_after=func.clock_timestamp() + _seconds * _second,
    ),
    row,
)

# Put off, and so held: a relay passes by a row that is locked, and the job starts after the commit.
_PUT_OFF = statement(
    update(jobs)
    .where(
        jobs.c.workspace_id == bindparam("workspace"),
        jobs.c.id
        == any_(
            func.array(
                select(jobs.c.id)
                .where(
                    jobs.c.workspace_id == bindparam("workspace"),
                    jobs.c.kind == bindparam("kind"),
                    jobs.c.subject == bindparam("subject"),
                    in_state("queued"),
                    # That one will not be done.
                    jobs.c.cancelling.is_(false()),
                )
                .limit(literal_column("1"))
                .with_for_update(skip_locked=True)
                .scalar_subquery(),
                type_=ARRAY(Uuid),
            )
        ),
    )
    .values(
        run_after=func.least(
            func.clock_timestamp() + _seconds * _second,
            jobs.c.created_at + literal(timedelta(seconds=LONGEST_DELAY), Interval),
        )
    )
    .returning(jobs.c.id),
    scalar,
)

_IS_LIVE = statement(
    select(jobs.c.id).where(
        jobs.c.workspace_id == bindparam("workspace"), jobs.c.id == bindparam("id"), LIVE
    ),
    scalar,
)


async def enqueue_debounced(tx: Tx, workspace: WorkspaceId, job: Job, delay: float) -> None:
    """Queue a job for `delay` seconds later; if one of its kind and subject waits, put that off.

    So many of these soon after one another make one job, at most LONGEST_DELAY after the first. It
    starts after this transaction's commit in any case.
    """
    waiting = await tx.first(
        _PUT_OFF,
        workspace=workspace,
        kind=job.__struct_config__.tag,
        subject=job.subject,
        seconds=delay,
    )
    if waiting is None:
        await _insert(tx, workspace, job, delay, job.subject)


async def enqueue(tx: Tx, workspace: WorkspaceId, job: Job, delay: float = 0) -> UUID:
    """Queue a job with the transaction's other changes, due `delay` seconds later; its id."""
    return await _insert(tx, workspace, job, delay, None)


async def enqueue_all(tx: Tx, workspace: WorkspaceId, some: Sequence[Job]) -> None:
    """Queue many jobs with the transaction's other changes, in one go."""
    if some:
        await tx.many(_ENQUEUE, [_row(workspace, new_id(), job, 0, None) for job in some])
        tx.wake(CHANNEL)


async def _insert(
    tx: Tx, workspace: WorkspaceId, job: Job, delay: float, subject: str | None
) -> UUID:
    job_id = new_id()
    await tx.first(_ENQUEUE, **_row(workspace, job_id, job, delay, subject))
    tx.wake(CHANNEL)
    return job_id


def _row(
    workspace: WorkspaceId, job_id: UUID, job: Job, delay: float, subject: str | None
) -> dict[str, Any]:
    return {
        "id": job_id,
        "workspace": workspace,
        "kind": job.__struct_config__.tag,
        "subject": subject,
        "queue": job.queue,
        "payload": msgspec.json.encode(job),
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "seconds": delay,
    }


async def is_live(read: Read, workspace: WorkspaceId, job_id: UUID) -> bool:
    """Whether a job is neither done nor given up."""
    return await read.first(_IS_LIVE, workspace=workspace, id=job_id) is not None
