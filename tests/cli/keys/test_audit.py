"""The audit log: every change by operators and every deletion through the API, and no contents."""

import getpass
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler

from domains.kernel.db.database import Database
from domains.kernel.tenancy import audit
from gateway.app import SURFACES
from tests.cli.gateway_command import Gateway
from tests.revenue.push_records import create_source
from tests.stack import Stack, Tenant, new_tenant
from tests.workers.support import execute

SECRET = "Confidential text of a customer"

# Id, path and query of a record.
Deletable = tuple[str, str, dict[str, str]]


async def _entries(gateway: Gateway, workspace: str, *options: str) -> list[Any]:
    """Entries of a workspace, newest first."""
    command = ("audit", "--workspace", workspace, *options, "--json")
    entries: list[Any] = (await gateway(*command)).json()
    return entries


def _actions(entries: list[Any]) -> list[str]:
    return [entry["action"] for entry in entries]


async def test_changes_by_operators_are_recorded(gateway: Gateway, workspace: Any) -> None:
    name, by = workspace["id"], ("--by", "Ana Ruiz")
    create = ("keys", "create", "--workspace", name, "--scope", "read", "--json")
    key = (await gateway(*create, "--name", SECRET, *by)).json()
    await gateway("keys", "set", key["id"], "--description", SECRET, *by)
    new = (await gateway("keys", "rotate", key["id"], "--json")).json()
    await gateway("keys", "revoke", new["id"])
    await gateway("workspaces", "set", name, "--domain", "acme.com")
    await gateway("workspaces", "provider", name, "on")
    await gateway("workspaces", "provider", name)
    entries = await _entries(gateway, name)
    assert _actions(entries) == [
        *("workspace.provider", "workspace.change"),
        *("key.revoke", "key.rotate", "key.change", "key.create", "workspace.create"),
    ]
    assert {entry["origin"] for entry in entries} == {socket.gethostname()}
    assert {entry["keyId"] for entry in entries} == {None}
    actors = [entry["actor"] for entry in entries]
    assert actors == [getpass.getuser()] * 4 + ["Ana Ruiz"] * 2 + [getpass.getuser()]
    provider, settings, revoke, rotate, change, _create, made = entries
    assert (revoke["recordKind"], revoke["recordId"]) == ("key", new["id"])
    assert (rotate["recordId"], rotate["details"]) == (key["id"], {"replacedBy": new["id"]})
    assert change["details"] == {"fields": ["description"]}
    assert settings["details"] == {"fields": ["domains"]}
    assert provider["details"] == {"allowed": True}
    assert (made["recordKind"], made["recordId"]) == ("workspace", name)
    text = json.dumps(entries) + (await gateway("audit", "--limit", "10000")).out
    for secret in (SECRET, key["key"], new["key"]):
        assert secret not in text


async def test_a_refused_change_is_not_recorded(gateway: Gateway, workspace: Any) -> None:
    name = workspace["id"]
    before = await _entries(gateway, name)
    create = ("keys", "create", "--workspace", name, "--scope", "read")
    assert (await gateway(*create, "--allow", "nowhere")).code == 1
    assert (await gateway("workspaces", "set", name, "--domain", "x")).code == 1
    assert await _entries(gateway, name) == before


# --- deletions through the API ----------------------------------------------------------------


@pytest.fixture
async def deletable(acme: Tenant) -> dict[str, Deletable]:
    """A record of each kind that can be deleted, by action: its id, its path and the query."""
    discovery = {
        "signal": (await acme.create_signal(SECRET), "signals"),
        "insight": (await acme.create("insights", name=SECRET, description="x"), "insights"),
        "opportunity": (
            await acme.create("opportunities", name=SECRET, description="x"),
            "opportunities",
        ),
        "idea": (await acme.create("ideas", name=SECRET, description="x"), "ideas"),
    }
    records = {
        f"{kind}.delete": (
            record["id"],
            f"/external/v1/{path}/{record.get('publicId', record['id'])}",
            dict[str, str](),
        )
        for kind, (record, path) in discovery.items()
    }
    source = await create_source(acme)
    for kind in ("row", "conversation", "message", "document"):
        record_id = await source.push(f"{kind}s", SECRET)
        address = {"sourceId": source.id, "remoteId": SECRET}
        records[f"{kind}.delete"] = (record_id, f"/v1/{kind}s", address)
    object_type = source.object_type
    records["object_type.delete"] = (object_type, f"/v1/object-types/{object_type}", {})
    records["source.delete"] = (source.id, f"/v1/sources/{source.id}", {})
    return records


async def test_every_deletion_through_the_api_is_recorded(
    gateway: Gateway,
    acme: Tenant,
    rival: Tenant,
    deletable: dict[str, Deletable],
) -> None:
    before = await _entries(gateway, acme.workspace)
    assert not [action for action in _actions(before) if action.endswith(".delete")]
    for _, path, query in deletable.values():
        # Of another tenant, or with a wrong condition: nothing is deleted or recorded.
        assert (await rival.http.delete(path, params=query)).status_code in (403, 404)
        if "/external/" in path:
            stale = await acme.http.delete(path, headers={"If-Match": '"stale"'})
            assert stale.status_code == 412
    assert await _entries(gateway, acme.workspace) == before
    for _, path, query in deletable.values():
        deleted = await acme.http.delete(path, params=query)
        assert deleted.status_code == 200, deleted.text
        again = await acme.http.delete(path, params=query)
        assert again.status_code in (403, 404)
    entries = await _entries(gateway, acme.workspace)
    entries = entries[: len(entries) - len(before)]
    assert [(entry["action"], entry["recordId"]) for entry in reversed(entries)] == [
        (action, record_id) for action, (record_id, _, _) in deletable.items()
    ]
    for entry in entries:
        assert entry["keyId"] == acme.key_id
        assert acme.key.startswith(entry["actor"])
        assert entry["origin"] == "127.0.0.1"
        assert entry["recordKind"] == entry["action"].removesuffix(".delete")
    assert SECRET not in json.dumps(entries)
    assert "key.create" in _actions(await _entries(gateway, rival.workspace))
    assert not set(_actions(await _entries(gateway, rival.workspace))) & deletable.keys()
    assert (await gateway("audit", "--key", acme.key_id, "--action", "idea", "--json")).json() == [
        entry for entry in entries if entry["action"] == "idea.delete"
    ]


