"""Jobs: rows that commit with the data they belong to, and the states they go through.

    queued -> sent -> running -> done
       ^       |         |-----> failed      a Problem, or the last of the attempts
       |-------|---------|                   retry after a failure, a lost message, a lost lease

Postgres is the truth about every state; the broker carries ids only. `queued` waits for a relay,
`sent` for a worker, `running` belongs to the worker that holds the lease.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import (
    ARRAY,
    Float,
    Integer,
    Interval,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from domains.kernel.db import Read, Tx
from domains.kernel.ids import new_id
from domains.kernel.keys import WorkspaceId
from domains.kernel.statements import row, scalar, statement
from domains.kernel.tables import jobs

Queue = Literal["ingest", "analysis", "fetch", "housekeeping"]

# The notification channel on which relays wait.
CHANNEL: Final = "jobs"

# A job that failed this often, or lost its worker this often, has failed for good.
MAX_FAILURES: Final = 5
MAX_LOSSES: Final = 10

# Seconds for which a job can be put off in all.
LONGEST_DELAY: Final = 300.0


class Job(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of all jobs. A subclass gives its `tag` (renamed over two releases), queue and fields.

    New fields have defaults, because payloads outlive deployments.
    """

    queue: ClassVar[Queue]


_ACROSS: Final = "the job engine serves every workspace"
_seconds = bindparam("seconds", type_=Float)

# Neither done nor given up.
# Written out, since a partial index serves no parameter.
_LIVE: Final[Any] = text("jobs.state in ('queued', 'sent', 'running')")


def _is(state: str) -> Any:
    return jobs.c.state == literal_column(f"'{state}'")


def _in_seconds(seconds: Any) -> Any:
    return func.now() + seconds * literal(timedelta(seconds=1), Interval)


_ENQUEUE = statement(
    insert(jobs).values(
        id=bindparam("id"),
        workspace_id=bindparam("workspace"),
        kind=bindparam("kind"),
        queue=bindparam("queue"),
        payload=bindparam("payload"),
        request_id=bindparam("request_id"),
        # Of now, not of when the transaction began: that may have been long ago.
        run_after=func.clock_timestamp() + _seconds * literal(timedelta(seconds=1), Interval),
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
                    jobs.c.queue == bindparam("queue"),
                    jobs.c.kind == bindparam("kind"),
                    _is("queued"),
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
            func.clock_timestamp() + _seconds * literal(timedelta(seconds=1), Interval),
            jobs.c.created_at + literal(timedelta(seconds=LONGEST_DELAY), Interval),
        )
    )
    .returning(jobs.c.id),
    scalar,
)

_room = func.greatest(
    0,
    bindparam("window", type_=Integer)
    - select(func.count()).where(jobs.c.queue == bindparam("queue"), _is("sent")).scalar_subquery(),
)

# `= any(array(..))`: a join would make Postgres read the whole table under a generic plan.
_TAKE = statement(
    update(jobs)
    .where(
        jobs.c.id
        == any_(
            func.array(
                select(jobs.c.id)
                .where(
                    jobs.c.queue == bindparam("queue"),
                    _is("queued"),
                    jobs.c.run_after <= func.now(),
                )
                .order_by(jobs.c.run_after, jobs.c.id)
                .limit(_room)
                .with_for_update(skip_locked=True)
                .scalar_subquery(),
                type_=ARRAY(Uuid),
            )
        )
    )
    .values(state="sent", sent_at=func.now())
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)

_RESEND = statement(
    update(jobs)
    .where(_is("sent"), jobs.c.sent_at < _in_seconds(-_seconds))
    .values(state="queued")
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)

_RECLAIM = statement(
    update(jobs)
    .where(_is("running"), jobs.c.lease_until < func.now())
    .values(
        state="queued",
        losses=jobs.c.losses + 1,
        lease=null(),
        lease_until=null(),
        run_after=func.now(),
    )
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)


class Claim(msgspec.Struct, frozen=True):
    """A job that this worker may run as long as it renews the lease in time."""

    id: UUID
    lease: UUID
    workspace: WorkspaceId
    kind: str
    payload: msgspec.Raw
    request_id: str | None
    failures: int
    losses: int


_CLAIM = statement(
    update(jobs)
    .where(
        jobs.c.id == bindparam("id"),
        or_(
            _is("sent"),
            (_is("queued")) & (jobs.c.run_after <= func.now()),
        ),
    )
    .values(
        state="running",
        lease=bindparam("lease"),
        lease_until=_in_seconds(_seconds),
        started_at=func.now(),
    )
    .returning(
        jobs.c.id,
        jobs.c.lease,
        jobs.c.workspace_id,
        jobs.c.kind,
        jobs.c.payload,
        jobs.c.request_id,
        jobs.c.failures,
        jobs.c.losses,
    ),
    Claim,
    across=_ACROSS,
)

_held = (
    jobs.c.id == bindparam("id"),
    jobs.c.workspace_id == bindparam("workspace"),
    jobs.c.lease == bindparam("lease"),
    _is("running"),
)

_RENEW = statement(
    update(jobs).where(*_held).values(lease_until=_in_seconds(_seconds)).returning(jobs.c.id),
    scalar,
)

_END = statement(
    update(jobs)
    .where(*_held)
    .values(
        state=bindparam("outcome"),
        failures=jobs.c.failures + case((bindparam("outcome", type_=Text) == "done", 0), else_=1),
        error=bindparam("error"),
        finished_at=func.now(),
        lease=null(),
        lease_until=null(),
    )
    .returning(jobs.c.id),
    scalar,
)

_RETRY = statement(
    update(jobs)
    .where(*_held)
    .values(
        state="queued",
        failures=jobs.c.failures + 1,
        error=bindparam("error"),
        run_after=_in_seconds(_seconds),
        lease=null(),
        lease_until=null(),
    )
    .returning(jobs.c.id),
    scalar,
)

