"""The runner stores the outcome of each attempt; operators cancel and retry jobs."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from domains.discovery import analysis
from domains.discovery.analysis import AnalyseSignal
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import Invalid, Unavailable, WriteConflict
from domains.kernel.core.settings import Settings, load_settings
from domains.kernel.core.tasks import background_task
from domains.kernel.db.database import Database, Tx
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs import job_admin, leases
from domains.kernel.jobs.enqueue import enqueue, enqueue_all
from domains.kernel.jobs.job_admin import JobFilter
from domains.kernel.jobs.process_pool import ComputationTimeout, ProcessPool
from domains.kernel.models.llm_provider import LLMProvider
from domains.kernel.storage.blobs import Blobs
from domains.kernel.untrusted.documents.extraction import TextExtractor
from domains.kernel.untrusted.fetch import Fetcher
from tests.stack import Stack, Tenant, eventually, new_tenant
from tests.workers.support import (
    Task,
    add_job,
    claim_job,
    count_states,
    execute,
    get_row,
    take,
)
from workers.runner import Actor, Runner

Run = Callable[..., Awaitable[Write | None]]


class TaskRunner:
    """Runs jobs with the given function. `reasons`: the reasons shown to the customer."""

    def __init__(self, db: Database, workspace: WorkspaceId, settings: Settings) -> None:
        self._db, self._workspace, self._settings = db, workspace, settings
        self.reasons: list[str] = []

    async def __call__(self, run: Run, job_id: UUID | None = None) -> Any:
        """Run a job once, by default a new one. Returns its row."""
        runner = Runner({Task: Actor(run=run, failed=self._failed)}, None, self._db, self._settings)
        job_id = job_id or await add_job(self._db, self._workspace)
        await runner.run(job_id)
        return await get_row(self._db, job_id)

    async def _failed(self, _tx: Tx, _workspace: Any, _job: Task, _id: UUID, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def run_once(db: Database, workspace: WorkspaceId, settings: Settings) -> TaskRunner:
    return TaskRunner(db, workspace, settings)


def raising(error: Exception) -> Run:
    async def run(*_: Any) -> None:
        raise error

    return run


async def test_job_that_succeeds_is_done(run_once: TaskRunner) -> None:
    async def run(*_: Any) -> Write:
        async def write(_tx: Tx) -> None:
            pass

        return write

    row = await run_once(run)
    assert (row["state"], row["error"], row["lease"]) == ("done", None, None)
    assert row["finished_at"] is not None
    assert run_once.reasons == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Invalid("The file is encrypted."), "The file is encrypted."),
        (ComputationTimeout(), "The analysis took too long."),
    ],
)
async def test_problems_and_computation_timeouts_are_final(
    run_once: TaskRunner, error: Exception, reason: str
) -> None:
    row = await run_once(raising(error))
    assert (row["state"], row["failures"], row["error"]) == ("failed", 1, reason)
    assert run_once.reasons == [reason]


@pytest.mark.parametrize("error", [Unavailable("A timeout."), WriteConflict("A deadlock.")])
async def test_temporary_problems_are_retried(run_once: TaskRunner, error: Exception) -> None:
    row = await run_once(raising(error))
    assert (row["state"], row["failures"]) == ("queued", 1)
    assert run_once.reasons == []


async def test_unexpected_error_is_retried_and_its_text_is_never_shown(
    run_once: TaskRunner, db: Database
) -> None:
    run = raising(ZeroDivisionError("secret internals"))
    row = await run_once(run)
    for failures in range(1, leases.MAX_FAILURES):
        assert (row["state"], row["failures"], run_once.reasons) == ("queued", failures, [])
        await execute(db, "update jobs set run_after = now() where id = $1", row["id"])
        row = await run_once(run, row["id"])
    assert (row["state"], row["failures"]) == ("failed", leases.MAX_FAILURES)
    (reason,) = run_once.reasons
    assert reason == row["error"]
    assert "secret" not in reason


async def test_job_that_lost_its_worker_too_often_fails_without_running(
    run_once: TaskRunner, db: Database, workspace: WorkspaceId
) -> None:
    job_id = await add_job(db, workspace)
    await execute(db, "update jobs set losses = $2 where id = $1", job_id, leases.MAX_LOSSES)
    row = await run_once(raising(AssertionError("must not run")), job_id)
    assert (row["state"], len(run_once.reasons)) == ("failed", 1)


async def test_job_whose_results_cannot_be_stored_is_retried(
    run_once: TaskRunner, db: Database, workspace: WorkspaceId
) -> None:
    written: list[UUID] = []

    async def run(*_: Any) -> Write:
        async def write(tx: Tx) -> None:
            written.append(await enqueue(tx, workspace, Task("half of the results")))
            raise RuntimeError("the second half fails")

        return write

    row = await run_once(run)
    assert (row["state"], row["failures"]) == ("queued", 1)
    assert await get_row(db, written[0]) is None


async def test_worker_that_stops_requeues_its_job(db: Database, run_once: TaskRunner) -> None:
    started = asyncio.Event()

    async def run(*_: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(run_once(run))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async def queued() -> list[Any]:
        return await execute(db, "select * from jobs where state = 'queued'")

    (row,) = await eventually(queued)
    assert (row["failures"], row["losses"], row["lease"]) == (0, 0, None)


# --- operators --------------------------------------------------------------------------------

_REASON = "The processing was cancelled."


@pytest.fixture
async def acme(idle_stack: Stack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(idle_stack, database=db) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def process_pool() -> Iterator[ProcessPool]:
    with ProcessPool.open(1, 30) as pool:
        yield pool


class Analyst:
    """A worker that analyses a signal and stores its findings when the test allows it."""

    def __init__(self, db: Database, settings: Settings, process_pool: ProcessPool) -> None:
        self.analysed = asyncio.Event()
        self.may_store = asyncio.Event()
        self.cancelled = False
        tools = Tools(
            read=db.read,
            blobs=Blobs.open(settings.blob_url, {}),
            process_pool=process_pool,
            fetcher=Fetcher(FetchAllowlist(), time_limit=settings.fetch_time_limit),
            text_extractor=TextExtractor.from_settings(settings),
            speech=None,
            provider=LLMProvider(None, db.read),
            settings=settings,
        )

        async def run(tools: Tools, workspace: WorkspaceId, job: AnalyseSignal) -> Write | None:
            write = await analysis.analyse(tools, workspace, job)
            self.analysed.set()
            try:
                await self.may_store.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
            return write

        actor = Actor(run=run, failed=analysis.mark_failed)
        self.runner: Runner[Tools] = Runner({AnalyseSignal: actor}, tools, db, settings)


@pytest.fixture
def new_analyst(
    db: Database, settings: Settings, process_pool: ProcessPool
) -> Callable[[], Analyst]:
    return lambda: Analyst(db, settings, process_pool)


@pytest.fixture
def analyst(new_analyst: Callable[[], Analyst]) -> Analyst:
    return new_analyst()


async def _change(
    db: Database, change: Callable[[Tx, JobFilter], Awaitable[int]], **filters: Any
) -> int:
    async with db.transaction() as tx:
        return await change(tx, JobFilter(**filters))


async def _create_signal(acme: Tenant) -> tuple[Any, UUID]:
    signal = await acme.create_signal()
    return signal, UUID(signal["jobId"])


async def _shown(acme: Tenant, signal: Any) -> tuple[Any, ...]:
    signal = await acme.get(f"signals/{signal['id']}")
    return signal["status"], signal["processing"]["lastError"], signal["insightIds"]


@pytest.mark.parametrize("sent", [False, True])
async def test_job_cancelled_before_its_start_does_not_run_and_its_record_is_updated(
    db: Database, acme: Tenant, analyst: Analyst, *, sent: bool
) -> None:
    signal, job_id = await _create_signal(acme)
    if sent:
        assert await take(db, 1, queue="analysis")
    assert await _change(db, job_admin.cancel, id=job_id) == 1
    assert await _change(db, job_admin.cancel, id=job_id) == 0
    assert [job.id for job in await take(db, 1, queue="analysis")] == [job_id]
    await analyst.runner.run(job_id)
    row = await get_row(db, job_id)
    assert (row["state"], row["error"], row["failures"]) == ("cancelled", _REASON, 0)
    assert not analyst.analysed.is_set()
    assert await _shown(acme, signal) == ("failed", _REASON, [])


async def test_running_job_is_cancelled_when_the_renewal_finds_its_lease_lost(
    db: Database,
    acme: Tenant,
    idle_stack: Stack,
    process_pool: ProcessPool,
    new_analyst: Callable[[], Analyst],
) -> None:
    signal, job_id = await _create_signal(acme)
    short_lease = load_settings({**idle_stack.env, "GATEWAY_JOB_LEASE": "1"})
    analyst = Analyst(db, short_lease, process_pool)
    async with background_task(analyst.runner.renew_leases()):
        running = asyncio.create_task(analyst.runner.run(job_id))
        await analyst.analysed.wait()
        assert await _change(db, job_admin.cancel, id=job_id) == 1
        # Another worker ends the job while the first may still be busy.
        other = new_analyst()
        await other.runner.run(job_id)
        assert not other.analysed.is_set()
        await running
    assert analyst.cancelled
    assert (await get_row(db, job_id))["state"] == "cancelled"
    assert await _shown(acme, signal) == ("failed", _REASON, [])


async def test_running_job_is_cancelled_at_once_by_the_worker_that_ends_it(
    db: Database, acme: Tenant, analyst: Analyst
) -> None:
    """Without the renewal of leases, which would cancel it later."""
    _, job_id = await _create_signal(acme)
    running = asyncio.create_task(analyst.runner.run(job_id))
    await analyst.analysed.wait()
    await _change(db, job_admin.cancel, id=job_id)
    await analyst.runner.run(job_id)
    await running
    assert analyst.cancelled


async def test_findings_of_a_cancelled_job_are_not_stored(
    db: Database, acme: Tenant, analyst: Analyst
) -> None:
    signal, job_id = await _create_signal(acme)
    running = asyncio.create_task(analyst.runner.run(job_id))
    await analyst.analysed.wait()
    await _change(db, job_admin.cancel, id=job_id)
    analyst.may_store.set()
    await running
    assert (await get_row(db, job_id))["state"] == "queued"
    assert await _shown(acme, signal) == ("processing", None, [])


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
    """Finishing and cancelling the same jobs at once would deadlock otherwise."""
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

    async def blocked() -> bool:
        waits = "select from pg_stat_activity where wait_event_type = 'Lock'"
        return bool(await execute(db, waits))

    async with db.connection() as other, other.transaction():
        await other.execute("select from jobs where id = $1 for update", ids[0])
        changing = asyncio.create_task(change())
        await eventually(blocked)
        await other.execute("select from jobs where id = any($1) for update nowait", ids)
    assert await changing == len(ids)


async def test_retried_job_has_all_its_attempts_again(
    db: Database, acme: Tenant, analyst: Analyst
) -> None:
    signal, job_id = await _create_signal(acme)
    claim = await claim_job(db, job_id)
    async with db.transaction() as tx:
        await leases.fail(tx, claim, "No.")
        job = AnalyseSignal(UUID(signal["id"]))
        await analysis.mark_failed(tx, claim.workspace, job, job_id, "No.")
    assert (await _shown(acme, signal))[:2] == ("failed", "No.")
    assert await _change(db, job_admin.cancel, id=job_id) == 0
    assert await _change(db, job_admin.retry, id=job_id) == 1
    assert await _change(db, job_admin.retry, id=job_id) == 0
    row = await get_row(db, job_id)
    assert (row["state"], row["failures"], row["error"]) == ("queued", 0, None)
    analyst.may_store.set()
    await analyst.runner.run(job_id)
    assert (await get_row(db, job_id))["state"] == "done"
    status, error, insights = await _shown(acme, signal)
    assert (status, error) == ("processed", None)
    assert insights
    assert await _change(db, job_admin.retry, id=job_id) == 0
