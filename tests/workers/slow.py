"""A worker process whose jobs take a while: `python -m tests.workers.slow`."""

import asyncio
from typing import Any, ClassVar, Final

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.jobs.model import Job, Queue
from workers.actors import Tools
from workers.runner import Actor


class Slow(Job, frozen=True, tag="tests.slow"):
    """Takes half a second, or as long as it says."""

    queue: ClassVar[Queue] = "fetch"
    seconds: float = 0.5


async def _wait(_tools: Tools, _workspace: WorkspaceId, job: Slow) -> None:
    await asyncio.sleep(job.seconds)


ACTORS: Final[dict[type[Job], Actor[Tools, Any]]] = {Slow: Actor(run=_wait)}

if __name__ == "__main__":
    import sys

    from workers.main import main

    sys.exit(main(ACTORS))
