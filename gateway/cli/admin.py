"""What the `gateway` command does in the database: workspaces, keys and jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Literal, TypeVar
from uuid import UUID

import msgspec

from domains.kernel import health
from domains.kernel.core.ids import parse_id
from domains.kernel.core.problems import Conflict, Invalid, NotFound
from domains.kernel.db.database import Database, Tx
from domains.kernel.jobs import job_admin
from domains.kernel.jobs.job_admin import Choice, JobDetail, JobItem
from domains.kernel.models import llm_usage
from domains.kernel.tenancy import api_keys, workspaces
from domains.kernel.tenancy.api_keys import SCOPES, Key, LimitChoice, Scope
from domains.kernel.tenancy.workspaces import Workspace

T = TypeVar("T")

DEMO = "Demo"


class NewKey(msgspec.Struct, rename="camel"):
    """A key with its text, as it is shown once."""

    id: str
    key: str
    prefix: str
    name: str
    scopes: list[str]
    workspace_id: str
    workspace_name: str
    limits: LimitChoice
    created_at: datetime
    expires_at: datetime | None


class Provided(msgspec.Struct, rename="camel"):
    """Whether a workspace's texts may be sent to the chat endpoint."""

    id: str
    name: str
    uses_provider: bool


class ChangedJobs(msgspec.Struct):
    """How many jobs were changed, and a sentence for each that could not be."""

    count: int
    refused: list[str]


def with_database(url: str, act: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database, check its schema, act, close it."""

    async def run() -> T:
        async with Database.open(url, name="gateway-cli") as database:
            await health.require_schema(database)
            return await act(database)

    return asyncio.run(run())


def schema_current(url: str) -> bool:
    """Whether no migration is missing."""

    async def run() -> bool:
        async with Database.open(url, name="gateway-cli") as database:
            return await health.wrong_schema(database) is None

    return asyncio.run(run())


async def create_workspace(database: Database, name: str) -> Workspace:
    async with database.transaction() as tx:
        return await workspaces.create_workspace(tx, name)


async def set_workspace(
    database: Database, workspace: str, domains: list[str] | None, hides_private: bool | None
) -> Workspace:
    """Change settings of a workspace named by id or name."""
    found = await workspaces.find_workspace(database.read, workspace)
    async with database.transaction() as tx:
        return await workspaces.set_workspace(tx, found.id, domains, hides_private)


async def provider(database: Database, workspace: str, uses: bool | None) -> Provided:
    """The switch of a workspace named by id or name, changed unless that is None."""
    found = await workspaces.find_workspace(database.read, workspace)
    if uses is not None:
        async with database.transaction() as tx:
            await llm_usage.set_provider(tx, found.id, uses)
    now = await llm_usage.uses_provider(database.read, found.id)
    return Provided(str(found.id), found.name, now)


async def create_key(
    database: Database,
    workspace: str,
    scopes: list[Scope],
    *,
    name: str = "",
    limits: LimitChoice = LimitChoice(),  # noqa: B008 - frozen
    expires_at: datetime | None = None,
) -> NewKey:
    """A key for a workspace named by id or name."""
    found = await workspaces.find_workspace(database.read, workspace)
    async with database.transaction() as tx:
        key, text = await api_keys.mint(
            tx, found.id, scopes, name=name, limits=limits, expires_at=expires_at
        )
    return NewKey(
        str(key.id),
        text,
        key.prefix,
        key.name,
        key.scopes,
        str(key.workspace),
        key.workspace_name,
        key.limits,
        key.created_at,
        key.expires_at,
    )


async def list_workspaces(database: Database) -> list[Workspace]:
    return await workspaces.list_workspaces(database.read)


async def list_keys(database: Database) -> list[Key]:
    return await api_keys.list_keys(database.read)


async def revoke_key(database: Database, key_id: str) -> None:
    parsed = parse_id(key_id)
    if parsed is None:
        raise Invalid(f"{key_id!r} is not the id of a key: `gateway keys list` shows them.")
    async with database.transaction() as tx:
        await api_keys.revoke(tx, parsed)


async def list_jobs(
    database: Database, choice: Choice, workspace: str | None, limit: int
) -> list[JobItem]:
    """The newest of the chosen jobs, of one workspace, by id or name, or of all."""
    return await job_admin.listed(database.read, await _within(database, choice, workspace), limit)


async def show_job(database: Database, job_id: str) -> JobDetail:
    parsed = parse_id(job_id)
    if parsed is None:
        raise Invalid(_NO_JOB_ID.format(job_id))
    return await job_admin.show(database.read, parsed)


async def change_jobs(
    database: Database,
    change: Literal["retry", "cancel"],
    ids: Sequence[str],
    choice: Choice,
    workspace: str | None,
) -> ChangedJobs:
    """Retry or cancel the jobs of these ids; without ids, all that are chosen."""
    act = job_admin.retry if change == "retry" else job_admin.cancel
    if not ids:
        chosen = await _within(database, choice, workspace)
        async with database.transaction() as tx:
            return ChangedJobs(await act(tx, chosen), [])
    changed = ChangedJobs(0, [])
    # Each on its own, so that one that cannot be changed takes back none of the others.
    for each in dict.fromkeys(ids):
        parsed = parse_id(each)
        if parsed is None:
            changed.refused.append(_NO_JOB_ID.format(each))
            continue
        async with database.transaction() as tx:
            count = await act(tx, Choice(id=parsed))
            changed.count += count
            if not count and (why := await _refusal(tx, change, parsed)):
                changed.refused.append(why)
    return changed


_NO_JOB_ID: Final = "{!r} is not the id of a job: `gateway jobs list` shows them."


async def _within(database: Database, choice: Choice, workspace: str | None) -> Choice:
    if workspace is None:
        return choice
    found = await workspaces.find_workspace(database.read, workspace)
    return msgspec.structs.replace(choice, workspace=found.id)


async def _refusal(tx: Tx, change: Literal["retry", "cancel"], job_id: UUID) -> str | None:
    """Why a job was not changed; None where it is as it was wanted already."""
    try:
        found = await job_admin.show(tx, job_id)
    except NotFound as missing:
        return missing.message
    if change == "retry":
        return f"Job {job_id} has not failed: it is {found.shown_state}."
    if found.finished_at is None:
        return None
    return f"Job {job_id} has ended already: it is {found.shown_state}."


async def demo_workspace(database: Database) -> bool:
    """Make the demo workspace; False if there is one."""
    try:
        await create_workspace(database, DEMO)
    except Conflict:
        return False
    return True


async def demo_key(database: Database) -> NewKey | None:
    """On a fresh database: the demo workspace and a key with every scope. Later: None."""
    if not await demo_workspace(database):
        return None
    return await create_key(database, DEMO, list(SCOPES), name="demo")
