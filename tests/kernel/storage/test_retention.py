"""Retention: deleted records, discarded objects and ended jobs; intervals of periodic tasks."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.db.database import Database
from domains.kernel.jobs import job_admin, periodic
from domains.kernel.storage import retention
from domains.revenue import purge
from tests.revenue.push_records import create_source
from tests.stack import Process, Stack, Tenant, eventually, new_tenant
from tests.workers.support import execute

DAYS = 30.0
RECORDS = ("conversations", "messages", "documents", "rows")


@pytest.fixture
async def db(idle_stack: Stack) -> AsyncIterator[Database]:
    async with Database.open(idle_stack.database_url) as database:
        await execute(database, "truncate jobs, deleted_blobs, schedule")
        yield database


@pytest.fixture
async def acme(idle_stack: Stack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(idle_stack, database=db) as tenant:
        yield tenant


async def _queued_deletions(db: Database) -> list[str]:
    """Keys of the objects whose deletion is queued."""
    jobs = await execute(db, "select payload from jobs where kind = 'kernel.delete_blob'")
    return sorted(msgspec.json.decode(job["payload"])["key"] for job in jobs)


async def _pass_days(db: Database, days: float) -> None:
    """Make deletions `days` older."""
    for table in ("deleted_blobs", *RECORDS):
        await execute(
            db, f"update {table} set deleted_at = deleted_at - $1 * interval '1 day'", float(days)
        )


# --- stored objects ---------------------------------------------------------------------------


async def _text_key(db: Database, signal: Any) -> str:
    ((key,),) = await execute(db, "select text_key from signals where id = $1", UUID(signal["id"]))
    assert isinstance(key, str)
    return key


async def test_objects_of_deleted_records_are_deleted_after_the_retention_time(
    db: Database, acme: Tenant
) -> None:
    source = await create_source(acme)
    content = base64.b64encode(b"a plan").decode()
    await source.push("documents", "d", url=None, content=content, filename="plan.txt")
    await source.push("documents", "kept", url=None, content=content, filename="plan.txt")
    signal, _kept = await acme.create_signal(), await acme.create_signal()
    ((document_key,),) = await execute(
        db,
        "select blob_key from documents where remote_id = 'd' and workspace_id = $1",
        UUID(acme.workspace),
    )
    keys = sorted([await _text_key(db, signal), document_key])
    await source.delete("documents", "d")
    await acme.delete(f"signals/{signal['id']}")
    assert await retention.enqueue_deletions(db, DAYS) == 0
    await _pass_days(db, DAYS - 0.01)
    assert await retention.enqueue_deletions(db, DAYS) == 0
    await _pass_days(db, 0.02)
    assert await retention.enqueue_deletions(db, DAYS) == 2
    assert await _queued_deletions(db) == keys
    assert await retention.enqueue_deletions(db, DAYS) == 0


async def test_objects_stay_if_the_transaction_is_rolled_back(db: Database, acme: Tenant) -> None:
    workspace = WorkspaceId(UUID(acme.workspace))
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await retention.discard(tx, workspace, ["of a record", None])
            assert await retention.enqueue_deletions(db, 0) == 0
            raise ZeroDivisionError
    assert await retention.enqueue_deletions(db, 0) == 0
    async with db.transaction() as tx:
        await retention.discard(tx, workspace, ["of a record", None, "of a record"])
    assert await retention.enqueue_deletions(db, 0) == 1


async def test_concurrent_workers_delete_each_object_once(db: Database, acme: Tenant) -> None:
    await execute(
        db,
        "insert into deleted_blobs (workspace_id, key)"
        " select $1, n::text from generate_series(1, 500) n",
        UUID(acme.workspace),
    )
    assert sum(await asyncio.gather(*(retention.enqueue_deletions(db, 0) for _ in range(4)))) == 500
    assert await _queued_deletions(db) == sorted(map(str, range(1, 501)))


# --- deleted records --------------------------------------------------------------------------


async def test_only_deleted_records_are_purged_after_the_retention_time(
    db: Database, acme: Tenant
) -> None:
    await execute(db, f"truncate {', '.join(RECORDS)} cascade")
    source = await create_source(acme)
    for kind in RECORDS:
        for name in ("old", "new", "kept"):
            await source.push(kind, name)
        await source.delete(kind, "old")
    await _pass_days(db, DAYS + 0.01)
    for kind in RECORDS:
        await source.delete(kind, "new")
    assert await purge.purge_deleted(db.read, DAYS) == len(RECORDS)
    for kind in RECORDS:
        rows = await execute(db, f"select remote_id from {kind}")
        assert {row["remote_id"] for row in rows} == {"new", "kept"}, kind
    assert await purge.purge_deleted(db.read, DAYS) == 0


# --- ended jobs -------------------------------------------------------------------------------


async def test_only_ended_jobs_are_deleted_after_their_retention_time(
    db: Database, acme: Tenant
) -> None:
    ended, live = ("done", "failed", "cancelled"), ("queued", "sent", "running")
    for state in (*ended, *live):
        for age in (13.9, 14.1):
            await execute(
                db,
                "insert into jobs (id, workspace_id, kind, queue, payload, state, finished_at)"
                " select $1, $2, 'k', 'fetch', '{}', $3, case when $5 then"
                " now() - $4 * interval '1 day' end",
                new_id(),
                UUID(acme.workspace),
                state,
                age,
                state in ended,
            )
    assert await job_admin.delete_ended(db.read, 14) == len(ended)
    remaining = [row["state"] for row in await execute(db, "select state from jobs")]
    assert sorted(remaining) == sorted([*ended, *live, *live])


# --- periodic tasks ----------------------------------------------------------------------------


async def test_periodic_task_runs_once_per_interval_across_all_processes(db: Database) -> None:
    task = secrets.token_hex(6)

    async def count_runs() -> int:
        claims = await asyncio.gather(*(periodic.claim_run(db.read, task, 60) for _ in range(20)))
        return sum(claims)

    assert await count_runs() == 1
    assert await count_runs() == 0
    await execute(db, "update schedule set ran_at = ran_at - interval '30 seconds'")
    assert await count_runs() == 0
    (last_run,) = await periodic.last_runs(db.read)
    assert last_run.task == task
    assert 30 <= last_run.age_seconds < 60
    await execute(db, "update schedule set ran_at = ran_at - interval '30 seconds'")
    assert await count_runs() == 1


# --- with a worker ----------------------------------------------------------------------------


async def test_worker_purges_records_and_objects(
    idle_stack: Stack, db: Database, acme: Tenant
) -> None:
    source = await create_source(acme)
    await source.push("messages", "m")
    kept, deleted = await acme.create_signal(), await acme.create_signal()
    kept_file, deleted_file = [
        idle_stack.folder / "blobs" / await _text_key(db, signal) for signal in (kept, deleted)
    ]
    await source.delete("messages", "m")
    await acme.delete(f"signals/{deleted['id']}")
    assert kept_file.exists()
    assert deleted_file.exists()
    worker = Process(
        "workers",
        {**idle_stack.env, "GATEWAY_RETENTION_DAYS": "0"},
        idle_stack.folder / "worker.log",
    )
    worker.start()
    try:

        async def purged() -> bool:
            messages = await execute(db, "select from messages where remote_id = 'm'")
            return not messages and not deleted_file.exists()

        await eventually(purged)
        await acme.wait_until_processed(kept["id"])
    finally:
        worker.stop()
    assert kept_file.exists()
