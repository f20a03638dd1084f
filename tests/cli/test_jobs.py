"""`gateway jobs`."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from domains.kernel.core.ids import new_id
from domains.kernel.db.database import Database
from tests.cli.gateway_command import CommandResult, ForkServer, Gateway
from tests.revenue.push_records import create_source
from tests.stack import Process, Stack, Tenant, eventually, new_tenant

UNKNOWN: Final = "0199c2f4-0000-7000-8000-000000000000"


class Jobs(Gateway):
    """Runs `gateway jobs`."""

    async def __call__(self, *arguments: str, **changes: str | None) -> CommandResult:
        return await super().__call__("jobs", *arguments, **changes)


@pytest.fixture
def jobs(idle_stack: Stack, fork_server: ForkServer, tmp_path: Path) -> Jobs:
    """Runs `gateway jobs` on the stack without a worker."""
    return Jobs(fork_server, idle_stack, tmp_path)


@pytest.fixture
async def db(idle_stack: Stack) -> AsyncIterator[Database]:
    """The database of the stack without a worker, without jobs."""
    async with Database.open(idle_stack.database_url) as database:
        async with database.connection() as connection:
            await connection.execute("truncate jobs")
        yield database


@pytest.fixture
async def acme(idle_stack: Stack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(idle_stack, database=db) as tenant:
        yield tenant


async def _add_job(db: Database, workspace: str, state: str = "failed", **columns: Any) -> str:
    """Insert a job. Returns its id."""
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


def _mask_times(row: str) -> str:
    for pattern, word in ((r"\d+ s", "AGE"), (r"\d{4}-\d\d-\d\d", "DAY"), (r"\d\d:\d\d", "TIME")):
        row = re.sub(rf" {pattern}(?= |$)", f" {word}", row)
    return row


async def test_list_shows_the_newest_jobs_first(jobs: Jobs, db: Database, acme: Tenant) -> None:
    error = "The speech service answers 500.\nAnd more."
    failed = await _add_job(db, acme.workspace, failures=5, losses=1, error=error)
    waits = await _add_job(db, acme.workspace, "queued", cancelling=True)
    listed = await jobs("list")
    header, *rows = (" ".join(line.split()) for line in listed.out.splitlines())
    assert listed.err == ""
    assert header == "id workspace kind record state attempts age next or end error"
    assert [_mask_times(row) for row in rows] == [
        f"{waits} {acme.name} revenue.transcription cancelling AGE now",
        f"{failed} {acme.name} revenue.transcription failed 5 failed, 1 lost AGE DAY TIME"
        " The speech service answers 500.",
    ]
    (shown,) = (await jobs("list", "--json", "--limit", "1")).json()
    assert (shown["id"], shown["cancelling"], shown["workspaceName"]) == (waits, True, acme.name)


async def test_waiting_jobs_are_shown_with_the_dependency_and_the_reason(
    jobs: Jobs, db: Database, acme: Tenant
) -> None:
    now = datetime.now(UTC)
    waits = await _add_job(
        db,
        acme.workspace,
        "queued",
        run_after=now + timedelta(minutes=5),
        waiting_for="speech",
        waiting_since=now - timedelta(hours=3, minutes=1),
        tried_at=now,
        error="The speech-to-text service cannot be reached.",
    )
    (_, row) = (" ".join(line.split()) for line in (await jobs("list")).out.splitlines())
    assert _mask_times(row) == (
        f"{waits} {acme.name} revenue.transcription waiting for speech, 3 h AGE in 4 min"
        " The speech-to-text service cannot be reached."
    )
    shown = (await jobs("show", waits)).out
    assert "waits for" in shown
    (as_json,) = (await jobs("list", "--json")).json()
    assert as_json["waitingFor"] == "speech"
    (count,) = (await jobs("waiting", "--json")).json()
    assert (count["queue"], count["dependency"], count["count"]) == ("fetch", "speech", 1)
    header, row = (" ".join(line.split()) for line in (await jobs("waiting")).out.splitlines())
    assert (header, row) == ("queue waiting for jobs since", "fetch speech 1 3 h")
    # The service has responded: the job is due and waits no longer.
    async with db.connection() as connection:
        await connection.execute("update jobs set tried_at = null")
    assert (await jobs("waiting", "--json")).json() == []
    (_, row) = (" ".join(line.split()) for line in (await jobs("list")).out.splitlines())
    assert " queued " in row
    assert "waiting" not in row


async def test_list_and_show_name_the_record_of_a_job(
    jobs: Jobs, db: Database, acme: Tenant
) -> None:
    source = await create_source(acme)
    await source.push("documents", "plan 7")
    await source.push("conversations", "call-7")
    await source.push("documents", "gone")
    await source.delete("documents", "gone")
    async with db.connection() as connection:
        await connection.execute("delete from documents where remote_id = 'gone'")
    signal = await acme.create_signal()
    refresh = b'{"kind": "revenue.refresh_deal", "deal_id": "006A"}'
    await _add_job(db, acme.workspace, kind="revenue.refresh_deal", payload=refresh)
    await _add_job(db, acme.workspace, payload=b'{"conversation_id": "no uuid"}')
    listed = (await jobs("list", "--json")).json()
    assert [job["record"] for job in listed if job["kind"] != "kernel.delete_blob"] == [
        None,
        "deal 006A",
        signal["publicId"],
        None,
        "conversation call-7",
        "document plan 7",
    ]
    assert " document plan 7 " in (await jobs("list")).out
    shown = (await jobs("show", listed[-1]["id"])).out
    assert "document plan 7" in shown


async def test_list_filters_jobs(jobs: Jobs, db: Database, acme: Tenant, idle_stack: Stack) -> None:
    async with new_tenant(idle_stack, database=db) as rival:
        ours = await _add_job(db, acme.workspace)
        theirs = await _add_job(db, rival.workspace)
    waits = await _add_job(db, acme.workspace, "queued")
    analysis = {"kind": "discovery.analyse_signal", "queue": "analysis"}
    other = await _add_job(db, acme.workspace, **analysis)

    async def listed(*filters: str) -> list[str]:
        return [job["id"] for job in (await jobs("list", "--json", *filters)).json()]

    assert await listed() == [other, waits, theirs, ours]
    assert await listed("--workspace", acme.name) == [other, waits, ours]
    assert await listed("--workspace", acme.workspace, "--state", "failed") == [other, ours]
    assert await listed("--kind", "transcription") == [waits, theirs, ours]
    assert await listed("--kind", "discovery.analyse_signal") == [other]
    assert await listed("--kind", "transcript") == []
    assert await listed("--queue", "fetch", "--limit", "2") == [waits, theirs]


async def test_show_prints_the_payload_and_the_request(
    jobs: Jobs, db: Database, acme: Tenant
) -> None:
    job_id = await _add_job(db, acme.workspace, error="No.", failures=1, request_id="r-1")
    shown = await jobs("show", job_id)
    assert shown.code == 0
    lines = dict(line.split(maxsplit=1) for line in shown.out.splitlines())
    assert lines["workspace"].strip() == f"{acme.name} ({acme.workspace})"
    assert (lines["attempts"].strip(), lines["request"].strip()) == ("1 failed", "r-1")
    assert json.loads(lines["payload"])["conversation"] == "c-1"
    fields = (await jobs("show", job_id, "--json")).json()
    assert (fields["payload"]["conversation"], fields["requestId"]) == ("c-1", "r-1")
    for wrong in (UNKNOWN, "x"):
        assert wrong in (await jobs("show", wrong)).refusal()


async def test_retry_by_id_reports_jobs_that_cannot_be_retried(
    jobs: Jobs, db: Database, acme: Tenant
) -> None:
    failed = await _add_job(db, acme.workspace, failures=5, error="No.")
    cancelled = await _add_job(db, acme.workspace, "cancelled")
    done = await _add_job(db, acme.workspace, "done")
    code, out, err = await jobs("retry", failed, UNKNOWN, cancelled, done, "x")
    assert (code, out) == (1, "Retrying 2 jobs.\n")
    unknown, ended, wrong = err.splitlines()
    assert UNKNOWN in unknown
    assert (done in ended, "done" in ended, "'x'" in wrong) == (True, True, True)
    assert await _state(db, failed) == await _state(db, cancelled) == ("queued", False)
    assert await _state(db, done) == ("done", False)


async def test_retry_by_filters(jobs: Jobs, db: Database, acme: Tenant) -> None:
    failed = [await _add_job(db, acme.workspace) for _ in range(3)]
    other = await _add_job(db, acme.workspace, queue="analysis", kind="discovery.analyse_signal")
    cancelled = await _add_job(db, acme.workspace, "cancelled")
    code, out, _ = await jobs("retry", "--kind", "transcription")
    assert (code, out) == (0, "Retrying 3 jobs.\n")
    assert {await _state(db, each) for each in failed} == {("queued", False)}
    _, out, _ = await jobs("retry", "--all", "--json")
    assert json.loads(out) == {"count": 1, "refused": []}
    assert await _state(db, other) == ("queued", False)
    assert await _state(db, cancelled) == ("cancelled", False)
    _, out, _ = await jobs("retry", "--state", "cancelled", "--workspace", acme.name)
    assert out == "Retrying 1 job.\n"
    code, out, _ = await jobs("retry", "--all")
    assert (code, out) == (0, "Retrying 0 jobs.\n")


async def test_cancel_handles_more_jobs_than_one_statement_can(
    jobs: Jobs, db: Database, acme: Tenant
) -> None:
    async with db.connection() as connection:
        await connection.execute(
            "insert into jobs (id, workspace_id, kind, queue, payload) select gen_random_uuid(),"
            " $1, 'k', 'fetch', '{}' from generate_series(1, 25000)",
            UUID(acme.workspace),
        )
    _, out, _ = await jobs("cancel", "--all")
    assert out == "Cancelling 25,000 jobs; a worker marks their end.\n"


async def test_a_missing_or_ambiguous_selection_changes_nothing(
    jobs: Jobs, db: Database, acme: Tenant
) -> None:
    failed = await _add_job(db, acme.workspace)
    for command in ("retry", "cancel"):
        for options in ((), (failed, "--all"), (failed, "--queue", "fetch"), ("--state", "done")):
            result = await jobs(command, *options)
            assert (result.code, result.out) == (2, "")
        (await jobs(command, "--workspace", f"w-{secrets.token_hex(6)}")).refusal()
    assert await _state(db, failed) == ("failed", False)


async def test_a_worker_ends_cancelled_jobs_and_runs_retried_ones(
    jobs: Jobs, db: Database, acme: Tenant, idle_stack: Stack
) -> None:
    one, two = await acme.create_signal(), await acme.create_signal()
    waits = one["jobId"]
    done = await _add_job(db, acme.workspace, "done")
    code, out, err = await jobs("cancel", waits, two["jobId"], done)
    assert (code, out) == (1, "Cancelling 2 jobs; a worker marks their end.\n")
    assert done in err
    assert await _state(db, waits) == ("queued", True)
    assert (await jobs("cancel", waits))[:2] == (0, "Cancelling 0 jobs.\n")
    worker = Process("workers", idle_stack.env, idle_stack.folder / "worker.log")
    worker.start()
    try:
        for signal in (one, two):
            shown = await acme.wait_until_processed(signal["id"])
            assert shown["status"] == "failed"
            assert "cancelled" in shown["processing"]["lastError"]
        assert await _state(db, waits) == ("cancelled", True)
        assert (await jobs("retry", waits)).code == 0

        async def processed() -> bool:
            shown = await acme.get(f"signals/{one['id']}")
            return bool(shown["status"] == "processed")

        await eventually(processed)
        assert (await acme.get(f"signals/{two['id']}"))["status"] == "failed"
    finally:
        worker.stop()
