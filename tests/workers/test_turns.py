"""Whose turn it is: workspaces side by side; jobs put off, lost, cancelled, tried again."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from domains.discovery import analysis
from domains.discovery.analysis import AnalyseSignal
from domains.kernel.core.ids import new_id
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.settings import Settings, load_settings
from domains.kernel.core.tasks import cancel_and_wait
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.job_tools import Tools
from domains.kernel.jobs import job_admin, leases
from domains.kernel.jobs.enqueue import LONGEST_DELAY, enqueue, enqueue_debounced
from domains.kernel.jobs.job_admin import JobFilter
from domains.kernel.jobs.leases import Claim, Sent
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.models.llm_provider import Provider
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.workspaces import create_workspace
from domains.kernel.untrusted.documents.extraction import Extraction
from domains.kernel.untrusted.fetch import Fetcher
from tests.stack import Process, Stack, Tenant, eventually, new_tenant, running_stack
from tests.workers.slow import Slow
from workers.runner import Actor, Runner

MANY = 100_000

# Where one example means many statements, fewer examples do.
FEW = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose worker is this test."""
    with running_stack(tmp_path_factory.mktemp("turns"), worker=False) as started:
        yield started


@pytest.fixture
async def db(idle: Stack) -> AsyncIterator[Database]:
    async with Database.open(idle.database_url, pool_size=20) as opened:
        await _run(opened, "truncate jobs")
        yield opened


async def _run(db: Database, sql: str, *arguments: Any) -> list[Any]:
    async with db.connection() as connection:
        found: list[Any] = await connection.fetch(sql, *arguments, timeout=60)
        return found


async def _workspace(db: Database) -> WorkspaceId:
    async with db.transaction() as tx:
        return (await create_workspace(tx, f"w-{secrets.token_hex(6)}")).id


@pytest.fixture
async def workspace(db: Database) -> WorkspaceId:
    return await _workspace(db)


async def _fill(db: Database, workspaces: Sequence[UUID], each: int, job: type[Job] = Slow) -> None:
    """Queue so many jobs of each workspace, as an import of long ago."""
    tag = job.__struct_config__.tag
    await _run(
        db,
        "insert into jobs (id, workspace_id, kind, queue, payload, run_after)"
        " select gen_random_uuid(), workspace, $3, $4, $5, now() - interval '1 hour'"
        " from unnest($1::uuid[]) workspace, generate_series(1, $2)",
        workspaces,
        each,
        tag,
        job.queue,
        f'{{"kind": "{tag}"}}'.encode(),
    )


async def _queue(db: Database, workspace: WorkspaceId, job: Job | None = None) -> UUID:
    async with db.transaction() as tx:
        return await enqueue(tx, workspace, job or Slow())


RELAY = new_id()


async def _take(
    db: Database,
    window: int,
    spares: int = 0,
    relay: UUID = RELAY,
    queue: Queue = Slow.queue,
) -> list[Sent]:
    return await leases.take(db.read, relay, queue, window, spares)


async def _row(db: Database, job_id: UUID) -> Any:
    (found,) = await _run(db, "select * from jobs where id = $1", job_id)
    return found


async def _states(db: Database) -> Counter[str]:
    return Counter(row["state"] for row in await _run(db, "select state from jobs"))


async def _claimed(db: Database, job_id: UUID, seconds: float = 30) -> Claim:
    (held,) = await leases.claim(db.read, [job_id], seconds)
    return held


# --- nobody waits behind another's backlog ----------------------------------------------------


async def test_a_job_passes_the_backlog_of_another_workspace(
    db: Database, workspace: WorkspaceId
) -> None:
    await _fill(db, [workspace], MANY)
    window = 8
    sent = await _take(db, window, spares=1)
    assert [each.spare for each in sent] == [False] * window
    assert await _take(db, window, spares=1) == []
    theirs = await _queue(db, await _workspace(db))
    assert await _take(db, window, spares=1) == [Sent(theirs, spare=True)]


@pytest.mark.parametrize(("workspaces", "each"), [(1, MANY), (500, 100)])
async def test_a_look_at_long_queues_takes_little_time(
    db: Database, workspaces: int, each: int
) -> None:
    await _fill(db, [await _workspace(db) for _ in range(workspaces)], each)
    await _run(db, "analyze jobs")
    for window in (8, 64, 512):
        begun = time.perf_counter()
        assert await _take(db, window, spares=1)
        seconds = time.perf_counter() - begun
        print(f"{workspaces} x {each:,}, window {window}: {seconds * 1000:.0f} ms")  # noqa: T201
        # Measured: under 0.05 s; what must not happen is that it grows with the queue.
        assert seconds < 0.5


