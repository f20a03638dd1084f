"""How waiting jobs get to workers, and how a worker holds one: send, claim, renew, end.

A relay keeps its own process busy: `take` marks so many due jobs as sent that its lanes are full.
A workspace may fill the main lane, but never the spare one beside it: that one is for whoever
comes next, so nobody waits behind another's backlog.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Float,
    Integer,
    Interval,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    false,
    func,
    lateral,
    literal,
    literal_column,
    null,
    or_,
    select,
    update,
)

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import scalar, statement
from domains.kernel.db.tables import jobs
from domains.kernel.jobs.model import Queue, in_state

# A job that failed this often, or lost its worker this often, has failed for good.
MAX_FAILURES: Final = 5
MAX_LOSSES: Final = 10

_ACROSS: Final = "the job engine serves every workspace"
_seconds = bindparam("seconds", type_=Float)


def _in_seconds(seconds: Any) -> Any:
    return func.now() + seconds * literal(timedelta(seconds=1), Interval)


_ids = any_(bindparam("ids", type_=ARRAY(Uuid)))


def _skipping_locked(*conditions: Any) -> Any:
    """Ids of jobs that nobody else is changing just now.

    Always as `= any(array(..))`: a join would make Postgres read the whole table under a
    generic plan.
    """
    return any_(
        func.array(
            select(jobs.c.id)
            .where(*conditions)
            .order_by(jobs.c.id)
            .with_for_update(skip_locked=True)
            .scalar_subquery(),
            type_=ARRAY(Uuid),
        )
    )


# --- relays -----------------------------------------------------------------------------------


class Sent(msgspec.Struct, frozen=True):
    """A job that was marked as sent, and whether it belongs into the spare lane."""

    id: UUID
    spare: bool


_ONE: Final[Any] = literal_column("1")

# Of each workspace at least so many are looked at, lest many that have nothing due yet keep those
# that have from filling the window.
_LEAST_SHARE: Final[Any] = literal_column("8")


def _take() -> Any:
    queue = bindparam("queue", type_=Text)
    window = bindparam("window", type_=Integer)
    waiting = (jobs.c.queue == queue, in_state("queued"))

    # The workspaces that have something queued: one step along the index for each of them, however
    # much they have.
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

    under_way = (
        jobs.c.queue == queue,
        jobs.c.relay == bindparam("relay", type_=Uuid),
        or_(in_state("sent"), in_state("running")),
    )
    busy = (
        select(jobs.c.workspace_id, func.count().label("n"))
        .where(*under_way)
        .group_by(jobs.c.workspace_id)
        .cte("busy")
    )
    counted = select(
        func.greatest(0, window - func.count().filter(jobs.c.spare.is_(false()))).label("main"),
        func.greatest(
            0,
            bindparam("spares", type_=Integer) - func.count().filter(jobs.c.spare),
        ).label("spare"),
    ).where(*under_way)
    room = counted.cte("room")

    # The oldest due ones of each workspace, numbered after those that it has under way already.
    share = func.greatest(
        _LEAST_SHARE, window // select(func.count(owners.c.workspace_id)).scalar_subquery()
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
        .limit(select(room.c.main + room.c.spare).scalar_subquery())
        .cte("chosen")
    )

    def ids(*conditions: Any) -> Any:
        found = select(chosen.c.id).where(*conditions).scalar_subquery()
        return any_(func.array(found, type_=ARRAY(Uuid)))

    main = select(room.c.main).scalar_subquery()
    return (
        update(jobs)
        .where(jobs.c.id == _skipping_locked(jobs.c.id == ids(), in_state("queued")))
        .values(
            state="sent",
            sent_at=func.now(),
            relay=bindparam("relay", type_=Uuid),
            spare=jobs.c.id == ids(chosen.c.place > main),
        )
        .returning(jobs.c.id, jobs.c.spare)
    )


_TAKE = statement(_take(), Sent, across=_ACROSS)

_UNSEND = statement(
    update(jobs)
    .where(jobs.c.id == _skipping_locked(jobs.c.id == _ids, in_state("sent")))
    .values(state="queued")
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)

_WITHDRAW = statement(
    update(jobs)
    .where(
        jobs.c.id
        == _skipping_locked(
            in_state("sent"),
            jobs.c.queue == bindparam("queue", type_=Text),
            jobs.c.relay == bindparam("relay", type_=Uuid),
        )
    )
    .values(state="queued")
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)

_RESEND = statement(
    update(jobs)
    .where(jobs.c.id == _skipping_locked(in_state("sent"), jobs.c.sent_at < _in_seconds(-_seconds)))
    .values(state="queued")
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)

# One that loses its workers again and again may be what ends them: it waits longer each time, and
# lets the others end in peace.
_RECLAIM = statement(
    update(jobs)
    .where(jobs.c.id == _skipping_locked(in_state("running"), jobs.c.lease_until < func.now()))
    .values(
        state="queued",
        losses=jobs.c.losses + 1,
        lease=null(),
        lease_until=null(),
        run_after=_in_seconds(cast(jobs.c.losses, Float)),
    )
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)


async def take(read: Read, relay: UUID, queue: Queue, window: int, spares: int) -> list[Sent]:
    """Mark due jobs of a queue as sent, so many that the relay has `window` under way, and so many
    `spares` of workspaces that the others would crowd out.

    Workspaces take turns; of each the oldest come first.
    """
    return await read.all(_TAKE, relay=relay, queue=queue, window=window, spares=spares)


async def unsend(read: Read, ids: Sequence[UUID]) -> None:
    """Queue again what could not be handed to the broker."""
    await read.all(_UNSEND, ids=ids)


async def withdraw(read: Read, relay: UUID, queue: Queue) -> None:
    """Queue again what a relay sent of a queue and nobody took yet."""
    await read.all(_WITHDRAW, relay=relay, queue=queue)


async def sweep(read: Read, resend_after: float) -> int:
    """Queue again what no worker took for `resend_after` seconds and what lost its worker."""
    resent = await read.all(_RESEND, seconds=resend_after)
    reclaimed = await read.all(_RECLAIM)
    return len(resent) + len(reclaimed)


# --- workers ----------------------------------------------------------------------------------


class Lease(NamedTuple):
    """By what a worker shows that a job is its own."""

    job: UUID
    lease: UUID


class Claim(msgspec.Struct, frozen=True):
    """A job that this worker may run as long as it renews the lease in time."""

    id: UUID
    lease: UUID
    workspace: WorkspaceId
    kind: str
    queue: Queue
    payload: msgspec.Raw
    request_id: str | None
    failures: int
    losses: int
    cancelling: bool

    @property
    def held(self) -> Lease:
        return Lease(self.id, self.lease)


class LostLease(Exception):
    """The job belongs to another worker by now: nothing of this attempt may be stored."""


_CLAIM = statement(
    update(jobs)
    .where(
        jobs.c.id
        == _skipping_locked(
            jobs.c.id == _ids,
            or_(in_state("sent"), in_state("queued") & (jobs.c.run_after <= func.now())),
        )
    )
    .values(
        state="running",
        lease=func.gen_random_uuid(),
        lease_until=_in_seconds(_seconds),
        started_at=func.now(),
    )
    .returning(
        *(jobs.c[name.replace("workspace", "workspace_id")] for name in Claim.__struct_fields__)
    ),
    Claim,
    across=_ACROSS,
)

# A lease is drawn anew for each claim, so the pair needs no joining.
_all_held = (
    jobs.c.id == _ids,
    jobs.c.lease == any_(bindparam("leases", type_=ARRAY(Uuid))),
    in_state("running"),
)
_RENEW = statement(
    update(jobs)
    .where(jobs.c.id == _skipping_locked(*_all_held))
    .values(lease_until=_in_seconds(_seconds))
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)
# Locked in the order in which an operator's `cancel` locks them: neither waits for the other's.
_ending = (
    select(jobs.c.id).where(*_all_held).order_by(jobs.c.id).with_for_update().scalar_subquery()
)
_FINISH_ALL = statement(
    update(jobs)
    .where(jobs.c.id == any_(func.array(_ending, type_=ARRAY(Uuid))))
    .values(
        state="done",
        error=null(),
        finished_at=func.now(),
        lease=null(),
        lease_until=null(),
    )
    .returning(jobs.c.id),
    scalar,
    across=_ACROSS,
)
_STILL_HELD = statement(select(jobs.c.id).where(*_all_held), scalar, across=_ACROSS)

_held = (
    jobs.c.id == bindparam("id"),
    jobs.c.workspace_id == bindparam("workspace"),
    jobs.c.lease == bindparam("lease"),
    in_state("running"),
)
_END = statement(
    update(jobs)
    .where(*_held)
    .values(
        state=bindparam("outcome"),
        failures=jobs.c.failures + cast(bindparam("failed", type_=Boolean), Integer),
        error=bindparam("error"),
        finished_at=func.now(),
        lease=null(),
        lease_until=null(),
    )
    .returning(jobs.c.id),
    scalar,
)
_AGAIN = statement(
    update(jobs)
    .where(*_held)
    .values(
        state="queued",
        failures=jobs.c.failures + case((bindparam("failed", type_=Boolean), 1), else_=0),
        error=func.coalesce(bindparam("error", type_=Text), jobs.c.error),
        run_after=_in_seconds(_seconds),
        lease=null(),
        lease_until=null(),
    )
    .returning(jobs.c.id),
    scalar,
)


async def claim(read: Read, ids: Sequence[UUID], seconds: float) -> list[Claim]:
    """Become the only worker of these jobs for so many seconds; without those that are taken,
    ended or not due.
    """
    return await read.all(_CLAIM, ids=ids, seconds=seconds)


async def renew(read: Read, held: Sequence[Lease], seconds: float) -> set[UUID]:
    """Keep leases for so many seconds from now; the ids of the jobs that are still held."""
    renewed = await read.all(_RENEW, **_leases(held), seconds=seconds)
    if len(renewed) == len(held):
        return set(renewed)
    # Some are lost, or are being ended at this moment.
    return {*renewed, *await read.all(_STILL_HELD, **_leases(held))}


async def finish_all(read: Read, held: Sequence[Lease]) -> set[UUID]:
    """Mark jobs as done that have nothing to store; the ids of those that were still held."""
    return set(await read.all(_FINISH_ALL, **_leases(held)))


async def finish(tx: Tx, held: Claim) -> None:
    """Mark as done, together with the results in the same transaction; LostLease undoes both."""
    await _end(tx, held, "done", None)


async def fail(tx: Tx, held: Claim, error: str) -> None:
    """Mark as failed for good, with a reason that a customer may read; LostLease undoes it."""
    await _end(tx, held, "failed", error)


async def cancel(tx: Tx, held: Claim, error: str) -> None:
    """Mark as cancelled, with a reason that a customer may read; LostLease undoes it."""
    await _end(tx, held, "cancelled", error)


async def _end(tx: Tx, held: Claim, outcome: str, error: str | None) -> None:
    ended = await tx.first(
        _END, **_holding(held), outcome=outcome, failed=outcome == "failed", error=error
    )
    if ended is None:
        raise LostLease


async def retry(read: Read, held: Claim, error: str, delay: float) -> None:
    """Queue again after a failed attempt, `delay` seconds from now."""
    await read.first(_AGAIN, **_holding(held), failed=True, error=error, seconds=delay)


async def release(read: Read, held: Claim) -> None:
    """Queue again because this worker stops; no failure is counted."""
    await read.first(_AGAIN, **_holding(held), failed=False, error=None, seconds=0.0)


def _holding(held: Claim) -> dict[str, Any]:
    return {"id": held.id, "workspace": held.workspace, "lease": held.lease}


def _leases(held: Sequence[Lease]) -> dict[str, Any]:
    return {"ids": [each.job for each in held], "leases": [each.lease for each in held]}


def backoff(failures: int, chance: float) -> float:
    """Seconds until the next attempt: 1, 6, 36, 216, .. up to 600, spread by `chance` in [0, 1)."""
    return min(600.0, 6.0**failures) * (0.5 + chance)