def test_every_operation_that_deletes_takes_the_actor() -> None:
    handlers: list[HTTPRouteHandler] = [
        handler for surface in SURFACES for handler in surface.handlers
    ]
    deletions = [handler for handler in handlers if "DELETE" in handler.http_methods]
    assert len(deletions) == 10
    for handler in deletions:
        assert "actor" in handler.fn.__annotations__, handler.handler_name


# --- jobs and imports -------------------------------------------------------------------------


async def test_retries_and_cancellations_of_jobs_are_recorded_per_workspace(
    gateway: Gateway, idle_stack: Stack
) -> None:
    async with new_tenant(idle_stack) as acme, new_tenant(idle_stack) as rival:
        environment = idle_stack.urls
        for tenant in (acme, acme, rival):
            await tenant.create_signal(SECRET)
        assert (await gateway("jobs", "cancel", "--all", **environment)).code == 0
        for tenant, count in ((acme, 2), (rival, 1)):
            command = ("audit", "--workspace", tenant.workspace, "--action", "jobs", "--json")
            (entry,) = (await gateway(*command, **environment)).json()
            assert (entry["action"], entry["details"]) == ("jobs.cancel", {"count": count})
            assert (entry["recordKind"], entry["recordId"]) == ("job", None)


async def test_an_import_is_recorded_with_its_counts(
    gateway: Gateway, workspace: Any, tmp_path: Path
) -> None:
    file = tmp_path / "products.json"
    product = {"id": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001", "name": SECRET}
    file.write_text(json.dumps({"products": [product, {"id": "x", "name": "Y"}]}))
    command = ("import", "--workspace", workspace["id"], str(file))
    await gateway(*command, "--dry-run")
    assert not await _entries(gateway, workspace["id"], "--action", "import")
    await gateway(*command, "--by", "Ana Ruiz")
    (entry,) = await _entries(gateway, workspace["id"], "--action", "import")
    assert entry["details"] == {"stored": 1, "unchanged": 0, "refused": 1}
    assert (entry["actor"], entry["recordId"]) == ("Ana Ruiz", workspace["id"])


# --- the list ---------------------------------------------------------------------------------


async def test_entries_are_filtered_and_limited(gateway: Gateway, workspace: Any) -> None:
    name = workspace["id"]
    for number in range(3):
        await gateway("workspaces", "set", name, "--domain", f"a{number}.example")
    entries = await _entries(gateway, name)
    assert len(entries) == 4
    assert await _entries(gateway, name, "--limit", "2") == entries[:2]
    at = entries[1]["at"]
    assert await _entries(gateway, name, "--since", at) == entries[:2]
    assert await _entries(gateway, name, "--until", at) == entries[2:]
    assert await _entries(gateway, name, "--action", "workspace.create") == entries[3:]
    table = await gateway("audit", "--workspace", name)
    assert table.code == 0
    assert "fields: domains" in table.out
    for options, part in (
        (("--since", "yesterday"), "ISO 8601"),
        (("--limit", "0"), "--limit"),
    ):
        wrong = await gateway("audit", *options)
        assert (wrong.code, wrong.out) == (2, "")
        assert part in wrong.err
    assert "not the id of a key" in (await gateway("audit", "--key", "x")).refusal()
    assert "Nobody" in (await gateway("audit", "--workspace", "Nobody")).refusal()


async def test_entries_are_deleted_after_the_retention_period(
    idle_stack: Stack,
) -> None:
    async with new_tenant(idle_stack) as acme, Database.open(idle_stack.database_url) as database:

        async def count() -> int:
            sql = "select count(*) from audit_log where workspace_id = $1"
            ((found,),) = await execute(database, sql, acme.workspace)
            return int(found)

        before = await count()
        old = datetime.now(UTC) - timedelta(days=31)
        await execute(
            database,
            "update audit_log set at = $2 where workspace_id = $1 and action = 'key.create'",
            acme.workspace,
            old,
        )
        assert await audit.delete_expired(database.read, 0) == 0
        assert await count() == before == 2
        assert await audit.delete_expired(database.read, 30) >= 1
        assert await count() == 1


async def test_nothing_is_deleted_unless_it_can_be_recorded(
    database: Database, acme: Tenant, gateway: Gateway
) -> None:
    before = await _entries(gateway, acme.workspace)
    record = await acme.create("ideas", name="x", description="y")
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("lock table audit_log in exclusive mode")
        response = await acme.http.delete(f"/external/v1/ideas/{record['id']}")
        await transaction.rollback()
    assert response.status_code in (409, 503)
    assert await acme.get(f"ideas/{record['id']}")
    assert await _entries(gateway, acme.workspace) == before
