"""Dispatch, claim, renew and end jobs.

A relay keeps the lanes of its own process full: `take` marks due jobs as sent. A workspace may fill
the main lane but not the reserved lane, which serves workspaces that would wait behind its backlog.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Float,
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    func,
    lateral,
    literal_column,
    not_,
    null,
    or_,
    select,
    update,
)

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Dependency
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, scalar, seconds, statement
from domains.kernel.db.tables import jobs
from domains.kernel.jobs.model import NOT_WAITING, Queue, id_in, in_state

# A job fails after this many failed attempts, or after this many attempts that lost their worker.
MAX_FAILURES: Final = 5
MAX_LOSSES: Final = 10

_CROSS_TENANT: Final = "the job engine serves every workspace"

_ONE_OF_IDS: Final = jobs.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))


def unlocked(*conditions: Any) -> Any:
    """Condition on the job id: the job matches and no other transaction has locked it."""
    return id_in(
        select(jobs.c.id).where(*conditions).order_by(jobs.c.id).with_for_update(skip_locked=True)
    )


# --- relays -----------------------------------------------------------------------------------


class SentJob(msgspec.Struct, frozen=True):
    """A job that `take` marked as sent. `reserved`: for the reserved lane."""

    id: UUID
    reserved: bool


_ONE: Final[Any] = literal_column("1")

# Due jobs considered per workspace, at least. A smaller share could leave the window half empty
# when many workspaces have queued jobs but few have due ones.
_MIN_SHARE: Final[Any] = literal_column("8")


def _take() -> Any:
    queue = bindparam("queue", type_=Text)
    window = bindparam("window", type_=Integer)
    reserved_slots = bindparam("reserved_slots", type_=Integer)
    waiting = (jobs.c.queue == queue, in_state("queued"))

    # Workspaces with queued jobs: a loose index scan, one step per workspace whatever its backlog.
    first = select(jobs.c.workspace_id).where(*waiting).order_by(jobs.c.workspace_id).limit(_ONE)
    owners = select(first.subquery("first").c.workspace_id).cte("owners", recursive=True)
    following = (
        select(jobs.c.workspace_id)
        .where(*waiting, jobs.c.workspace_id > owners.c.workspace_id)
        .order_by(jobs.c.workspace_id)
        .limit(_ONE)
        .scalar_subquery()
    )
    owners = owners.union_all(select(following).where(owners.c.workspace_id.is_not(None)))

    # Free slots of both lanes, and this relay's jobs per workspace.
    in_progress = (
        jobs.c.queue == queue,
        jobs.c.relay == bindparam("relay", type_=Uuid),
        or_(in_state("sent"), in_state("running")),
    )
    busy = (
        select(jobs.c.workspace_id, func.count().label("n"))
        .where(*in_progress)
        .group_by(jobs.c.workspace_id)
        .cte("busy")
    )
    free = (
        select(
            func.greatest(0, window - func.count().filter(not_(jobs.c.reserved))).label("main"),
            func.greatest(0, reserved_slots - func.count().filter(jobs.c.reserved)).label(
                "reserved"
            ),
        )
        .where(*in_progress)
        .cte("free")
    )

    # Oldest due jobs of each workspace, numbered after its jobs in progress.
    share = func.greatest(
        _MIN_SHARE, window // select(func.count(owners.c.workspace_id)).scalar_subquery()
    )
    due = lateral(
        select(jobs.c.id, jobs.c.run_after)
        .where(
            *waiting,
            jobs.c.workspace_id == owners.c.workspace_id,
            jobs.c.run_after <= func.now(),
        )
        .order_by(jobs.c.run_after, jobs.c.id)
        .limit(share),
        "due",
    )
    turn = func.coalesce(busy.c.n, 0) + func.row_number().over(
        partition_by=owners.c.workspace_id, order_by=(due.c.run_after, due.c.id)
    )
    candidates = (
        select(due.c.id, due.c.run_after, turn.label("turn"))
        .select_from(
            owners.join(due, literal_column("true")).outerjoin(
                busy, busy.c.workspace_id == owners.c.workspace_id
            )
        )
        .cte("candidates")
    )
    order = (candidates.c.turn, candidates.c.run_after, candidates.c.id)
    chosen = (
        select(candidates.c.id, func.row_number().over(order_by=order).label("place"))
        .where(candidates.c.turn <= window)
        .order_by(*order)
        .limit(select(free.c.main + free.c.reserved).scalar_subquery())
        .cte("chosen")
    )
    beyond_main = chosen.c.place > select(free.c.main).scalar_subquery()
    return (
        update(jobs)
        .where(unlocked(id_in(select(chosen.c.id)), in_state("queued")))
        .values(
            state="sent",
            sent_at=func.now(),
            relay=bindparam("relay", type_=Uuid),
            reserved=id_in(select(chosen.c.id).where(beyond_main)),
        )
        .returning(jobs.c.id, jobs.c.reserved)
    )


_TAKE = statement(_take(), SentJob, cross_tenant_reason=_CROSS_TENANT)


def _update_unlocked(*conditions: Any, **values: Any) -> Statement[Any]:
    return statement(
        update(jobs).where(unlocked(*conditions)).values(values).returning(jobs.c.id),
        scalar,
        cross_tenant_reason=_CROSS_TENANT,
    )


_REQUEUE_SENT = _update_unlocked(_ONE_OF_IDS, in_state("sent"), state="queued")
_REQUEUE_UNCLAIMED = _update_unlocked(
    in_state("sent"),
    jobs.c.queue == bindparam("queue", type_=Text),
    jobs.c.relay == bindparam("relay", type_=Uuid),
    state="queued",
)
_REQUEUE_OVERDUE = _update_unlocked(
    in_state("sent"), jobs.c.sent_at < func.now() - seconds("resend_after"), state="queued"
)
# A job that keeps losing its worker may be the cause. Each time, it waits a second more, so that
# the other jobs of the worker can finish.
_REQUEUE_LOST = _update_unlocked(
    in_state("running"),
    jobs.c.lease_until < func.now(),
    state="queued",
    losses=jobs.c.losses + 1,
    lease=null(),
    lease_until=null(),
    run_after=func.now() + seconds(cast(jobs.c.losses, Float)),
)


async def take(
    read: Read, relay: UUID, queue: Queue, window: int, reserved_slots: int
) -> list[SentJob]:
    """Mark due jobs as sent, until `window` jobs of the relay are sent or running.

    Up to `reserved_slots` more are taken for the reserved lane, from workspaces that have fewer
    than `window` jobs in progress. Workspaces take turns; each workspace's oldest jobs go first.
    """
    return await read.all(
        _TAKE, relay=relay, queue=queue, window=window, reserved_slots=reserved_slots
    )


async def requeue(read: Read, ids: Sequence[UUID]) -> None:
    """Requeue sent jobs by id. Skips jobs that a worker has claimed."""
    await read.all(_REQUEUE_SENT, ids=ids)


async def requeue_unclaimed(read: Read, relay: UUID, queue: Queue) -> None:
    """Requeue the jobs of a queue that a relay sent and no worker has claimed."""
    await read.all(_REQUEUE_UNCLAIMED, relay=relay, queue=queue)


async def sweep(read: Read, resend_after: float) -> int:
    """Requeue jobs with an expired lease, and jobs sent but unclaimed for `resend_after` seconds.

    Returns the number of jobs.
    """
    overdue = await read.all(_REQUEUE_OVERDUE, resend_after=resend_after)
    lost = await read.all(_REQUEUE_LOST)
    return len(overdue) + len(lost)


# --- workers ----------------------------------------------------------------------------------


class Lease(NamedTuple):
    """Proof of ownership: job id and lease id."""

    job_id: UUID
    lease_id: UUID


class Claim(msgspec.Struct, frozen=True):
    """A claimed job. Its worker owns it while the lease is renewed in time."""

    id: UUID
    lease_id: UUID
    workspace: WorkspaceId
    kind: str
    payload: msgspec.Raw
    request_id: str | None
    failures: int
    losses: int
    cancelling: bool
    # The dependency that the job waits for, and for how many seconds.
    waiting_for: Dependency | None
    waited: float
    # True if that dependency has served another job since the last attempt. Else, the seconds since
    # the end of that attempt.
    responded: bool
    tried_ago: float | None

    @property
    def lease(self) -> Lease:
        return Lease(self.id, self.lease_id)


class LostLease(Exception):
    """The lease expired or the job was cancelled: nothing of this attempt may be stored."""


_waited = func.extract("epoch", func.now() - func.coalesce(jobs.c.waiting_since, func.now()))
_COLUMNS: Final[dict[str, Any]] = {
    "lease_id": jobs.c.lease,
    "workspace": jobs.c.workspace_id,
    "waited": cast(_waited, Float),
    "tried_ago": cast(func.extract("epoch", func.now() - jobs.c.tried_at), Float),
    "responded": jobs.c.waiting_for.is_not(None) & jobs.c.tried_at.is_(None),
}
_CLAIM = statement(
    update(jobs)
    .where(
        unlocked(
            _ONE_OF_IDS,
            or_(in_state("sent"), in_state("queued") & (jobs.c.run_after <= func.now())),
        )
    )
    .values(
        state="running",
        lease=func.gen_random_uuid(),
        lease_until=func.now() + seconds("duration"),
        started_at=func.now(),
    )
    .returning(
        *(_COLUMNS[name] if name in _COLUMNS else jobs.c[name] for name in Claim.__struct_fields__)
    ),
    Claim,
    cross_tenant_reason=_CROSS_TENANT,
)

# Lease ids are random, so the two arrays need not be matched pair by pair.
_all_owned = (
    _ONE_OF_IDS,
    jobs.c.lease == any_(bindparam("leases", type_=ARRAY(Uuid))),
    in_state("running"),
)
_RENEW = _update_unlocked(*_all_owned, lease_until=func.now() + seconds("duration"))
_STILL_OWNED = statement(
    select(jobs.c.id).where(*_all_owned), scalar, cross_tenant_reason=_CROSS_TENANT
)
_FINISH_ALL = statement(
    update(jobs)
    # Locked in the order of `job_admin.cancel`, so that they cannot deadlock.
    .where(id_in(select(jobs.c.id).where(*_all_owned).order_by(jobs.c.id).with_for_update()))
    .values(
        state="done",
        error=null(),
        finished_at=func.now(),
        lease=null(),
        lease_until=null(),
        **NOT_WAITING,
    )
    .returning(jobs.c.id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)


def _update_owned(**values: Any) -> Statement[Any]:
    """Statement that ends a lease. Its parameter `failed` counts a failure."""
    return statement(
        update(jobs)
        .where(
            jobs.c.id == bindparam("id"),
            jobs.c.workspace_id == WORKSPACE,
            jobs.c.lease == bindparam("lease"),
            in_state("running"),
        )
        .values(
            failures=jobs.c.failures + cast(bindparam("failed", type_=Boolean), Integer),
            lease=null(),
            lease_until=null(),
            **values,
        )
        .returning(jobs.c.id),
        scalar,
    )


_END = _update_owned(
    state=bindparam("outcome"), error=bindparam("error"), finished_at=func.now(), **NOT_WAITING
)
_RETRY = _update_owned(
    state="queued",
    error=bindparam("error", type_=Text),
    run_after=func.now() + seconds("delay"),
    **NOT_WAITING,
)
_WAIT = _update_owned(
    state="queued",
    error=bindparam("error", type_=Text),
    run_after=func.now() + seconds("delay"),
    waiting_for=bindparam("dependency", type_=Text),
    waiting_since=case(
        (bindparam("restarts", type_=Boolean), func.now()),
        else_=func.coalesce(jobs.c.waiting_since, func.now()),
    ),
    tried_at=func.now(),
)
_RELEASE = _update_owned(state="queued", run_after=func.now())


async def claim(read: Read, ids: Sequence[UUID], seconds: float) -> list[Claim]:
    """Claim the jobs for `seconds`. Skips jobs that are claimed, ended, locked or not due."""
    return await read.all(_CLAIM, ids=ids, duration=seconds)


async def renew(read: Read, leases: Sequence[Lease], seconds: float) -> set[UUID]:
    """Renew leases for `seconds` from now. Returns the ids of the jobs that are still owned."""
    renewed = await read.all(_RENEW, **_arrays(leases), duration=seconds)
    if len(renewed) == len(leases):
        return set(renewed)
    # Other leases are lost, or their jobs are locked because they are just ending.
    return {*renewed, *await read.all(_STILL_OWNED, **_arrays(leases))}


async def finish_all(read: Read, leases: Sequence[Lease]) -> set[UUID]:
    """Mark jobs without results as done. Returns the ids of the jobs that were still owned."""
    return set(await read.all(_FINISH_ALL, **_arrays(leases)))


async def finish(tx: Tx, claim: Claim) -> None:
    """Mark a job as done, in the transaction that stores its results. Raises LostLease."""
    await _end(tx, claim, "done", None)


async def fail(tx: Tx, claim: Claim, error: str) -> None:
    """Mark a job as failed. `error` is shown to customers. Raises LostLease."""
    await _end(tx, claim, "failed", error)


async def cancel(tx: Tx, claim: Claim, error: str) -> None:
    """Mark a job as cancelled. `error` is shown to customers. Raises LostLease."""
    await _end(tx, claim, "cancelled", error)


async def _end(tx: Tx, claim: Claim, outcome: str, error: str | None) -> None:
    ended = await tx.first(
        _END, **_ownership(claim), outcome=outcome, failed=outcome == "failed", error=error
    )
    if ended is None:
        raise LostLease


async def retry(read: Read, claim: Claim, error: str, delay: float) -> None:
    """Requeue a job after a failed attempt, due in `delay` seconds."""
    await read.first(_RETRY, **_ownership(claim), failed=True, error=error, delay=delay)


async def wait(
    read: Read,
    claim: Claim,
    dependency: Dependency,
    error: str,
    delay: float,
    *,
    failed: bool,
    restarts: bool,
) -> None:
    """Requeue a job that needs an unavailable dependency. Counts a failure only if `failed`.

    `restarts`: the time that it has waited begins anew.

    It is due in `delay` seconds, or as soon as `outages.wake` or `outages.probe` selects it.
    """
    await read.first(
        _WAIT,
        **_ownership(claim),
        dependency=dependency,
        error=error,
        delay=delay,
        failed=failed,
        restarts=restarts,
    )


async def release(read: Read, claim: Claim) -> None:
    """Requeue a job because its worker stops. Counts no failure."""
    await read.first(_RELEASE, **_ownership(claim), failed=False)


def _ownership(claim: Claim) -> dict[str, Any]:
    return {"id": claim.id, "workspace": claim.workspace, "lease": claim.lease_id}


def _arrays(leases: Sequence[Lease]) -> dict[str, Any]:
    return {
        "ids": [lease.job_id for lease in leases],
        "leases": [lease.lease_id for lease in leases],
    }


def backoff(failures: int, chance: float) -> float:
    """Seconds until the next attempt: 1, 6, 36, 216, up to 600, times 0.5 + `chance` in [0, 1)."""
    return min(600.0, 6.0**failures) * (0.5 + chance)
