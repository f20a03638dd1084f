"""Whether the parts that everything needs are there, as operators and probes want to know."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from domains.kernel.core.problems import Unavailable
from domains.kernel.db.database import Database, Read
from domains.kernel.db.tables import SCHEMA_REVISION
from domains.kernel.jobs import heartbeat, job_admin
from domains.kernel.jobs.model import QUEUES, Queue
from domains.kernel.storage.blobs import Blobs

_PART_TIMEOUT: Final = 3.0

Status = Literal["ok", "degraded", "down"]


class Part(msgspec.Struct, omit_defaults=True):
    """One part: its state and, unless it is ok, why. `off`: the operator has not set it up."""

    status: Status | Literal["off"]
    detail: str = ""


class QueueState(msgspec.Struct, rename="camel"):
    """`depth`: jobs that are due and not yet running. `oldestSeconds`: the age of the oldest of
    them. `failed`: those of the last 24 hours.
    """

    depth: int = 0
    running: int = 0
    oldest_seconds: float = 0.0
    failed: int = 0


class Health(msgspec.Struct):
    """`down`: a part without which nothing works is away. `degraded`: one that can be missed."""

    status: Status
    parts: Annotated[dict[str, Part], Meta(examples=[{"database": {"status": "ok"}}])]
    queues: dict[Queue, QueueState]


async def schema_mismatch(database: Database) -> str | None:
    """None if the schema is the one that this code speaks to, else what to do."""
    found = await database.schema_revision()
    if found == SCHEMA_REVISION:
        return None
    if found is not None and found > SCHEMA_REVISION:
        return f"the database is at revision {found}, this version is older: run the newer one"
    state = "empty" if found is None else f"at revision {found}"
    return f"the database schema is {state}, this version needs {SCHEMA_REVISION}: run `gateway migrate`"


async def require_schema(database: Database) -> None:
    """Unavailable, saying what to do, unless the schema is the one that this code speaks to."""
    if wrong := await schema_mismatch(database):
        raise Unavailable(wrong)


async def check_health(
    database: Database,
    blobs: Blobs,
    redis: Callable[[], Awaitable[None]],
    others: Mapping[str, Part],
) -> Health:
    """Ask every part, each for a few seconds at most. `redis` raises Unavailable if it is away;
    `others` are parts whose state is known already.
    """
    parts, queues = await _postgres(database)
    asked = {
        "redis": _missed(redis, "requests pass unlimited, jobs wait"),
        "blobs": _missed(blobs.check, "nothing new can be stored"),
    }
    parts |= dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    parts |= others
    states = {part.status for part in parts.values()}
    worst: Status = "down" if "down" in states else "degraded" if "degraded" in states else "ok"
    return Health(worst, parts, queues)


async def _postgres(database: Database) -> tuple[dict[str, Part], dict[Queue, QueueState]]:
    """What only Postgres can tell; what it cannot tell while it is away is left out."""
    parts: dict[str, Part] = {}
    queues: dict[Queue, QueueState] = {}
    try:
        async with asyncio.timeout(_PART_TIMEOUT):
            wrong = await schema_mismatch(database)
            parts["database"] = Part("ok")
            parts["schema"] = Part("down", wrong) if wrong else Part("ok")
            if wrong is None:
                parts["workers"] = await _workers(database.read)
                queues |= await _queues(database.read)
    except (Unavailable, TimeoutError):
        parts["database"] = Part("down", "PostgreSQL does not answer")
    return parts, queues


async def _queues(read: Read) -> dict[Queue, QueueState]:
    states = {queue: QueueState() for queue in QUEUES}
    for each in await job_admin.backlog(read):
        state = states[each.queue]
        if each.state == "running":
            state.running += each.count
        elif each.state == "failed":
            state.failed += each.count
        else:
            state.depth += each.count
            state.oldest_seconds = max(state.oldest_seconds, round(each.oldest_seconds, 3))
    return states


async def _workers(read: Read) -> Part:
    silence = await heartbeat.silence(read)
    if silence is None or silence > heartbeat.WORKER_SILENCE:
        return Part("down", "no worker has reported for 60 s: start one with `gateway work`")
    return Part("ok")


async def _missed(check: Callable[[], Awaitable[None]], consequence: str) -> Part:
    """A part without which the rest goes on."""
    try:
        async with asyncio.timeout(_PART_TIMEOUT):
            await check()
    except (Unavailable, TimeoutError):
        return Part("degraded", f"does not answer: {consequence}")
    return Part("ok")
