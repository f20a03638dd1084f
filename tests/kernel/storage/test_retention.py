"""What is deleted stays for the time of retention, goes afterwards, and nothing else goes."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domains.kernel.core.ids import new_id
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.jobs import job_admin, periodic
from domains.kernel.storage import retention
from domains.revenue import purge
from tests.revenue.push_records import create_source
from tests.stack import Process, Stack, Tenant, eventually, new_tenant, running_stack

DAYS = 30.0
RECORDS = ("conversations", "messages", "documents", "rows")


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in which nothing is done but by the test."""
    with running_stack(tmp_path_factory.mktemp("retention"), worker=False) as started:
        yield started


@pytest.fixture
async def db(idle: Stack) -> AsyncIterator[Database]:
    async with Database.open(idle.database_url) as opened:
        await _run(opened, "truncate jobs, deleted_blobs, schedule")
        yield opened


@pytest.fixture
async def acme(idle: Stack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(idle, database=db) as made:
        yield made


async def _run(db: Database, sql: str, *arguments: Any) -> list[Any]:
    async with db.connection() as connection:
        found: list[Any] = await connection.fetch(sql, *arguments)
        return found


async def _deletions(db: Database) -> list[str]:
    """The keys whose deletion is queued."""
    found = await _run(db, "select payload from jobs where kind = 'kernel.delete_blob'")
    return sorted(msgspec.json.decode(row["payload"])["key"] for row in found)


async def _pass_days(db: Database, days: float) -> None:
    for table in ("deleted_blobs", *RECORDS):
        await _run(
            db, f"update {table} set deleted_at = deleted_at - $1 * interval '1 day'", float(days)
        )


# --- stored bytes -----------------------------------------------------------------------------


async def _text_key(db: Database, signal: Any) -> str:
    ((key,),) = await _run(db, "select text_key from signals where id = $1", UUID(signal["id"]))
    found: str = key
    return found


async def test_the_bytes_of_deleted_records_wait_for_the_time_of_retention(
    db: Database, acme: Tenant
) -> None:
    source = await create_source(acme)
    content = base64.b64encode(b"a plan").decode()
    await source.push("documents", "d", url=None, content=content, filename="plan.txt")
    await source.push("documents", "kept", url=None, content=content, filename="plan.txt")
    signal, _kept = await acme.create_signal(), await acme.create_signal()
    ((document_key,),) = await _run(
        db,
        "select blob_key from documents where remote_id = 'd' and workspace_id = $1",
        UUID(acme.workspace),
    )
    keys = sorted([await _text_key(db, signal), document_key])
    await source.delete("documents", "d")
    await acme.delete(f"signals/{signal['id']}")
    assert await retention.release(db, DAYS) == 0
    await _pass_days(db, DAYS - 0.01)
    assert await retention.release(db, DAYS) == 0
    await _pass_days(db, 0.02)
    assert await retention.release(db, DAYS) == 2
    assert await _deletions(db) == keys
    assert await retention.release(db, DAYS) == 0


async def test_bytes_of_a_change_that_is_not_committed_stay(db: Database, acme: Tenant) -> None:
    workspace = WorkspaceId(UUID(acme.workspace))

    class Failure(Exception):
        pass

    with pytest.raises(Failure):
        async with db.transaction() as tx:
            await retention.discard(tx, workspace, ["of a record", None])
            assert await retention.release(db, 0) == 0
            raise Failure
    assert await retention.release(db, 0) == 0
    async with db.transaction() as tx:
        await retention.discard(tx, workspace, ["of a record", None, "of a record"])
    assert await retention.release(db, 0) == 1


async def test_many_at_once_are_each_deleted_once(db: Database, acme: Tenant) -> None:
    await _run(
        db,
        "insert into deleted_blobs (workspace_id, key)"
        " select $1, n::text from generate_series(1, 500) n",
        UUID(acme.workspace),
    )
    assert sum(await asyncio.gather(*(retention.release(db, 0) for _ in range(4)))) == 500
    assert await _deletions(db) == sorted(map(str, range(1, 501)))


# --- deleted records --------------------------------------------------------------------------


async def test_deleted_records_vanish_after_the_time_of_retention_and_no_others(
    db: Database, acme: Tenant
) -> None:
    await _run(db, f"truncate {', '.join(RECORDS)} cascade")
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
        left = await _run(db, f"select remote_id from {kind}")
        assert {row["remote_id"] for row in left} == {"new", "kept"}, kind
    assert await purge.purge_deleted(db.read, DAYS) == 0


# --- ended jobs -------------------------------------------------------------------------------


async def test_old_ended_jobs_are_forgotten_and_no_others(db: Database, acme: Tenant) -> None:
    ended, live = ("done", "failed", "cancelled"), ("queued", "sent", "running")
    for state in (*ended, *live):
        for age in (13.9, 14.1):
            await _run(
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
    assert await job_admin.forget_old(db.read, 14) == len(ended)
    left = [row["state"] for row in await _run(db, "select state from jobs")]
    assert sorted(left) == sorted([*ended, *live, *live])


# --- whose turn it is -------------------------------------------------------------------------


async def test_once_in_a_period_it_is_somebodys_turn(db: Database) -> None:
    task = secrets.token_hex(6)

    async def turns() -> int:
        return sum(await asyncio.gather(*(periodic.due(db.read, task, 60) for _ in range(20))))

    assert await turns() == 1
    assert await turns() == 0
    await _run(db, "update schedule set ran_at = ran_at - interval '59 seconds'")
    assert await turns() == 0
    assert 59 <= {each.task: each.seconds for each in await periodic.last_runs(db.read)}[task] < 60
    await _run(db, "update schedule set ran_at = ran_at - interval '1 second'")
    assert await turns() == 1


# --- all of it --------------------------------------------------------------------------------


async def test_a_worker_deletes_what_is_over(idle: Stack, db: Database, acme: Tenant) -> None:
    source = await create_source(acme)
    await source.push("messages", "m")
    kept, gone = await acme.create_signal(), await acme.create_signal()
    files = {}
    for signal in (kept, gone):
        files[signal["id"]] = idle.folder / "blobs" / await _text_key(db, signal)
        assert files[signal["id"]].exists()
    await source.delete("messages", "m")
    await acme.delete(f"signals/{gone['id']}")
    assert files[gone["id"]].exists()
    worker = Process(
        "workers", {**idle.env, "GATEWAY_RETENTION_DAYS": "0"}, idle.folder / "worker.log"
    )
    worker.start()
    try:

        async def over() -> bool:
            left = await _run(db, "select from messages where remote_id = 'm'")
            return not left and not files[gone["id"]].exists()

        await eventually(over)
        await acme.wait_until_processed(kept["id"])
    finally:
        worker.stop()
    assert files[kept["id"]].exists()
