"""The `gateway` command as operators run it: a process, its two outputs and its exit code."""

import asyncio
import json
import os
import re
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from domains.kernel.core.settings import Settings
from domains.kernel.tenancy.api_keys import SCOPES
from gateway.cli.demo import EXAMPLES
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant, eventually
from tests.surfaces.forked import ROOT, Forks

KEY_TEXT = re.compile(r"sk_live_[A-Za-z0-9]{32,}")
URLS = ("DATABASE_URL", "REDIS_URL", "BLOB_URL")
UNKNOWN_ID = "0199c2f4-0000-7000-8000-000000000000"


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    def refusal(self) -> str:
        """The one sentence with which it ended."""
        assert self.code == 1
        assert self.out == ""
        assert len(self.err.splitlines()) == 1, self.err
        return self.err


Gateway = Callable[..., Awaitable[Ran]]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


def _environment(stack: Stack, changes: dict[str, str | None]) -> dict[str, str]:
    wanted = {**os.environ, **{name: stack.env[name] for name in URLS}, **changes}
    given = {name: value for name, value in wanted.items() if value is not None}
    return {**given, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def gateway(stack: Stack, tmp_path: Path, forks: Forks) -> Gateway:
    """Runs the command with the stack's URLs, in an empty directory; None takes a variable away."""

    async def run(*arguments: str, **changes: str | None) -> Ran:
        environment = _environment(stack, changes)
        ran = Ran(*await asyncio.to_thread(forks.run, arguments, tmp_path, environment))
        assert "Traceback" not in ran.out + ran.err
        return ran

    return run


@pytest.fixture
def program(stack: Stack, tmp_path: Path) -> Gateway:
    """The same, started from nothing as an operator starts it."""

    async def run(*arguments: str, **changes: str | None) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *arguments,
            cwd=tmp_path,
            env=_environment(stack, changes),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), timeout=60)
        except TimeoutError:
            process.kill()
            await process.communicate()
            pytest.fail(f"still running after 60 s: gateway {' '.join(arguments)}")
        assert process.returncode is not None
        ran = Ran(process.returncode, out.decode(), err.decode())
        assert "Traceback" not in ran.out + ran.err
        return ran

    return run


