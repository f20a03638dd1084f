"""A worker process with two more kinds of job: `python -m tests.chaos.worker`.

One leaves a row for each time that it was done, the other ends the process that runs it.
"""

import asyncio
import os
import signal
import sys
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, Uuid, bindparam, insert

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import row, statement
from domains.kernel.jobs.model import Job, Queue
from workers.actors import ACTORS, Tools
from workers.main import main
from workers.runner import Actor, Write

# Without a key, so that what is done twice is there twice.
_effects = Table("chaos_effects", MetaData(), Column("job", Uuid, nullable=False))
_EFFECT = statement(
    insert(_effects).values(job=bindparam("job")), row, cross_tenant_reason="a table of the tests"
)


class Count(Job, frozen=True, tag="chaos.count"):
    """Takes so many seconds and leaves a row."""

    queue: ClassVar[Queue] = "housekeeping"
    effect: UUID
    seconds: float = 0.0


class Crash(Job, frozen=True, tag="chaos.crash"):
    """Ends its process."""

    queue: ClassVar[Queue] = "housekeeping"


async def _count(_tools: Tools, _workspace: WorkspaceId, job: Count) -> Write:
    await asyncio.sleep(job.seconds)

    async def write(tx: Tx) -> None:
        await tx.first(_EFFECT, job=job.effect)

    return write


async def _crash(_tools: Tools, _workspace: WorkspaceId, _job: Crash) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_MORE: Final[dict[type[Job], Actor[Tools, Any]]] = {
    Count: Actor(run=_count),
    Crash: Actor(run=_crash),
}

if __name__ == "__main__":
    sys.exit(main({**ACTORS, **_MORE}))
