"""Jobs: stored with their transaction, owned by one worker at a time, debounced, requeued."""

import asyncio
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Float, cast, func, select

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.db.statements import scalar, statement
from domains.kernel.db.tables import jobs
from domains.kernel.jobs import job_admin, leases
from domains.kernel.jobs.enqueue import MAX_DELAY, enqueue, enqueue_debounced
from domains.kernel.jobs.job_admin import JobFilter
from domains.kernel.jobs.leases import LostLease
from domains.kernel.jobs.model import Job, Queue
from tests.stack import OPERATOR
from tests.workers.support import (
    Task,
    add_job,
    claim_job,
    count_states,
    execute,
    get_row,
    new_workspace,
    take,
)


async def test_job_is_queued_with_its_transaction_or_not_at_all(
    db: Database, workspace: WorkspaceId
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            job_id = await enqueue(tx, workspace, Task())
            raise ZeroDivisionError
    assert await get_row(db, job_id) is None


# --- leases -----------------------------------------------------------------------------------


async def test_job_is_claimed_by_one_of_many_workers(db: Database, workspace: WorkspaceId) -> None:
    job_id = await add_job(db, workspace)
    claims = await asyncio.gather(*(leases.claim(db.read, [job_id], 30) for _ in range(20)))
    assert sum(map(len, claims)) == 1


async def test_lost_lease_rolls_back_the_results(db: Database, workspace: WorkspaceId) -> None:
    job_id = await add_job(db, workspace)
    expired = await claim_job(db, job_id, seconds=0)
    assert await leases.sweep(db.read, 1_000) == 1
    valid = await claim_job(db, job_id)
    assert valid.losses == 1
    assert not await leases.renew(db.read, [expired.lease], 30)
    with pytest.raises(LostLease):
        async with db.transaction() as tx:
            result = await enqueue(tx, workspace, Task("of the lost attempt"))
            await leases.finish(tx, expired)
    assert await get_row(db, result) is None
    async with db.transaction() as tx:
        await leases.finish(tx, valid)
    assert (await get_row(db, job_id))["state"] == "done"


async def test_renewed_lease_is_not_swept(db: Database, workspace: WorkspaceId) -> None:
    claim = await claim_job(db, await add_job(db, workspace), seconds=0)
    assert await leases.renew(db.read, [claim.lease], 30) == {claim.id}
    assert await leases.sweep(db.read, 1_000) == 0


async def test_ended_job_cannot_be_claimed(db: Database, workspace: WorkspaceId) -> None:
    for end in (leases.finish, lambda tx, claim: leases.fail(tx, claim, "no")):
        job_id = await add_job(db, workspace)
        claim = await claim_job(db, job_id)
        async with db.transaction() as tx:
            await end(tx, claim)
        assert await leases.claim(db.read, [job_id], 30) == []


async def test_job_is_neither_claimed_nor_sent_before_it_is_due(
    db: Database, workspace: WorkspaceId
) -> None:
    job_id = await add_job(db, workspace)
    await leases.retry(db.read, await claim_job(db, job_id), "later", 60)
    assert await leases.claim(db.read, [job_id], 30) == []
    assert await take(db, 10) == []
    row = await get_row(db, job_id)
    assert (row["state"], row["failures"], row["error"]) == ("queued", 1, "later")


@given(failures=st.integers(0, 50), chance=st.floats(0, 1, exclude_max=True))
def test_backoff_grows_and_is_bounded(failures: int, chance: float) -> None:
    delay = leases.backoff(failures, chance)
    assert min(600, 6**failures) * 0.5 <= delay <= 900
    assert leases.backoff(failures + 1, chance) >= delay


_DELAY = statement(
    select(cast(func.extract("epoch", jobs.c.run_after - func.now()), Float)),
    scalar,
    cross_tenant_reason="the job engine serves every workspace",
)


async def test_delay_of_a_job_that_loses_its_worker_grows_by_a_second(
    db: Database, workspace: WorkspaceId
) -> None:
    job_id = await add_job(db, workspace)
    for losses in range(leases.MAX_LOSSES):
        await execute(db, "update jobs set run_after = now() where id = $1", job_id)
        await claim_job(db, job_id, seconds=0)
        async with db.transaction() as tx:
            assert await leases.sweep(tx, 1_000) == 1
            assert await tx.one(_DELAY) == losses
        row = await get_row(db, job_id)
        assert (row["state"], row["losses"], row["lease"]) == ("queued", losses + 1, None)


# --- debounced jobs ---------------------------------------------------------------------------


class Refresh(Job, frozen=True, tag="tests.refresh"):
    queue: ClassVar[Queue] = "housekeeping"
    record: str

    @property
    def subject(self) -> str:
        return self.record


async def _refresh(db: Database, workspace: WorkspaceId, record: str, delay: float = 30) -> None:
    async with db.transaction() as tx:
        await enqueue_debounced(tx, workspace, Refresh(record), delay)


async def test_one_debounced_job_is_queued_per_workspace_kind_and_subject(
    db: Database, workspace: WorkspaceId
) -> None:
    other = await new_workspace(db)
    for _ in range(3):
        for record in ("a", "b"):
            await _refresh(db, workspace, record)
    await _refresh(db, other, "a")
    rows = await execute(db, "select workspace_id, subject from jobs")
    assert sorted(map(tuple, rows)) == sorted([(workspace, "a"), (workspace, "b"), (other, "a")])


async def test_debounced_job_is_postponed_up_to_the_maximum_delay(
    db: Database, workspace: WorkspaceId
) -> None:
    await _refresh(db, workspace, "a", 0)
    await _refresh(db, workspace, "a", 60)
    job_delay = "select extract(epoch from run_after - created_at)::float from jobs"
    ((delay,),) = await execute(db, job_delay)
    assert 60 <= delay < MAX_DELAY
    await execute(db, "update jobs set created_at = created_at - interval '290 seconds'")
    await _refresh(db, workspace, "a", 60)
    ((delay,),) = await execute(db, job_delay)
    assert delay == MAX_DELAY


async def test_sent_and_cancelled_jobs_are_not_postponed_but_followed_by_a_new_one(
    db: Database, workspace: WorkspaceId
) -> None:
    await _refresh(db, workspace, "a", 0)
    await take(db, 1, queue="housekeeping")
    await _refresh(db, workspace, "a", 0)
    assert await count_states(db) == {"sent": 1, "queued": 1}
    async with db.transaction() as tx:
        assert await job_admin.cancel(tx, JobFilter(kind="refresh"), OPERATOR) == 2
    await _refresh(db, workspace, "a", 0)
    assert len(await execute(db, "select from jobs where not cancelling")) == 1
