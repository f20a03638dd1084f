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

# Seconds for a check of a part by `check_health`, and for the only check of `require_ready`.
_PART_TIMEOUT: Final = 1.5
_READINESS_TIMEOUT: Final = 0.8

_NO_ANSWER: Final = "PostgreSQL does not answer"

Check = Callable[[], Awaitable[None]]

# Checks without a result yet. A check is not started again while it runs: each would occupy a
# thread as long as a file system hangs.
_running_checks: Final[dict[Check, asyncio.Future[None]]] = {}

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

    @classmethod
    def of(cls, parts: dict[str, Part], queues: dict[Queue, QueueState]) -> "Health":
        """The state of a deployment, which is as good as its worst part."""
        states = {part.status for part in parts.values()}
        worst: Status = "down" if "down" in states else "degraded" if "degraded" in states else "ok"
        return cls(worst, parts, queues)

    def with_parts(self, parts: Mapping[str, Part]) -> "Health":
        """The state with more parts."""
        return self.of({**self.parts, **parts}, self.queues)


async def schema_mismatch(read: Read) -> str | None:
    """Return an error message with the remedy if the schema is not current, else None."""
    revision = await read.schema_revision()
    if revision == SCHEMA_REVISION:
        return None
    if revision is not None and revision > SCHEMA_REVISION:
        return f"the database is at revision {revision}, this version is older: run the newer one"
    state = "empty" if revision is None else f"at revision {revision}"
    return (
        f"the database schema is {state}, this version needs {SCHEMA_REVISION}:"
        " run `gateway migrate`"
    )


async def require_schema(read: Read) -> None:
    """Raise Unavailable, with what to do, unless the schema is current."""
    if mismatch := await schema_mismatch(read):
        raise Unavailable(mismatch)


async def require_ready(database: Database) -> None:
    """Raise Unavailable, within a second, unless the database answers and the schema is current."""
    if database.refusal is not None:
        raise Unavailable(database.refusal)
    try:
        async with asyncio.timeout(_READINESS_TIMEOUT):
            await require_schema(database.read)
    except TimeoutError:
        raise Unavailable(_NO_ANSWER) from None


async def check_health(
    database: Database,
    blobs: Blobs,
    check_redis: Check,
) -> Health:
    """Check all parts concurrently, each for at most `_PART_TIMEOUT` seconds.

    `check_redis` raises Unavailable if Redis does not answer.
    """
    (parts, queues), redis, store = await asyncio.gather(
        _check_postgres(database),
        _check_optional(check_redis, "requests pass unlimited, jobs wait"),
        _check_optional(blobs.check, "nothing new can be stored"),
    )
    return Health.of(parts | {"redis": redis, "blobs": store}, queues)


async def _check_postgres(database: Database) -> tuple[dict[str, Part], dict[Queue, QueueState]]:
    """Check the database, the schema and the workers. Skip the rest if one check fails."""
    parts: dict[str, Part] = {}
    queues: dict[Queue, QueueState] = {}
    if database.refusal is not None:
        return {"database": Part("ok"), "schema": Part("down", database.refusal)}, queues
    try:
        async with asyncio.timeout(_PART_TIMEOUT):
            mismatch = await schema_mismatch(database.read)
            parts["database"] = Part("ok")
            parts["schema"] = Part("down", mismatch) if mismatch else Part("ok")
            if mismatch is None:
                parts["workers"] = await _check_workers(database.read)
                queues |= await _queue_states(database.read)
                parts["keys"] = await _check_keys(database.read)
    except (Unavailable, TimeoutError):
        seconds = database.seconds_unavailable
        since = "" if seconds is None else f" for {seconds:.0f} s"
        parts["database"] = Part("down", _NO_ANSWER + since)
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


async def _check_optional(check: Check, consequence: str) -> Part:
    """Check an optional part, which can only degrade the deployment."""
    running = _running_checks.get(check)
    if running is None:
        running = _running_checks[check] = asyncio.ensure_future(check())
        running.add_done_callback(lambda ended: _end_check(check, ended))
    if not (await asyncio.wait([running], timeout=_PART_TIMEOUT))[0]:
        return Part("degraded", f"does not answer: {consequence}")
    try:
        running.result()
    except Unavailable as problem:
        reason = problem.message.partition(".")[0]
        return Part("degraded", f"{reason}: {consequence}")
    except TimeoutError:
        return Part("degraded", f"does not answer: {consequence}")
    return Part("ok")


def _end_check(check: Check, ended: asyncio.Future[None]) -> None:
    del _running_checks[check]
    # Nobody may wait for the result any more.
    if not ended.cancelled():
        ended.exception()
