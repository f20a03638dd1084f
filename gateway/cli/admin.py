"""Database operations behind `gateway workspaces`, `keys`, `jobs` and `audit`.

`by` is the name of the operator for the audit log; None: the user of this process.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from domains.kernel.core.ids import parse_id
from domains.kernel.core.problems import Conflict, Invalid, NotFound
from domains.kernel.db.database import Database, Tx
from domains.kernel.jobs import job_admin
from domains.kernel.jobs.job_admin import JobDetail, JobFilter, JobItem
from domains.kernel.models import llm_usage
from domains.kernel.tenancy import api_keys, audit, workspaces
from domains.kernel.tenancy.api_keys import (
    SCOPES,
    ApiKey,
    KeyChanges,
    RateLimitOverrides,
    Scope,
)
from domains.kernel.tenancy.audit import Entry, EntryFilter
from domains.kernel.tenancy.workspaces import Workspace
from gateway.cli.deployment import operator
from gateway.cli.job_records import record_names

DEMO = "Demo"

_INVALID_JOB_ID: Final = "{!r} is not the id of a job: `gateway jobs list` shows them."


class NewKey(msgspec.Struct, rename="camel"):
    """A new key with its text, which is not stored."""

    id: UUID
    key: str
    prefix: str
    name: str
    description: str
    scopes: list[str]
    workspace_id: UUID
    workspace_name: str
    limits: RateLimitOverrides
    allow: list[str]
    created_by: str | None
    created_at: datetime
    expires_at: datetime | None
    replaces: UUID | None


class RotatedKey(NewKey, rename="camel"):
    """A new key with its text, and the record of the key that it replaces."""

    replaced: ApiKey


class ProviderSetting(msgspec.Struct, rename="camel"):
    """A workspace, with True if its texts may be sent to the chat endpoint."""

    id: str
    name: str
    uses_provider: bool


class ListedJob(JobItem):
    """A job in a list, with the name of the record that it is about."""

    record: str | None


class ShownJob(JobDetail):
    """A job with all details, and the name of the record that it is about."""

    record: str | None


class ChangedJobs(msgspec.Struct):
    """Number of jobs changed, and a sentence for each that could not be changed."""

    count: int
    refused: list[str]


# --- workspaces -------------------------------------------------------------------------------


async def create_workspace(database: Database, name: str, by: str | None = None) -> Workspace:
    """Create a workspace. Raises Conflict if the name is taken, Invalid if it is malformed."""
    async with database.transaction() as tx:
        return await workspaces.create_workspace(tx, name, operator(by))


async def set_workspace(
    database: Database,
    id_or_name: str,
    domains: list[str] | None,
    hides_private: bool | None,
    by: str | None = None,
) -> Workspace:
    """Change the settings of a workspace that are not None."""
    workspace = await workspaces.find_workspace(database.read, id_or_name)
    async with database.transaction() as tx:
        return await workspaces.set_workspace(
            tx, workspace.id, domains, hides_private, operator(by)
        )


async def set_provider(
    database: Database, id_or_name: str, uses: bool | None, by: str | None = None
) -> ProviderSetting:
    """Allow or forbid sending a workspace's texts to the chat endpoint. None changes nothing."""
    workspace = await workspaces.find_workspace(database.read, id_or_name)
    if uses is not None:
        async with database.transaction() as tx:
            await llm_usage.set_provider(tx, workspace.id, uses, operator(by))
    current = await llm_usage.uses_provider(database.read, workspace.id)
    return ProviderSetting(str(workspace.id), workspace.name, current)


# --- keys -------------------------------------------------------------------------------------


async def create_key(
    database: Database,
    id_or_name: str,
    scopes: Sequence[Scope],
    *,
    name: str = "",
    description: str = "",
    limits: RateLimitOverrides = RateLimitOverrides(),  # noqa: B008 - frozen
    allow: Sequence[str] = (),
    expires_at: datetime | None = None,
    by: str | None = None,
) -> NewKey:
    """Create a key for a workspace."""
    workspace = await workspaces.find_workspace(database.read, id_or_name)
    async with database.transaction() as tx:
        key, text = await api_keys.create_key(
            tx,
            workspace.id,
            scopes,
            operator(by),
            name=name,
            description=description,
            limits=limits,
            allow=allow,
            expires_at=expires_at,
        )
    return NewKey(key=text, **_fields(key))


async def rotate_key(
    database: Database, key_id: str, overlap: timedelta, by: str | None = None
) -> RotatedKey:
    """Replace a key by a new one; see `api_keys.rotate_key`."""
    parsed = _key_id(key_id)
    async with database.transaction() as tx:
        key, text, replaced = await api_keys.rotate_key(tx, parsed, overlap, operator(by))
    return RotatedKey(key=text, replaced=replaced, **_fields(key))


