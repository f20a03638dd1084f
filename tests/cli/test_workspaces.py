"""`gateway workspaces`."""

import asyncio
import secrets
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.models.llm_usage import uses_provider
from tests.cli.gateway_command import Gateway
from tests.revenue.push_records import create_source
from tests.stack import Tenant, eventually

SET = ("workspaces", "set")


async def test_workspaces_are_created_once_and_listed(gateway: Gateway) -> None:
    # Brackets in a name are no markup.
    name = f"[/x] [bold]{secrets.token_hex(6)}"
    created = (await gateway("workspaces", "create", name, "--json")).json()
    assert created["name"] == name
    assert str(UUID(created["id"])) == created["id"]
    assert "exists already" in (await gateway("workspaces", "create", name)).refusal()
    assert created in (await gateway("workspaces", "list", "--json")).json()
    lines = (await gateway("workspaces", "list")).out.splitlines()
    assert len([line for line in lines if created["id"] in line and name in line]) == 1


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 201])
async def test_a_workspace_needs_a_printable_name(gateway: Gateway, name: str) -> None:
    assert "name" in (await gateway("workspaces", "create", name)).refusal()


async def test_settings_are_changed_one_by_one(gateway: Gateway, acme: Tenant) -> None:
    async def change(*options: str) -> Any:
        changed = (await gateway(*SET, acme.name, "--json", *options)).json()
        assert (changed["id"], changed["name"]) == (acme.workspace, acme.name)
        return changed["domains"], changed["hidesPrivate"]

    assert await change() == ([], False)
    assert await change("--show", "public") == ([], True)
    assert await change("--domain", "Ours.io", "--domain", "a.example") == (
        ["a.example", "ours.io"],
        True,
    )
    assert await change("--show", "everything") == (["a.example", "ours.io"], False)
    assert await change("--domain", "ours.io") == (["ours.io"], False)
    shown = await gateway(*SET, acme.workspace, "--show", "public")
    assert shown.out == f"Workspace {acme.name}: domains ours.io; public records\n"
    assert await change("--domain", "") == ([], True)
    shown = await gateway(*SET, acme.name, "--show", "everything")
    assert shown.out == f"Workspace {acme.name}: domains none; every record\n"


async def test_changes_affect_the_api_at_once(gateway: Gateway, acme: Tenant) -> None:
    source = await create_source(acme)
    people = [{"email": "a@ours.io"}]
    call = await source.push("conversations", "1", participants=people)
    path = f"/v1/conversations/{call}"
    assert (await acme.http.get(path)).json()["type"] == "EXTERNAL"
    changed = await gateway(*SET, acme.name, "--show", "public", "--domain", "ours.io")
    assert (changed.code, changed.err) == (0, "")

    async def hidden() -> bool:
        return (await acme.http.get(path)).status_code == 404

    await eventually(hidden)
    await source.push("conversations", "1", participants=people, public=True)
    assert (await acme.http.get(path)).json()["type"] == "INTERNAL"


async def test_wrong_settings_are_refused(gateway: Gateway, acme: Tenant) -> None:
    wrong = ("acme", "a@acme.com", ".com", "acme.", "https://acme.com", "acme.com,acme.org", " ")
    runs = (gateway(*SET, acme.name, "--domain", domain) for domain in wrong)
    for domain, result in zip(wrong, await asyncio.gather(*runs), strict=True):
        assert repr(domain) in result.refusal()
    unknown = await gateway(*SET, "nobody-s", "--show", "public")
    assert "'nobody-s'" in unknown.refusal()
    result = await gateway(*SET, acme.name, "--show", "private")
    assert (result.code, result.out) == (2, "")
    assert "'private'" in result.err
    assert (await gateway(*SET, acme.name, "--json")).json()["domains"] == []


async def test_the_chat_endpoint_is_off_until_switched_on(
    gateway: Gateway, acme: Tenant, database: Database
) -> None:
    provider = ("workspaces", "provider")

    async def switch(*arguments: str) -> Any:
        setting = (await gateway(*provider, acme.name, "--json", *arguments)).json()
        assert (setting["id"], setting["name"]) == (acme.workspace, acme.name)
        allowed = await uses_provider(database.read, WorkspaceId(UUID(acme.workspace)))
        assert allowed == setting["usesProvider"]
        return allowed

    assert await switch() is False
    assert await switch("on") is True
    assert await switch() is True
    shown = await gateway(*provider, acme.workspace)
    assert shown.out == f"Workspace {acme.name}: its texts may be sent to the chat endpoint\n"
    assert await switch("off") is False
    shown = await gateway(*provider, acme.workspace, "off")
    assert shown.out == f"Workspace {acme.name}: its texts stay here\n"
    (await gateway(*provider, "nobody-s", "on")).refusal()
    result = await gateway(*provider, acme.name, "maybe")
    assert (result.code, result.out) == (2, "")
