"""Jobs wait for unavailable dependencies: no failure is counted, and all run when one responds."""

import errno
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Dependency, DependencyUnavailable, Invalid, Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database, Tx
from domains.kernel.db.errors import translate_errors
from domains.kernel.job_tools import Write
from domains.kernel.jobs import job_admin, leases, outages
from domains.kernel.jobs.job_admin import JobFilter
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.jobs.outages import WaitingJobs
from tests.stack import OPERATOR
from tests.workers.support import ROWS_READ, Task, add_job, execute, get_row, take
from workers.runner import Actor, Runner

OUTAGE = DependencyUnavailable("speech", "The speech-to-text service is unavailable.")
SUSPECT = DependencyUnavailable("speech", "The speech-to-text service failed.", suspect=True)


class Other(Job, frozen=True, tag="tests.other"):
    """A job of another queue than `Task`."""

    queue: ClassVar[Queue] = "ingest"


class Worker:
    """Runs jobs, each of which raises an error or succeeds. `ran` are those that were called."""

    def __init__(self, db: Database, workspace: WorkspaceId, settings: Settings) -> None:
        self.db, self._workspace = db, workspace
        self.settings = settings
        self.breakers: Mapping[Dependency, Breaker] = {
            name: Breaker(name, "It is unavailable.", 60.0)
            for name in ("speech", "disk", "database")
        }
        self.ran = 0
        self.reasons: list[str] = []

    async def add(self, job: Job | None = None) -> UUID:
        return await add_job(self.db, self._workspace, job)

    async def run(
        self,
        job_id: UUID,
        error: Exception | None = None,
        *,
        sql: str | None = None,
        write: Write | None = None,
    ) -> Any:
        """Make the job due and run it: it raises, executes SQL or returns. Returns its row."""

        async def run(*_: Any) -> Write | None:
            self.ran += 1
            if error is not None:
                raise error
            if sql is not None:
                with translate_errors():
                    await execute(self.db, sql)
            return write

        await execute(
            self.db,
            "update jobs set run_after = now() where id = $1 and state = 'queued'",
            job_id,
        )
        actor = Actor(run=run, failed=self._failed)
        runner: Runner[None] = Runner(
            {Task: actor, Other: actor}, None, self.db, self.settings, self.breakers
        )
        await runner.run(job_id)
        return await get_row(self.db, job_id)

    async def _failed(self, _tx: Tx, _workspace: Any, _job: Job, _id: UUID, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def worker(db: Database, workspace: WorkspaceId, settings: Settings) -> Worker:
    return Worker(db, workspace, settings)


def responded(dependency: Dependency = "speech") -> dict[Dependency, float]:
    """A response of this moment."""
    return {dependency: 0.0}


async def is_due(db: Database, job_id: UUID) -> bool:
    (row,) = await execute(db, "select run_after <= now() from jobs where id = $1", job_id)
    return bool(row[0])


# --- attempts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OUTAGE, SUSPECT])
async def test_an_outage_counts_no_failure_however_many_attempts_it_lasts(
    worker: Worker, error: DependencyUnavailable
) -> None:
    job = await worker.add()
    with capture_logs() as logged:
        rows = [await worker.run(job, error) for _ in range(3 * leases.MAX_FAILURES)]
    row = rows[-1]
    assert (row["state"], row["failures"], row["losses"]) == ("queued", 0, 0)
    assert (row["waiting_for"], row["error"]) == ("speech", error.message)
    assert row["waiting_since"] == rows[0]["waiting_since"]
    assert worker.reasons == []
    # Thousands of jobs may wait.
    assert [line for line in logged if line["log_level"] != "debug"] == []
    row = await worker.run(job)
    assert (row["state"], row["error"], row["waiting_for"]) == ("done", None, None)
    assert (row["waiting_since"], row["tried_at"]) == (None, None)


async def test_other_temporary_problems_still_count(worker: Worker) -> None:
    job = await worker.add()
    await worker.run(job, OUTAGE)
    row = await worker.run(job, Unavailable("The computation ended abnormally, twice."))
    assert (row["failures"], row["waiting_for"]) == (1, None)
    row = await worker.run(job, Invalid("The file is encrypted."))
    assert row["state"] == "failed"


async def test_a_full_disk_is_an_outage(db: Database, worker: Worker) -> None:
    job = await worker.add()
    row = await get_row(db, job)
    for _ in range(2 * leases.MAX_FAILURES):
        row = await worker.run(job, OSError(errno.ENOSPC, "No space left on device"))
        worker.breakers["disk"].succeeded()
    assert (row["state"], row["failures"], row["waiting_for"]) == ("queued", 0, "disk")
    assert "No space left" not in row["error"]
    row = await worker.run(job, OSError(errno.EIO, "Input/output error"))
    assert (row["failures"], row["waiting_for"]) == (1, None)


async def test_a_job_fails_when_it_has_waited_for_the_limit(db: Database, worker: Worker) -> None:
    worker.settings = msgspec.structs.replace(worker.settings, outage_limit=60.0)
    job = await worker.add()
    await worker.run(job, OUTAGE)
    await execute(db, "update jobs set waiting_since = now() - interval '59 seconds'")
    await worker.run(job, OUTAGE)
    assert worker.reasons == []
    await execute(db, "update jobs set waiting_since = now() - interval '61 seconds'")
    row = await worker.run(job, OUTAGE)
    assert (row["state"], row["error"]) == ("failed", OUTAGE.message)
    assert worker.reasons == [OUTAGE.message]
    # An operator retries it, and it may wait as long again.
    async with db.transaction() as tx:
        assert await job_admin.retry(tx, JobFilter(id=job), OPERATOR) == 1
    row = await worker.run(job, OUTAGE)
    assert (row["state"], row["failures"]) == ("queued", 0)


async def test_a_job_that_fails_while_others_are_served_fails_for_good(
    db: Database, worker: Worker
) -> None:
    job = await worker.add()
    row = await worker.run(job, SUSPECT)
    # The first attempt shows nothing: the service may have been unavailable.
    for failures in range(leases.MAX_FAILURES):
        assert (row["state"], row["failures"]) == ("queued", failures)
        # Meanwhile other processes try as well, without a response to any job.
        assert (await worker.run(job, SUSPECT))["failures"] == failures
        assert await outages.wake(db.read, responded()) == 1
        row = await worker.run(job, SUSPECT)
    assert (row["state"], row["failures"]) == ("failed", leases.MAX_FAILURES)
    assert worker.reasons == [SUSPECT.message]


async def test_a_response_that_no_relay_has_stored_yet_counts_as_well(
    db: Database, worker: Worker
) -> None:
    job = await worker.add()
    assert (await worker.run(job, SUSPECT))["failures"] == 0
    for failures in (1, 2):
        await execute(db, "update jobs set tried_at = now() - interval '1 minute'")
        worker.breakers["speech"].succeeded()
        assert (await worker.run(job, SUSPECT))["failures"] == failures
    # The response was before the last attempt.
    assert (await worker.run(job, SUSPECT))["failures"] == 2


@pytest.mark.parametrize("other", ["object_store", "disk"])
async def test_a_failure_needs_a_response_of_the_same_dependency(
    db: Database, worker: Worker, other: Dependency
) -> None:
    job = await worker.add()
    row = await get_row(db, job)
    for _ in range(2 * leases.MAX_FAILURES):
        row = await worker.run(job, SUSPECT)
        assert await outages.wake(db.read, responded(other)) == 0
    assert (row["state"], row["failures"]) == ("queued", 0)


async def test_an_unambiguous_outage_never_counts(db: Database, worker: Worker) -> None:
    """A service that limits the rate serves others meanwhile."""
    job = await worker.add()
    row = await get_row(db, job)
    for _ in range(2 * leases.MAX_FAILURES):
        row = await worker.run(job, OUTAGE)
        assert await outages.wake(db.read, responded()) == 1
    assert (row["state"], row["failures"]) == ("queued", 0)


async def _store(_: Tx) -> None:
    """Results of a job."""


async def test_a_job_that_always_loses_its_connection_fails_while_others_succeed(
    worker: Worker,
) -> None:
    terminate = "select pg_terminate_backend(pg_backend_pid())"
    job = await worker.add()
    row = await worker.run(job, sql=terminate)
    assert row["waiting_for"] == "database"
    for failures in range(leases.MAX_FAILURES):
        assert (row["state"], row["failures"]) == ("queued", failures)
        # Only stored results show that the database serves jobs.
        await worker.run(await worker.add())
        assert (await worker.run(job, sql=terminate))["failures"] == failures
        await worker.run(await worker.add(), write=_store)
        row = await worker.run(job, sql=terminate)
    assert (row["state"], row["failures"]) == ("failed", leases.MAX_FAILURES)


async def test_a_database_without_room_never_counts(db: Database, worker: Worker) -> None:
    full = "do $$ begin raise exception 'full' using errcode = '53100'; end $$"
    job = await worker.add()
    row = await get_row(db, job)
    for _ in range(2 * leases.MAX_FAILURES):
        row = await worker.run(job, sql=full)
        await worker.run(await worker.add(), write=_store)
        await outages.wake(db.read, responded("database"))
    assert (row["state"], row["failures"], row["waiting_for"]) == ("queued", 0, "database")


async def test_only_uninterrupted_waiting_counts_for_the_limit(
    db: Database, worker: Worker
) -> None:
    job = await worker.add()
    await worker.run(job, OUTAGE)
    await execute(db, "update jobs set waiting_since = now() - interval '2 days'")
    await outages.wake(db.read, responded())
    row = await worker.run(job, OUTAGE)
    assert row["state"] == "queued"
    # It may wait as long again, and its delays start from the first one.
    ((waited, delay),) = await execute(
        db,
        "select extract(epoch from now() - waiting_since)::float,"
        " extract(epoch from run_after - now())::float from jobs where id = $1",
        job,
    )
    assert waited < 60
    assert delay <= 5
    # No worker ran over a weekend.
    await execute(
        db,
        "update jobs set waiting_since = now() - interval '2 days',"
        " tried_at = now() - interval '47 hours'",
    )
    row = await worker.run(job, OUTAGE)
    assert row["state"] == "queued"


async def test_the_breaker_of_the_disk_closes_with_any_other_outcome(worker: Worker) -> None:
    disk = Breaker("disk", "It is unavailable.", 0.0)
    worker.breakers = {**worker.breakers, "disk": disk}
    full = OSError(errno.ENOSPC, "No space left on device")
    for outcome in (None, OUTAGE, Unavailable("Again."), Invalid("The file is encrypted.")):
        job = await worker.add()
        await worker.run(job, full)
        assert disk.is_open
        # A job that has not waited for the disk may not need it.
        await worker.run(await worker.add())
        assert disk.is_open
        await worker.run(job, outcome)
        assert not disk.is_open


async def test_a_refusal_does_not_delay_the_next_attempt_at_the_disk(worker: Worker) -> None:
    disk = worker.breakers["disk"]
    job = await worker.add()
    await worker.run(job, OSError(errno.ENOSPC, "No space left on device"))
    assert disk.outage is not None
    next_probe = disk.outage.next_probe
    row = await worker.run(job)
    assert (row["state"], worker.ran) == ("queued", 1)
    assert disk.outage.next_probe == next_probe


async def test_a_waiting_job_does_not_run_while_the_outage_is_known(worker: Worker) -> None:
    waiting, new = await worker.add(), await worker.add()
    await worker.run(waiting, OUTAGE)
    worker.breakers["speech"].failed("ConnectError")
    for _ in range(3):
        row = await worker.run(waiting)
        assert (row["state"], row["waiting_for"]) == ("queued", "speech")
    assert worker.ran == 1
    # A job that has not waited may not need the service.
    assert (await worker.run(new))["state"] == "done"
    worker.breakers["speech"].succeeded()
    assert (await worker.run(waiting))["state"] == "done"


@given(waited=st.floats(0, 1e6), maximum=st.floats(0.1, 86_400), chance=st.floats(0, 0.999))
def test_delay_doubles_up_to_the_maximum(waited: float, maximum: float, chance: float) -> None:
    delay = outages.outage_delay(waited, maximum, chance)
    assert min(maximum, max(5.0, waited)) / 2 <= delay <= min(maximum, max(5.0, waited))


# --- recovery ---------------------------------------------------------------------------------


async def test_a_response_makes_all_jobs_due_that_wait_for_it(db: Database, worker: Worker) -> None:
    jobs = [await worker.add() for _ in range(5)]
    other = await worker.add()
    for job in jobs:
        await worker.run(job, OUTAGE)
    await worker.run(other, DependencyUnavailable("object_store", "It does not respond."))
    assert not any([await is_due(db, job) for job in (*jobs, other)])
    # A response before the jobs tried says nothing.
    assert await outages.wake(db.read, {"speech": 3600.0}) == 0
    assert await outages.wake(db.read, responded()) == len(jobs)
    assert all([await is_due(db, job) for job in jobs])
    assert not await is_due(db, other)
    assert len(await take(db, 10)) == len(jobs)
    assert await outages.wake(db.read, responded()) == 0


async def test_a_job_with_failures_keeps_the_delay_of_its_next_attempt(
    db: Database, worker: Worker
) -> None:
    job = await worker.add()
    await execute(db, "update jobs set failures = 3")
    await worker.run(job, OUTAGE)
    await execute(db, "update jobs set run_after = now() + interval '1 day'")
    assert await outages.wake(db.read, responded()) == 1
    ((delay,),) = await execute(
        db, "select extract(epoch from run_after - now())::float from jobs where id = $1", job
    )
    assert 30 < delay <= 36


async def test_waiting_jobs_of_each_dependency_and_queue_try_in_turn(
    db: Database, worker: Worker
) -> None:
    jobs = [await worker.add() for _ in range(3)]
    other = await worker.add(Other())
    for job in (*jobs, other):
        await worker.run(job, OUTAGE)
    await execute(db, "update jobs set waiting_since = now() - interval '12 hours'")
    for place, job in enumerate((*jobs, other)):
        await execute(
            db,
            "update jobs set run_after = now() + $2 * interval '10 s' where id = $1",
            job,
            place + 1,
        )
    assert await outages.probe(db.read) == 2
    assert await is_due(db, other)
    for job in jobs:
        assert await is_due(db, job)
        # Jobs that are due already count as probes: no other job becomes due.
        assert await outages.probe(db.read) == 0
        await worker.run(job, OUTAGE)
        assert await outages.probe(db.read) == 1


async def test_few_waiting_jobs_try_at_the_same_time(db: Database, worker: Worker) -> None:
    jobs = [await worker.add() for _ in range(4)]
    for job in jobs:
        await worker.run(job, OUTAGE)
    for _ in range(outages.MAX_PROBES):
        assert await outages.probe(db.read) == 1
        (sent,) = await take(db, 10)
        await leases.claim(db.read, [sent.id], 60)
    assert await outages.probe(db.read) == 0


async def test_cancelled_jobs_do_not_wait(db: Database, worker: Worker) -> None:
    job = await worker.add()
    await worker.run(job, OUTAGE)
    async with db.transaction() as tx:
        assert await job_admin.cancel(tx, JobFilter(id=job), OPERATOR) == 1
    assert await outages.count_waiting(db.read) == []
    assert (await worker.run(job))["state"] == "cancelled"


async def test_waiting_jobs_are_counted(db: Database, worker: Worker) -> None:
    for job in [await worker.add() for _ in range(3)]:
        await worker.run(job, OUTAGE)
    await execute(db, "update jobs set waiting_since = now() - interval '1 minute'")
    (waiting,) = await outages.count_waiting(db.read)
    assert waiting == WaitingJobs("fetch", "speech", 3, waiting.seconds)
    assert 60 <= waiting.seconds < 90
    assert await job_admin.backlog(db.read) == []


async def test_looking_for_jobs_to_try_reads_few_rows_of_ten_thousand(
    db: Database, workspace: WorkspaceId
) -> None:
    await execute(
        db,
        "insert into jobs (id, workspace_id, kind, queue, payload, run_after, waiting_for,"
        " waiting_since, tried_at) select gen_random_uuid(), $1, 'tests.task', 'fetch',"
        """ '{"kind": "tests.task"}', now() + n * interval '1 s', 'speech', now(), now()"""
        " from generate_series(1, 10000) n",
        workspace,
    )
    await execute(db, "analyze jobs")
    rows = [await _rows_read(db, look) for look in (outages.probe, _wake_nothing)]
    assert max(rows) < 100
    assert await outages.wake(db.read, responded()) == 10_000


async def _wake_nothing(tx: Tx) -> int:
    return await outages.wake(tx, {"database": 0.0, "object_store": 0.0})


async def _rows_read(db: Database, look: Callable[[Tx], Awaitable[int]]) -> int:
    """Rows of jobs that a statement reads."""
    async with db.transaction() as tx:
        await look(tx)
        return await tx.one(ROWS_READ)
