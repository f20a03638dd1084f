"""Periodic tasks: run once per interval across all processes."""

from typing import Any

import msgspec
from sqlalchemy import Float, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db.database import Read
from domains.kernel.db.statements import scalar, seconds, statement
from domains.kernel.db.tables import schedule

_CLAIM_RUN = statement(
    insert(schedule)
    .values(task=bindparam("task", type_=Text))
    .on_conflict_do_update(
        index_elements=[schedule.c.task],
        set_={"ran_at": func.now()},
        where=schedule.c.ran_at <= func.now() - seconds("interval"),
    )
    .returning(schedule.c.task),
    scalar,
)


class LastRun(msgspec.Struct, frozen=True):
    """Seconds since a task last started."""

    task: str
    age_seconds: float


_age: Any = func.extract("epoch", func.now() - schedule.c.ran_at)
_LAST_RUNS = statement(
    select(schedule.c.task, cast(_age, Float)).order_by(schedule.c.task), LastRun
)


async def claim_run(read: Read, task: str, interval: float) -> bool:
    """Claim the run of a task if it is due. True for one caller per interval (seconds)."""
    return await read.first(_CLAIM_RUN, task=task, interval=interval) is not None


async def last_runs(read: Read) -> list[LastRun]:
    """List the last run of every task that has ever run, ordered by task."""
    return await read.all(_LAST_RUNS)
