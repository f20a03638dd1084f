"""Keys, scopes and the order of refusals, on both APIs."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES, Scope
from gateway.cli import admin
from tests.conftest import MakeTenant
from tests.http.hostile.apis import CALLS as ALL_CALLS
from tests.http.hostile.harness import Answer, Call, exchange, request_head
from tests.stack import Stack, Tenant, eventually

CONTEXT = "/external/v1/auth/context"


# One call of every operation, under every prefix.
CALLS = [
    (prefix, call)
    for call in ALL_CALLS
    for prefix in call.api.surface.prefixes
    if call.model in ("", *call.operation.bodies[:1])
]


async def _answers(
    stack: Stack, calls: Sequence[tuple[str, Call]], authorization: str | None
) -> list[tuple[Call, Answer]]:
    """Send requests that contain every error checked after the key and its scope."""
    requests = []
    for prefix, call in calls:
        body = {"Content_Length": "1"} if call.operation.method in ("POST", "PATCH") else {}
        path = prefix + re.sub(r"\{\w+\}", "x", call.operation.path)
        target = path + ("?limit=0" if call.operation.query else "")
        start = request_head(
            call.operation.method, target, None, Authorization=authorization, **body
        )
        requests.append(start + (b"{" if body else b""))
    answers = await exchange(stack.port, requests)
    return [(call, answer) for (_, call), answer in zip(calls, answers, strict=True)]


def test_calls_include_every_operation_under_every_prefix() -> None:
    assert len(CALLS) == 2 * 29 + 34


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic c2s6bGl2ZQ==",
        "sk_live_" + "a" * 40,
        "Bearer sk_live_" + "a" * 40,
        "Bearer " + "é" * 40,
        "Bearer " + "x" * 5000,
    ],
    ids=["none", "empty", "no key", "basic", "no scheme", "unknown", "not ASCII", "long"],
)
async def test_every_operation_without_a_valid_key_is_401(
    stack: Stack, authorization: str | None
) -> None:
    for call, answer in await _answers(stack, CALLS, authorization):
        assert call.refuses(answer, 401, "unauthorized"), call.operation.name
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("scope", SCOPES)
async def test_scope_is_required_and_sufficient(
    stack: Stack, make_tenant: MakeTenant, scope: Scope
) -> None:
    """Without the scope, a 403 names it. With only this scope, the request's own error follows."""
    without = await make_tenant(scopes=[each for each in SCOPES if each != scope])
    alone = await make_tenant(scopes=[scope])
    calls = [each for each in CALLS if each[1].operation.scope == scope]
    for call, answer in await _answers(stack, calls, f"Bearer {without.key}"):
        assert call.refuses(answer, 403, "forbidden"), (call.operation.name, answer)
        message = call.api.refusal(answer, "forbidden", None)
        assert message == f"API key missing required scope: {scope}"
    calls += [each for each in CALLS if each[1].operation.scope is None]
    for call, answer in await _answers(stack, calls, f"Bearer {alone.key}"):
        operation = call.operation
        expected = {400, 404} if operation.parameter or call.required else {200}
        # Validation errors come before a missing record.
        expected = {400} if operation.bodies or "limit" in operation.query else expected
        assert answer.status in expected, (operation.name, answer)


async def test_auth_context_shows_workspace_and_scopes(make_tenant: MakeTenant) -> None:
    tenant = await make_tenant(scopes=["ingest", "signals:read"])
    for prefix in ("", "/api"):
        assert (await tenant.http.get(prefix + CONTEXT)).json() == {
            "workspace": {"id": tenant.workspace, "name": tenant.name},
            "credential": {"id": tenant.key_id, "scopes": ["signals:read", "ingest"]},
        }
    assert (await tenant.http.get("/v1/health")).json() == {
        "status": "ok",
        "org_id": tenant.workspace,
        "scopes": ["signals:read", "ingest"],
    }


async def test_a_revoked_key_is_refused_at_once_although_it_was_cached(
    acme: Tenant, database: Database
) -> None:
    for _ in range(3):
        assert (await acme.http.get(CONTEXT)).status_code == 200
    await admin.revoke_key(database, acme.key_id)

    async def refused() -> bool:
        return (await acme.http.get(CONTEXT)).status_code == 401

    await eventually(refused, patience=1)


async def test_a_cached_key_is_refused_when_it_expires(stack: Stack, database: Database) -> None:
    workspace = await admin.create_workspace(database, f"w-{secrets.token_hex(6)}")
    expires_at = datetime.now(UTC) + timedelta(seconds=1.5)
    key = await admin.create_key(database, workspace.name, ["read"], expires_at=expires_at)
    headers = {"Authorization": f"Bearer {key.key}"}
    async with httpx.AsyncClient(base_url=stack.base_url, headers=headers) as client:
        assert (await client.get(CONTEXT)).status_code == 200

        async def refused() -> bool:
            return (await client.get(CONTEXT)).status_code == 401

        await eventually(refused, patience=4)
    assert datetime.now(UTC) >= expires_at


async def test_concurrent_requests_of_two_tenants_are_not_mixed_up(
    acme: Tenant, rival: Tenant
) -> None:
    async def is_own(tenant: Tenant) -> bool:
        response = await tenant.http.get(CONTEXT)
        return bool(response.json()["workspace"]["id"] == tenant.workspace)

    requests = [is_own(tenant) for _ in range(50) for tenant in (acme, rival)]
    assert all(await asyncio.gather(*requests))


async def test_order_of_errors(make_tenant: MakeTenant, stack: Stack) -> None:
    """The order is 401, 403, 413, 400, 404. Each request also has all later errors."""
    unscoped = await make_tenant(scopes=["read"])
    scoped = await make_tenant()
    path = "/external/v1/signals/SIGNAL-999"
    large = b"{" + b" " * (10 * 1024 * 1024)
    async with httpx.AsyncClient(base_url=stack.base_url) as anonymous:
        assert (await anonymous.patch(path, content=large)).status_code == 401
    assert (await unscoped.http.patch(path, content=large)).status_code == 403
    assert (await scoped.http.patch(path, content=large)).status_code == 413
    assert (await scoped.http.patch(path, content=b"{")).status_code == 400
    assert (await scoped.http.patch(path, content=b"{}")).status_code == 404
