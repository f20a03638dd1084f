"""Fair scheduling between workspaces, and relays that share the jobs."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.settings import Settings
from domains.kernel.core.supervision.watchdog import Notifier
from domains.kernel.db.database import Database
from domains.kernel.jobs import leases
from domains.kernel.jobs.leases import SentJob
from tests.stack import eventually
from tests.workers.support import (
    RELAY,
    ROWS_READ,
    Task,
    add_job,
    count_states,
    execute,
    get_row,
    new_workspace,
    take,
)
from workers.main import work
from workers.runner import Actor


async def _add_backlog(db: Database, workspaces: Sequence[UUID], count: int) -> None:
    """Queue `count` jobs of each workspace, due for an hour."""
    await execute(
        db,
        "insert into jobs (id, workspace_id, kind, queue, payload, run_after)"
        " select gen_random_uuid(), workspace, $3, $4, $5, now() - interval '1 hour'"
        " from unnest($1::uuid[]) workspace, generate_series(1, $2)",
        workspaces,
        count,
        "tests.task",
        Task.queue,
        b'{"kind": "tests.task"}',
    )


async def test_job_passes_the_backlog_of_another_workspace(
    db: Database, workspace: WorkspaceId
) -> None:
    await _add_backlog(db, [workspace], 1_000)
    window = 8
    sent = await take(db, window, reserved_slots=1)
    assert [job.reserved for job in sent] == [False] * window
    assert await take(db, window, reserved_slots=1) == []
    other = await add_job(db, await new_workspace(db))
    assert await take(db, window, reserved_slots=1) == [SentJob(other, reserved=True)]


@pytest.mark.parametrize(("workspaces", "jobs_each"), [(1, 10_000), (200, 50)])
async def test_rows_read_by_a_dispatch_do_not_grow_with_the_queue(
    db: Database, workspaces: int, jobs_each: int
) -> None:
    owners = await asyncio.gather(*(new_workspace(db) for _ in range(workspaces)))
    await _add_backlog(db, owners, jobs_each)
    await execute(db, "analyze jobs")
    for window in (8, 64, 512):
        async with db.transaction() as tx:
            assert await leases.take(tx, RELAY, Task.queue, window, 1)
            # Each workspace takes one step of the index and at least 8 candidates.
            assert await tx.one(ROWS_READ) < 4 * (window + 9 * workspaces)


# --- with a worker ----------------------------------------------------------------------------


class _Worker:
    """A worker in this process, whose jobs named "long" last until the test releases them."""

    def __init__(self, settings: Settings) -> None:
        self.release = asyncio.Event()
        self._stop = asyncio.Event()
        self._settings = settings

    async def _run(self, _tools: Any, _workspace: WorkspaceId, job: Task) -> None:
        if job.name == "long":
            await self.release.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        working = asyncio.create_task(
            work(self._settings, self._stop, {Task: Actor(run=self._run)}, Notifier())
        )
        try:
            yield
        finally:
            self.release.set()
            self._stop.set()
            await working


async def _wait_for(db: Database, state: str, count: int) -> None:
    async def reached() -> bool:
        return (await count_states(db))[state] >= count

    await eventually(reached)


async def test_job_is_done_while_long_jobs_of_another_workspace_fill_the_lane(
    db: Database, workspace: WorkspaceId, settings: Settings
) -> None:
    """Short jobs run first, so that the relay then sends more jobs ahead than there are slots."""
    worker = _Worker(settings)
    async with worker.running():
        await _add_backlog(db, [workspace], 100)
        await _wait_for(db, "done", 100)
        for _ in range(settings.worker_fetch + 4):
            await add_job(db, workspace, Task("long"))
        await _wait_for(db, "running", settings.worker_fetch)
        await add_job(db, await new_workspace(db))
        await _wait_for(db, "done", 101)
        assert (await count_states(db))["running"] == settings.worker_fetch


async def test_worker_that_stops_leaves_no_job_sent_or_running(
    db: Database, workspace: WorkspaceId, settings: Settings
) -> None:
    worker = _Worker(settings)
    async with worker.running():
        for _ in range(50):
            await add_job(db, workspace, Task("long"))
        await _wait_for(db, "running", settings.worker_fetch)
    states = await count_states(db)
    assert states == {"done": states["done"], "queued": states["queued"]}
    assert states["done"] >= settings.worker_fetch


# --- turns ------------------------------------------------------------------------------------


# Each example runs many statements.
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_workspaces_take_turns(db: Database, data: st.DataObject) -> None:
    """A served workspace has at most one more job in progress than any waiting workspace."""
    await execute(db, "truncate jobs")
    window = data.draw(st.integers(1, 8), label="window")
    reserved_slots = data.draw(st.integers(0, 2), label="reserved slots")
    owners = [await new_workspace(db) for _ in range(data.draw(st.integers(1, 5), label="owners"))]
    for _ in range(data.draw(st.integers(1, 4), label="rounds")):
        for owner in owners:
            if added := data.draw(st.integers(0, 12), label="added"):
                await _add_backlog(db, [owner], added)
        sent = {job.id for job in await take(db, window, reserved_slots)}
        rows = await execute(db, "select id, workspace_id, state, spare as reserved from jobs")
        in_progress = [row for row in rows if row["state"] in ("sent", "running")]
        count = Counter(row["workspace_id"] for row in in_progress)
        served = {row["workspace_id"] for row in in_progress if row["id"] in sent}
        waiting = {row["workspace_id"] for row in rows if row["state"] == "queued"}
        assert all(number <= window for number in count.values())
        lanes = Counter(row["reserved"] for row in in_progress)
        assert lanes[False] <= window
        assert lanes[True] <= reserved_slots
        for owner in waiting:
            assert all(count[other] <= count[owner] + 1 for other in served)
            # A workspace waits only if its own jobs fill the window or all slots are taken.
            assert count[owner] == window or len(in_progress) == window + reserved_slots
        ended = data.draw(
            st.lists(st.sampled_from(in_progress), unique_by=lambda row: row["id"])
            if in_progress
            else st.just([]),
            label="ended",
        )
        claims = await leases.claim(db.read, [row["id"] for row in ended], 30)
        await leases.finish_all(db.read, [claim.lease for claim in claims])


async def test_oldest_jobs_of_a_workspace_go_first(db: Database, workspace: WorkspaceId) -> None:
    queued = [await add_job(db, workspace) for _ in range(5)]
    assert [job.id for _ in range(5) for job in await take(db, 1, relay=new_id())] == queued


async def test_no_more_jobs_than_the_window_are_sent(db: Database, workspace: WorkspaceId) -> None:
    await _add_backlog(db, [workspace], 10)
    assert len(await take(db, 4)) == 4
    assert await take(db, 4) == []
    assert len(await take(db, 6)) == 2


async def test_concurrent_relays_send_each_job_once_and_requeue_their_unclaimed_jobs(
    db: Database,
) -> None:
    await _add_backlog(db, [await new_workspace(db) for _ in range(5)], 40)
    relays = [new_id() for _ in range(5)]
    sent: list[UUID] = []

    async def dispatch(relay: UUID) -> None:
        for window in range(10, 60, 10):
            sent.extend(job.id for job in await take(db, window, 2, relay=relay))

    await asyncio.gather(*map(dispatch, relays))
    assert len(sent) == len(set(sent)) == (await count_states(db))["sent"]
    claims = await leases.claim(db.read, sent[:3], 30)
    for relay in relays:
        await leases.requeue_unclaimed(db.read, relay, Task.queue)
    assert await count_states(db) == {"running": len(claims), "queued": 200 - len(claims)}


async def test_job_that_no_worker_claimed_is_sent_again(
    db: Database, workspace: WorkspaceId
) -> None:
    job_id = await add_job(db, workspace)
    assert await take(db, 10) == [SentJob(job_id, reserved=False)]
    assert await leases.sweep(db.read, 1_000) == 0
    assert await leases.sweep(db.read, 0) == 1
    assert (await get_row(db, job_id))["state"] == "queued"
    assert await take(db, 10) == [SentJob(job_id, reserved=False)]
