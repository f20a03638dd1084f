"""A worker process with empty jobs: `python -m tests.bench.noop`."""

from typing import Any, ClassVar, Final

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.job_tools import Tools
from domains.kernel.jobs.model import Job, Queue
from workers.runner import Actor


class Noop(Job, frozen=True, tag="bench.noop"):
    """Does nothing."""

    queue: ClassVar[Queue] = "housekeeping"


async def _nothing(_tools: Tools, _workspace: WorkspaceId, _job: Noop) -> None:
    return


ACTORS: Final[dict[type[Job], Actor[Tools, Any]]] = {Noop: Actor(run=_nothing)}

if __name__ == "__main__":
    import gc
    import sys

    gc.disable()  # as `workers.__main__`

    from workers.main import main

    sys.exit(main(ACTORS))
