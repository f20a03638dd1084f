"""Heartbeats of worker processes."""

from typing import Final
from uuid import UUID

from sqlalchemy import Float, bindparam, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db.database import Read
from domains.kernel.db.statements import days, row, scalar, seconds, statement
from domains.kernel.db.tables import workers

# Seconds without a heartbeat after which a worker counts as dead.
WORKER_TIMEOUT: Final = 60.0

_SECONDS_SINCE_LAST = statement(
    select(cast(func.extract("epoch", func.now() - func.max(workers.c.beat_at)), Float)), scalar
)
_COUNT_ALIVE = statement(
    select(func.count()).where(workers.c.beat_at >= func.now() - seconds(WORKER_TIMEOUT)), scalar
)
_BEAT = statement(
    insert(workers)
    .values(id=bindparam("id"), host=bindparam("host"), pid=bindparam("pid"))
    .on_conflict_do_update(index_elements=[workers.c.id], set_={"beat_at": func.now()}),
    row,
)
_DELETE_DEAD = statement(delete(workers).where(workers.c.beat_at < func.now() - days(1)), row)


async def beat(read: Read, worker: UUID, host: str, pid: int) -> None:
    """Record a heartbeat of a worker process."""
    await read.first(_BEAT, id=worker, host=host, pid=pid)


async def count_alive(read: Read) -> int:
    """Count the workers with a heartbeat in the last WORKER_TIMEOUT seconds."""
    return await read.one(_COUNT_ALIVE)


async def delete_dead(read: Read) -> None:
    """Delete workers without a heartbeat for a day."""
    await read.first(_DELETE_DEAD)


async def seconds_since_last(read: Read) -> float | None:
    """Seconds since the latest heartbeat of any worker. None if there never was one."""
    return await read.first(_SECONDS_SINCE_LAST)
