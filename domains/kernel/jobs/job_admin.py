"""What operators see and do of jobs: counts, lists, another try, an end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Float,
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)

from domains.kernel.core.problems import NotFound
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import Statement, scalar, statement
from domains.kernel.db.tables import jobs, workspaces
from domains.kernel.jobs.model import CHANNEL, LIVE, Queue, State, in_state

_ACROSS: Final = "operators administer every workspace"

# Jobs that one statement of `retry` or `cancel` changes: few enough for the time that it has.
_BATCH: Final = 10_000


class Backlog(msgspec.Struct, frozen=True):
    """How many jobs of a queue are in a state, and the age in seconds of the oldest due one.

    Of failed ones: those of the last 24 hours, and the age of the oldest.
    """

    queue: Queue
    state: State
    count: int
    oldest_seconds: float


def _counted(since: Any) -> Any:
    age = func.extract("epoch", func.now() - func.min(since)).cast(Float)
    return select(
        jobs.c.queue,
        jobs.c.state,
        func.count(),
        func.coalesce(age, literal_column("0")).label("age"),
    ).group_by(jobs.c.queue, jobs.c.state)


_BACKLOG = statement(
    _counted(jobs.c.run_after)
    .where(LIVE, jobs.c.run_after <= func.now())
    .union_all(
        _counted(jobs.c.finished_at).where(
            in_state("failed"),
            jobs.c.finished_at > func.now() - literal(timedelta(days=1), Interval),
        )
    )
    .order_by("queue", "state"),
    Backlog,
    across="operators see queue lengths, never contents",
)


async def backlog(read: Read) -> list[Backlog]:
    """The live jobs that are due, and those that failed lately, by queue and state."""
    return await read.all(_BACKLOG)


class JobItem(msgspec.Struct, rename="camel"):
    """A job as operators see it."""

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

    @property
    def shown_state(self) -> str:
        """The state in a word; `cancelling` until a worker has marked the end."""
        return "cancelling" if self.cancelling and self.finished_at is None else self.state


class JobDetail(JobItem):
    """A job with what it is about: ids, never contents."""

    payload: msgspec.Raw
    request_id: str | None
    lease_until: datetime | None


def _columns(of: type[msgspec.Struct]) -> list[Any]:
    return [
        workspaces.c.name if name == "workspace_name" else jobs.c[name]
        for name in of.__struct_fields__
    ]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are meant; what is None does not matter.

    `kind` is a whole kind, or its last part: `transcription` stands for `revenue.transcription`.
    """

    id: UUID | None = None
    workspace: UUID | None = None
    kind: str | None = None
    queue: Queue | None = None
    state: State | None = None


def _chosen() -> tuple[Any, ...]:
    def unless_none(name: str, kind: Any, condition: Any) -> Any:
        return or_(bindparam(name, type_=kind).is_(None), condition(bindparam(name, type_=kind)))

    return (
        unless_none("id", Uuid, lambda given: jobs.c.id == given),
        unless_none("workspace", Uuid, lambda given: jobs.c.workspace_id == given),
        unless_none("queue", Text, lambda given: jobs.c.queue == given),
        unless_none("state", Text, lambda given: jobs.c.state == given),
        unless_none(
            "kind",
            Text,
            lambda given: or_(jobs.c.kind == given, func.split_part(jobs.c.kind, ".", 2) == given),
        ),
    )


def _change(states: Any, values: Mapping[str, Any]) -> Statement[Any]:
    picked = (
        select(jobs.c.id)
        .where(*_chosen(), states)
        .order_by(jobs.c.id)
        .limit(literal_column(str(_BATCH)))
        .with_for_update()
        .scalar_subquery()
    )
    return statement(
        update(jobs)
        .where(jobs.c.id == any_(func.array(picked, type_=ARRAY(Uuid))))
        .values(dict(values))
        .returning(jobs.c.id),
        scalar,
        across=_ACROSS,
    )


_joined = jobs.join(workspaces, workspaces.c.id == jobs.c.workspace_id)
_LIST = statement(
    select(*_columns(JobItem))
    .select_from(_joined)
    .where(*_chosen())
    .order_by(jobs.c.id.desc())
    .limit(bindparam("limit", type_=Integer)),
    JobItem,
    across=_ACROSS,
)
_SHOW = statement(
    select(*_columns(JobDetail))
    .select_from(_joined)
    .where(jobs.c.id == bindparam("id", type_=Uuid)),
    JobDetail,
    across=_ACROSS,
)
_RETRY = _change(
    or_(in_state("failed"), in_state("cancelled")),
    {
        "state": literal_column("'queued'"),
        "cancelling": false(),
        "failures": literal_column("0"),
        "losses": literal_column("0"),
        "run_after": func.now(),
        "error": null(),
        "finished_at": null(),
    },
)
# A worker ends it, so that the record that waits for it can say so.
_CANCEL = _change(
    and_(LIVE, jobs.c.cancelling.is_(false())),
    {
        "state": literal_column("'queued'"),
        "cancelling": true(),
        "run_after": func.now(),
        "lease": null(),
        "lease_until": null(),
    },
)
_FORGET = statement(
    delete(jobs)
    .where(
        jobs.c.id
        == any_(
            func.array(
                select(jobs.c.id)
                .where(
                    or_(in_state("done"), in_state("failed"), in_state("cancelled")),
                    jobs.c.finished_at
                    < func.now()
                    - cast(bindparam("days", type_=Float), Float)
                    * literal(timedelta(days=1), Interval),
                )
                .limit(literal_column("5000"))
                # One that is being tried again is over no more.
                .with_for_update(skip_locked=True)
                .scalar_subquery(),
                type_=ARRAY(Uuid),
            )
        )
    )
    .returning(jobs.c.id),
    scalar,
    across="what is over is over in every workspace",
)


async def listed(read: Read, choice: Choice, limit: int) -> list[JobItem]:
    """The newest of the chosen jobs, newest first."""
    return await read.all(_LIST, **msgspec.structs.asdict(choice), limit=limit)


async def show(read: Read, job_id: UUID) -> JobDetail:
    """One job; NotFound."""
    found = await read.first(_SHOW, id=job_id)
    if found is None:
        raise NotFound(f"There is no job {job_id}: `gateway jobs list` shows them.")
    return found


async def retry(tx: Tx, choice: Choice) -> int:
    """Give the chosen jobs that failed or were cancelled all their attempts again; how many."""
    return await _all(tx, _RETRY, choice)


async def cancel(tx: Tx, choice: Choice) -> int:
    """End the chosen jobs that have not ended, without their being done; how many.

    Whatever one of them has under way is not stored. A worker marks the end soon afterwards.
    """
    return await _all(tx, _CANCEL, choice)


async def _all(tx: Tx, change: Statement[Any], choice: Choice) -> int:
    """Change batch after batch. In one transaction, so that none is met again on its next end."""
    total = 0
    while True:
        changed = len(await tx.all(change, **msgspec.structs.asdict(choice)))
        total += changed
        if changed < _BATCH:
            break
    if total:
        # Not a wake, which would come to nothing where the process ends with the transaction.
        await tx.notify(CHANNEL, "")
    return total


async def forget_old(read: Read, days: float) -> int:
    """Remove jobs that ended so many days ago; how many."""
    total = 0
    while forgotten := await read.all(_FORGET, days=days):
        total += len(forgotten)
    return total
