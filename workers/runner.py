"""How any job is run: claimed, computed with no transaction open, ended in one that stores all."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
import structlog

from domains.kernel.core.problems import Problem, Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database, Tx
from domains.kernel.job_tools import Write
from domains.kernel.jobs import leases, model
from domains.kernel.jobs.leases import Claim, Lease, LostLease
from domains.kernel.jobs.model import Job
from domains.kernel.jobs.process_pool import TookTooLong
from workers.batches import Batches

log = structlog.get_logger()

J = TypeVar("J", bound=Job)
T = TypeVar("T")

_CANCELLED: Final = "The processing was cancelled."


class Actor(msgspec.Struct, Generic[T, J], frozen=True):
    """How a kind of job is done, with the tools that workers have.

    `run` computes with no transaction open and answers with what stores the results, if anything
    is to be stored; that runs in the transaction which marks the job done. `failed` shows the
    customer that it failed for good. `time_limit`: seconds one attempt may take.
    """

    run: Callable[[T, WorkspaceId, J], Awaitable[Write | None]]
    failed: Callable[[Tx, WorkspaceId, J, UUID, str], Awaitable[None]] | None = None
    time_limit: Callable[[Settings], float] = lambda settings: settings.job_time_limit


class _Holding:
    """A job that is under way here."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.task = asyncio.current_task()
        self.computing = True
        self.lost = False

    def lose(self) -> None:
        """It is another's, or an operator ended it: what is computed here would be for nothing."""
        if self.computing and not self.lost and self.task is not None:
            self.lost = True
            self.task.cancel()


class Runner(Generic[T]):
    """Runs claimed jobs to an end that is written down: done, failed, cancelled, or queued again.

    `keep` must run beside it: it renews the leases, and ends what has lost its own.
    """

    def __init__(
        self,
        actors: Mapping[type[Job], Actor[T, Any]],
        tools: T,
        database: Database,
        settings: Settings,
    ) -> None:
        self._actors = actors
        self._tools = tools
        self._database = database
        self._settings = settings
        self._decoder = model.decoder(actors)
        self._held: dict[UUID, _Holding] = {}
        self._claims: Batches[UUID, Claim] = Batches(self._claim)
        self._ends: Batches[Lease, bool] = Batches(self._finish)

    async def _claim(self, ids: list[UUID]) -> dict[UUID, Claim]:
        found = await leases.claim(self._database.read, ids, self._settings.job_lease)
        return {each.id: each for each in found}

    async def _finish(self, held: list[Lease]) -> dict[Lease, bool]:
        ended = await leases.finish_all(self._database.read, held)
        return {each: each.job in ended for each in held}

    async def keep(self) -> None:
        """Renew the leases of all jobs under way, for ever."""
        while True:
            await asyncio.sleep(self._settings.job_lease / 3)
            holdings = list(self._held.values())
            if not holdings:
                continue
            with contextlib.suppress(Unavailable):
                still = await leases.renew(
                    self._database.read,
                    [each.claim.held for each in holdings],
                    self._settings.job_lease,
                )
                for each in holdings:
                    if each.claim.id not in still:
                        each.lose()

    async def run(self, job_id: UUID, computed: Callable[[], None] = lambda: None) -> bool:
        """Run a job unless it is somebody else's, or ended; every outcome is in its row.

        Answers whether it was run. `computed` is called when only the mark of its end is still to
        be made.
        """
        structlog.contextvars.clear_contextvars()
        try:
            claim = await self._claims.ask(job_id)
        except Unavailable:
            # It was sent, and so comes back.
            return False
        if claim is None:
            return False
        structlog.contextvars.bind_contextvars(
            job=str(claim.id),
            kind=claim.kind,
            workspace=str(claim.workspace),
            request_id=claim.request_id,
        )
        log.debug("job_started", failures=claim.failures, losses=claim.losses)
        if former := self._held.get(claim.id):
            former.lose()
        holding = self._held[claim.id] = _Holding(claim)
        begun = asyncio.get_running_loop().time()
        try:
            outcome = await self._attempt(claim, holding, computed)
        except LostLease:
            outcome = "lost"
        except Unavailable:
            # Not even the outcome could be written: the lease runs out and the job comes back.
            outcome = "unavailable"
        except asyncio.CancelledError:
            if not holding.lost or holding.task is None or holding.task.uncancel():
                await asyncio.shield(leases.release(self._database.read, claim))
                raise
            outcome = "lost"
        finally:
            if self._held.get(claim.id) is holding:
                del self._held[claim.id]
        seconds = asyncio.get_running_loop().time() - begun
        log.info("job_ended", outcome=outcome, ms=round(seconds * 1000))
        return True

    async def _attempt(self, claim: Claim, holding: _Holding, computed: Callable[[], None]) -> str:
        job: Job | None = None
        try:
            job = self._decoder.decode(claim.payload)
            if claim.cancelling:
                return await self._end(claim, job, "cancelled", _CANCELLED)
            if claim.losses >= leases.MAX_LOSSES:
                reason = "The processing ended abnormally each time it was tried."
                return await self._end(claim, job, "failed", reason)
            actor = self._actors[type(job)]
            async with asyncio.timeout(actor.time_limit(self._settings)):
                write = await actor.run(self._tools, claim.workspace, job)
            holding.computing = False
            if write is None:
                computed()
                return "done" if await self._ends.ask(claim.held) else "lost"
            async with self._database.transaction() as tx:
                await leases.finish(tx, claim)
                await write(tx)
        except LostLease:
            raise
        except Unavailable as problem:
            return await self._failed(claim, job, problem.message)
        except Problem as problem:
            return await self._end(claim, job, "failed", problem.message)
        except TookTooLong:
            # The same text would take as long again, and others wait for the process.
            return await self._end(claim, job, "failed", "The analysis took too long.")
        except TimeoutError:
            return await self._failed(claim, job, "The processing took too long.")
        except Exception:
            log.exception("job_error")
            return await self._failed(claim, job, "The processing failed. The job's id finds it.")
        return "done"

    async def _failed(self, claim: Claim, job: Job | None, reason: str) -> str:
        """An attempt failed for a reason that may pass: again later, unless it was the last."""
        if claim.failures + 1 >= leases.MAX_FAILURES:
            return await self._end(claim, job, "failed", reason)
        delay = leases.backoff(claim.failures, random.random())  # noqa: S311 - only spreads load
        await leases.retry(self._database.read, claim, reason, delay)
        return "retry"

    async def _end(self, claim: Claim, job: Job | None, outcome: str, reason: str) -> str:
        end = leases.cancel if outcome == "cancelled" else leases.fail
        async with self._database.transaction() as tx:
            await end(tx, claim, reason)
            actor = None if job is None else self._actors[type(job)]
            if actor is not None and actor.failed is not None:
                await actor.failed(tx, claim.workspace, job, claim.id, reason)
        return outcome
