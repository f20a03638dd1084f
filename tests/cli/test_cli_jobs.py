"""`gateway jobs`: what operators see of jobs, and do about them."""

import asyncio
import json
import os
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import pytest

from domains.kernel.core.ids import new_id
from domains.kernel.db.database import Database
from tests.stack import Process, Stack, Tenant, eventually, new_tenant, running_stack
from tests.surfaces.forked import ROOT, Forks

UNKNOWN: Final = "0199c2f4-0000-7000-8000-000000000000"


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Jobs = Callable[..., Awaitable[Ran]]


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without a worker: what waits keeps waiting."""
    with running_stack(tmp_path_factory.mktemp("jobs"), worker=False) as started:
        yield started


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.fixture
def gateway(idle: Stack, tmp_path: Path, forks: Forks) -> Jobs:
    """Runs `gateway jobs`."""
    urls = {name: idle.env[name] for name in ("DATABASE_URL", "REDIS_URL", "BLOB_URL")}
    environment = {**os.environ, **urls, "PYTHONPATH": str(ROOT)}

    async def run(*arguments: str) -> Ran:
        command = ("jobs", *arguments)
        ran = Ran(*await asyncio.to_thread(forks.run, command, tmp_path, environment))
        assert "Traceback" not in ran.out + ran.err
        return ran

    return run


@pytest.fixture
async def db(idle: Stack) -> AsyncIterator[Database]:
    async with Database.open(idle.database_url) as opened:
        async with opened.connection() as connection:
            await connection.execute("truncate jobs")
        yield opened


@pytest.fixture
async def acme(idle: Stack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(idle, database=db) as made:
        yield made


async def _job(db: Database, workspace: str, state: str = "failed", **columns: Any) -> str:
    """A job in a state; the id."""
    job_id = new_id()
    ended = state in ("done", "failed", "cancelled")
    values = {
        "id": job_id,
        "workspace_id": UUID(workspace),
        "kind": "revenue.transcription",
        "queue": "fetch",
        "payload": b'{"kind": "revenue.transcription", "conversation": "c-1"}',
        "state": state,
        **columns,
    }
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    async with db.connection() as connection:
        await connection.execute(
            f"insert into jobs ({', '.join(values)}) values ({places})", *values.values()
        )
        if ended:
            await connection.execute("update jobs set finished_at = now() where id = $1", job_id)
    return str(job_id)


async def _state(db: Database, job_id: str) -> tuple[str, bool]:
    async with db.connection() as connection:
        row = await connection.fetchrow(
            "select state, cancelling from jobs where id = $1", UUID(job_id)
        )
    return tuple(row)


def _timeless(row: str) -> str:
    for pattern, word in ((r"\d+ s", "AGE"), (r"\d{4}-\d\d-\d\d", "DAY"), (r"\d\d:\d\d", "TIME")):
        row = re.sub(rf" {pattern}(?= |$)", f" {word}", row)
    return row


async def test_jobs_are_listed_newest_first_with_all_that_an_operator_asks_for(
    gateway: Jobs, db: Database, acme: Tenant
) -> None:
    error = "The speech service answers 500.\nAnd more."
    failed = await _job(db, acme.workspace, failures=5, losses=1, error=error)
    waits = await _job(db, acme.workspace, "queued", cancelling=True)
    _, out, err = await gateway("list")
    header, *rows = (" ".join(line.split()) for line in out.splitlines())
    assert err == ""
    assert header == "id workspace kind state attempts age next or end error"
    assert [_timeless(row) for row in rows] == [
        f"{waits} {acme.name} revenue.transcription cancelling AGE now",
        f"{failed} {acme.name} revenue.transcription failed 5 failed, 1 lost AGE DAY TIME"
        " The speech service answers 500.",
    ]
    code, out, _ = await gateway("list", "--json", "--limit", "1")
    assert code == 0
    (shown,) = json.loads(out)
    assert (shown["id"], shown["cancelling"], shown["workspaceName"]) == (waits, True, acme.name)


async def test_jobs_are_chosen_by_what_they_have_in_common(
    gateway: Jobs, db: Database, acme: Tenant, idle: Stack
) -> None:
    async with new_tenant(idle, database=db) as rival:
        ours = await _job(db, acme.workspace)
        theirs = await _job(db, rival.workspace)
    waits = await _job(db, acme.workspace, "queued")
    analysis = {"kind": "discovery.analyse_signal", "queue": "analysis"}
    other = await _job(db, acme.workspace, **analysis)

    async def listed(*chosen: str) -> list[str]:
        ran = await gateway("list", "--json", *chosen)
        assert ran.code == 0, ran.err
        return [job["id"] for job in json.loads(ran.out)]

    assert await listed() == [other, waits, theirs, ours]
    assert await listed("--workspace", acme.name) == [other, waits, ours]
    assert await listed("--workspace", acme.workspace, "--state", "failed") == [other, ours]
    assert await listed("--kind", "transcription") == [waits, theirs, ours]
    assert await listed("--kind", "discovery.analyse_signal") == [other]
    assert await listed("--kind", "transcript") == []
    assert await listed("--queue", "fetch", "--limit", "2") == [waits, theirs]


async def test_a_job_is_shown_with_its_payload_and_request(
    gateway: Jobs, db: Database, acme: Tenant
) -> None:
    job_id = await _job(db, acme.workspace, error="No.", failures=1, request_id="r-1")
    code, out, _ = await gateway("show", job_id)
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["workspace"].strip() == f"{acme.name} ({acme.workspace})"
    assert (lines["attempts"].strip(), lines["request"].strip()) == ("1 failed", "r-1")
    assert json.loads(lines["payload"])["conversation"] == "c-1"
    code, out, _ = await gateway("show", job_id, "--json")
    shown = json.loads(out)
    assert (shown["payload"]["conversation"], shown["requestId"]) == ("c-1", "r-1")
    for wrong in (UNKNOWN, "x"):
        code, out, err = await gateway("show", wrong)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert wrong in err


async def test_jobs_are_retried_by_id_and_what_cannot_be_is_told(
    gateway: Jobs, db: Database, acme: Tenant
) -> None:
    failed = await _job(db, acme.workspace, failures=5, error="No.")
    cancelled = await _job(db, acme.workspace, "cancelled")
    done = await _job(db, acme.workspace, "done")
    code, out, err = await gateway("retry", failed, UNKNOWN, cancelled, done, "x")
    assert (code, out) == (1, "Retrying 2 jobs.\n")
    unknown, ended, wrong = err.splitlines()
    assert UNKNOWN in unknown
    assert (done in ended, "done" in ended, "'x'" in wrong) == (True, True, True)
    assert await _state(db, failed) == await _state(db, cancelled) == ("queued", False)
    assert await _state(db, done) == ("done", False)


async def test_jobs_are_retried_by_what_they_have_in_common(
    gateway: Jobs, db: Database, acme: Tenant
) -> None:
    failed = [await _job(db, acme.workspace) for _ in range(3)]
    other = await _job(db, acme.workspace, queue="analysis", kind="discovery.analyse_signal")
    cancelled = await _job(db, acme.workspace, "cancelled")
    code, out, _ = await gateway("retry", "--kind", "transcription")
    assert (code, out) == (0, "Retrying 3 jobs.\n")
    assert {await _state(db, each) for each in failed} == {("queued", False)}
    _, out, _ = await gateway("retry", "--all", "--json")
    assert json.loads(out) == {"count": 1, "refused": []}
    assert await _state(db, other) == ("queued", False)
    assert await _state(db, cancelled) == ("cancelled", False)
    _, out, _ = await gateway("retry", "--state", "cancelled", "--workspace", acme.name)
    assert out == "Retrying 1 job.\n"
    code, out, _ = await gateway("retry", "--all")
    assert (code, out) == (0, "Retrying 0 jobs.\n")


async def test_more_jobs_than_one_statement_changes_are_all_changed(
    gateway: Jobs, db: Database, acme: Tenant
) -> None:
    async with db.connection() as connection:
        await connection.execute(
            "insert into jobs (id, workspace_id, kind, queue, payload) select gen_random_uuid(),"
            " $1, 'k', 'fetch', '{}' from generate_series(1, 25000)",
            UUID(acme.workspace),
        )
    _, out, _ = await gateway("cancel", "--all")
    assert out == "Cancelling 25,000 jobs; a worker marks their end.\n"


async def test_a_command_that_says_too_little_or_both_changes_nothing(
    gateway: Jobs, db: Database, acme: Tenant
) -> None:
    failed = await _job(db, acme.workspace)
    for command in ("retry", "cancel"):
        for given in ((), (failed, "--all"), (failed, "--queue", "fetch"), ("--state", "done")):
            code, out, _ = await gateway(command, *given)
            assert (code, out) == (2, "")
        code, out, err = await gateway(command, "--workspace", f"w-{secrets.token_hex(6)}")
        assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert await _state(db, failed) == ("failed", False)


async def test_a_worker_marks_the_end_of_cancelled_jobs_and_does_those_that_are_retried(
    gateway: Jobs, db: Database, acme: Tenant, idle: Stack
) -> None:
    one, two = await acme.create_signal(), await acme.create_signal()
    waits = one["jobId"]
    done = await _job(db, acme.workspace, "done")
    code, out, err = await gateway("cancel", waits, two["jobId"], done)
    assert (code, out) == (1, "Cancelling 2 jobs; a worker marks their end.\n")
    assert done in err
    assert await _state(db, waits) == ("queued", True)
    assert (await gateway("cancel", waits))[:2] == (0, "Cancelling 0 jobs.\n")
    worker = Process("workers", idle.env, idle.folder / "worker.log")
    worker.start()
    try:
        for signal in (one, two):
            shown = await acme.wait_until_processed(signal["id"])
            assert shown["status"] == "failed"
            assert "cancelled" in shown["processing"]["lastError"]
        assert await _state(db, waits) == ("cancelled", True)
        assert (await gateway("retry", waits)).code == 0

        async def processed() -> bool:
            shown = await acme.get(f"signals/{one['id']}")
            return bool(shown["status"] == "processed")

        await eventually(processed)
        assert (await acme.get(f"signals/{two['id']}"))["status"] == "failed"
    finally:
        worker.stop()
