"""The job engine's laws: one holder at a time, every outcome written down, nothing run twice."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import Invalid, Unavailable, WriteConflict
from domains.kernel.core.settings import Settings, load_settings
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.jobs import leases, model
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.leases import Claim, LostLease
from domains.kernel.jobs.model import Job
from domains.kernel.jobs.process_pool import ComputationTimeout, ProcessPool
from domains.kernel.storage.blobs import DeleteBlob
from domains.kernel.tenancy.workspaces import create_workspace
from tests.stack import Stack, eventually, running_stack
from workers.runner import Actor, Runner


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose worker is this test."""
    with running_stack(tmp_path_factory.mktemp("idle"), worker=False) as started:
        yield started


@pytest.fixture
async def db(idle: Stack) -> AsyncIterator[Database]:
    async with Database.open(idle.database_url, pool_size=20) as opened:
        async with opened.connection() as connection:
            await connection.execute("delete from jobs")
        yield opened


@pytest.fixture
async def workspace(db: Database) -> WorkspaceId:
    async with db.transaction() as tx:
        return (await create_workspace(tx, f"w-{secrets.token_hex(6)}")).id


@pytest.fixture
def settings(idle: Stack) -> Settings:
    return load_settings(idle.env)


async def _queue(db: Database, workspace: WorkspaceId, job: Job | None = None) -> UUID:
    async with db.transaction() as tx:
        return await enqueue(tx, workspace, job or DeleteBlob("nothing"))


# One relay of many.
RELAY = new_id()


async def _take(db: Database, window: int, spares: int = 0, relay: UUID = RELAY) -> list[UUID]:
    sent = await leases.take(db.read, relay, "housekeeping", window, spares)
    return [each.id for each in sent]


async def _row(db: Database, job_id: UUID) -> Any:
    async with db.connection() as connection:
        return await connection.fetchrow("select * from jobs where id = $1", job_id)


async def _claimed(db: Database, job_id: UUID, seconds: float = 30) -> Claim:
    (held,) = await leases.claim(db.read, [job_id], seconds)
    return held


async def test_a_job_is_queued_with_the_transaction_or_not_at_all(
    db: Database, workspace: WorkspaceId
) -> None:
    class Failure(Exception):
        pass

    with pytest.raises(Failure):
        async with db.transaction() as tx:
            job_id = await enqueue(tx, workspace, DeleteBlob("x"))
            raise Failure
    assert await _row(db, job_id) is None


async def test_one_of_many_claims_a_job(db: Database, workspace: WorkspaceId) -> None:
    job_id = await _queue(db, workspace)
    claims = await asyncio.gather(*(leases.claim(db.read, [job_id], 30) for _ in range(20)))
    assert sum(map(len, claims)) == 1


async def test_relays_side_by_side_send_each_job_once(db: Database, workspace: WorkspaceId) -> None:
    queued = {await _queue(db, workspace) for _ in range(50)}
    taken = await asyncio.gather(*(_take(db, 20) for _ in range(10)))
    sent = [each for batch in taken for each in batch]
    assert len(sent) == len(set(sent))
    assert set(sent) <= queued


async def test_no_more_than_the_window_waits_in_the_broker(
    db: Database, workspace: WorkspaceId
) -> None:
    for _ in range(10):
        await _queue(db, workspace)
    assert len(await _take(db, 4)) == 4
    assert await _take(db, 4) == []
    assert len(await _take(db, 6)) == 2


async def test_a_lost_lease_undoes_what_came_with_it(db: Database, workspace: WorkspaceId) -> None:
    job_id = await _queue(db, workspace)
    slow = await _claimed(db, job_id, 0.01)
    await asyncio.sleep(0.02)
    assert await leases.sweep(db.read, 1000) == 1
    quick = await _claimed(db, job_id)
    assert quick.losses == 1
    assert not await leases.renew(db.read, [slow.held], 30)
    with pytest.raises(LostLease):
        async with db.transaction() as tx:
            other = await enqueue(tx, workspace, DeleteBlob("of the slow one"))
            await leases.finish(tx, slow)
    assert await _row(db, other) is None
    async with db.transaction() as tx:
        await leases.finish(tx, quick)
    assert (await _row(db, job_id))["state"] == "done"