async def test_a_job_is_done_in_seconds_beside_a_backlog_of_hours(
    db: Database, idle: Stack, workspace: WorkspaceId
) -> None:
    await _fill(db, [workspace], MANY)
    worker = Process("tests.workers.slow", idle.env, idle.folder / "slow.log")
    worker.start()
    try:

        async def busy() -> bool:
            return (await _states(db))["running"] >= 8

        await eventually(busy)
        begun = time.perf_counter()
        theirs = await _queue(db, await _workspace(db))

        async def done() -> bool:
            return bool((await _row(db, theirs))["state"] == "done")

        await eventually(done, patience=5)
        print(f"done after {time.perf_counter() - begun:.1f} s")  # noqa: T201
    finally:
        worker.stop()
    assert (await _states(db))["sent"] == 0


async def test_long_jobs_after_short_ones_leave_a_lane_to_others(
    db: Database, idle: Stack, workspace: WorkspaceId
) -> None:
    """What is sent ahead in the hope of short jobs does not bar the way when long ones come."""
    worker = Process("tests.workers.slow", idle.env, idle.folder / "mixed.log")
    worker.start()

    async def state(name: str, least: int) -> bool:
        return (await _states(db))[name] >= least

    try:
        for _ in range(100):
            await _queue(db, workspace, Slow(0.001))
        await eventually(partial(state, "done", 100))
        for _ in range(30):
            await _queue(db, workspace, Slow(30))
        await eventually(partial(state, "running", 8))
        theirs = await _queue(db, await _workspace(db), Slow(0.001))

        async def done() -> bool:
            return bool((await _row(db, theirs))["state"] == "done")

        await eventually(done, patience=5)
    finally:
        worker.kill()


# --- workspaces take turns --------------------------------------------------------------------


@FEW
@given(data=st.data())
async def test_none_gets_ahead_of_one_that_waits(db: Database, data: st.DataObject) -> None:
    """After every look: who waits has at most one job less under way than whoever got one."""
    await _run(db, "truncate jobs")
    window = data.draw(st.integers(1, 8), label="window")
    spares = data.draw(st.integers(0, 2), label="spares")
    owners = [await _workspace(db) for _ in range(data.draw(st.integers(1, 5), label="owners"))]
    for _ in range(data.draw(st.integers(1, 4), label="rounds")):
        for owner in owners:
            if added := data.draw(st.integers(0, 12), label="added"):
                await _fill(db, [owner], added)
        sent = {each.id for each in await _take(db, window, spares)}
        rows = await _run(db, "select id, workspace_id, state, spare from jobs")
        under_way = [row for row in rows if row["state"] in ("sent", "running")]
        count = Counter(row["workspace_id"] for row in under_way)
        got = {row["workspace_id"] for row in under_way if row["id"] in sent}
        waits = {row["workspace_id"] for row in rows if row["state"] == "queued"}
        assert all(n <= window for n in count.values())
        assert Counter(row["spare"] for row in under_way)[False] <= window
        assert Counter(row["spare"] for row in under_way)[True] <= spares
        for one in waits:
            assert all(count[other] <= count[one] + 1 for other in got)
            # And nobody waits while there is room.
            assert count[one] == window or len(under_way) == window + spares
        ended = data.draw(
            st.lists(st.sampled_from(under_way), unique_by=lambda row: row["id"])
            if under_way
            else st.just([]),
            label="ended",
        )
        claims = await leases.claim(db.read, [row["id"] for row in ended], 30)
        await leases.finish_all(db.read, [each.held for each in claims])


async def test_of_a_workspace_the_oldest_go_first(db: Database, workspace: WorkspaceId) -> None:
    queued = [await _queue(db, workspace) for _ in range(5)]
    taken = [each.id for _ in range(5) for each in await _take(db, 1, relay=new_id())]
    assert taken == queued


async def test_relays_side_by_side_share_the_jobs_and_withdraw_what_nobody_took(
    db: Database,
) -> None:
    owners = [await _workspace(db) for _ in range(5)]
    await _fill(db, owners, 40)
    relays = [new_id() for _ in range(5)]
    sent: list[UUID] = []

    async def relay(identity: UUID) -> None:
        for window in range(10, 60, 10):
            sent.extend(each.id for each in await _take(db, window, 2, relay=identity))

    await asyncio.gather(*map(relay, relays))
    assert len(sent) == len(set(sent)) == (await _states(db))["sent"]
    begun = await leases.claim(db.read, sent[:3], 30)
    for each in relays:
        await leases.withdraw(db.read, each, Slow.queue)
    assert await _states(db) == {"running": len(begun), "queued": 200 - len(begun)}


# --- jobs that are put off --------------------------------------------------------------------


class About(Job, frozen=True, tag="tests.about"):
    """A job about something."""

    queue: ClassVar[Queue] = "housekeeping"
    what: str

    @property
    def subject(self) -> str:
        return self.what


