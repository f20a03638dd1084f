"""Jobs that wait for an unavailable dependency.

A job waits in its row (`leases.wait`), with a delay that grows to a maximum. Every few seconds each
relay lets one waiting job per dependency and queue try again (`probe`). When a process gets a
response from a dependency, its relay makes all jobs due that wait for it (`wake`).
"""

from collections.abc import Mapping
from typing import Final, get_args

import msgspec
from sqlalchemy import (
    ARRAY,
    Float,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    lateral,
    literal,
    literal_column,
    null,
    or_,
    select,
    update,
)

from domains.kernel.core.problems import Dependency
from domains.kernel.db.database import Read
from domains.kernel.db.statements import materialized, scalar, seconds, statement
from domains.kernel.db.tables import jobs
from domains.kernel.jobs.leases import unlocked
from domains.kernel.jobs.model import QUEUES, WAITING, Queue, id_in, in_state

# Waiting jobs of a dependency and queue that may try at the same time. The second one is for an
# attempt that hangs.
MAX_PROBES: Final = 2

# Jobs that one statement of `wake` changes, so that it ends within its timeout.
_BATCH: Final = 5_000

# Seconds until the second attempt. Later delays double.
_FIRST_DELAY: Final = 5.0

_CROSS_TENANT: Final = "the job engine serves every workspace"
_DEPENDENCIES: Final[tuple[Dependency, ...]] = get_args(Dependency)

_responses = (
    func.unnest(bindparam("dependencies", type_=ARRAY(Text)), bindparam("ages", type_=ARRAY(Float)))
    .table_valued(column("dependency", Text), column("age", Float))
    .render_derived(name="responses")
)
# The smallest name from this one on. With an equality instead, the planner would take an index on
# other columns and read every queued job.
_next_name = (
    select(jobs.c.waiting_for)
    .where(WAITING, jobs.c.waiting_for >= _responses.c.dependency)
    .order_by(jobs.c.waiting_for)
    .limit(literal_column("1"))
    .correlate(_responses)
    .scalar_subquery()
)
_awaited = materialized(
    select(_responses.c.dependency, _responses.c.age).where(_next_name == _responses.c.dependency),
    "awaited",
)
# A job with failures keeps the delay of its next attempt (see `leases.backoff`).
_retry_delay = case(
    (jobs.c.failures > 0, func.power(literal(6.0, Float), jobs.c.failures - 1)),
    else_=literal(0.0, Float),
)
_WAKE = statement(
    update(jobs)
    .where(
        id_in(
            select(jobs.c.id)
            .select_from(_awaited.join(jobs, jobs.c.waiting_for == _awaited.c.dependency))
            .where(WAITING, jobs.c.tried_at < func.now() - seconds(_awaited.c.age))
            .order_by(jobs.c.id)
            .limit(literal_column(str(_BATCH)))
            .with_for_update(of=jobs, skip_locked=True)
        )
    )
    .values(
        tried_at=null(),
        run_after=func.least(jobs.c.run_after, func.now() + seconds(_retry_delay)),
    )
    .returning(jobs.c.id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)

_dependencies = (
    func.unnest(bindparam("dependencies", type_=ARRAY(Text)))
    .table_valued(column("dependency", Text))
    .render_derived(name="dependencies")
)
_queues = (
    func.unnest(bindparam("queues", type_=ARRAY(Text)))
    .table_valued(column("queue", Text))
    .render_derived(name="queues")
)
_of_pair = and_(jobs.c.waiting_for == _dependencies.c.dependency, jobs.c.queue == _queues.c.queue)
# An attempt delays the next one of its job, so the first job is one that has not tried for long.
_first = lateral(
    select(jobs.c.id, jobs.c.run_after)
    .where(WAITING, _of_pair)
    .order_by(jobs.c.run_after)
    .limit(literal_column("1")),
    "first",
)
_probes = (
    select(func.count())
    .select_from(jobs)
    .where(or_(in_state("sent"), in_state("running")), jobs.c.tried_at.is_not(None), _of_pair)
    .correlate(_dependencies, _queues)
    .scalar_subquery()
)
_PROBE = statement(
    update(jobs)
    .where(
        unlocked(
            id_in(
                select(_first.c.id)
                .select_from(
                    _dependencies.join(_queues, literal_column("true")).join(
                        _first, literal_column("true")
                    )
                )
                .where(
                    # Otherwise the first job is going to try in any case.
                    _first.c.run_after > func.now(),
                    _probes < literal_column(str(MAX_PROBES)),
                )
            ),
            WAITING,
        )
    )
    .values(run_after=func.now())
    .returning(jobs.c.id),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)


class WaitingJobs(msgspec.Struct, frozen=True):
    """Number of jobs of a queue that wait for a dependency. `seconds`: since the first began."""

    queue: Queue
    dependency: Dependency
    count: int
    seconds: float


_COUNT = statement(
    select(
        jobs.c.queue,
        jobs.c.waiting_for,
        func.count(),
        cast(func.extract("epoch", func.now() - func.min(jobs.c.waiting_since)), Float),
    )
    .where(WAITING)
    .group_by(jobs.c.queue, jobs.c.waiting_for)
    .order_by(jobs.c.queue, jobs.c.waiting_for),
    WaitingJobs,
    cross_tenant_reason="operators see queue lengths, never contents",
)


async def wake(read: Read, seconds_since_response: Mapping[Dependency, float]) -> int:
    """Make the jobs due that wait for dependencies which responded after their last attempt.

    Returns the number of jobs. A job with failures is due after the delay of its next attempt.
    """
    dependencies, ages = list(seconds_since_response), list(seconds_since_response.values())
    total = 0
    while True:
        woken = len(await read.all(_WAKE, dependencies=dependencies, ages=ages))
        total += woken
        if woken < _BATCH:
            return total


async def probe(read: Read) -> int:
    """Make one waiting job of each dependency and queue due, in turn. Returns their number.

    Up to MAX_PROBES of them may be under way at the same time.
    """
    return len(await read.all(_PROBE, dependencies=_DEPENDENCIES, queues=QUEUES))


async def count_waiting(read: Read) -> list[WaitingJobs]:
    """Count the jobs that wait for a dependency."""
    return await read.all(_COUNT)


def outage_delay(waited: float, maximum: float, chance: float) -> float:
    """Seconds until a job tries again by itself, after it waited `waited` seconds.

    As long as it has waited, at least 5 s and at most `maximum`, times 0.5 to 1 (`chance` in
    [0, 1)).
    """
    return min(maximum, max(_FIRST_DELAY, waited)) * (0.5 + chance / 2)