async def test_a_renewed_lease_is_not_swept(db: Database, workspace: WorkspaceId) -> None:
    held = await _claimed(db, await _queue(db, workspace), 0.01)
    assert await leases.renew(db.read, [held.held], 30)
    await asyncio.sleep(0.02)
    assert await leases.sweep(db.read, 1000) == 0


async def test_an_ended_job_cannot_be_claimed(db: Database, workspace: WorkspaceId) -> None:
    for end in (leases.finish, lambda tx, held: leases.fail(tx, held, "no")):
        job_id = await _queue(db, workspace)
        held = await _claimed(db, job_id)
        async with db.transaction() as tx:
            await end(tx, held)
        assert await leases.claim(db.read, [job_id], 30) == []


async def test_a_message_that_arrives_early_waits_for_its_time(
    db: Database, workspace: WorkspaceId
) -> None:
    job_id = await _queue(db, workspace)
    await leases.retry(db.read, await _claimed(db, job_id), "later", 60)
    assert await leases.claim(db.read, [job_id], 30) == []
    assert await _take(db, 10) == []
    row = await _row(db, job_id)
    assert (row["state"], row["failures"], row["error"]) == ("queued", 1, "later")


async def test_what_nobody_took_is_sent_again(db: Database, workspace: WorkspaceId) -> None:
    job_id = await _queue(db, workspace)
    assert await _take(db, 10) == [job_id]
    assert await leases.sweep(db.read, 1000) == 0
    assert await leases.sweep(db.read, 0) == 1
    assert await _take(db, 10) == [job_id]


@given(failures=st.integers(0, 50), chance=st.floats(0, 1, exclude_max=True))
def test_the_wait_between_attempts_grows_and_is_bounded(failures: int, chance: float) -> None:
    wait = leases.backoff(failures, chance)
    assert min(600, 6**failures) * 0.5 <= wait <= 900
    assert leases.backoff(failures + 1, chance) >= wait


# --- the runner -------------------------------------------------------------------------------


class Odd(Job, frozen=True, tag="tests.odd"):
    """A job that does what a test tells it to."""

    queue: ClassVar[model.Queue] = "housekeeping"


@pytest.fixture
async def run_odd(db: Database, workspace: WorkspaceId, settings: Settings) -> Any:
    """Queues a job and runs it once with the given `run`; its row and the reasons shown."""
    shown: list[str] = []

    async def failed(_tx: Any, _workspace: Any, _job: Any, _id: UUID, reason: str) -> None:
        shown.append(reason)

    async def queue_and_run(run: Any, *, job_id: UUID | None = None) -> tuple[Any, list[str]]:
        runner = Runner({Odd: Actor(run=run, failed=failed)}, None, db, settings)
        job_id = job_id or await _queue(db, workspace, Odd())
        await runner.run(job_id)
        return await _row(db, job_id), shown

    return queue_and_run


async def _fine(_tx: Any) -> None:
    return


async def test_a_job_that_ends_well_is_done(run_odd: Any) -> None:
    async def run(*_: Any) -> Any:
        return _fine

    row, shown = await run_odd(run)
    assert (row["state"], row["error"], row["lease"], shown) == ("done", None, None, [])
    assert row["finished_at"] is not None


async def test_a_problem_is_final_and_its_reason_is_shown(run_odd: Any) -> None:
    async def run(*_: Any) -> Any:
        raise Invalid("The file is encrypted.")

    row, shown = await run_odd(run)
    assert (row["state"], row["error"]) == ("failed", "The file is encrypted.")
    assert shown == ["The file is encrypted."]