async def _soon(db: Database, workspace: WorkspaceId, what: str, delay: float = 30) -> None:
    async with db.transaction() as tx:
        await enqueue_debounced(tx, workspace, About(what), delay)


_WAITS = "select subject, extract(epoch from run_after - created_at)::float as delay from jobs"


async def test_one_job_waits_for_each_kind_and_subject(
    db: Database, workspace: WorkspaceId
) -> None:
    other = await _workspace(db)
    for _ in range(3):
        for what in ("a", "b"):
            await _soon(db, workspace, what)
    await _soon(db, other, "a")
    found = await _run(db, "select workspace_id, subject from jobs")
    assert sorted(map(tuple, found)) == sorted([(workspace, "a"), (workspace, "b"), (other, "a")])


async def test_a_job_is_put_off_for_a_while_only(db: Database, workspace: WorkspaceId) -> None:
    await _soon(db, workspace, "a", 10)
    await _soon(db, workspace, "a", 60)
    ((_, delay),) = await _run(db, _WAITS)
    assert 60 <= delay < 70
    await _run(db, "update jobs set created_at = created_at - interval '290 seconds'")
    await _soon(db, workspace, "a", 60)
    ((_, delay),) = await _run(db, _WAITS)
    assert delay == LONGEST_DELAY


async def test_what_began_or_is_cancelled_does_not_stand_for_what_comes_later(
    db: Database, workspace: WorkspaceId
) -> None:
    await _soon(db, workspace, "a", 0)
    await _take(db, 1, queue="housekeeping")
    await _soon(db, workspace, "a", 0)
    assert await _states(db) == {"sent": 1, "queued": 1}
    async with db.transaction() as tx:
        assert await job_admin.cancel(tx, JobFilter(kind="about")) == 2
    await _soon(db, workspace, "a", 0)
    assert len(await _run(db, "select from jobs where not cancelling")) == 1


# --- jobs that lose their worker --------------------------------------------------------------


async def test_a_lost_job_is_waited_for_longer_each_time(
    db: Database, workspace: WorkspaceId
) -> None:
    job_id = await _queue(db, workspace)
    waits = []
    for losses in range(1, leases.MAX_LOSSES + 1):
        await _run(db, "update jobs set run_after = now() where id = $1", job_id)
        await _claimed(db, job_id, seconds=0)
        assert await leases.sweep(db.read, 1_000) == 1
        row = await _row(db, job_id)
        assert (row["state"], row["losses"], row["lease"]) == ("queued", losses, None)
        ((wait,),) = await _run(db, "select extract(epoch from run_after - now())::float from jobs")
        waits.append(wait)
    assert waits == sorted(waits)
    assert 8 < waits[-1] <= 9


# --- what operators do ------------------------------------------------------------------------


