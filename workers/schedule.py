"""What is done once in a while, by one of all workers: each task is a line of the table."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from domains.kernel import health, idempotency, job_admin, keyset, retention, schedule
from domains.kernel.db import Database
from domains.kernel.problems import Unavailable
from domains.kernel.settings import Settings
from domains.revenue import deleted

log = structlog.get_logger()

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE


class Task(msgspec.Struct, frozen=True):
    """Done every so many seconds. Cut short anywhere, it goes on the next time."""

    every: float
    run: Callable[[Database, Settings], Awaitable[object]]


TASKS: Final[dict[str, Task]] = {
    "idempotency": Task(MINUTE, lambda database, _: idempotency.forget_old(database.read)),
    "cursors": Task(HOUR, lambda database, _: keyset.forget_old(database.read)),
    "workers": Task(HOUR, lambda database, _: health.forget_workers(database.read)),
    "jobs": Task(
        HOUR,
        lambda database, settings: job_admin.forget_old(database.read, settings.job_retention_days),
    ),
    "records": Task(
        HOUR, lambda database, settings: deleted.forget_old(database.read, settings.retention_days)
    ),
    "blobs": Task(
        HOUR, lambda database, settings: retention.release(database, settings.retention_days)
    ),
}


async def keep(database: Database, settings: Settings, look_every: float) -> None:
    """Do what is due, for ever; whichever process sees it first does it."""
    while True:
        for name, task in TASKS.items():
            # A database that is away is back the next time.
            with contextlib.suppress(Unavailable):
                if await schedule.due(database.read, name, task.every):
                    done = await task.run(database, settings)
                    log.info("scheduled", task=name, done=done if isinstance(done, int) else None)
        await asyncio.sleep(look_every)
