"""Runs a job: claim it, compute without a transaction, store results and outcome in one."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
import structlog

from domains.kernel.core import log_context
from domains.kernel.core.breaker import Breaker
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import (
    Dependency,
    DependencyUnavailable,
    Problem,
    Unavailable,
    no_disk_space,
)
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database, Tx
from domains.kernel.job_tools import Write
from domains.kernel.jobs import leases, model, outages
from domains.kernel.jobs.leases import Claim, Lease, LostLease
from domains.kernel.jobs.model import Job
from domains.kernel.jobs.process_pool import ComputationTimeout
from workers.batches import Batcher

log = structlog.get_logger()

J = TypeVar("J", bound=Job)
T = TypeVar("T")

_CANCELLED: Final = "The processing was cancelled."
# Seconds between two attempts to requeue a job whose outcome could not be stored.
_RELEASE_INTERVAL: Final = 1.0
# For customers. Operators find the exception in the log by the job's id.
_INTERNAL: Final = "The processing failed because of an internal error. Report it to the operator."


class Actor(msgspec.Struct, Generic[T, J], frozen=True):
    """Functions for one kind of job.

    `run` receives the worker's tools and computes without a transaction. It returns a function that
    stores the results in the transaction that marks the job as done, or None without results.
    `failed` updates the customer's record in the transaction that marks the job as failed or
    cancelled. `time_limit`: seconds that one attempt may take.
    """

    run: Callable[[T, WorkspaceId, J], Awaitable[Write | None]]
    failed: Callable[[Tx, WorkspaceId, J, UUID, str], Awaitable[None]] | None = None
    time_limit: Callable[[Settings], float] = lambda settings: settings.job_time_limit


class _Attempt:
    """An attempt at a job in the current task."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.task = asyncio.current_task()
        self.computing = True
        self.lost = False

    def cancel_lost(self) -> None:
        """The lease was lost: cancel the attempt, unless it is already storing its results."""
        if self.computing and not self.lost and self.task is not None:
            self.lost = True
            self.task.cancel()