@pytest.fixture
async def workspace(gateway: Gateway) -> Any:
    """A workspace made by the command."""
    made = await gateway("workspaces", "create", f"cli-{secrets.token_hex(6)}", "--json")
    return made.json()


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The API, without a key."""
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=30) as client:
        yield client


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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _bearer(key: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def _status(api: httpx.AsyncClient, key: Any) -> int:
    answer = await api.get("/external/v1/auth/context", headers=_bearer(key))
    return answer.status_code


# --- settings ---------------------------------------------------------------------------------


async def test_settings_lists_every_variable_with_default_and_meaning(program: Gateway) -> None:
    listed = (await program("settings", "--json", DATABASE_URL=None)).json()
    fields = msgspec.structs.fields(Settings)
    assert [each["name"].lower().removeprefix("gateway_") for each in listed] == [
        field.name for field in fields
    ]
    for each, field in zip(listed, fields, strict=True):
        assert each["default"] == (None if field.required else str(field.default))
        assert each["meaning"]
    shown = (await program("settings", DATABASE_URL=None)).out
    for each in listed:
        line = next(line for line in shown.splitlines() if line.startswith(each["name"] + " "))
        assert (each["default"] or "") in line
        assert each["meaning"] in line
        assert ("required" in line) == (each["default"] is None)


async def test_a_wrong_setting_stops_the_start_and_is_named(gateway: Gateway) -> None:
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
    runs = await asyncio.gather(*(gateway("serve", **{name: value}) for name, value in wrong))
    for (name, _), ran in zip(wrong, runs, strict=True):
        assert re.search(rf"\b{name}\b", ran.refusal())
        assert "hunter2" not in ran.err


@pytest.mark.parametrize("module", ["gateway.serve", "workers"])
async def test_a_process_without_the_command_names_a_wrong_setting_itself(
    module: str, stack: Stack
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env=_environment(stack, {"GATEWAY_PROT": "8000"}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), timeout=60)
    ran = Ran(process.returncode or 0, out.decode(), err.decode())
    assert "GATEWAY_PROT" in ran.refusal()


async def test_a_wrong_database_url_is_named_and_not_shown(gateway: Gateway) -> None:
    urls = [
        "mysql://gateway:hunter2@127.0.0.1/gateway",
        "postgresql://gateway:hunter2@127.0.0.1:five/gateway",
        "hunter2",
    ]
    for command in (["keys", "list"], ["migrate"]):
        for ran in await asyncio.gather(*(gateway(*command, DATABASE_URL=url) for url in urls)):
            assert "DATABASE_URL" in ran.refusal()
            assert "hunter2" not in ran.err


@pytest.mark.parametrize("command", ["keys list --json", "migrate", "serve", "work"])
async def test_a_database_that_is_away_is_one_sentence(program: Gateway, command: str) -> None:
    url = f"postgresql://gateway:hunter2@127.0.0.1:{_free_port()}/gateway"
    ran = await program(*command.split(), DATABASE_URL=url, GATEWAY_PORT=str(_free_port()))
    assert ran.code == 1
    assert ran.out == ""
    # The processes also log it, as JSON.
    sentences = [line for line in ran.err.splitlines() if not line.startswith("{")]
    assert len(sentences) == 1
    assert "hunter2" not in ran.err


async def test_without_a_database_it_says_what_to_do(gateway: Gateway) -> None:
    commands = [
        "workspaces create Acme",
        "workspaces list",
        "keys create --workspace Acme --scope read",
        "keys list",
        f"keys revoke {UNKNOWN_ID}",
        "migrate",
        "demo",
    ]
    runs = (gateway(*each.split(), "--data", "nothing", DATABASE_URL=None) for each in commands)
    for ran in await asyncio.gather(*runs):
        assert "nothing runs in nothing" in ran.refusal()
        assert "gateway up" in ran.err


# --- workspaces -------------------------------------------------------------------------------


async def test_workspaces_are_made_once_and_listed(gateway: Gateway) -> None:
    # Text in brackets is a name, too, not markup.
    name = f"[/x] [bold]{secrets.token_hex(6)}"
    made = (await gateway("workspaces", "create", name, "--json")).json()
    assert made["name"] == name
    assert str(UUID(made["id"])) == made["id"]
    assert "exists already" in (await gateway("workspaces", "create", name)).refusal()
    assert made in (await gateway("workspaces", "list", "--json")).json()
    lines = (await gateway("workspaces", "list")).out.splitlines()
    assert len([line for line in lines if made["id"] in line and name in line]) == 1


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 201])
async def test_a_workspace_needs_a_printable_name(gateway: Gateway, name: str) -> None:
    assert "name" in (await gateway("workspaces", "create", name)).refusal()


# --- keys -------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_stored_as_a_hash_and_works_at_once(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient, stack: Stack
) -> None:
    scopes = ["insights:read", "signals:read"]
    asked = [part for scope in scopes for part in ("--scope", scope)]
    by_id, by_name = [
        (await gateway("keys", "create", "--workspace", named, *asked, "--json")).json()
        for named in (workspace["id"], workspace["name"])
    ]
    for key in (by_id, by_name):
        assert KEY_TEXT.fullmatch(key["key"])
        assert key["key"].startswith(key["prefix"])
        assert len(key["prefix"]) < 20
        assert sorted(key["scopes"]) == scopes
        answer = await api.get("/external/v1/auth/context", headers=_bearer(key))
        assert answer.json() == {
            "workspace": {"id": workspace["id"], "name": workspace["name"]},
            "credential": {"id": key["id"], "scopes": key["scopes"]},
        }
    plain = await gateway("keys", "create", "--workspace", workspace["id"], "--scope", "all")
    text = next(line for line in plain.out.splitlines() if line.startswith("sk_live_"))
    assert KEY_TEXT.fullmatch(text)
    answer = await api.get("/v1/health", headers={"Authorization": f"Bearer {text}"})
    assert answer.json()["scopes"] == list(SCOPES)

    database = await asyncpg.connect(stack.database_url)
    stored = [each[0] for each in await database.fetch("select api_keys::text from api_keys")]
    await database.close()
    listed = [(await gateway("keys", "list", *how)).out for how in ((), ("--json",))]
    for key_text in (by_id["key"], by_name["key"], text):
        secret = key_text.removeprefix("sk_live_")
        for shown in [*stored, *listed]:
            assert secret not in shown
            assert secret.encode().hex() not in shown
    for shown in ("\n".join(stored), *listed):
        assert by_id["id"] in shown
        assert by_id["prefix"] in shown


async def test_a_wrong_choice_for_a_key_is_a_usage_error(gateway: Gateway) -> None:
    wrong: list[tuple[list[str], list[str]]] = [
        (["--scope", "signals:everything"], ["'signals:read'", "'ask_sybill'"]),
        ([], ["--scope"]),
        (["--scope", "read", "--limit-per-minute", "0"], ["--limit-per-minute", "none"]),
        (["--scope", "read", "--limit-per-minute", "²"], ["--limit-per-minute", "none"]),
        (["--scope", "read", "--limit-per-day", "9" * 30], ["--limit-per-day", "none"]),
        (
            ["--scope", "read", "--limit-per-minute", "none", "--limit-per-day", "5"],
            ["removes all three limits"],
        ),
        (["--scope", "read", "--expires", "2020-01-01T00:00:00Z"], ["--expires", "in the past"]),
        (["--scope", "read", "--expires", "tomorrow"], ["--expires", "ISO 8601"]),
        (["--scope", "read", "--expires", "9999-12-31T23:59:59-23:00"], ["--expires", "ISO 8601"]),
    ]
    create = ["keys", "create", "--workspace", "Acme"]
    runs = await asyncio.gather(*(gateway(*create, *arguments) for arguments, _ in wrong))
    for (_, said), ran in zip(wrong, runs, strict=True):
        assert (ran.code, ran.out) == (2, "")
        for words in said:
            assert words in ran.err


async def test_a_key_needs_a_workspace_that_exists_and_a_printable_name(
    gateway: Gateway, workspace: Any
) -> None:
    said = (await gateway("keys", "create", "--workspace", "Nobody", "--scope", "read")).refusal()
    assert "'Nobody'" in said
    named = ["keys", "create", "--workspace", workspace["id"], "--scope", "read", "--name"]
    for name in ("x" * 201, os.fsdecode(b"\xff")):
        assert "name" in (await gateway(*named, name)).refusal()


async def test_limits_of_a_key_are_enforced_or_lifted(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient
) -> None:
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "signals:read", "--json"]
    three = (await gateway(*create, "--limit-per-minute", "3")).json()
    free = (await gateway(*create, "--limit-per-minute", "none")).json()
    answers = [await api.get("/external/v1/signals", headers=_bearer(three)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"3"}
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    answer = await api.get("/external/v1/signals", headers=_bearer(free))
    assert answer.status_code == 200
    assert "x-ratelimit-limit" not in answer.headers
    assert free["limits"] == {"minute": None, "hour": None, "day": None}


async def test_a_key_works_until_it_expires(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient
) -> None:
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "read", "--json"]
    at = datetime.now(UTC) + timedelta(seconds=3)
    soon = (await gateway(*create, "--expires", at.isoformat())).json()
    late = (await gateway(*create, "--expires", "2999-12-31")).json()
    assert datetime.fromisoformat(soon["expiresAt"]) == at
    assert late["expiresAt"] == "2999-12-31T00:00:00Z"
    # A first use warms the cache, which must not outlive the key.
    assert await _status(api, soon) == (200 if datetime.now(UTC) < at else 401)

    async def refused() -> bool:
        return await _status(api, soon) == 401

    await eventually(refused)
    assert datetime.now(UTC) >= at
    assert await _status(api, late) == 200
    lines = (await gateway("keys", "list")).out.splitlines()
    assert "expired" in next(line for line in lines if soon["id"] in line)


async def test_a_revoked_key_is_refused_at_once(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient
) -> None:
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "read", "--json"]
    key = (await gateway(*create)).json()
    for _ in range(3):
        assert await _status(api, key) == 200
    assert (await gateway("keys", "revoke", key["id"])).code == 0

    async def refused() -> bool:
        return await _status(api, key) == 401

    await eventually(refused, patience=1)
    lines = (await gateway("keys", "list")).out.splitlines()
    assert "revoked" in next(line for line in lines if key["id"] in line)


@pytest.mark.parametrize("key_id", [UNKNOWN_ID, "sk_live_x"])
async def test_revoking_what_is_no_key_is_refused(gateway: Gateway, key_id: str) -> None:
    assert key_id in (await gateway("keys", "revoke", key_id)).refusal()


# --- the schema -------------------------------------------------------------------------------


async def test_nothing_runs_on_an_old_schema_and_migrate_brings_it_up(
    gateway: Gateway, empty_database: str, stack: Stack
) -> None:
    changes = {"DATABASE_URL": empty_database, "GATEWAY_PORT": str(_free_port())}
    for command in (["serve"], ["work"], ["workspaces", "list"]):
        assert "gateway migrate" in (await gateway(*command, **changes)).refusal()
    first, second = await asyncio.gather(
        gateway("migrate", **changes), gateway("migrate", **changes)
    )
    again = await gateway("migrate", **changes)
    for ran in (first, second, again):
        assert (ran.code, ran.err) == (0, "")
    assert (await gateway("workspaces", "list", "--json", **changes)).json() == []
    revisions = []
    for url in (stack.database_url, empty_database):
        database = await asyncpg.connect(url)
        revisions.append(await database.fetch("select * from alembic_version"))
        await database.close()
    assert revisions[0] == revisions[1]
    assert len(revisions[0]) == 1


# --- the demonstration ------------------------------------------------------------------------


async def test_demo_prints_the_insights_with_their_quotes(
    gateway: Gateway, acme: Tenant, stack: Stack
) -> None:
    ran = await gateway("demo", "--url", stack.base_url, "--key", acme.key, DATABASE_URL=None)
    assert ran.code == 0, ran.err
    for example in json.loads((EXAMPLES / "index.json").read_text()):
        assert example["name"] in ran.out
    insights = (await acme.http.get("/external/v1/insights", params={"limit": 100})).json()
    assert insights
    for insight in insights:
        assert f"• {insight['name']}" in ran.out
    path = f"/external/v1/insights/{insights[0]['id']}/evidence"
    for evidence in (await acme.http.get(path)).json():
        assert f"“{' '.join(evidence['quote'].split())}”" in ran.out


async def test_demo_without_a_key_leaves_none_that_works(
    program: Gateway, gateway: Gateway, stack: Stack
) -> None:
    assert (await program("demo", "--url", stack.base_url)).code == 0
    listed = (await gateway("keys", "list", "--json")).json()
    mine = [key for key in listed if key["workspaceName"] == "Demo"]
    assert mine
    assert all(key["revokedAt"] for key in mine)


async def test_demo_says_in_a_sentence_why_it_cannot_run(
    gateway: Gateway, stack: Stack, make_tenant: MakeTenant
) -> None:
    reader = await make_tenant(scopes=["signals:read"])
    for url, key, said in (
        (stack.base_url, "sk_live_wrong", "401"),
        (stack.base_url, reader.key, "signals:write"),
        (stack.base_url, "ключ", "key"),
        ("nowhere", reader.key, "nowhere"),
        ("http://127.0.0.1:1", reader.key, "does not answer"),
    ):
        ran = await gateway("demo", "--url", url, "--key", key)
        assert ran.code == 1
        assert len(ran.err.splitlines()) == 1
        assert said in ran.err


async def test_demo_knows_a_server_that_is_no_gateway(gateway: Gateway) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        ran = await gateway("demo", "--url", f"http://127.0.0.1:{port}", "--key", "sk_live_x")
    assert ran.code == 1
    assert "is it the gateway?" in ran.err