@pytest.fixture
async def acme(idle: Stack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(idle, database=db) as made:
        yield made


class Desk:
    """A worker that analyses signals, and stores what it found when the test lets it."""

    def __init__(
        self, db: Database, settings: Settings, blobs: Blobs, compute: ProcessPool
    ) -> None:
        self.settings, self.blobs, self.compute = settings, blobs, compute
        self.found = asyncio.Event()
        self.go_on = asyncio.Event()
        self.stopped = False

        tools = Tools(
            read=db.read,
            blobs=blobs,
            process_pool=compute,
            fetcher=Fetcher(FetchAllowlist()),
            extraction=Extraction.of(settings),
            speech=None,
            provider=Provider(None, db.read),
            settings=settings,
        )

        async def run(_tools: None, workspace: WorkspaceId, job: AnalyseSignal) -> Any:
            write = await analysis.analyse(tools, workspace, job)
            self.found.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.stopped = True
                raise
            return write

        actor = Actor(run=run, failed=analysis.analysis_failed)
        self.runner: Runner[None] = Runner({AnalyseSignal: actor}, None, db, settings)


@pytest.fixture
async def desk(idle: Stack, db: Database) -> AsyncIterator[Desk]:
    settings = load_settings({**idle.env, "GATEWAY_JOB_LEASE": "1"})
    with ProcessPool.open(1, 30) as compute:
        made = Desk(db, settings, Blobs.open(settings.blob_url, {}), compute)
        keeping = asyncio.create_task(made.runner.keep())
        yield made
        await cancel_and_wait(keeping)


async def _cancel(db: Database, job_id: UUID) -> int:
    async with db.transaction() as tx:
        return await job_admin.cancel(tx, JobFilter(id=job_id))


async def _retry(db: Database, job_id: UUID) -> int:
    async with db.transaction() as tx:
        return await job_admin.retry(tx, JobFilter(id=job_id))


async def _newest(db: Database) -> UUID:
    ((job_id,),) = await _run(db, "select id from jobs where state = 'queued'")
    found: UUID = job_id
    return found


async def _shown(acme: Tenant, signal: Any) -> tuple[Any, ...]:
    found = await acme.get(f"signals/{signal['id']}")
    return found["status"], found["processing"]["lastError"], found["insightIds"]


_REASON = "The processing was cancelled."


@pytest.mark.parametrize("sent", [False, True])
async def test_a_cancelled_job_that_waits_is_not_done_and_its_record_says_so(
    db: Database, acme: Tenant, desk: Desk, *, sent: bool
) -> None:
    signal = await acme.create_signal()
    job_id = await _newest(db)
    if sent:
        assert await _take(db, 1, queue="analysis")
    assert await _cancel(db, job_id) == 1
    assert await _cancel(db, job_id) == 0
    assert [each.id for each in await _take(db, 1, queue="analysis")] == [job_id]
    await desk.runner.run(job_id)
    row = await _row(db, job_id)
    assert (row["state"], row["error"], row["failures"]) == ("cancelled", _REASON, 0)
    assert not desk.found.is_set()
    assert await _shown(acme, signal) == ("failed", _REASON, [])


async def test_what_a_cancelled_job_found_is_not_stored(
    db: Database, acme: Tenant, desk: Desk
) -> None:
    signal = await acme.create_signal()
    job_id = await _newest(db)
    working = asyncio.create_task(desk.runner.run(job_id))
    await desk.found.wait()
    assert await _cancel(db, job_id) == 1
    # Whoever takes it marks the end, while the first one may still be busy.
    other = Desk(db, desk.settings, desk.blobs, desk.compute)
    await other.runner.run(job_id)
    assert not other.found.is_set()
    await working
    assert desk.stopped
    assert (await _row(db, job_id))["state"] == "cancelled"
    assert await _shown(acme, signal) == ("failed", _REASON, [])


async def test_a_cancelled_job_stops_at_once_where_its_end_is_marked(
    db: Database, acme: Tenant, desk: Desk
) -> None:
    await acme.create_signal()
    job_id = await _newest(db)
    working = asyncio.create_task(desk.runner.run(job_id))
    await desk.found.wait()
    await _cancel(db, job_id)
    await desk.runner.run(job_id)
    async with asyncio.timeout(0.2):
        await working
    assert desk.stopped


async def test_a_result_on_its_way_when_the_job_is_cancelled_comes_to_nothing(
    db: Database, acme: Tenant, desk: Desk
) -> None:
    signal = await acme.create_signal()
    job_id = await _newest(db)
    working = asyncio.create_task(desk.runner.run(job_id))
    await desk.found.wait()
    await _cancel(db, job_id)
    desk.go_on.set()
    await working
    assert (await _row(db, job_id))["state"] == "queued"
    assert await _shown(acme, signal) == ("processing", None, [])


async def test_jobs_that_end_and_are_cancelled_at_once_do_not_wait_for_each_other(
    db: Database, workspace: WorkspaceId
) -> None:
    for _ in range(5):
        await _run(db, "truncate jobs")
        await _fill(db, [workspace], 3_000)
        ids = [row["id"] for row in await _run(db, "select id from jobs order by random()")]
        held = [each.held for each in await leases.claim(db.read, ids, 30)]
        ends = [
            leases.finish_all(db.read, held[first : first + 100]) for first in range(0, 3_000, 100)
        ]

        async def cancel_all() -> int:
            async with db.transaction() as tx:
                return await job_admin.cancel(tx, JobFilter(workspace=workspace))

        # None is refused because of the others.
        cancelled, ended = await asyncio.gather(cancel_all(), asyncio.gather(*ends))
        assert await _states(db) == Counter(done=sum(map(len, ended)), queued=cancelled)


async def test_a_failed_job_is_tried_again_with_all_its_attempts(
    db: Database, acme: Tenant, desk: Desk
) -> None:
    signal = await acme.create_signal()
    job_id = await _newest(db)
    held = await _claimed(db, job_id)
    async with db.transaction() as tx:
        await leases.fail(tx, held, "No.")
        await analysis.analysis_failed(
            tx, held.workspace, AnalyseSignal(UUID(signal["id"])), job_id, "No."
        )
    assert (await _shown(acme, signal))[:2] == ("failed", "No.")
    assert await _cancel(db, job_id) == 0
    assert await _retry(db, job_id) == 1
    assert await _retry(db, job_id) == 0
    row = await _row(db, job_id)
    assert (row["state"], row["failures"], row["error"]) == ("queued", 0, None)
    desk.go_on.set()
    await desk.runner.run(job_id)
    assert (await _row(db, job_id))["state"] == "done"
    status, error, insights = await _shown(acme, signal)
    assert (status, error) == ("processed", None)
    assert insights
    assert await _retry(db, job_id) == 0
