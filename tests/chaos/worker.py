"""A worker process with two more kinds of job: `python -m tests.chaos.worker`."""

import asyncio
import os
import signal
import sys
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, Uuid, bindparam, insert

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import row, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.model import Job, Queue
from workers.actors import ACTORS
from workers.main import main
from workers.runner import Actor

# Without a key: a job that runs twice inserts two rows.
_effects = Table("chaos_effects", MetaData(), Column("job", Uuid, nullable=False))
_EFFECT = statement(
    insert(_effects).values(job=bindparam("job")), row, cross_tenant_reason="a table of the tests"
)


class Count(Job, frozen=True, tag="chaos.count"):
    """Sleeps for `seconds` and inserts a row with `effect`."""

    queue: ClassVar[Queue] = "housekeeping"
    effect: UUID
    seconds: float = 0.0


class Crash(Job, frozen=True, tag="chaos.crash"):
    """Kills its process."""

    queue: ClassVar[Queue] = "housekeeping"


async def _count(_tools: Tools, _workspace: WorkspaceId, job: Count) -> Write:
    await asyncio.sleep(job.seconds)

    async def write(tx: Tx) -> None:
        await tx.first(_EFFECT, job=job.effect)

    return write


async def _crash(_tools: Tools, _workspace: WorkspaceId, _job: Crash) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_CHAOS_ACTORS: Final[dict[type[Job], Actor[Tools, Any]]] = {
    Count: Actor(run=_count),
    Crash: Actor(run=_crash),
}

if __name__ == "__main__":
    sys.exit(main({**ACTORS, **_CHAOS_ACTORS}))
