"""`gateway settings`, `serve`, `work` and `migrate`, and errors common to all commands."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from domains.kernel.core.settings import Settings
from tests.cli.gateway_command import Gateway
from tests.stack import Stack, free_port

UNKNOWN_ID = "0199c2f4-0000-7000-8000-000000000000"


@pytest.fixture
async def empty_database(stack: Stack) -> AsyncIterator[str]:
    """URL of a database without tables."""
    name = f"empty_{secrets.token_hex(6)}"
    server = await asyncpg.connect(stack.database_url)
    try:
        await server.execute(f'create database "{name}"')
        yield urlsplit(stack.database_url)._replace(path=f"/{name}").geturl()
        await server.execute(f'drop database "{name}" with (force)')
    finally:
        await server.close()


async def test_settings_lists_every_variable_with_default_and_meaning(gateway: Gateway) -> None:
    listed = (await gateway("settings", "--json", DATABASE_URL=None)).json()
    fields = msgspec.structs.fields(Settings)
    assert [setting["name"].lower().removeprefix("gateway_") for setting in listed] == [
        field.name for field in fields
    ]
    for setting, field in zip(listed, fields, strict=True):
        assert setting["default"] == (None if field.required else str(field.default))
        assert setting["meaning"]
    lines = (await gateway("settings", DATABASE_URL=None)).out.splitlines()
    for setting in listed:
        line = next(line for line in lines if line.startswith(setting["name"] + " "))
        assert (setting["default"] or "") in line
        assert setting["meaning"] in line
        assert ("required" in line) == (setting["default"] is None)


async def test_the_error_of_a_wrong_setting_names_it(gateway: Gateway) -> None:
    wrong = [
        ("GATEWAY_PORT", "http"),
        ("GATEWAY_PORT", "70000"),
        ("GATEWAY_LOG_LEVEL", "loud"),
        ("GATEWAY_REDIS_TIMEOUT", "0"),
        ("GATEWAY_PROT", "8000"),
        ("DATABASE_URL", None),
        ("DATABASE_URL", "mysql://gateway:hunter2@127.0.0.1/gateway"),
        ("REDIS_URL", "http://:hunter2@127.0.0.1"),
        ("BLOB_URL", "ftp://gateway:hunter2@127.0.0.1/blobs"),
    ]
    results = await asyncio.gather(*(gateway("serve", **{name: value}) for name, value in wrong))
    for (name, _), result in zip(wrong, results, strict=True):
        assert re.search(rf"\b{name}\b", result.refusal())
        assert "hunter2" not in result.err


@pytest.mark.parametrize("module", ["gateway.serve", "workers"])
async def test_processes_started_without_the_command_name_a_wrong_setting(
    gateway: Gateway, module: str
) -> None:
    result = await gateway.run_fresh(module=module, GATEWAY_PROT="8000")
    assert "GATEWAY_PROT" in result.refusal()


async def test_the_error_of_a_wrong_database_url_hides_its_password(gateway: Gateway) -> None:
    urls = [
        "mysql://gateway:hunter2@127.0.0.1/gateway",
        "postgresql://gateway:hunter2@127.0.0.1:five/gateway",
        "hunter2",
    ]
    for command in (["keys", "list"], ["migrate"]):
        for result in await asyncio.gather(*(gateway(*command, DATABASE_URL=url) for url in urls)):
            assert "DATABASE_URL" in result.refusal()
            assert "hunter2" not in result.err


async def test_the_error_of_an_unavailable_database_is_one_sentence(gateway: Gateway) -> None:
    url = f"postgresql://gateway:hunter2@127.0.0.1:{free_port()}/gateway"
    for command in ("keys list --json", "migrate"):
        result = await gateway(*command.split(), DATABASE_URL=url)
        assert (result.code, result.out) == (1, "")
        assert len(result.err.splitlines()) == 1
        assert "hunter2" not in result.err


async def test_the_error_of_a_missing_database_is_one_sentence(
    gateway: Gateway, stack: Stack
) -> None:
    """Also of the processes, which wait only for a server that does not answer."""
    url = stack.database_url.replace("/gateway?", "/missing?")
    for command in ("keys list --json", "migrate", "serve", "work"):
        result = await gateway(*command.split(), DATABASE_URL=url, GATEWAY_PORT=str(free_port()))
        assert (result.code, result.out) == (1, "")
        # The processes log the error as JSON, too.
        sentences = [line for line in result.err.splitlines() if not line.startswith("{")]
        assert len(sentences) == 1
        assert '"missing" does not exist' in sentences[0]


async def test_the_error_without_a_database_names_the_command_to_start_one(
    gateway: Gateway,
) -> None:
    commands = [
        "workspaces create Acme",
        "workspaces list",
        "keys create --workspace Acme --scope read",
        "keys list",
        f"keys revoke {UNKNOWN_ID}",
        "migrate",
        "demo",
    ]
    runs = (gateway(*line.split(), "--data", "nothing", DATABASE_URL=None) for line in commands)
    for result in await asyncio.gather(*runs):
        assert "nothing runs in nothing" in result.refusal()
        assert "gateway up" in result.err


async def test_commands_refuse_an_old_schema_and_migrate_updates_it(
    gateway: Gateway, empty_database: str, stack: Stack
) -> None:
    changes = {"DATABASE_URL": empty_database, "GATEWAY_PORT": str(free_port())}
    for command in (["serve"], ["work"], ["workspaces", "list"]):
        assert "gateway migrate" in (await gateway(*command, **changes)).refusal()
    first, second = await asyncio.gather(
        gateway("migrate", **changes), gateway("migrate", **changes)
    )
    again = await gateway("migrate", **changes)
    for result in (first, second, again):
        assert (result.code, result.err) == (0, "")
    assert (await gateway("workspaces", "list", "--json", **changes)).json() == []
    revisions = []
    for url in (stack.database_url, empty_database):
        connection = await asyncpg.connect(url)
        revisions.append(await connection.fetch("select * from alembic_version"))
        await connection.close()
    assert revisions[0] == revisions[1]
    assert len(revisions[0]) == 1


@pytest.mark.parametrize("command", ["serve", "work", "migrate", "keys list"])
async def test_behind_a_pooler_the_direct_url_is_required(gateway: Gateway, command: str) -> None:
    result = await gateway(*command.split(), GATEWAY_DATABASE_POOLER="transaction")
    assert "GATEWAY_DATABASE_DIRECT_URL is not set" in result.refusal()


async def test_commands_use_the_direct_url(
    gateway: Gateway, stack: Stack, empty_database: str
) -> None:
    """No pooler listens at DATABASE_URL here."""
    urls = {
        "DATABASE_URL": f"postgresql://gateway@127.0.0.1:{free_port()}/gateway",
        "GATEWAY_DATABASE_POOLER": "transaction",
        "GATEWAY_DATABASE_DIRECT_URL": stack.database_url,
    }
    assert isinstance((await gateway("keys", "list", "--json", **urls)).json(), list)
    urls["GATEWAY_DATABASE_DIRECT_URL"] = empty_database
    migrated = await gateway("migrate", **urls)
    assert migrated.code == 0, migrated.err
    connection = await asyncpg.connect(empty_database)
    try:
        # Reads through the pooler run outside of transactions, which set it for themselves.
        changed = "select setconfig from pg_db_role_setting d join pg_database on oid = setdatabase"
        settings = await connection.fetchval(f"{changed} where datname = current_database()")
        assert settings == ["jit=off"]
    finally:
        await connection.close()
