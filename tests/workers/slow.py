"""A worker process whose jobs take half a second: `python -m tests.workers.slow`."""

import asyncio
from typing import Any, ClassVar, Final

from domains.kernel.jobs import Job, Queue
from domains.kernel.keys import WorkspaceId
from workers.actors import Tools
from workers.runner import Actor


class Slow(Job, frozen=True, tag="tests.slow"):
    """Takes half a second."""

    queue: ClassVar[Queue] = "fetch"


async def _wait(_tools: Tools, _workspace: WorkspaceId, _job: Slow) -> None:
    await asyncio.sleep(0.5)


ACTORS: Final[dict[type[Job], Actor[Tools, Any]]] = {Slow: Actor(run=_wait)}

if __name__ == "__main__":
    import sys

    from workers.main import main

    sys.exit(main(ACTORS))
