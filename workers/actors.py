"""What each kind of job does: one table. And how any job is run."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
import structlog

from domains.discovery import analysis
from domains.discovery.analysis import AnalyseSignal
from domains.kernel import jobs
from domains.kernel.blobs import Blobs, DeleteBlob
from domains.kernel.compute import Compute, TookTooLong
from domains.kernel.db import Database, Read, Tx
from domains.kernel.jobs import Claim, Job, LostLease
from domains.kernel.keys import WorkspaceId
from domains.kernel.problems import Problem, Unavailable
from domains.kernel.settings import Settings
from domains.revenue import relinking
from domains.revenue.relinking import LinkCrm

log = structlog.get_logger()

J = TypeVar("J", bound=Job)

Write = Callable[[Tx], Awaitable[None]]


class Actor(msgspec.Struct, Generic[J], frozen=True):
    """How a kind of job is done.

    `run` computes with no transaction open and answers with what stores the results; that runs in
    the transaction which marks the job done. `failed` shows the customer that it failed for good.
    """

    run: Callable[[Read, Blobs, Compute, WorkspaceId, J], Awaitable[Write]]
    failed: Callable[[Tx, WorkspaceId, J, UUID, str], Awaitable[None]] | None = None


async def _delete_blob(
    _read: Read, blobs: Blobs, _compute: Compute, _workspace: WorkspaceId, job: DeleteBlob
) -> Write:
    await blobs.delete(job.key)
    return _nothing


async def _link_crm(
    _read: Read, _blobs: Blobs, _compute: Compute, workspace: WorkspaceId, _job: LinkCrm
) -> Write:
    # The database alone has work here, so all of it belongs to the transaction that ends the job.
    return lambda tx: relinking.link_some(tx, workspace)


async def _link_crm_failed(
    tx: Tx, workspace: WorkspaceId, _job: LinkCrm, _id: UUID, _reason: str
) -> None:
    await relinking.linking_failed(tx, workspace)


async def _nothing(_tx: Tx) -> None:
    return


ACTORS: Final[dict[type[Job], Actor[Any]]] = {
    AnalyseSignal: Actor(run=analysis.analyse, failed=analysis.analysis_failed),
    DeleteBlob: Actor(run=_delete_blob),
    LinkCrm: Actor(run=_link_crm, failed=_link_crm_failed),
}

_DECODER: Final = jobs.decoder(ACTORS)


class Runner:
    """Runs claimed jobs to an end that is written down: done, failed, or queued again."""

    def __init__(
        self, database: Database, blobs: Blobs, compute: Compute, settings: Settings
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._compute = compute
        self._lease = settings.job_lease
        self._time_limit = settings.job_time_limit

    async def run(self, job_id: UUID) -> None:
        """Run a job unless it is somebody else's, or ended; every outcome is in its row."""
        structlog.contextvars.clear_contextvars()
        held = await jobs.claim(self._database.read, job_id, self._lease)
        if held is None:
            return
        structlog.contextvars.bind_contextvars(
            job=str(held.id),
            kind=held.kind,
            workspace=str(held.workspace),
            request_id=held.request_id,
        )
        log.info("job_started", failures=held.failures, losses=held.losses)
        try:
            outcome = await self._attempt(held)
        except LostLease:
            outcome = "lost"
        except Unavailable:
            # Not even the outcome could be written: the lease runs out and the job comes back.
            outcome = "unavailable"
        except asyncio.CancelledError:
            await asyncio.shield(jobs.give_back(self._database.read, held))
            raise
        log.info("job_ended", outcome=outcome)

    async def _attempt(self, held: Claim) -> str:
        job: Job | None = None
        try:
            job = _DECODER.decode(held.payload)
            if held.losses >= jobs.MAX_LOSSES:
                reason = "The processing ended abnormally each time it was tried."
                return await self._fail(held, job, reason)
            actor = ACTORS[type(job)]
            write = await self._leased(
                held,
                actor.run(self._database.read, self._blobs, self._compute, held.workspace, job),
            )
            async with self._database.transaction() as tx:
                await jobs.finish(tx, held)
                await write(tx)
        except LostLease:
            raise
        except Unavailable as problem:
            return await self._failed(held, job, problem.message)
        except Problem as problem:
            return await self._fail(held, job, problem.message)
        except TookTooLong:
            # The same text would take as long again, and others wait for the process.
            return await self._fail(held, job, "The analysis took too long.")
        except TimeoutError:
            return await self._failed(held, job, "The processing took too long.")
        except Exception:
            log.exception("job_error")
            return await self._failed(held, job, "The processing failed. The job's id finds it.")
        return "done"

    async def _leased(self, held: Claim, work: Awaitable[Write]) -> Write:
        """Wait for the work while renewing the lease; LostLease ends it early."""
        working = asyncio.ensure_future(work)

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease / 3)
                with contextlib.suppress(Unavailable):
                    if not await jobs.renew(self._database.read, held, self._lease):
                        raise LostLease

        renewing = asyncio.create_task(renew())
        try:
            async with asyncio.timeout(self._time_limit):
                await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if renewing.done() and not working.done():
                renewing.result()
            return working.result()
        finally:
            renewing.cancel()
            working.cancel()
            await asyncio.gather(renewing, working, return_exceptions=True)

    async def _failed(self, held: Claim, job: Job | None, reason: str) -> str:
        """An attempt failed for a reason that may pass: again later, unless it was the last."""
        if held.failures + 1 >= jobs.MAX_FAILURES:
            return await self._fail(held, job, reason)
        delay = jobs.backoff(held.failures, random.random())  # noqa: S311 - only spreads load
        await jobs.retry(self._database.read, held, reason, delay)
        return "retry"

    async def _fail(self, held: Claim, job: Job | None, reason: str) -> str:
        async with self._database.transaction() as tx:
            await jobs.fail(tx, held, reason)
            actor = None if job is None else ACTORS[type(job)]
            if actor is not None and actor.failed is not None:
                await actor.failed(tx, held.workspace, job, held.id, reason)
        return "failed"
