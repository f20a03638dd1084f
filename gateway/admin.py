"""What the `gateway` command does in the database: workspaces and keys."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from domains.kernel import health, keys
from domains.kernel.db import Database
from domains.kernel.ids import parse_id
from domains.kernel.keys import SCOPES, Key, LimitChoice, Scope, Workspace
from domains.kernel.problems import Conflict, Invalid

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
        return await keys.create_workspace(tx, name)


async def set_workspace(
    database: Database, workspace: str, domains: list[str] | None, hides_private: bool | None
) -> Workspace:
    """Change settings of a workspace named by id or name."""
    found = await keys.find_workspace(database.read, workspace)
    async with database.transaction() as tx:
        return await keys.set_workspace(tx, found.id, domains, hides_private)


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
    found = await keys.find_workspace(database.read, workspace)
    async with database.transaction() as tx:
        key, text = await keys.mint(
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
    return await keys.list_workspaces(database.read)


async def list_keys(database: Database) -> list[Key]:
    return await keys.list_keys(database.read)


async def revoke_key(database: Database, key_id: str) -> None:
    parsed = parse_id(key_id)
    if parsed is None:
        raise Invalid(f"{key_id!r} is not the id of a key: `gateway keys list` shows them.")
    async with database.transaction() as tx:
        await keys.revoke(tx, parsed)


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