@pytest.mark.parametrize("passing", [Unavailable("It is away."), WriteConflict("A deadlock.")])
async def test_what_passes_is_waited_for(run_odd: Any, passing: Exception) -> None:
    async def run(*_: Any) -> Any:
        raise passing

    row, shown = await run_odd(run)
    assert (row["state"], row["failures"], shown) == ("queued", 1, [])


async def test_anything_unexpected_is_tried_five_times_and_tells_nothing(
    run_odd: Any, db: Database
) -> None:
    async def run(*_: Any) -> Any:
        raise ZeroDivisionError("secret internals")

    row, shown = await run_odd(run)
    for failures in range(1, leases.MAX_FAILURES):
        assert (row["state"], row["failures"], shown) == ("queued", failures, [])
        async with db.connection() as connection:
            await connection.execute("update jobs set run_after = now() where id = $1", row["id"])
        row, shown = await run_odd(run, job_id=row["id"])
    assert (row["state"], row["failures"]) == ("failed", leases.MAX_FAILURES)
    assert len(shown) == 1
    assert "secret" not in shown[0]
    assert "secret" not in row["error"]


async def test_an_analysis_that_takes_too_long_is_final(run_odd: Any) -> None:
    async def run(*_: Any) -> Any:
        raise ComputationTimeout

    row, shown = await run_odd(run)
    assert (row["state"], row["failures"]) == ("failed", 1)
    assert shown == ["The analysis took too long."]


async def test_a_job_that_kills_its_workers_is_given_up(run_odd: Any, db: Database) -> None:
    async def run(*_: Any) -> Any:
        raise AssertionError("must not be run")

    async def once(*_: Any) -> Any:
        raise Unavailable("x")

    row, _ = await run_odd(once)
    async with db.connection() as connection:
        await connection.execute(
            "update jobs set losses = $2, run_after = now() where id = $1",
            row["id"],
            leases.MAX_LOSSES,
        )
    row, shown = await run_odd(run, job_id=row["id"])
    assert row["state"] == "failed"
    assert len(shown) == 1


async def test_results_that_cannot_be_stored_leave_the_job_to_be_tried_again(
    run_odd: Any, db: Database, workspace: WorkspaceId
) -> None:
    written: list[UUID] = []

    async def run(*_: Any) -> Any:
        async def write(tx: Any) -> None:
            written.append(await enqueue(tx, workspace, DeleteBlob("half")))
            raise RuntimeError("the second half fails")

        return write

    row, _ = await run_odd(run)
    assert (row["state"], row["failures"]) == ("queued", 1)
    assert await _row(db, written[0]) is None


async def test_a_worker_that_stops_gives_its_job_back(db: Database, run_odd: Any) -> None:
    started = asyncio.Event()

    async def run(*_: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    running_job = asyncio.create_task(run_odd(run))
    await started.wait()
    running_job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running_job

    async def waiting() -> list[Any]:
        async with db.connection() as connection:
            found: list[Any] = await connection.fetch("select * from jobs where state = 'queued'")
            return found

    (row,) = await eventually(waiting)
    assert (row["failures"], row["losses"], row["lease"]) == (0, 0, None)


# --- computing in child processes -------------------------------------------------------------


async def test_heavy_work_leaves_the_loop_free_and_ends_with_its_limit() -> None:
    with ProcessPool.open(1, 0.5) as compute:
        assert await compute.run(sum, [1, 2, 3]) == 6
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pytest.raises(ComputationTimeout):
            await compute.run(pow, 7, 10**9)
        ticking.cancel()
        assert ticks > 10
        # The next one gets a fresh process.
        assert await compute.run(max, 3, 4) == 4


async def test_an_exception_in_the_child_arrives_here() -> None:
    with ProcessPool.open(1, 5) as compute, pytest.raises(ZeroDivisionError):
        await compute.run(divmod, 1, 0)