class Runner(Generic[T]):
    """Runs jobs and records each outcome: done, failed, cancelled, or queued again.

    `breakers`: those of the tools. A job does not run while the dependency that it waits for is
    known to be unavailable. `renew_leases` must run concurrently.
    """

    def __init__(
        self,
        actors: Mapping[type[Job], Actor[T, Any]],
        tools: T,
        database: Database,
        settings: Settings,
        breakers: Mapping[Dependency, Breaker] = MappingProxyType({}),
    ) -> None:
        self._actors = actors
        self._breakers = breakers
        self._tools = tools
        self._database = database
        self._settings = settings
        self._decoder = model.payload_decoder(actors)
        self._attempts: dict[UUID, _Attempt] = {}
        self._claims: Batcher[UUID, Claim] = Batcher(self._claim_all)
        self._finishes: Batcher[Lease, bool] = Batcher(self._finish_all)

    async def _claim_all(self, ids: list[UUID]) -> dict[UUID, Claim]:
        claims = await leases.claim(self._database.read, ids, self._settings.job_lease)
        return {claim.id: claim for claim in claims}

    async def _finish_all(self, owned: list[Lease]) -> dict[Lease, bool]:
        finished = await leases.finish_all(self._database.read, owned)
        return {lease: lease.job_id in finished for lease in owned}

    async def renew_leases(self) -> None:
        """Renew the leases of running jobs until cancelled. Cancels attempts that lost theirs."""
        while True:
            await asyncio.sleep(self._settings.job_lease / 3)
            attempts = list(self._attempts.values())
            if not attempts:
                continue
            with contextlib.suppress(Unavailable):
                owned = await leases.renew(
                    self._database.read,
                    [attempt.claim.lease for attempt in attempts],
                    self._settings.job_lease,
                )
                for attempt in attempts:
                    if attempt.claim.id not in owned:
                        attempt.cancel_lost()

    async def run(self, job_id: UUID, computed: Callable[[], None] = lambda: None) -> bool:
        """Claim and run a job. Returns False if it could not be claimed.

        `computed` is called when a job without results has finished and is about to be marked
        as done.
        """
        log_context.begin()
        try:
            claim = await self._claims.submit(job_id)
        except Unavailable:
            # The job stays sent until a sweep requeues it.
            return False
        if claim is None:
            return False
        claim = self._add_response(claim)
        log_context.bind(
            job=str(claim.id),
            kind=claim.kind,
            workspace=str(claim.workspace),
            request_id=claim.request_id,
        )
        log.debug("job_started", failures=claim.failures, losses=claim.losses)
        if earlier := self._attempts.get(claim.id):
            earlier.cancel_lost()
        attempt = self._attempts[claim.id] = _Attempt(claim)
        started = asyncio.get_running_loop().time()
        try:
            outcome = await self._run_or_release(claim, attempt, computed)
        except asyncio.CancelledError:
            if not attempt.lost or attempt.task is None or attempt.task.uncancel():
                await asyncio.shield(leases.release(self._database.read, claim))
                raise
            outcome = "lost"
        finally:
            if self._attempts.get(claim.id) is attempt:
                del self._attempts[claim.id]
        seconds = asyncio.get_running_loop().time() - started
        # Thousands of jobs may wait. The breaker logs the outage.
        write = log.debug if outcome == "waiting" else log.info
        write("job_ended", outcome=outcome, ms=round(seconds * 1000))
        return True

    async def _run_or_release(
        self, claim: Claim, attempt: _Attempt, computed: Callable[[], None]
    ) -> str:
        """Like `_run`. If the outcome cannot be stored, requeue the job once that is possible."""
        try:
            outcome = await self._run(claim, attempt, computed)
        except LostLease:
            return "lost"
        except Unavailable:
            attempt.computing = True
        else:
            return outcome
        # An expired lease would count as the loss of the worker.
        while True:
            await asyncio.sleep(_RELEASE_INTERVAL)
            with contextlib.suppress(Unavailable):
                await leases.release(self._database.read, claim)
                return "unavailable"

    async def _run(self, claim: Claim, attempt: _Attempt, computed: Callable[[], None]) -> str:
        """Run one attempt, then store and return its outcome."""
        job: Job | None = None
        try:
            job = self._decoder.decode(claim.payload)
            if claim.cancelling:
                return await self._end(claim, job, "cancelled", _CANCELLED)
            if claim.losses >= leases.MAX_LOSSES:
                reason = "The processing ended abnormally each time it was tried."
                return await self._end(claim, job, "failed", reason)
            write = await self._compute(claim, job)
            attempt.computing = False
            if write is None:
                computed()
            await self._finish(claim, write)
        except LostLease:
            raise
        except DependencyUnavailable as problem:
            return await self._wait(claim, job, problem)
        except Unavailable as problem:
            return await self._retry(claim, job, problem.message)
        except Problem as problem:
            return await self._end(claim, job, "failed", problem.message)
        except ComputationTimeout:
            # Not retried: the same text would take as long again, and occupy a process.
            return await self._end(claim, job, "failed", "The analysis took too long.")
        except TimeoutError:
            return await self._retry(claim, job, "The processing took too long.")
        except Exception:
            log.exception("job_error")
            return await self._retry(claim, job, _INTERNAL)
        return "done"

    async def _finish(self, claim: Claim, write: Write | None) -> None:
        """Store the results, if any, and mark the job as done. Raises LostLease."""
        if write is None:
            if not await self._finishes.submit(claim.lease):
                raise LostLease
        else:
            async with self._database.transaction() as tx:
                await leases.finish(tx, claim)
                await write(tx)
        # A database without room may still change a job's row, which shows nothing.
        if write is not None or claim.waiting_for == "database":
            self._record_response("database")

    def _add_response(self, claim: Claim) -> Claim:
        """Set `responded` also for a response to this process that no relay has stored yet."""
        breaker = self._breakers.get(claim.waiting_for) if claim.waiting_for else None
        if breaker is None or claim.tried_ago is None:
            return claim
        responded = breaker.seconds_since_response < claim.tried_ago
        return msgspec.structs.replace(claim, responded=responded)

    async def _compute(self, claim: Claim, job: Job) -> Write | None:
        """Run the job's function, unless what the job waits for is known to be unavailable."""
        breaker = self._breakers.get(claim.waiting_for) if claim.waiting_for else None
        if breaker is not None and breaker.refuses:
            raise breaker.unavailable()
        actor = self._actors[type(job)]
        with self._watch_disk(claim):
            async with asyncio.timeout(actor.time_limit(self._settings)):
                return await actor.run(self._tools, claim.workspace, job)

    @contextlib.contextmanager
    def _watch_disk(self, claim: Claim) -> Iterator[None]:
        """Raise DependencyUnavailable for a full disk, and record it in the disk's breaker.

        Any other outcome of a job that waits for the disk closes the breaker.
        """
        try:
            yield
        except Exception as error:
            problem = no_disk_space(error) if isinstance(error, OSError) else error
            if isinstance(problem, DependencyUnavailable) and problem.dependency == "disk":
                if disk := self._breakers.get("disk"):
                    disk.failed("no space", message=problem.message)
                raise problem from None
            self._record_disk_response(claim)
            raise
        self._record_disk_response(claim)

    def _record_disk_response(self, claim: Claim) -> None:
        if claim.waiting_for == "disk":
            self._record_response("disk")

    def _record_response(self, dependency: Dependency) -> None:
        if breaker := self._breakers.get(dependency):
            breaker.succeeded()

    async def _wait(self, claim: Claim, job: Job | None, problem: DependencyUnavailable) -> str:
        """Requeue the job to wait for the dependency, or end it as failed after the limit.

        The limit is one of uninterrupted waiting: it begins anew when the dependency has served
        another job, or when no worker has tried the job for long.

        A failure is counted only if the job may be its cause: the dependency has served another job
        since the previous attempt.
        """
        interrupted = (
            claim.responded or (claim.tried_ago or 0.0) > 2 * self._settings.outage_backoff
        )
        waited = 0.0 if interrupted else claim.waited
        if waited >= self._settings.outage_limit:
            return await self._end(claim, job, "failed", problem.message)
        chance = random.random()  # noqa: S311 - only spreads load
        failed = problem.suspect and claim.responded and claim.waiting_for == problem.dependency
        if failed and claim.failures + 1 >= leases.MAX_FAILURES:
            return await self._end(claim, job, "failed", problem.message)
        delay = (
            leases.backoff(claim.failures, chance)
            if failed
            else outages.outage_delay(waited, self._settings.outage_backoff, chance)
        )
        await leases.wait(
            self._database.read,
            claim,
            problem.dependency,
            problem.message,
            delay,
            failed=failed,
            restarts=interrupted,
        )
        return "waiting"

    async def _retry(self, claim: Claim, job: Job | None, reason: str) -> str:
        """Requeue the job with backoff, or end it as failed after the last attempt."""
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
