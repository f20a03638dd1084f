"""Jobs for operators: count, list, show, retry, cancel and delete."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    Float,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    delete,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Dependency, NotFound
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import Statement, days, scalar, statement
from domains.kernel.db.tables import jobs, workspaces
from domains.kernel.jobs.model import (
    CHANNEL,
    LIVE,
    NOT_WAITING,
    Queue,
    State,
    id_in,
    in_state,
)
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor

_CROSS_TENANT: Final = "operators administer every workspace"

# Jobs that one statement of `retry` or `cancel` changes, so that it ends within its timeout.
_BATCH: Final = 10_000


class Backlog(msgspec.Struct, frozen=True):
    """Number of jobs of a queue in a state, and the age in seconds of the oldest.

    Covers live jobs that are due, aged since their due time, and jobs that failed in the last
    24 hours, aged since their failure.
    """

    queue: Queue
    state: State
    count: int
    oldest_seconds: float


def _count_jobs(since: Any) -> Any:
    age = func.extract("epoch", func.now() - func.min(since)).cast(Float)
    return select(
        jobs.c.queue,
        jobs.c.state,
        func.count(),
        func.coalesce(age, literal_column("0")).label("age"),
    ).group_by(jobs.c.queue, jobs.c.state)


_BACKLOG = statement(
    _count_jobs(jobs.c.run_after)
    .where(LIVE, jobs.c.run_after <= func.now())
    .union_all(
        _count_jobs(jobs.c.finished_at).where(
            in_state("failed"), jobs.c.finished_at > func.now() - days(1)
        )
    )
    .order_by("queue", "state"),
    Backlog,
    cross_tenant_reason="operators see queue lengths, never contents",
)


async def backlog(read: Read) -> list[Backlog]:
    """Count due jobs and recently failed jobs, by queue and state."""
    return await read.all(_BACKLOG)


class JobItem(msgspec.Struct, rename="camel"):
    """A job in a list."""

    id: UUID
    workspace_id: UUID
    workspace_name: str
    kind: str
    queue: Queue
    state: State
    cancelling: bool
    failures: int
    losses: int
    created_at: datetime
    run_after: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    waiting_for: Dependency | None
    waiting_since: datetime | None
    tried_at: datetime | None
    payload: msgspec.Raw
    """JSON with record ids but no record contents."""

    @property
    def display_state(self) -> str:
        """The state, or `waiting` for a dependency, or `cancelling` until a worker ends the job."""
        if self.cancelling and self.finished_at is None:
            return "cancelling"
        return "waiting" if self.state == "queued" and self.tried_at else self.state


class JobDetail(JobItem):
    """A job with all details."""

    request_id: str | None
    lease_until: datetime | None


def _columns(item: type[msgspec.Struct]) -> list[Any]:
    return [
        workspaces.c.name if name == "workspace_name" else jobs.c[name]
        for name in item.__struct_fields__
    ]


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions on jobs. A field that is None matches every job.

    `kind` is a whole kind or its last part: `transcription` matches `revenue.transcription`.
    """

    id: UUID | None = None
    workspace: UUID | None = None
    kind: str | None = None
    queue: Queue | None = None
    state: State | None = None


def _filter_conditions() -> tuple[Any, ...]:
    def unless_none(name: str, type_: Any, condition: Callable[[Any], Any]) -> Any:
        value = bindparam(name, type_=type_)
        return or_(value.is_(None), condition(value))

    return (
        unless_none("id", Uuid, lambda value: jobs.c.id == value),
        unless_none("workspace", Uuid, lambda value: jobs.c.workspace_id == value),
        unless_none("queue", Text, lambda value: jobs.c.queue == value),
        unless_none("state", Text, lambda value: jobs.c.state == value),
        unless_none(
            "kind",
            Text,
            lambda value: or_(jobs.c.kind == value, func.split_part(jobs.c.kind, ".", 2) == value),
        ),
    )


def _change(states: Any, **values: Any) -> Statement[Any]:
    batch = (
        select(jobs.c.id)
        .where(*_filter_conditions(), states)
        .order_by(jobs.c.id)
        .limit(literal_column(str(_BATCH)))
        .with_for_update()
    )
    return statement(
        update(jobs).where(id_in(batch)).values(values).returning(jobs.c.workspace_id),
        scalar,
        cross_tenant_reason=_CROSS_TENANT,
    )


