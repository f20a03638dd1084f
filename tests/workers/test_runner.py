"""The runner stores the outcome of each attempt; operators cancel and retry jobs."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import Invalid, Unavailable, WriteConflict
from domains.kernel.core.settings import Settings, load_settings
from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Database, Tx
from domains.kernel.job_tools import Write
from domains.kernel.jobs import job_admin, leases
from domains.kernel.jobs.enqueue import enqueue, enqueue_all
from domains.kernel.jobs.job_admin import JobFilter
from domains.kernel.jobs.process_pool import ComputationTimeout
from domains.kernel.tenancy import audit
from tests.stack import OPERATOR, Stack, eventually
from tests.workers.support import Task, add_job, count_states, execute, get_row, take
from workers.runner import Actor, Runner

Run = Callable[..., Awaitable[Write | None]]


class Worker:
    """Runs jobs of the workspace with a given function.

    `reasons`: the reasons of failed and cancelled jobs that were shown to the customer.
    """

    def __init__(self, db: Database, workspace: WorkspaceId, settings: Settings) -> None:
        self._db, self._workspace, self._settings = db, workspace, settings
        self.reasons: list[str] = []

    def new_runner(self, run: Run) -> Runner[None]:
        actor = Actor(run=run, failed=self._failed)
        return Runner({Task: actor}, None, self._db, self._settings)

    async def run(self, run: Run, job_id: UUID | None = None) -> Any:
        """Run a job once, by default a new one. Returns its row."""
        job_id = job_id or await add_job(self._db, self._workspace)
        await self.new_runner(run).run(job_id)
        return await get_row(self._db, job_id)

    async def _failed(self, _tx: Tx, _workspace: Any, _job: Task, _id: UUID, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def worker(db: Database, workspace: WorkspaceId, settings: Settings) -> Worker:
    return Worker(db, workspace, settings)


def raising(error: Exception) -> Run:
    async def run(*_: Any) -> None:
        raise error

    return run


class Storing:
    """A job function that stores a new job as its result, once the test allows it."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.started = asyncio.Event()
        self.may_store = asyncio.Event()
        self.cancelled = False
        if at_once:
            self.may_store.set()

    async def __call__(self, _tools: None, workspace: WorkspaceId, _job: Task) -> Write:
        self.started.set()
        try:
            await self.may_store.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

        async def write(tx: Tx) -> None:
            await enqueue(tx, workspace, Task("result"))

        return write


async def test_job_that_succeeds_is_done_and_its_result_stored(
    db: Database, worker: Worker
) -> None:
    row = await worker.run(Storing(at_once=True))
    assert (row["state"], row["error"], row["lease"]) == ("done", None, None)
    assert row["finished_at"] is not None
    assert worker.reasons == []
    assert await count_states(db) == {"done": 1, "queued": 1}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Invalid("The file is encrypted."), "The file is encrypted."),
        (ComputationTimeout(), "The analysis took too long."),
    ],
)
async def test_problems_and_computation_timeouts_are_final(
    worker: Worker, error: Exception, reason: str
) -> None:
    row = await worker.run(raising(error))
    assert (row["state"], row["failures"], row["error"]) == ("failed", 1, reason)
    assert worker.reasons == [reason]


@pytest.mark.parametrize("error", [Unavailable("A timeout."), WriteConflict("A deadlock.")])
async def test_temporary_problems_are_retried(worker: Worker, error: Exception) -> None:
    row = await worker.run(raising(error))
    assert (row["state"], row["failures"]) == ("queued", 1)
    assert worker.reasons == []


async def test_unexpected_error_is_retried_and_its_text_is_never_shown(
    db: Database, worker: Worker
) -> None:
    run = raising(ZeroDivisionError("secret internals"))
    row = await worker.run(run)
    for failures in range(1, leases.MAX_FAILURES):
        assert (row["state"], row["failures"], worker.reasons) == ("queued", failures, [])
        await execute(db, "update jobs set run_after = now() where id = $1", row["id"])
        row = await worker.run(run, row["id"])
    assert (row["state"], row["failures"]) == ("failed", leases.MAX_FAILURES)
    assert worker.reasons == [row["error"]]
    assert "secret" not in row["error"]


async def test_job_that_lost_its_worker_too_often_fails_without_running(
    db: Database, worker: Worker, workspace: WorkspaceId
) -> None:
    job_id = await add_job(db, workspace)
    await execute(db, "update jobs set losses = $2 where id = $1", job_id, leases.MAX_LOSSES)
    row = await worker.run(raising(AssertionError("must not run")), job_id)
    assert (row["state"], len(worker.reasons)) == ("failed", 1)


async def test_job_whose_results_cannot_be_stored_is_retried(
    db: Database, worker: Worker, workspace: WorkspaceId
) -> None:
    async def run(*_: Any) -> Write:
        async def write(tx: Tx) -> None:
            await enqueue(tx, workspace, Task("half of the results"))
            raise RuntimeError("the second half fails")

        return write

    row = await worker.run(run)
    assert (row["state"], row["failures"]) == ("queued", 1)
    assert await count_states(db) == {"queued": 1}


async def test_worker_that_stops_requeues_its_job(db: Database, worker: Worker) -> None:
    run = Storing()
    running = asyncio.create_task(worker.run(run))
    await run.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (row,) = await eventually(lambda: execute(db, "select * from jobs where state = 'queued'"))
    assert (row["failures"], row["losses"], row["lease"]) == (0, 0, None)


