"""`gateway keys`."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import asyncpg
import httpx
import pytest

from domains.kernel.tenancy.api_keys import SCOPES
from tests.cli.gateway_command import Gateway
from tests.stack import Stack, eventually

KEY_TEXT = re.compile(r"sk_live_[A-Za-z0-9]{32,}")
UNKNOWN_ID = "0199c2f4-0000-7000-8000-000000000000"


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API without a key."""
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=30) as client:
        yield client


def _bearer(key: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def _status(api: httpx.AsyncClient, key: Any) -> int:
    response = await api.get("/external/v1/auth/context", headers=_bearer(key))
    return response.status_code


async def _listed_line(gateway: Gateway, key: Any) -> str:
    lines = (await gateway("keys", "list")).out.splitlines()
    return next(line for line in lines if key["id"] in line)


async def test_a_key_is_shown_once_stored_as_a_hash_and_works_at_once(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient, stack: Stack
) -> None:
    scopes = ["insights:read", "signals:read"]
    options = [part for scope in scopes for part in ("--scope", scope)]
    by_id, by_name = [
        (await gateway("keys", "create", "--workspace", name, *options, "--json")).json()
        for name in (workspace["id"], workspace["name"])
    ]
    for key in (by_id, by_name):
        assert KEY_TEXT.fullmatch(key["key"])
        assert key["key"].startswith(key["prefix"])
        assert len(key["prefix"]) < 20
        assert sorted(key["scopes"]) == scopes
        response = await api.get("/external/v1/auth/context", headers=_bearer(key))
        assert response.json() == {
            "workspace": {"id": workspace["id"], "name": workspace["name"]},
            "credential": {"id": key["id"], "scopes": key["scopes"]},
        }
    plain = await gateway("keys", "create", "--workspace", workspace["id"], "--scope", "all")
    text = next(line for line in plain.out.splitlines() if line.startswith("sk_live_"))
    assert KEY_TEXT.fullmatch(text)
    response = await api.get("/v1/health", headers={"Authorization": f"Bearer {text}"})
    assert response.json()["scopes"] == list(SCOPES)

    connection = await asyncpg.connect(stack.database_url)
    rows = await connection.fetch("select api_keys::text from api_keys")
    await connection.close()
    stored = "\n".join(row[0] for row in rows)
    shown = [stored, (await gateway("keys", "list")).out]
    shown.append((await gateway("keys", "list", "--json")).out)
    for key_text in (by_id["key"], by_name["key"], text):
        secret = key_text.removeprefix("sk_live_")
        for output in shown:
            assert secret not in output
            assert secret.encode().hex() not in output
    for output in shown:
        assert by_id["id"] in output
        assert by_id["prefix"] in output


async def test_a_wrong_option_is_a_usage_error(gateway: Gateway) -> None:
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
    results = await asyncio.gather(*(gateway(*create, *options) for options, _ in wrong))
    for (_, parts), result in zip(wrong, results, strict=True):
        assert (result.code, result.out) == (2, "")
        for part in parts:
            assert part in result.err


async def test_a_key_needs_an_existing_workspace_and_a_printable_name(
    gateway: Gateway, workspace: Any
) -> None:
    unknown = await gateway("keys", "create", "--workspace", "Nobody", "--scope", "read")
    assert "'Nobody'" in unknown.refusal()
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "read", "--name"]
    for name in ("x" * 201, os.fsdecode(b"\xff")):
        assert "name" in (await gateway(*create, name)).refusal()


async def test_limits_of_a_key_are_enforced_or_removed(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient
) -> None:
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "signals:read", "--json"]
    limited = (await gateway(*create, "--limit-per-minute", "3")).json()
    unlimited = (await gateway(*create, "--limit-per-minute", "none")).json()
    path = "/external/v1/signals"
    responses = [await api.get(path, headers=_bearer(limited)) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert {response.headers["x-ratelimit-limit"] for response in responses} == {"3"}
    assert 0 < int(responses[-1].headers["retry-after"]) <= 60
    response = await api.get(path, headers=_bearer(unlimited))
    assert response.status_code == 200
    assert "x-ratelimit-limit" not in response.headers
    assert unlimited["limits"] == {"minute": None, "hour": None, "day": None}


async def test_a_key_expires(
    gateway: Gateway, workspace: Any, api: httpx.AsyncClient, stack: Stack
) -> None:
    create = ["keys", "create", "--workspace", workspace["id"], "--scope", "read", "--json"]
    at = datetime.fromisoformat("2999-12-31T10:00:00+02:00")
    expiring = (await gateway(*create, "--expires", at.isoformat())).json()
    assert datetime.fromisoformat(expiring["expiresAt"]) == at
    assert "until 2999-12-31 08:00" in await _listed_line(gateway, expiring)
    date = (await gateway(*create, "--expires", "2999-12-31")).json()
    assert date["expiresAt"] == "2999-12-31T00:00:00Z"
    assert await _status(api, date) == 200
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute(
        "update api_keys set expires_at = now() where id = $1::uuid", expiring["id"]
    )
    await connection.close()
    assert await _status(api, expiring) == 401
    assert "expired" in await _listed_line(gateway, expiring)


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

    await eventually(refused)
    assert "revoked" in await _listed_line(gateway, key)


@pytest.mark.parametrize("key_id", [UNKNOWN_ID, "sk_live_x"])
async def test_revoking_an_unknown_key_is_refused(gateway: Gateway, key_id: str) -> None:
    assert key_id in (await gateway("keys", "revoke", key_id)).refusal()
