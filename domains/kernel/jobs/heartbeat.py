"""Heartbeats of worker processes."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Float, Interval, bindparam, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db.database import Read
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.db.tables import workers

# A worker that has not beaten its heart for so many seconds counts as gone.
WORKER_SILENCE: Final = 60.0

_LAST_BEAT = statement(
    select(cast(func.extract("epoch", func.now() - func.max(workers.c.beat_at)), Float)), scalar
)
_ALIVE = statement(
    select(func.count()).where(
        workers.c.beat_at >= func.now() - literal(timedelta(seconds=WORKER_SILENCE), Interval)
    ),
    scalar,
)
_BEAT = statement(
    insert(workers)
    .values(id=bindparam("id"), host=bindparam("host"), pid=bindparam("pid"))
    .on_conflict_do_update(index_elements=[workers.c.id], set_={"beat_at": func.now()}),
    row,
)
_FORGET_WORKERS = statement(
    delete(workers).where(workers.c.beat_at < func.now() - literal(timedelta(days=1), Interval)),
    row,
)


async def beat(read: Read, worker: UUID, host: str, pid: int) -> None:
    """Say that a worker lives."""
    await read.first(_BEAT, id=worker, host=host, pid=pid)


async def alive_workers(read: Read) -> int:
    """How many workers have said lately that they live."""
    return await read.one(_ALIVE)


async def forget_workers(read: Read) -> None:
    """Forget workers that have been silent for a day."""
    await read.first(_FORGET_WORKERS)


async def silence(read: Read) -> float | None:
    """Seconds since the latest heartbeat of any worker; None if no worker ever reported."""
    return await read.first(_LAST_BEAT)
