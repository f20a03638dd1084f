"""Successes and errors of both APIs match the published documents."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import RateLimitOverrides
from tests.conftest import MakeTenant
from tests.http.contracts import DISCOVERY, REVENUE, Contract, Operation, inlined
from tests.http.published import (
    DISCOVERY_DOCUMENT,
    HIGH_LIMITS,
    REVENUE_DOCUMENT,
    CheckedClient,
    Checker,
    Json,
    operations,
)
from tests.revenue.push_records import Source, create_source
from tests.stack import Tenant

APIS = [pytest.param(DISCOVERY_DOCUMENT, DISCOVERY, id="discovery")]
APIS.append(pytest.param(REVENUE_DOCUMENT, REVENUE, id="revenue"))

# --- discovery --------------------------------------------------------------------------------


async def test_answers_of_discovery(full_document: Json, make_tenant: MakeTenant) -> None:
    tenant = await make_tenant(limits=HIGH_LIMITS)
    check = Checker(full_document)
    client = CheckedClient(tenant.http, check, DISCOVERY.prefix)
    await _call_signals(tenant, client)
    await _call_insights(client)
    await _call_opportunities_and_ideas(client)
    product = await client("POST /products", json={"name": "Atlas"})
    assert await client("GET /products") == [product]
    assert await client("GET /products/{id}", product["id"]) == product
    await client("GET /auth/context")
    for path in ("/health", "/readyz", "/livez"):
        check(path, await tenant.http.get(path, headers={"Authorization": ""}))
    assert check.seen == {
        (path, method)
        for path, method, _ in operations(full_document)
        if not path.startswith("/v1/")
    }


async def _call_signals(tenant: Tenant, client: CheckedClient) -> None:
    typed = {
        "text": "The export fails every day. I would love a CSV button.",
        "signalType": "review",
        "occurredAt": "2024-03-20T10:00:00Z",
        "additionalContext": "a survey",
        "productIds": [str(uuid.uuid4())],
        "accountId": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002",
    }
    raw = {
        "source": {"type": "support-ticket", "external_data": {"provider": "zendesk"}},
        "data": {"subject": "The reset link is broken"},
        "externalId": "12345",
    }
    signal = await client("POST /signals", json=typed)
    await client("POST /signals", json=raw)
    await client("POST /signals", json={"source": {"type": "call"}, "data": None})
    await tenant.wait_until_processed(signal["id"])
    found = await client("GET /signals/{id}", signal["publicId"])
    assert len(await client("GET /signals")) == 3
    for params in (
        {"signalType": "review", "createdAfter": "2024-03-20T10:00:00Z"},
        {"externalId": "12345"},
    ):
        assert len(await client("GET /signals", params=params)) == 1
    assert found["insightIds"]
    for insight in found["insightIds"]:
        await client("GET /insights/{id}", insight)
        assert await client("GET /insights/{id}/evidence", insight)
    await client("PATCH /signals/{id}", signal["id"], json={"context": None})
    await client("POST /signals/{id}/process", signal["id"])
    await client("DELETE /signals/{id}", signal["id"])


async def _call_insights(client: CheckedClient) -> None:
    plain = await client("POST /insights", json={"description": "Exports are slow."})
    assert not {"suggestions", "externalLinks"} & set(plain)
    fields = {
        "name": "Exports are slow",
        "description": "They take minutes.",
        "status": "published",
        "type": "user-interview",
        "productId": str(uuid.uuid4()),
        "tagIds": ["exports"],
        "suggestions": {"ask": ["How often?"]},
        "externalLinks": [{"type": "jira", "url": "https://jira.example/EXP-7"}, {}],
    }
    full = await client("POST /insights", json=fields)
    assert fields.items() <= full.items()
    cleared: Json = {"productId": None, "externalLinks": [], "suggestions": {}}
    await client("PATCH /insights/{id}", full["id"], json=cleared)
    filters = {"q": "exports", "status": "published", "tagId": "exports"}
    assert len(await client("GET /insights", params=filters)) == 1
    said = "Ana: Exports take minutes and fail.\nAna: I would love a CSV button on the report page."
    for stored in (False, True):
        body = {"transcript": said, "createInsights": stored}
        assert await client("POST /insights/process-transcript/insights", json=body)
    await client("DELETE /insights/{id}", plain["id"])


async def _call_opportunities_and_ideas(client: CheckedClient) -> None:
    named = {"name": "Exports that finish in seconds", "description": "Teams wait for them."}
    insights = [(await client("GET /insights"))[0]["id"]]
    plain = await client("POST /opportunities", json=named)
    assert plain["score"] is None
    linked = named | {"insightIds": insights, "productId": str(uuid.uuid4()), "score": 85}
    opportunity = (await client("POST /opportunities", json=linked))["id"]
    linked = named | {"insightIds": insights, "opportunityIds": [opportunity]}
    headers = {"Idempotency-Key": "the CSV button"}
    idea = await client("POST /ideas", json=linked, headers=headers)
    again = await client.answer("POST /ideas", json=linked, headers=headers)
    assert again.json() == idea
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await client("POST /ideas", json=linked, headers=headers) == idea
    assert (await client("GET /opportunities/{id}", opportunity))["ideaIds"] == [idea["id"]]
    assert await client("GET /ideas/{id}", idea["id"]) == idea
    changes = {"score": 92.5, "status": "validated", "productId": None}
    await client("PATCH /opportunities/{id}", opportunity, json=changes)
    await client("PATCH /ideas/{id}", idea["id"], json={"status": "backlog"})
    filters = {"q": "seconds", "status": "validated"}
    assert len(await client("GET /opportunities", params=filters)) == 1
    assert len(await client("GET /ideas", params={"status": "backlog"})) == 1
    await client("DELETE /opportunities/{id}", opportunity)
    await client("DELETE /ideas/{id}", idea["id"])


# --- revenue record ---------------------------------------------------------------------------

TIMESTAMP = "2026-03-11T14:00:00Z"
ANA = {"email": "ana@halden.example", "name": "Ana Berg"}
ALL_FIELDS: dict[str, Json] = {
    "conversations": {
        "displayName": "Rollout",
        "updatedAt": 1773237600,
        "public": True,
        "ownerEmails": ["rosa@acme.example"],
        "transcript": [
            {"speakerName": "Ana Berg", "text": "It fails.", "timestamp": "2026-03-11T14:00:05Z"},
            {"speakerId": "p-2", "text": "Since when?", "timestamp": 1773237610},
        ],
        "recordingMimeType": "video/mp4",
        "endedAt": "2026-03-11T14:10:00Z",
        "participants": [ANA, {"id": "p-2"}],
    },
    "messages": {
        "displayName": "Exports",
        "threadId": "t-1",
        "attachments": [
            {"name": "a.png", "url": "https://example.com/a.png", "sizeBytes": 12},
            {"name": "b", "url": "", "mimeType": None},
        ],
        "sender": ANA,
        "recipients": [{}],
    },
    "rows": {
        "createdAt": TIMESTAMP,
        "fields": {
            "title": {"value": "x", "fieldType": "string", "label": "Title"},
            "score": {"value": 3, "fieldType": "int"},
            "tags": {"value": ["a", 1, True], "fieldType": "list"},
        },
    },
    "documents": {
        "url": None,
        "content": "QSBwbGFuLg==",
        "filename": "plan.txt",
        "author": ANA,
        "createdAt": TIMESTAMP,
        "updatedAt": "1773237600000",
    },
}
CHANGES: dict[str, Json] = {
    "rows": {"displayName": "y", "fields": {"score": None}},
    "documents": {"displayName": "y", "url": "https://example.com/y.pdf"},
}


@pytest.fixture
async def limited_tenant(make_tenant: MakeTenant, database: Database) -> Tenant:
    """A workspace whose key has limits, with two deals and two accounts."""
    tenant = await make_tenant(limits=HIGH_LIMITS)
    async with database.connection() as connection:
        await connection.execute(
            "insert into accounts (workspace_id, id, name, website, owner_name, owner_email,"
            " created_at, activity_given_at, contacts, synced_crm_fields) values"
            " ($1, 'a/1', 'Halden', 'https://halden.example', 'Rosa', 'rosa@acme.example',"
            ' now(), now(), \'[{"name": "Ana"}]\', \'{"Employees": 640}\'),'
            " ($1, 'bare', null, null, null, null, null, null, null, null)",
            tenant.workspace,
        )
        await connection.execute(
            "insert into deals (workspace_id, id, name, account_id, account_name, stage, pipeline,"
            " amount, close_date, closed, owner_name, created_at, summary, crm_autofill) values"
            " ($1, 'd/1', 'Atlas', 'a/1', 'Halden', 'Won', 'New', 48000, now(), true, 'Rosa',"
            ' now(), \'{"Pain Points": ["Exports"]}\', \'{"Next Steps": "Call"}\'),'
            " ($1, 'bare', null, null, null, null, null, null, null, null, null, null, null, null)",
            tenant.workspace,
        )
    return tenant


async def test_answers_of_the_revenue_record(
    documents: dict[str, Json], limited_tenant: Tenant
) -> None:
    check = Checker(documents[REVENUE_DOCUMENT])
    client = CheckedClient(limited_tenant.http, check, REVENUE.prefix)
    await client("GET /health")
    source = await create_source(limited_tenant)
    await _call_sources(client)
    for kind in ALL_FIELDS:
        await _call_records(source, kind, client)
    for kind, name, one in (("deals", "dealId", "d/1"), ("accounts", "accountId", "a/1")):
        page = await client(f"GET /{kind}", params={"limit": 1})
        assert page["pagination"]["hasMore"]
        rest = await client(f"GET /{kind}", params={"cursor": page["pagination"]["nextCursor"]})
        assert rest["pagination"] == {"nextCursor": None, "hasMore": False}
        ids = {each[name] for each in page[kind] + rest[kind]}
        assert ids == {one, "bare"}
        for each in ids:
            await client(f"GET /{kind}/{{{name}}}", each)
    assert check.seen == {
        (REVENUE.prefix + each.path, each.method.lower())
        for each in REVENUE.operations.values()
        if not each.addition
    }


async def _call_sources(client: CheckedClient) -> None:
    body: Json = {"name": "b", "displayName": "B"}
    made = await client("POST /sources", json=body)
    source = made["id"]
    assert await client("GET /sources/{sourceId}", source) == made
    changed = await client("PATCH /sources/{sourceId}", source, json={"displayName": "C"})
    assert changed == made | {"displayName": "C", "updatedAt": changed["updatedAt"]}
    assert await client("GET /sources", params={"name": "B"}) == {"sources": [changed]}
    body |= {"sourceId": source, "fieldDefinitions": [{"name": "f", "fieldType": "list"}]}
    object_type = await client("POST /object-types", json=body)
    assert (await client("GET /object-types"))["objectTypes"][0] == object_type
    one = "/object-types/{objectTypeId}"
    assert await client(f"GET {one}", object_type["id"]) == object_type
    await client(f"PATCH {one}", object_type["id"], json={"displayName": "U"})
    await client(f"DELETE {one}", object_type["id"])
    await client("DELETE /sources/{sourceId}", source)


async def _call_records(source: Source, kind: str, client: CheckedClient) -> None:
    one = f"GET /{kind}/{{{kind[:-1]}Id}}"
    create: Json = {
        "json": source.body(kind, "minimal"),
        "headers": {"Idempotency-Key": f"the first of {kind}"},
    }
    minimal = await client(f"POST /{kind}", **create)
    assert await client(f"POST /{kind}", **create) == minimal
    again = await client.answer(f"POST /{kind}", **create)
    assert again.headers["Idempotent-Replayed"] == "true"
    body = source.body(kind, "full", **ALL_FIELDS[kind])
    full = await client(f"POST /{kind}", json=body)
    assert await client(f"POST /{kind}", json=body) == full | {"status": "updated"}
    for each in (minimal, full):
        await client(one, each["recordId"])
    page = await client(f"GET /{kind}", params={"limit": 1, "sourceId": source.id})
    assert page["pagination"]["hasMore"]
    await client(f"GET /{kind}", params={"cursor": page["pagination"]["nextCursor"]})
    address = {"remoteId": "full", "sourceId": source.id}
    if kind in CHANGES:
        changed = await client(f"PATCH /{kind}", params=address, json=CHANGES[kind])
        assert changed == full | {"status": "updated"}
        await client(one, full["recordId"])
    await client(f"DELETE /{kind}", params=address)


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "contract"), APIS)
async def test_refusals(
    documents: dict[str, Json], make_tenant: MakeTenant, path: str, contract: Contract
) -> None:
    """Each error of each operation that a single request can cause."""
    tenant = await make_tenant(limits=HIGH_LIMITS)
    outsider = await make_tenant(
        scopes=["read" if contract is DISCOVERY else "products:read"], limits=HIGH_LIMITS
    )
    source = (await create_source(tenant)).id
    check = Checker(documents[path])

    async def refused(
        status: int, operation: Operation, who: Tenant, url_path: str, **request: Any
    ) -> None:
        answer = await who.http.request(operation.method, contract.prefix + url_path, **request)
        assert answer.status_code == status, (operation.name, request, answer.text)
        body = check(contract.prefix + operation.path, answer)
        assert _request_id(body, answer) == answer.headers["x-request-id"]

    nobody = {"Authorization": "Bearer sk_live_nobody"}
    huge = b" " * (10 * 1024 * 1024 + 1)
    large = {"createSignal", "updateOpportunity", "createRow", "updateRow"}

    async def all_of(operation: Operation) -> None:
        url_path = re.sub(r"\{\w+\}", str(uuid.UUID(int=7)), operation.path)
        await refused(401, operation, tenant, url_path, headers=nobody)
        if operation.scope:
            await refused(403, operation, outsider, url_path)
        for status, where, request in _invalid_requests(contract, operation, url_path, source):
            await refused(status, operation, tenant, where, **request)
        if operation.name in large:
            await refused(413, operation, tenant, url_path, content=huge)

    await asyncio.gather(*map(all_of, contract.operations.values()))
    assert check.seen == {
        (contract.prefix + each.path, each.method.lower()) for each in contract.operations.values()
    }


def _request_id(body: Json, answer: httpx.Response) -> Any:
    """The request id in an error body, or in the header for reads of the revenue record."""
    detail = body["detail"]
    if isinstance(detail, dict):
        return detail["request_id"]
    return body.get("requestId", answer.headers["x-request-id"])


def _invalid_requests(
    contract: Contract, operation: Operation, url_path: str, source: str
) -> Iterator[tuple[int, str, Json]]:
    """Yield (expected status, path, arguments) of requests that are invalid with every key."""
    if operation.method == "POST":
        yield 400, url_path, {"headers": {"Idempotency-Key": "k" * 256}}
    if operation.bodies:
        yield 400, url_path, {"content": b"{"}
        if contract is REVENUE:
            yield 411, url_path, {"content": _chunks()}
    for name, field in operation.query.items():
        wrong = []
        if name == "limit":
            most = field.schema.get("maximum")
            wrong = ["0", "x", *([str(most + 1)] if most else [])]
        elif "format" in inlined(field.schema) and not field.required:
            wrong = ["", "yesterday"]
        for each in wrong:
            yield 400, url_path, {"params": {name: each}}
    body: Json = {"json": {"displayName": "x"}} if operation.method == "PATCH" else {}
    if operation.method != "GET" and "remoteId" in operation.query:
        for status, given in ((404, source), (403, str(uuid.UUID(int=7))), (400, "no-uuid")):
            yield status, url_path, {"params": {"remoteId": "nothing", "sourceId": given}, **body}
    if operation.parameter:
        yield 404, url_path, body
        if contract is REVENUE and operation.parameter not in ("dealId", "accountId"):
            yield 400, re.sub(r"\{\w+\}", "no-uuid", operation.path), body


async def _chunks() -> AsyncIterator[bytes]:
    yield b"{}"


@pytest.mark.parametrize(
    ("path", "resource", "body"),
    [
        (DISCOVERY_DOCUMENT, "/external/v1/products", {"name": "Atlas", "id": str(uuid.uuid4())}),
        (REVENUE_DOCUMENT, "/v1/sources", {"name": "crm", "displayName": "CRM"}),
    ],
    ids=["discovery", "revenue"],
)
async def test_conflicts_and_exceeded_limits(
    documents: dict[str, Json], make_tenant: MakeTenant, path: str, resource: str, body: Json
) -> None:
    tenant = await make_tenant(limits=HIGH_LIMITS)
    limited = await make_tenant(limits=RateLimitOverrides(minute=1))
    check = Checker(documents[path])
    await limited.http.get(resource)
    for status, answer in (
        (201, await tenant.http.post(resource, json=body)),
        (409, await tenant.http.post(resource, json=body)),
        (429, await limited.http.get(resource)),
        (429, await limited.http.post(resource)),
    ):
        assert answer.status_code == status
        check(resource, answer)
