"""What is done once in a while, by one of all workers: each task is a line of the table."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database
from domains.kernel.jobs import heartbeat, job_admin, periodic
from domains.kernel.pagination import cursor
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy import idempotency
from domains.revenue import purge

log = structlog.get_logger()

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Parts(NamedTuple):
    """What tasks are done with."""

    database: Database
    blobs: Blobs
    settings: Settings


class Task(NamedTuple):
    """Done every so many seconds. Cut short anywhere, it goes on the next time."""

    every: float
    run: Callable[[Parts], Awaitable[object]]


TASKS: Final[dict[str, Task]] = {
    "idempotency": Task(MINUTE, lambda its: idempotency.forget_old(its.database.read)),
    "cursors": Task(HOUR, lambda its: cursor.forget_old(its.database.read)),
    "workers": Task(HOUR, lambda its: heartbeat.forget_workers(its.database.read)),
    "jobs": Task(
        HOUR, lambda its: job_admin.forget_old(its.database.read, its.settings.job_retention_days)
    ),
    "records": Task(
        HOUR, lambda its: purge.forget_old(its.database.read, its.settings.retention_days)
    ),
    "blobs": Task(HOUR, lambda its: retention.release(its.database, its.settings.retention_days)),
    # What killed processes left half written.
    "leftovers": Task(DAY, lambda its: its.blobs.sweep(DAY)),
}


async def keep(parts: Parts, look_every: float) -> None:
    """Do what is due, for ever; whichever process sees it first does it."""
    while True:
        for name, task in TASKS.items():
            try:
                if await periodic.due(parts.database.read, name, task.every):
                    done = await task.run(parts)
                    log.info("scheduled", task=name, done=done if isinstance(done, int) else None)
            except Unavailable as problem:
                log.warning("task_waits", task=name, reason=problem.message)
            except Exception:
                # The jobs under way must not pay for it; it has its turn again the next time.
                log.exception("task_error", task=name)
        await asyncio.sleep(look_every)