def _fields(key: ApiKey) -> dict[str, Any]:
    """The fields of a key that a NewKey has."""
    return {name: getattr(key, name) for name in NewKey.__struct_fields__ if name != "key"}


async def change_key(
    database: Database, key_id: str, changes: KeyChanges, by: str | None = None
) -> ApiKey:
    """Change a key in all processes at once. Raises Invalid or NotFound."""
    parsed = _key_id(key_id)
    async with database.transaction() as tx:
        return await api_keys.change_key(tx, parsed, changes, operator(by))


async def revoke_key(database: Database, key_id: str, by: str | None = None) -> ApiKey:
    """Revoke a key in all processes at once. Raises Invalid for a malformed id, NotFound."""
    parsed = _key_id(key_id)
    async with database.transaction() as tx:
        return await api_keys.revoke_key(tx, parsed, operator(by))


def _key_id(text: str) -> UUID:
    parsed = parse_id(text)
    if parsed is None:
        raise Invalid(f"{text!r} is not the id of a key: `gateway keys list` shows them.")
    return parsed


async def create_demo_workspace(database: Database) -> bool:
    """Create the demo workspace. Returns False if it exists already."""
    try:
        await create_workspace(database, DEMO)
    except Conflict:
        return False
    return True


async def create_demo_key(database: Database) -> NewKey | None:
    """Create the demo workspace and a key with all scopes. None if the workspace already exists."""
    if not await create_demo_workspace(database):
        return None
    return await create_key(database, DEMO, list(SCOPES), name="demo")


# --- jobs -------------------------------------------------------------------------------------


async def list_jobs(
    database: Database, filters: JobFilter, id_or_name: str | None, limit: int
) -> list[ListedJob]:
    """List the newest jobs that match, of one workspace or of all."""
    filters = await _in_workspace(database, filters, id_or_name)
    jobs = await job_admin.list_jobs(database.read, filters, limit)
    names = await record_names(database.read, jobs)
    return [ListedJob(**msgspec.structs.asdict(job), record=names.get(job.id)) for job in jobs]


async def show_job(database: Database, job_id: str) -> ShownJob:
    """Get a job with all details. Raises Invalid for a malformed id, NotFound."""
    parsed = parse_id(job_id)
    if parsed is None:
        raise Invalid(_INVALID_JOB_ID.format(job_id))
    job = await job_admin.get_job(database.read, parsed)
    names = await record_names(database.read, [job])
    return ShownJob(**msgspec.structs.asdict(job), record=names.get(job.id))


async def change_jobs(
    database: Database,
    change: Literal["retry", "cancel"],
    ids: Sequence[str],
    filters: JobFilter,
    id_or_name: str | None,
    by: str | None = None,
) -> ChangedJobs:
    """Retry or cancel the jobs with these ids, or all that match if there are no ids."""
    change_all = job_admin.retry if change == "retry" else job_admin.cancel
    if not ids:
        filters = await _in_workspace(database, filters, id_or_name)
        async with database.transaction() as tx:
            return ChangedJobs(await change_all(tx, filters, operator(by)), [])
    changed = ChangedJobs(0, [])
    # One transaction each: a job that cannot be changed does not undo the others.
    for job_id in dict.fromkeys(ids):
        parsed = parse_id(job_id)
        if parsed is None:
            changed.refused.append(_INVALID_JOB_ID.format(job_id))
            continue
        async with database.transaction() as tx:
            count = await change_all(tx, JobFilter(id=parsed), operator(by))
            changed.count += count
            if not count and (reason := await _refusal(tx, change, parsed)):
                changed.refused.append(reason)
    return changed


async def _in_workspace(
    database: Database, filters: JobFilter, id_or_name: str | None
) -> JobFilter:
    if id_or_name is None:
        return filters
    workspace = await workspaces.find_workspace(database.read, id_or_name)
    return msgspec.structs.replace(filters, workspace=workspace.id)


async def _refusal(tx: Tx, change: Literal["retry", "cancel"], job_id: UUID) -> str | None:
    """The reason why a job was not changed; None if it is being cancelled already."""
    try:
        job = await job_admin.get_job(tx, job_id)
    except NotFound as problem:
        return problem.message
    if change == "retry":
        return f"Job {job_id} has not failed: it is {job.display_state}."
    if job.finished_at is None:
        return None
    return f"Job {job_id} has ended already: it is {job.display_state}."


# --- audit log --------------------------------------------------------------------------------


async def list_audit(
    database: Database,
    filters: EntryFilter,
    id_or_name: str | None,
    key_id: str | None,
    limit: int,
) -> list[Entry]:
    """List the newest entries of the audit log that match, newest first."""
    if id_or_name is not None:
        workspace = await workspaces.find_workspace(database.read, id_or_name)
        filters = msgspec.structs.replace(filters, workspace=workspace.id)
    if key_id is not None:
        filters = msgspec.structs.replace(filters, key=_key_id(key_id))
    return await audit.list_entries(database.read, filters, limit)
