"""Health of the deployment's parts: database, schema, workers, Redis and object storage."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, Literal

import msgspec

from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.problems import Unavailable
from domains.kernel.db.database import Database, Read
from domains.kernel.db.tables import SCHEMA_REVISION
from domains.kernel.jobs import heartbeat, job_admin
from domains.kernel.jobs.model import QUEUES, Queue
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy import api_keys
from domains.kernel.tenancy.api_keys import EXPIRY_WARNING_DAYS

_PART_TIMEOUT: Final = 3.0

Status = Annotated[
    Literal["ok", "degraded", "down"],
    named("HealthStatus", "`down`: a required part is unavailable; `degraded`: only others"),
]
PartStatus = Annotated[
    Literal["ok", "degraded", "down", "off"],
    named("PartStatus", "State of a part. `off`: it is not configured"),
]


class Part(msgspec.Struct, omit_defaults=True):
    """State of a part of the deployment."""

    status: Annotated[PartStatus, doc("State of the part", "ok")]
    detail: Annotated[str, doc("The reason, or a warning")] = ""


class QueueState(msgspec.Struct, rename="camel"):
    """Jobs of a queue."""

    depth: Annotated[int, doc("Jobs that are due and not yet running")] = 0
    running: Annotated[int, doc("Jobs that are running")] = 0
    oldest_seconds: Annotated[float, doc("Age of the oldest job that is due, in seconds")] = 0.0
    failed: Annotated[int, doc("Jobs that failed in the last 24 hours")] = 0


class Health(msgspec.Struct):
    """State of the deployment."""

    status: Annotated[Status, doc("State of the whole")]
    parts: Annotated[dict[str, Part], doc("State of each part", {"database": {"status": "ok"}})]
    queues: Annotated[dict[Queue, QueueState], doc("Jobs of each queue")]


async def schema_mismatch(database: Database) -> str | None:
    """Return an error message with the remedy if the schema is not current, else None."""
    revision = await database.schema_revision()
    if revision == SCHEMA_REVISION:
        return None
    if revision is not None and revision > SCHEMA_REVISION:
        return f"the database is at revision {revision}, this version is older: run the newer one"
    state = "empty" if revision is None else f"at revision {revision}"
    return (
        f"the database schema is {state}, this version needs {SCHEMA_REVISION}:"
        " run `gateway migrate`"
    )


async def require_schema(database: Database) -> None:
    """Raise Unavailable, with what to do, unless the schema is current."""
    if mismatch := await schema_mismatch(database):
        raise Unavailable(mismatch)


async def check_health(
    database: Database,
    blobs: Blobs,
    check_redis: Callable[[], Awaitable[None]],
    other_parts: Mapping[str, Part],
) -> Health:
    """Check each part for at most `_PART_TIMEOUT` seconds.

    `check_redis` raises Unavailable if Redis does not answer. `other_parts` are added unchanged.
    """
    parts, queues = await _check_postgres(database)
    parts["redis"], parts["blobs"] = await asyncio.gather(
        _check_optional(check_redis, "requests pass unlimited, jobs wait"),
        _check_optional(blobs.check, "nothing new can be stored"),
    )
    parts |= other_parts
    states = {part.status for part in parts.values()}
    worst: Status = "down" if "down" in states else "degraded" if "degraded" in states else "ok"
    return Health(worst, parts, queues)


async def _check_postgres(database: Database) -> tuple[dict[str, Part], dict[Queue, QueueState]]:
    """Check the database, the schema and the workers. Skip the rest if one check fails."""
    parts: dict[str, Part] = {}
    queues: dict[Queue, QueueState] = {}
    try:
        async with asyncio.timeout(_PART_TIMEOUT):
            mismatch = await schema_mismatch(database)
            parts["database"] = Part("ok")
            parts["schema"] = Part("down", mismatch) if mismatch else Part("ok")
            if mismatch is None:
                parts["workers"] = await _check_workers(database.read)
                queues |= await _queue_states(database.read)
                parts["keys"] = await _check_keys(database.read)
    except (Unavailable, TimeoutError):
        parts["database"] = Part("down", "PostgreSQL does not answer")
    return parts, queues


async def _queue_states(read: Read) -> dict[Queue, QueueState]:
    states = {queue: QueueState() for queue in QUEUES}
    for backlog in await job_admin.backlog(read):
        state = states[backlog.queue]
        if backlog.state == "running":
            state.running += backlog.count
        elif backlog.state == "failed":
            state.failed += backlog.count
        else:
            state.depth += backlog.count
            state.oldest_seconds = max(state.oldest_seconds, round(backlog.oldest_seconds, 3))
    return states


async def _check_workers(read: Read) -> Part:
    silence = await heartbeat.seconds_since_last(read)
    if silence is None or silence > heartbeat.WORKER_TIMEOUT:
        return Part("down", "no worker has reported for 60 s: start one with `gateway work`")
    return Part("ok")


async def _check_keys(read: Read) -> Part:
    """Warn of API keys that expire soon, without names. The deployment stays healthy."""
    if count := len(await api_keys.list_expiring(read)):
        return Part("ok", f"API keys that expire within {EXPIRY_WARNING_DAYS} days: {count}")
    return Part("ok")


async def _check_optional(check: Callable[[], Awaitable[None]], consequence: str) -> Part:
    """Check an optional part, which can only degrade the deployment."""
    try:
        async with asyncio.timeout(_PART_TIMEOUT):
            await check()
    except (Unavailable, TimeoutError):
        return Part("degraded", f"does not answer: {consequence}")
    return Part("ok")
