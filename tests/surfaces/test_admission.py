"""API keys, scopes and the order of refusals on both surfaces."""

import asyncio
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES, Scope
from gateway.app import SURFACES
from gateway.cli import admin
from gateway.operations import Operation
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant, eventually

CONTEXT = "/external/v1/auth/context"


# Method, path and declaration of each operation that needs a key, under every prefix.
KEYED: list[tuple[str, str, Operation]] = [
    (str(method), prefix + min(handler.paths, key=len).replace(":str", ""), operation)
    for surface in SURFACES
    for prefix in surface.prefixes
    for handler in surface.handlers
    for operation in [handler.opt["operation"]]
    if operation.access != "public"
    for method in handler.http_methods
]


def _with_id(path: str) -> str:
    return re.sub(r"\{\w+\}", "00000000-0000-7000-8000-000000000000", path)


async def _send(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    headers = {"Content-Length": "0"} if method in ("POST", "PATCH") else {}
    return await client.request(method, _with_id(path), headers=headers)


def test_the_table_has_the_operations_of_both_surfaces() -> None:
    assert len({operation.id for _, _, operation in KEYED}) > 55


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
)
async def test_every_operation_refuses_an_invalid_key_with_401(
    stack: Stack, authorization: str | None
) -> None:
    headers: Any = (
        {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    )
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        for method, path, operation in KEYED:
            response = await client.request(method, _with_id(path), headers=headers)
            assert response.status_code == 401, operation.id
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.headers["X-Request-Id"]
            _assert_refused(response, method, path, "unauthorized")


def _assert_refused(response: httpx.Response, method: str, path: str, code: str) -> str:
    """Check the documented body of a refusal and return its message."""
    body = response.json()
    if not path.startswith("/v1/"):
        assert response.headers["Content-Type"] == "application/problem+json"
        assert body["status"] == response.status_code
        message = body["detail"]
    elif method == "GET":
        message = body["detail"]
        assert body == {"detail": message}
    else:
        message = body["detail"]["message"]
        request_id = response.headers["X-Request-Id"]
        refusal = {"error": code, "message": message, "field": None, "request_id": request_id}
        assert body == {"detail": refusal}
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_without_the_scope_gets_403_naming_the_scope(
    make_tenant: MakeTenant, scope: Scope
) -> None:
    tenant = await make_tenant(scopes=[other for other in SCOPES if other != scope])
    for method, path, operation in KEYED:
        if operation.access == scope:
            response = await _send(tenant.http, method, path)
            assert response.status_code == 403, operation.id
            message = _assert_refused(response, method, path, "forbidden")
            assert message == f"API key missing required scope: {scope}"


@pytest.mark.parametrize("scope", SCOPES)
async def test_the_operation_s_scope_is_sufficient(make_tenant: MakeTenant, scope: Scope) -> None:
    tenant = await make_tenant(scopes=[scope])
    for method, path, operation in KEYED:
        if operation.access in (scope, "any key"):
            response = await _send(tenant.http, method, path)
            assert response.status_code not in (401, 403), operation.id


async def test_auth_context_returns_workspace_and_scopes(make_tenant: MakeTenant) -> None:
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


async def test_a_cached_key_is_refused_as_soon_as_it_is_revoked(
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


async def test_concurrent_requests_of_two_tenants_are_kept_apart(
    acme: Tenant, rival: Tenant
) -> None:
    async def is_own(tenant: Tenant) -> bool:
        response = await tenant.http.get(CONTEXT)
        return bool(response.json()["workspace"]["id"] == tenant.workspace)

    requests = [is_own(tenant) for _ in range(50) for tenant in (acme, rival)]
    assert all(await asyncio.gather(*requests))


async def test_refusals_have_a_fixed_order(make_tenant: MakeTenant, stack: Stack) -> None:
    """401, 403, 413, 400, 404. Each request below also has all the later faults."""
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