_RETURN = statement(
    update(jobs)
    .where(*_held)
    .values(state="queued", run_after=func.now(), lease=null(), lease_until=null())
    .returning(jobs.c.id),
    scalar,
)


_UNSEND = statement(
    update(jobs)
    .where(jobs.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))), _is("sent"))
    .values(state="queued")
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)


_IS_LIVE = statement(
    select(jobs.c.id).where(
        jobs.c.workspace_id == bindparam("workspace"), jobs.c.id == bindparam("id"), _LIVE
    ),
    scalar,
)


class LostLease(Exception):
    """The job belongs to another worker by now: nothing of this attempt may be stored."""


async def enqueue_soon(tx: Tx, workspace: WorkspaceId, job: Job, delay: float) -> None:
    """Queue a job for `delay` seconds later; one of its kind that waits already is put off instead.

    So many of these soon after one another make one job, at most LONGEST_DELAY after the first. It
    starts after this transaction's commit in any case.
    """
    kind = job.__struct_config__.tag
    waiting = await tx.first(
        _PUT_OFF, workspace=workspace, queue=job.queue, kind=kind, seconds=delay
    )
    if waiting is None:
        await enqueue(tx, workspace, job, delay)


async def enqueue(tx: Tx, workspace: WorkspaceId, job: Job, delay: float = 0) -> UUID:
    """Queue a job with the transaction's other changes, due `delay` seconds later; its id."""
    job_id = new_id()
    await tx.first(
        _ENQUEUE,
        id=job_id,
        workspace=workspace,
        kind=job.__struct_config__.tag,
        queue=job.queue,
        payload=msgspec.json.encode(job),
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        seconds=delay,
    )
    tx.wake(CHANNEL)
    return job_id


async def is_live(read: Read, workspace: WorkspaceId, job_id: UUID) -> bool:
    """Whether a job is neither done nor given up."""
    return await read.first(_IS_LIVE, workspace=workspace, id=job_id) is not None


async def take(read: Read, queue: Queue, window: int) -> list[UUID]:
    """Mark due jobs of a queue as sent, so many that `window` are sent and not yet claimed."""
    return await read.all(_TAKE, queue=queue, window=window)


async def unsend(read: Read, ids: list[UUID]) -> None:
    """Queue again what could not be handed to the broker."""
    await read.all(_UNSEND, ids=ids)


async def sweep(read: Read, resend_after: float) -> int:
    """Queue again what no worker took for `resend_after` seconds and what lost its worker."""
    resent = await read.all(_RESEND, seconds=resend_after)
    reclaimed = await read.all(_RECLAIM)
    return len(resent) + len(reclaimed)


async def claim(read: Read, job_id: UUID, seconds: float) -> Claim | None:
    """Become the job's only worker for so many seconds; None if it is taken, ended or not due."""
    return await read.first(_CLAIM, id=job_id, lease=new_id(), seconds=seconds)


async def renew(read: Read, held: Claim, seconds: float) -> bool:
    """Keep the lease for so many seconds from now; False if it is lost."""
    renewed = await read.first(_RENEW, **_holding(held), seconds=seconds)
    return renewed is not None


async def finish(tx: Tx, held: Claim) -> None:
    """Mark as done, together with the results in the same transaction; LostLease undoes both."""
    await _end(tx, held, "done", None)


async def fail(tx: Tx, held: Claim, error: str) -> None:
    """Mark as failed for good, with a reason that a customer may read; LostLease undoes it."""
    await _end(tx, held, "failed", error)


async def _end(tx: Tx, held: Claim, outcome: str, error: str | None) -> None:
    ended = await tx.first(_END, **_holding(held), outcome=outcome, error=error)
    if ended is None:
        raise LostLease


async def retry(read: Read, held: Claim, error: str, delay: float) -> None:
    """Queue again after a failed attempt, `delay` seconds from now."""
    await read.first(_RETRY, **_holding(held), error=error, seconds=delay)


async def give_back(read: Read, held: Claim) -> None:
    """Queue again because this worker stops; no failure is counted."""
    await read.first(_RETURN, **_holding(held))


def _holding(held: Claim) -> dict[str, Any]:
    return {"id": held.id, "workspace": held.workspace, "lease": held.lease}


def backoff(failures: int, chance: float) -> float:
    """Seconds until the next attempt: 1, 4, 16, 64, .. up to 600, spread by `chance` in [0, 1)."""
    return min(600.0, 4.0**failures) * (0.5 + chance)


class Backlog(msgspec.Struct, frozen=True):
    """How many jobs of a queue are in a state, and the age in seconds of the oldest due one."""

    queue: str
    state: str
    count: int
    oldest_seconds: float


_BACKLOG = statement(
    select(
        jobs.c.queue,
        jobs.c.state,
        func.count(),
        func.coalesce(
            func.extract("epoch", func.now() - func.min(jobs.c.run_after)), literal_column("0")
        ).cast(Float),
    )
    .where(_LIVE, jobs.c.run_after <= func.now())
    .group_by(jobs.c.queue, jobs.c.state)
    .order_by(jobs.c.queue, jobs.c.state),
    Backlog,
    across="operators see queue lengths, never contents",
)


async def backlog(read: Read) -> list[Backlog]:
    """The live jobs that are due, by queue and state."""
    return await read.all(_BACKLOG)


def decoder(kinds: Iterable[type[Job]]) -> msgspec.json.Decoder[Any]:
    """Decodes a payload into the job class that its kind names."""
    union: Any = None
    for kind in kinds:
        union = kind if union is None else union | kind
    return msgspec.json.Decoder(union)
