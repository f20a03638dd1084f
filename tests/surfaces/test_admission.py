"""Keys, scopes and the order of refusals, on both surfaces."""

import asyncio
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES, Scope
from gateway.app import SURFACES
from gateway.cli import admin
from gateway.operations import Operation
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant, eventually

CONTEXT = "/external/v1/auth/context"


def _declared(handler: HTTPRouteHandler) -> Operation:
    declared: Operation = handler.opt["operation"]
    return declared


KEYED: list[tuple[str, str, Operation]] = [
    (str(method), prefix + min(handler.paths, key=len).replace(":str", ""), declared)
    for surface in SURFACES
    for prefix in surface.prefixes
    for handler in surface.handlers
    if (declared := _declared(handler)).access != "public"
    for method in handler.http_methods
]


def _path(path: str) -> str:
    return re.sub(r"\{\w+\}", "00000000-0000-7000-8000-000000000000", path)


async def _send(client: httpx.AsyncClient, method: str, path: str, **given: Any) -> httpx.Response:
    headers = {"Content-Length": "0"} if method in ("POST", "PATCH") else {}
    return await client.request(
        method, _path(path), headers=headers | given.pop("headers", {}), **given
    )


def test_there_are_operations_of_both_surfaces() -> None:
    assert len({declared.id for _, _, declared in KEYED}) > 55


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
async def test_without_a_living_key_every_operation_answers_401(
    stack: Stack, authorization: str | None
) -> None:
    headers: Any = (
        {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    )
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        for method, path, declared in KEYED:
            answer = await client.request(method, _path(path), headers=headers)
            assert answer.status_code == 401, declared.id
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.headers["X-Request-Id"]
            _assert_refused(answer, method, path, "unauthorized")


def _assert_refused(answer: httpx.Response, method: str, path: str, code: str) -> str:
    """The documented body of a refusal; its sentence."""
    body = answer.json()
    if not path.startswith("/v1/"):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert body["status"] == answer.status_code
        sentence = body["detail"]
    elif method == "GET":
        sentence = body["detail"]
        assert body == {"detail": sentence}
    else:
        sentence = body["detail"]["message"]
        request_id = answer.headers["X-Request-Id"]
        refusal = {"error": code, "message": sentence, "field": None, "request_id": request_id}
        assert body == {"detail": refusal}
    assert isinstance(sentence, str)
    return sentence


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_without_the_scope_gets_403_that_names_it(
    make_tenant: MakeTenant, scope: Scope
) -> None:
    tenant = await make_tenant(scopes=[each for each in SCOPES if each != scope])
    for method, path, declared in KEYED:
        if declared.access == scope:
            answer = await _send(tenant.http, method, path)
            assert answer.status_code == 403, declared.id
            said = _assert_refused(answer, method, path, "forbidden")
            assert said == f"API key missing required scope: {scope}"


@pytest.mark.parametrize("scope", SCOPES)
async def test_the_scope_alone_is_enough(make_tenant: MakeTenant, scope: Scope) -> None:
    tenant = await make_tenant(scopes=[scope])
    for method, path, declared in KEYED:
        if declared.access in (scope, "any key"):
            answer = await _send(tenant.http, method, path)
            assert answer.status_code not in (401, 403), declared.id


async def test_auth_context_tells_workspace_and_scopes(make_tenant: MakeTenant) -> None:
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


async def test_a_revoked_key_stops_at_once_although_it_was_cached(
    acme: Tenant, database: Database
) -> None:
    for _ in range(3):
        assert (await acme.http.get(CONTEXT)).status_code == 200
    await admin.revoke_key(database, acme.key_id)

    async def refused() -> bool:
        return (await acme.http.get(CONTEXT)).status_code == 401

    await eventually(refused, patience=1)


async def test_a_cached_key_ends_when_it_expires(stack: Stack, database: Database) -> None:
    workspace = await admin.create_workspace(database, f"w-{secrets.token_hex(6)}")
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    key = await admin.create_key(database, workspace.name, ["read"], expires_at=ends)
    headers = {"Authorization": f"Bearer {key.key}"}
    async with httpx.AsyncClient(base_url=stack.base_url, headers=headers) as client:
        assert (await client.get(CONTEXT)).status_code == 200

        async def refused() -> bool:
            return (await client.get(CONTEXT)).status_code == 401

        await eventually(refused, patience=4)
    assert datetime.now(UTC) >= ends


async def test_many_requests_of_two_tenants_are_never_mixed_up(acme: Tenant, rival: Tenant) -> None:
    async def ask(tenant: Tenant) -> bool:
        answer = await tenant.http.get(CONTEXT)
        return bool(answer.json()["workspace"]["id"] == tenant.workspace)

    asked = [ask(tenant) for _ in range(50) for tenant in (acme, rival)]
    assert all(await asyncio.gather(*asked))


async def test_refusals_come_in_their_order(make_tenant: MakeTenant, stack: Stack) -> None:
    """401, 403, 429, 413, 400, then 404: each request below has all the later faults, too."""
    poor = await make_tenant(scopes=["read"])
    rich = await make_tenant()
    path = "/external/v1/signals/SIGNAL-999"
    large = b"{" + b" " * (10 * 1024 * 1024)
    async with httpx.AsyncClient(base_url=stack.base_url) as nobody:
        assert (await nobody.patch(path, content=large)).status_code == 401
    assert (await poor.http.patch(path, content=large)).status_code == 403
    assert (await rich.http.patch(path, content=large)).status_code == 413
    assert (await rich.http.patch(path, content=b"{")).status_code == 400
    assert (await rich.http.patch(path, content=b"{}")).status_code == 404
