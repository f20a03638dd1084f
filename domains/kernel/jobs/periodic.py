"""What is done once in a while, however many processes look whether it is due."""

from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Float, Interval, Text, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db.database import Read
from domains.kernel.db.statements import scalar, statement
from domains.kernel.db.tables import schedule

_RUN = (
    insert(schedule)
    .values(task=bindparam("task", type_=Text))
    .on_conflict_do_update(
        index_elements=[schedule.c.task],
        set_={"ran_at": func.now()},
        where=schedule.c.ran_at
        <= func.now() - bindparam("every", type_=Float) * literal(timedelta(seconds=1), Interval),
    )
    .returning(schedule.c.task)
)
_DUE = statement(_RUN, scalar)


class LastRun(msgspec.Struct, frozen=True):
    """When a task last began, in seconds ago."""

    task: str
    seconds: float


_age: Any = func.extract("epoch", func.now() - schedule.c.ran_at)
_LAST_RUNS = statement(
    select(schedule.c.task, cast(_age, Float)).order_by(schedule.c.task), LastRun
)


async def due(read: Read, task: str, every: float) -> bool:
    """Whether it is the caller's turn to do a task now: once in so many seconds somebody's is."""
    return await read.first(_DUE, task=task, every=every) is not None


async def last_runs(read: Read) -> list[LastRun]:
    """The tasks that were ever done."""
    return await read.all(_LAST_RUNS)
