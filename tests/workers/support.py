"""Helpers for tests of jobs: raw SQL, workspaces, and jobs of a test kind."""

import secrets
from collections import Counter
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import column, literal_column, select, table

from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.db.database import Database
from domains.kernel.db.statements import scalar, statement
from domains.kernel.jobs import leases
from domains.kernel.jobs.enqueue import enqueue
from domains.kernel.jobs.leases import Claim, SentJob
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.tenancy.workspaces import create_workspace
from tests.stack import OPERATOR

RELAY = new_id()

_statistics = table(
    "pg_stat_xact_user_tables",
    column("relname"),
    column("seq_tup_read"),
    column("idx_tup_fetch"),
)
# Rows of the table of jobs that the transaction has read.
ROWS_READ = statement(
    select(_statistics.c.seq_tup_read + _statistics.c.idx_tup_fetch).where(
        _statistics.c.relname == literal_column("'jobs'")
    ),
    scalar,
    cross_tenant_reason="the job engine serves every workspace",
)


class Task(Job, frozen=True, tag="tests.task"):
    """A job without an effect of its own. Each test decides how it runs."""

    queue: ClassVar[Queue] = "fetch"
    name: str = ""


async def execute(db: Database, sql: str, *arguments: Any) -> list[Any]:
    async with db.connection() as connection:
        rows: list[Any] = await connection.fetch(sql, *arguments, timeout=60)
        return rows


async def new_workspace(db: Database) -> WorkspaceId:
    async with db.transaction() as tx:
        return (await create_workspace(tx, f"w-{secrets.token_hex(6)}", OPERATOR)).id


async def add_job(db: Database, workspace: WorkspaceId, job: Job | None = None) -> UUID:
    async with db.transaction() as tx:
        return await enqueue(tx, workspace, job or Task())


async def get_row(db: Database, job_id: UUID) -> Any:
    """The job's row, or None if the job does not exist."""
    rows = await execute(db, "select * from jobs where id = $1", job_id)
    return rows[0] if rows else None


async def take(
    db: Database,
    window: int,
    reserved_slots: int = 0,
    relay: UUID = RELAY,
    queue: Queue = Task.queue,
) -> list[SentJob]:
    return await leases.take(db.read, relay, queue, window, reserved_slots)


async def claim_job(db: Database, job_id: UUID, seconds: float = 30) -> Claim:
    (claim,) = await leases.claim(db.read, [job_id], seconds)
    return claim


async def count_states(db: Database) -> Counter[str]:
    rows = await execute(db, "select state, count(*) from jobs group by state")
    return Counter(dict(map(tuple, rows)))