# --- operators --------------------------------------------------------------------------------

_REASON = "The processing was cancelled."


async def _change(
    db: Database, change: Callable[[Tx, JobFilter, audit.Actor], Awaitable[int]], **filters: Any
) -> int:
    async with db.transaction() as tx:
        return await change(tx, JobFilter(**filters), OPERATOR)


@pytest.mark.parametrize("sent", [False, True])
async def test_job_cancelled_before_its_start_does_not_run(
    db: Database, worker: Worker, workspace: WorkspaceId, *, sent: bool
) -> None:
    job_id = await add_job(db, workspace)
    if sent:
        assert await take(db, 1)
    assert await _change(db, job_admin.cancel, id=job_id) == 1
    assert await _change(db, job_admin.cancel, id=job_id) == 0
    assert [job.id for job in await take(db, 1)] == [job_id]
    row = await worker.run(raising(AssertionError("must not run")), job_id)
    assert (row["state"], row["error"], row["failures"]) == ("cancelled", _REASON, 0)
    assert worker.reasons == [_REASON]


async def test_running_job_is_cancelled_when_the_renewal_finds_its_lease_lost(
    db: Database, worker: Worker, workspace: WorkspaceId, idle_stack: Stack
) -> None:
    job_id = await add_job(db, workspace)
    run = Storing()
    short_lease = load_settings({**idle_stack.env, "GATEWAY_JOB_LEASE": "1"})
    runner = Worker(db, workspace, short_lease).new_runner(run)
    async with background_task(runner.renew_leases()):
        running = asyncio.create_task(runner.run(job_id))
        await run.started.wait()
        assert await _change(db, job_admin.cancel, id=job_id) == 1
        # Another worker ends the job.
        row = await worker.run(raising(AssertionError("must not run")), job_id)
        assert (row["state"], worker.reasons) == ("cancelled", [_REASON])
        await running
    assert run.cancelled


async def test_running_job_is_cancelled_at_once_by_the_worker_that_ends_it(
    db: Database, worker: Worker, workspace: WorkspaceId
) -> None:
    """Leases are not renewed here, because a renewal would cancel the job, too, but later."""
    job_id = await add_job(db, workspace)
    run = Storing()
    runner = worker.new_runner(run)
    running = asyncio.create_task(runner.run(job_id))
    await run.started.wait()
    await _change(db, job_admin.cancel, id=job_id)
    await runner.run(job_id)
    await running
    assert run.cancelled


async def test_results_of_a_cancelled_job_are_not_stored(
    db: Database, worker: Worker, workspace: WorkspaceId
) -> None:
    job_id = await add_job(db, workspace)
    run = Storing()
    running = asyncio.create_task(worker.run(run, job_id))
    await run.started.wait()
    await _change(db, job_admin.cancel, id=job_id)
    run.may_store.set()
    assert (await running)["state"] == "queued"
    assert await count_states(db) == {"queued": 1}


async def test_retried_job_has_all_its_attempts_again(db: Database, worker: Worker) -> None:
    job_id = (await worker.run(raising(Invalid("No."))))["id"]
    assert await _change(db, job_admin.cancel, id=job_id) == 0
    assert await _change(db, job_admin.retry, id=job_id) == 1
    assert await _change(db, job_admin.retry, id=job_id) == 0
    row = await get_row(db, job_id)
    assert (row["state"], row["failures"], row["error"]) == ("queued", 0, None)
    assert (await worker.run(Storing(at_once=True), job_id))["state"] == "done"
    assert await _change(db, job_admin.retry, id=job_id) == 0


async def test_each_job_is_either_finished_or_cancelled(
    db: Database, workspace: WorkspaceId
) -> None:
    async with db.transaction() as tx:
        await enqueue_all(tx, workspace, [Task()] * 300)
    ids = [row["id"] for row in await execute(db, "select id from jobs")]
    owned = [claim.lease for claim in await leases.claim(db.read, ids, 30)]
    random.Random(0).shuffle(owned)
    finishing = asyncio.gather(
        *(leases.finish_all(db.read, owned[start::10]) for start in range(10))
    )
    cancelled = await _change(db, job_admin.cancel, workspace=workspace)
    finished = sum(map(len, await finishing))
    assert await count_states(db) == Counter(done=finished, queued=cancelled)


@pytest.mark.parametrize("cancel", [False, True])
async def test_jobs_are_locked_in_the_order_of_their_ids(
    db: Database, workspace: WorkspaceId, *, cancel: bool
) -> None:
    """Otherwise finishing and cancelling the same jobs at once could deadlock."""
    ids = sorted(new_id() for _ in range(10))
    for job_id in reversed(ids):
        await execute(
            db,
            "insert into jobs (id, workspace_id, kind, queue, payload)"
            " values ($1, $2, 'tests.task', 'fetch', '{}')",
            job_id,
            workspace,
        )
    owned = [claim.lease for claim in await leases.claim(db.read, ids, 30)]

    async def change() -> int:
        if cancel:
            return await _change(db, job_admin.cancel, workspace=workspace)
        return len(await leases.finish_all(db.read, owned))

    blocked = "select from pg_stat_activity where wait_event_type = 'Lock'"
    async with db.connection() as other, other.transaction():
        await other.execute("select from jobs where id = $1 for update", ids[0])
        changing = asyncio.create_task(change())
        await eventually(lambda: execute(db, blocked))
        await other.execute("select from jobs where id = any($1) for update nowait", ids)
    assert await changing == len(ids)
