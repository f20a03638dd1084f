"""Description, creator, last use and coming expiry of keys."""

import asyncio
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.tenancy.key_use import KeyUse
from domains.kernel.tenancy.keyring import Caller, Keyring
from gateway.cli import admin
from tests.cli.gateway_command import ForkServer, Gateway
from tests.cli.keys.conftest import CreateKey, get_key, listed_line, status
from tests.stack import Stack, eventually, running_stack
from tests.workers.support import execute


async def test_a_key_shows_its_description_and_who_created_it(
    gateway: Gateway, create_key: CreateKey
) -> None:
    own = await create_key("--description", "Sync of the CRM, owner: data team")
    assert own["description"] == "Sync of the CRM, owner: data team"
    assert own["createdBy"] == getpass.getuser()
    other = await create_key("--by", "Ana Ruiz")
    assert other["createdBy"] == "Ana Ruiz"
    assert "Ana Ruiz" in await listed_line(gateway, other["id"])
    for option, value in (("--by", " "), ("--by", "a\nb"), ("--by", "x" * 201)):
        result = await gateway("keys", "revoke", own["id"], option, value)
        assert (result.code, result.out) == (2, "")
    assert (
        "description"
        in (await gateway("keys", "set", own["id"], "--description", "x" * 1001)).refusal()
    )


async def test_the_last_use_of_a_key_is_recorded_in_the_background(
    gateway: Gateway, create_key: CreateKey, api: httpx.AsyncClient
) -> None:
    used, unused, refused = (
        await create_key(),
        await create_key(),
        await create_key("--allow", "203.0.113.7"),
    )
    began = datetime.now(UTC) - timedelta(seconds=5)
    assert await status(api, used) == 200
    assert await status(api, refused) == 403

    async def last_use() -> str | None:
        value: str | None = (await get_key(gateway, used["id"]))["lastUsedAt"]
        return value

    recorded = datetime.fromisoformat(await eventually(last_use))
    assert began < recorded < datetime.now(UTC) + timedelta(seconds=5)
    for key in (unused, refused):
        assert (await get_key(gateway, key["id"]))["lastUsedAt"] is None
    assert "never" in await listed_line(gateway, unused["id"])
    assert "never" not in await listed_line(gateway, used["id"])


async def _caller(database: Database, stack: Stack, name: str) -> Caller:
    key = await admin.create_key(database, name, ["read"])
    return await Keyring(database, load_settings(stack.env)).authenticate(f"Bearer {key.key}")


async def test_the_uses_of_all_keys_are_written_once_in_one_statement(
    stack: Stack, database: Database, workspace: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = [await _caller(database, stack, workspace["name"]) for _ in range(3)]
    writes: list[list[UUID]] = []
    first = database.read.first

    async def counted(*args: object, **params: object) -> object:
        if "ids" in params:
            writes.append(list(params["ids"]))  # type: ignore[call-overload]
        return await first(*args, **params)  # type: ignore[arg-type]

    monkeypatch.setattr(database.read, "first", counted)
    uses = KeyUse(database.read)
    async with uses.writing():
        for _ in range(100):
            for caller in callers:
                uses.record(caller)
        await eventually(lambda: writes)
        for caller in callers:
            uses.record(caller)
    assert writes == [[caller.key for caller in callers]]
    async with KeyUse(database.read).writing():
        await asyncio.sleep(0)
    assert len(writes) == 1


@pytest.fixture(scope="module")
def quiet_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose only keys are those of one test."""
    with running_stack(tmp_path_factory.mktemp("expiring")) as started:
        yield started


async def test_keys_that_expire_soon_are_shown_to_operators(
    quiet_stack: Stack, fork_server: ForkServer, tmp_path: Path
) -> None:
    gateway = Gateway(fork_server, quiet_stack, tmp_path)
    workspace = (await gateway("workspaces", "create", "Secret Customer", "--json")).json()
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "read", "--json"]
    now = datetime.now(UTC)
    soon, late, replaced, revoked = [
        (await gateway(*create, "--expires", (now + timedelta(days=days)).isoformat())).json()
        for days in (3.5, 15, 5, 5)
    ]
    await gateway("keys", "revoke", revoked["id"])
    assert (await gateway("keys", "rotate", replaced["id"], "--json")).code == 0
    await _extend_successor(quiet_stack, replaced["id"])
    assert "(expires in 3 d)" in await listed_line(gateway, soon["id"])
    assert "expires in" not in await listed_line(gateway, late["id"])

    async with httpx.AsyncClient(base_url=quiet_stack.base_url) as client:

        async def healthy() -> httpx.Response | None:
            response = await client.get("/health")
            return response if response.status_code == 200 else None

        response: httpx.Response = await eventually(healthy)
    health = response.json()
    assert health["status"] == "ok"
    assert health["parts"]["keys"] == {
        "status": "ok",
        "detail": "API keys that expire within 14 days: 1",
    }
    assert "Secret Customer" not in response.text
    findings = (await gateway("doctor", "--json", GATEWAY_PORT=str(quiet_stack.port))).json()
    (finding,) = [each for each in findings if each["check"] == "API keys"]
    assert finding["status"] == "warning"
    assert "1 expire" in finding["detail"]
    assert soon["prefix"] in finding["detail"]
    assert "gateway keys rotate" in finding["remedy"]


async def _extend_successor(stack: Stack, replaced: str) -> None:
    """Remove the expiry of the key that replaces another."""
    async with Database.open(stack.database_url) as database:
        await execute(
            database, "update api_keys set expires_at = null where replaces = $1", replaced
        )
