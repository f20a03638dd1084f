"""Checks of the servers: PostgreSQL with schema, workers and queues; Redis; the object store."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import redis

from domains.kernel import health
from domains.kernel.core.problems import Unavailable
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database
from domains.kernel.db.server_info import ServerInfo, server_info
from domains.kernel.db.tables import SCHEMA_REVISION
from domains.kernel.jobs import heartbeat, job_admin, outages
from domains.kernel.storage.blobs import BlobMissing, Blobs
from domains.kernel.tenancy import api_keys
from gateway.cli.diagnosis.findings import (
    Finding,
    clock_finding,
    error,
    in_megabytes,
    ok,
    warning,
)
from gateway.cli.output import to_minute

_OLDEST_POSTGRES: Final = 150_000
_EXTENSIONS: Final = frozenset({"btree_gin", "pg_trgm"})
# Share of the connections in use from which there is a warning.
_MANY_CONNECTIONS: Final = 0.8
# Age in seconds of a job that is due, from which there is a warning.
_OLD_JOB: Final = 300.0
# Keys that are listed individually when they expire soon.
_LISTED_KEYS: Final = 5

# --- PostgreSQL -------------------------------------------------------------------------------


async def check_database(settings: Settings) -> list[Finding]:
    """Check the server, the schema, the workers, the queues and the expiry of API keys."""
    # PostgreSQL itself: a pooler gives no facts about the server.
    url = settings.database_direct_url or settings.database_url
    try:
        async with Database.open(url, name="gateway-doctor") as database:
            info = await server_info(database.read)
            findings = [
                _server(info),
                _extensions(info),
                clock_finding(
                    "clock of PostgreSQL", "PostgreSQL", info.clock_offset, info.round_trip / 2
                ),
            ]
            if mismatch := await health.schema_mismatch(database.read):
                return [*findings, error("schema", mismatch, "stop API and workers before")]
            findings.append(ok("schema", f"revision {SCHEMA_REVISION}"))
            return [
                *findings,
                await _workers(database),
                *await _queues(database),
                *await _waiting(database),
                await _keys(database),
                *await _check_pooler(settings),
            ]
    except Unavailable as problem:
        return [
            error(
                "PostgreSQL",
                problem.message,
                "check that the server runs, and user, password, host and name in DATABASE_URL",
            )
        ]


async def _check_pooler(settings: Settings) -> list[Finding]:
    """Check that statements pass the pooler, if there is one. Raises Unavailable."""
    if settings.database_pooler == "off":
        return []
    async with Database.open(
        settings.database_url, name="gateway-doctor", pooler=settings.database_pooler
    ) as database:
        await database.read.schema_revision()
    return [ok("pooler", "statements pass it")]


def _server(info: ServerInfo) -> Finding:
    check = "PostgreSQL"
    detail = (
        f"version {info.version}, {info.used_connections} of {info.max_connections} connections,"
        f" {in_megabytes(info.database_bytes)}, {info.round_trip * 1000:.1f} ms away"
    )
    if info.number < _OLDEST_POSTGRES:
        return error(check, detail, "upgrade to PostgreSQL 15 or later")
    if info.is_read_only:
        return error(check, f"{detail}; it is read-only", "connect to the primary server")
    if info.used_connections > _MANY_CONNECTIONS * info.max_connections:
        return warning(
            check,
            detail,
            "raise max_connections, or lower GATEWAY_POOL_SIZE: each process may use as many",
        )
    return ok(check, detail)


def _extensions(info: ServerInfo) -> Finding:
    if missing := sorted(_EXTENSIONS - info.extensions):
        return error(
            "extensions",
            f"missing: {', '.join(missing)}",
            "run `gateway migrate` as the owner of the database",
        )
    return ok("extensions", ", ".join(sorted(_EXTENSIONS)))


async def _workers(database: Database) -> Finding:
    count = await heartbeat.count_alive(database.read)
    if count:
        return ok("workers", f"{count} reported within {heartbeat.WORKER_TIMEOUT:.0f} s")
    return error(
        "workers",
        f"none has reported for {heartbeat.WORKER_TIMEOUT:.0f} s",
        "start one with `gateway work`; until then jobs wait",
    )


async def _queues(database: Database) -> list[Finding]:
    failed = 0
    oldest: dict[str, float] = {}
    for backlog in await job_admin.backlog(database.read):
        if backlog.state == "failed":
            failed += backlog.count
        elif backlog.state != "running":
            oldest[backlog.queue] = max(oldest.get(backlog.queue, 0.0), backlog.oldest_seconds)
    late = {queue: age for queue, age in oldest.items() if age > _OLD_JOB}
    findings = [
        warning(
            f"queue {queue}",
            f"a job has been due for {age / 60:.0f} min",
            "start more workers, or raise the slots of the queue (GATEWAY_WORKER_...)",
        )
        for queue, age in late.items()
    ] or [ok("queues", f"no job has been due for more than {_OLD_JOB / 60:.0f} min")]
    if failed:
        findings.append(
            warning(
                "failed jobs",
                f"{failed:,} in the last 24 hours",
                "`gateway jobs list --state failed` has the reasons; `gateway jobs retry` runs"
                " them again",
            )
        )
    return findings


async def _keys(database: Database) -> Finding:
    expiring = await api_keys.list_expiring(database.read)
    days = api_keys.EXPIRY_WARNING_DAYS
    if not expiring:
        return ok("API keys", f"none expires within {days} days")
    listed = ", ".join(
        f"{key.prefix}… of {key.workspace_name} ({to_minute(key.expires_at)} UTC)"
        for key in expiring[:_LISTED_KEYS]
        if key.expires_at is not None
    )
    further = f" and {len(expiring) - _LISTED_KEYS:,} more" if len(expiring) > _LISTED_KEYS else ""
    return warning(
        "API keys",
        f"{len(expiring):,} expire within {days} days: {listed}{further}",
        "replace each with `gateway keys rotate ID`; `gateway keys list` has the ids",
    )


async def _waiting(database: Database) -> list[Finding]:
    """Warn of jobs that wait for an unavailable dependency."""
    return [
        warning(
            f"queue {waiting.queue}",
            f"{waiting.count:,} jobs wait for: {waiting.dependency.replace('_', ' ')}",
            "bring it back; the jobs then continue by themselves (`gateway jobs waiting`)",
        )
        for waiting in await outages.count_waiting(database.read)
    ]


# --- Redis ------------------------------------------------------------------------------------


async def check_redis(settings: Settings, timeout: float) -> list[Finding]:
    """Check the servers of the rate limits and of the job queue."""
    urls = {"Redis": ("REDIS_URL", settings.redis_url)}
    if settings.queue_redis_url:
        urls["Redis of the queue"] = ("GATEWAY_QUEUE_REDIS_URL", settings.queue_redis_url)
    findings: list[Finding] = []
    for check, (name, url) in urls.items():
        findings += await asyncio.to_thread(_check_redis, check, name, url, timeout)
    return findings


def _check_redis(check: str, name: str, url: str, timeout: float) -> list[Finding]:
    try:
        with redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout
        ) as client:
            began = time.time()
            seconds, microseconds = client.time()
            ended = time.time()
            info: Mapping[str, Any] = client.info()
    except (redis.RedisError, OSError) as problem:
        return [
            error(
                check,
                f"does not answer: {type(problem).__name__}",
                f"check that the server runs, and {name}; until then jobs wait and requests pass"
                " without rate limits",
            )
        ]
    offset = seconds + microseconds / 1e6 - (began + ended) / 2
    return [
        _redis_state(check, info),
        clock_finding(f"clock of {check}", check, offset, (ended - began) / 2),
    ]


def _redis_state(check: str, info: Mapping[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in info else "version"
    version = info.get("valkey_version", info.get("redis_version", "unknown"))
    detail = f"{name} {version}, {in_megabytes(int(info.get('used_memory', 0)))} used"
    if info.get("aof_last_write_status", "ok") != "ok":
        return error(
            check,
            f"{detail}; it cannot write its file and refuses changes",
            "free space on its disk",
        )
    if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction":
        return warning(
            check,
            f"{detail}; maxmemory-policy is {policy}",
            "set it to noeviction: evicted keys reset rate limits and delay jobs",
        )
    return ok(check, detail)


# --- object store -----------------------------------------------------------------------------


async def check_object_store(settings: Settings, environment: Mapping[str, str]) -> Finding:
    """Write, read and delete a small object."""
    check, key = "object store", f"doctor/{secrets.token_hex(16)}"
    try:
        blobs = Blobs.open(settings.blob_url, environment, settings.blob_timeout)
        await blobs.put(key, b"doctor")
        try:
            stored = await blobs.get(key)
        finally:
            await blobs.delete(key)
    except (Unavailable, BlobMissing) as problem:
        reason = problem.message if isinstance(problem, Unavailable) else "an object disappeared"
        return error(
            check,
            reason,
            "check BLOB_URL, the permissions of the directory or the AWS_* variables, and free"
            " space",
        )
    if stored != b"doctor":
        return error(check, "it returned other bytes than were stored", "check the store's server")
    return ok(check, "objects can be written, read and deleted")