_jobs_with_workspace = jobs.join(workspaces, workspaces.c.id == jobs.c.workspace_id)
_LIST = statement(
    select(*_columns(JobItem))
    .select_from(_jobs_with_workspace)
    .where(*_filter_conditions())
    .order_by(jobs.c.id.desc())
    .limit(bindparam("limit", type_=Integer)),
    JobItem,
    cross_tenant_reason=_CROSS_TENANT,
)
_GET = statement(
    select(*_columns(JobDetail))
    .select_from(_jobs_with_workspace)
    .where(jobs.c.id == bindparam("id", type_=Uuid)),
    JobDetail,
    cross_tenant_reason=_CROSS_TENANT,
)
_RETRY = _change(
    or_(in_state("failed"), in_state("cancelled")),
    state=literal_column("'queued'"),
    cancelling=false(),
    failures=literal_column("0"),
    losses=literal_column("0"),
    run_after=func.now(),
    error=null(),
    finished_at=null(),
    **NOT_WAITING,
)
# Queued, so that a worker ends the job and updates the record that waits for it.
_CANCEL = _change(
    and_(LIVE, jobs.c.cancelling.is_(false())),
    state=literal_column("'queued'"),
    cancelling=true(),
    run_after=func.now(),
    lease=null(),
    lease_until=null(),
    **NOT_WAITING,
)
_DELETE_ENDED = statement(
    delete(jobs)
    .where(
        id_in(
            select(jobs.c.id)
            .where(
                or_(in_state("done"), in_state("failed"), in_state("cancelled")),
                jobs.c.finished_at < func.now() - days("days"),
            )
            .limit(literal_column("5000"))
            # A locked job may be one that is being retried.
            .with_for_update(skip_locked=True)
        )
    )
    .returning(jobs.c.id),
    scalar,
    cross_tenant_reason="retention is the same for every workspace",
)


async def list_jobs(read: Read, filters: JobFilter, limit: int) -> list[JobItem]:
    """List the newest jobs that match, newest first."""
    return await read.all(_LIST, **msgspec.structs.asdict(filters), limit=limit)


async def get_job(read: Read, job_id: UUID) -> JobDetail:
    """Get a job by id. Raises NotFound."""
    job = await read.first(_GET, id=job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}: `gateway jobs list` shows them.")
    return job


async def retry(tx: Tx, filters: JobFilter, actor: Actor) -> int:
    """Requeue matching jobs that failed or were cancelled. All attempts are available again.

    Returns the number of jobs.
    """
    return await _change_all(tx, _RETRY, filters, actor, "jobs.retry")


async def cancel(tx: Tx, filters: JobFilter, actor: Actor) -> int:
    """Cancel matching jobs that have not ended. Returns the number of jobs.

    Results of a running attempt are discarded. A worker ends the cancelled jobs soon afterwards.
    """
    return await _change_all(tx, _CANCEL, filters, actor, "jobs.cancel")


async def _change_all(
    tx: Tx, change: Statement[Any], filters: JobFilter, actor: Actor, action: str
) -> int:
    """Run a change in batches, in one transaction, so that no job is changed twice.

    The audit log gets one entry for each workspace with changed jobs.
    """
    changed_jobs: Counter[WorkspaceId] = Counter()
    while True:
        changed = await tx.all(change, **msgspec.structs.asdict(filters))
        changed_jobs.update(changed)
        if len(changed) < _BATCH:
            break
    for workspace, count in changed_jobs.items():
        await audit.record(tx, workspace, actor, action, "job", filters.id, count=count)
    total = changed_jobs.total()
    if total:
        # Not `notify_after_commit`, which is lost if the process exits right after the commit.
        await tx.notify(CHANNEL, "")
    return total


async def delete_ended(read: Read, older_than_days: float) -> int:
    """Delete jobs that ended more than `older_than_days` ago. Returns the number of jobs."""
    total = 0
    while deleted := await read.all(_DELETE_ENDED, days=older_than_days):
        total += len(deleted)
    return total
