"""Periodic tasks of the workers. Each task runs once per interval across all processes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from domains.kernel.core.problems import DependencyUnavailable, Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database
from domains.kernel.jobs import heartbeat, job_admin, periodic
from domains.kernel.pagination import cursor
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy import audit, idempotency
from domains.revenue import purge

log = structlog.get_logger()

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Resources(NamedTuple):
    """Database, object store and settings that tasks work with."""

    database: Database
    blobs: Blobs
    settings: Settings


class Task(NamedTuple):
    """A task and its interval in seconds. An interrupted run is continued by the next one."""

    interval: float
    run: Callable[[Resources], Awaitable[object]]


TASKS: Final[dict[str, Task]] = {
    "idempotency": Task(MINUTE, lambda r: idempotency.delete_expired(r.database.read)),
    "cursors": Task(HOUR, lambda r: cursor.delete_expired(r.database.read)),
    "workers": Task(HOUR, lambda r: heartbeat.delete_dead(r.database.read)),
    "jobs": Task(
        HOUR, lambda r: job_admin.delete_ended(r.database.read, r.settings.job_retention_days)
    ),
    "audit": Task(
        HOUR, lambda r: audit.delete_expired(r.database.read, r.settings.audit_retention_days)
    ),
    "records": Task(
        HOUR, lambda r: purge.purge_deleted(r.database.read, r.settings.retention_days)
    ),
    "blobs": Task(
        HOUR, lambda r: retention.enqueue_deletions(r.database, r.settings.retention_days)
    ),
    "leftovers": Task(DAY, lambda r: r.blobs.delete_partial_writes(DAY)),
}


async def run_tasks(resources: Resources, poll_interval: float) -> None:
    """Run the tasks that are due, every `poll_interval` seconds, until cancelled."""
    while True:
        for name, task in TASKS.items():
            try:
                if await periodic.claim_run(resources.database.read, name, task.interval):
                    done = await task.run(resources)
                    count = done if isinstance(done, int) else None
                    log.info("task_finished", task=name, done=count)
            except DependencyUnavailable:
                # Logged once per outage, not once per task.
                log.debug("task_interrupted", task=name)
            except Unavailable as problem:
                log.warning("task_interrupted", task=name, reason=problem.message)
            except Exception:
                # Running jobs must not fail because of a task. It runs again when it is next due.
                log.exception("task_failed", task=name)
        await asyncio.sleep(poll_interval)
