"""The published OpenAPI documents: valid, complete, and true of what the API really answers."""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from domains.kernel.blobs import Blobs
from domains.kernel.compute import Compute
from domains.kernel.db import Database
from domains.kernel.settings import read
from gateway import limits, openapi
from gateway.app import SURFACES, create_app
from gateway.discovery.surface import DISCOVERY
from gateway.revenue.surface import REVENUE
from gateway.surface import Operation
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant

Json = dict[str, Any]

EVERYTHING = "/openapi.json"
OF_DISCOVERY = "/external/v1/openapi.json"
OF_REVENUE = "/v1/openapi.json"
DOCUMENTS = (EVERYTHING, OF_DISCOVERY, OF_REVENUE)

SIGNALS = "/external/v1/signals"
SIGNAL = f"{SIGNALS}/{{id}}"
INSIGHTS = "/external/v1/insights"
INSIGHT = f"{INSIGHTS}/{{id}}"
CONTEXT = "/external/v1/auth/context"

# The contract: operation, method, path, scope (None: any key), success, refusals. Each refusal must
# be documented; a 503 may come on top.
KEYED = {401, 429, 500}
SCOPED = KEYED | {400, 403}
CONTRACT = [
    ("listSignals", "get", SIGNALS, "signals:read", 200, SCOPED),
    ("getSignal", "get", SIGNAL, "signals:read", 200, SCOPED | {404}),
    ("createSignal", "post", SIGNALS, "signals:write", 201, SCOPED | {409, 413}),
    ("updateSignal", "patch", SIGNAL, "signals:write", 200, SCOPED | {404, 413}),
    ("deleteSignal", "delete", SIGNAL, "signals:delete", 200, SCOPED | {404}),
    ("processSignal", "post", f"{SIGNAL}/process", "signals:write", 201, SCOPED | {404, 409, 413}),
    ("listInsights", "get", INSIGHTS, "insights:read", 200, SCOPED),
    ("getInsight", "get", INSIGHT, "insights:read", 200, SCOPED | {404}),
    ("listInsightEvidence", "get", f"{INSIGHT}/evidence", "insights:read", 200, SCOPED | {404}),
    ("getAuthContext", "get", CONTEXT, None, 200, KEYED),
    ("health", "get", "/v1/health", None, 200, KEYED),
]

# Nullable ones are required, too: the key is always there.
REQUIRED = {
    "Signal": {
        "id",
        "name",
        "publicId",
        "workspaceId",
        "status",
        "signalType",
        "context",
        "source",
        "data",
        "insightIds",
        "externalId",
        "createdAt",
        "updatedAt",
    },
    "Insight": {
        "id",
        "name",
        "description",
        "status",
        "type",
        "productId",
        "opportunityIds",
        "ideaIds",
        "tagIds",
        "createdAt",
        "updatedAt",
    },
    "Evidence": {"quote", "signalId", "signalPublicId", "start", "end"},
    "SignalTextCreate": {"text", "signalType"},
    "SignalRawCreate": {"source"},
    "SignalUpdate": set(),
    "SignalSource": {"type"},
    "JobRef": {"jobId"},
    "Deleted": {"message"},
    "AuthContext": {"workspace", "credential"},
    "HealthResponse": {"status", "org_id", "scopes"},
    "ProblemDetails": {"type", "title", "status", "detail", "requestId"},
}
NULLABLE = {
    "Signal": {"signalType", "context", "data", "externalId"},
    "Insight": {"productId"},
    "SignalUpdate": {"data", "externalId", "context"},
    "SignalTextCreate": set(),
}


@pytest.fixture(scope="session")
def documents(stack: Stack) -> dict[str, Json]:
    """The three documents as the API serves them."""
    found = {}
    for path in DOCUMENTS:
        answer = httpx.get(stack.base_url + path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        found[path] = answer.json()
    return found


@pytest.fixture(scope="session")
def everything(documents: dict[str, Json]) -> Json:
    return documents[EVERYTHING]


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield path, method, described


def _errors(document: Json, schema: Json, value: Any) -> list[str]:
    """What is wrong with a value. Nothing that is not described may be in it."""
    closed = {
        name: {**each, "additionalProperties": False} if "properties" in each else each
        for name, each in document["components"]["schemas"].items()
    }
    validator = OAS31Validator(
        {**schema, "components": {"schemas": closed}}, format_checker=oas31_format_checker
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _check(document: Json, template: str, answer: httpx.Response) -> Any:
    """The answer's body; it must be as the document says for its operation and status."""
    described = document["paths"][template][answer.request.method.lower()]
    documented = described["responses"][str(answer.status_code)]
    media = answer.headers["content-type"].partition(";")[0]
    assert list(documented["content"]) == [media]
    assert _errors(document, documented["content"][media]["schema"], answer.json()) == []
    missing = [
        name
        for name in documented["headers"]
        if name not in answer.headers
        # Sent where there is something to say: a replay, a capped count, a key with limits.
        and name not in ("Idempotent-Replayed", "X-Total-Count-Capped")
        and not name.startswith("X-RateLimit-")
    ]
    assert missing == []
    return answer.json()


# --- the documents ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_document_is_valid_openapi_3_1(documents: dict[str, Json], path: str) -> None:
    assert documents[path]["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(cast(Any, documents[path])).validate()


def test_each_surface_has_its_part_of_everything(documents: dict[str, Json]) -> None:
    every = documents[EVERYTHING]["paths"]
    for path, prefix in ((OF_DISCOVERY, "/external/v1/"), (OF_REVENUE, "/v1/")):
        mine = documents[path]["paths"]
        assert mine == {name: each for name, each in every.items() if name.startswith(prefix)}


@pytest.mark.parametrize(("name", "method", "path", "scope", "success", "refusals"), CONTRACT)
def test_the_contract_s_operations_are_documented(
    everything: Json,
    name: str,
    method: str,
    path: str,
    scope: str | None,
    success: int,
    refusals: set[int],
) -> None:
    described = everything["paths"][path][method]
    assert described["operationId"] == name
    assert described["summary"]
    assert described["description"]
    assert described["security"] == [{"apiKey": []}]
    assert described["x-required-scopes"] == ([] if scope is None else [scope])
    statuses = {int(status) for status in described["responses"]}
    assert {status for status in statuses if status < 400} == {success}
    assert refusals <= statuses <= refusals | {success, 503}
    parameters = {(each["in"], each["name"]): each for each in described["parameters"]}
    assert (("path", "id") in parameters) == ("{id}" in path)
    assert (("header", "Idempotency-Key") in parameters) == (method == "post")
    assert all(each["description"] for each in parameters.values())


@pytest.mark.parametrize("path", DOCUMENTS)
def test_operation_ids_are_unique(documents: dict[str, Json], path: str) -> None:
    ids = [described["operationId"] for _, _, described in _operations(documents[path])]
    assert len(ids) == len(set(ids))


def test_lists_document_their_paging(everything: Json) -> None:
    for path in (SIGNALS, INSIGHTS):
        described = everything["paths"][path]["get"]
        query = {
            each["name"]: each["schema"]
            for each in described["parameters"]
            if each["in"] == "query"
        }
        assert query == {
            "limit": {"type": "integer", "minimum": 1, "default": 20},
            "offset": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0},
            "order": {"enum": ["asc", "desc"], "default": "desc"},
        }
        assert {"X-Total-Count", "X-Limit", "X-Offset"} <= set(
            described["responses"]["200"]["headers"]
        )


def test_additions_are_marked_and_nothing_else_is(everything: Json) -> None:
    marked = {
        described["operationId"]
        for _, _, described in _operations(everything)
        if described.get("x-addition")
    }
    # Whether the liveness probe counts as one is for its handler to say.
    assert marked - {"livez"} == {"listInsightEvidence", "getHealth"}


def test_what_needs_no_key_asks_for_none(everything: Json) -> None:
    open_paths = {path for path, _, each in _operations(everything) if "security" not in each}
    assert open_paths == {"/livez", "/readyz", "/health"}


@pytest.mark.parametrize("name", REQUIRED)
def test_models_require_what_is_always_there(everything: Json, name: str) -> None:
    schema = everything["components"]["schemas"][name]
    assert set(schema["required"]) == REQUIRED[name]
    if name in NULLABLE:
        nullable = {
            field
            for field, described in schema["properties"].items()
            if {"type": "null"} in described.get("anyOf", [])
        }
        assert nullable == NULLABLE[name]


def test_models_name_formats_patterns_and_values(everything: Json) -> None:
    fields = everything["components"]["schemas"]["Signal"]["properties"]
    assert {"type": "string", "format": "date-time"}.items() <= fields["createdAt"].items()
    assert fields["id"]["format"] == "uuid"
    assert fields["publicId"]["pattern"] == "^SIGNAL-[0-9]+$"
    assert fields["status"]["enum"] == ["pending", "processing", "processed", "failed"]
    assert {"type": "object"} in fields["data"]["anyOf"]


def test_a_signal_is_created_from_text_or_from_a_source(everything: Json) -> None:
    body = everything["paths"][SIGNALS]["post"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/json"]["schema"]["oneOf"] == [
        {"$ref": "#/components/schemas/SignalTextCreate"},
        {"$ref": "#/components/schemas/SignalRawCreate"},
    ]


def test_every_example_is_valid(everything: Json) -> None:
    checked = 0
    for _, _, described in _operations(everything):
        contents = [described.get("requestBody", {}).get("content", {})]
        contents += [answer["content"] for answer in described["responses"].values()]
        for content in (each for media in contents for each in media.values()):
            examples = [each["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            for example in examples:
                assert _errors(everything, content["schema"], example) == []
                checked += 1
    assert checked > len(CONTRACT)


# --- the served routes ------------------------------------------------------------------------


async def test_no_served_operation_is_missing(stack: Stack, database: Database) -> None:
    """Walks the router of the application: only pages and figures for operators are left out."""
    blobs = Blobs.open(stack.env["BLOB_URL"], {})
    client = limits.connect(stack.env["REDIS_URL"], 1)
    with Compute.open(1, 1) as compute:
        edge = create_app(database, blobs, limits.Limiter(client), compute, read(stack.env))
    await client.aclose()
    app = edge._app
    served = {
        (str(method).lower(), path)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "operation" in handler.opt
        for method in handler.http_methods
        for path in [route.path_format]
    }
    described = {(method, path) for path, method, _ in _operations(openapi.document(SURFACES))}
    aliases = {
        (method, alias)
        for method, path in described
        for alias in (f"/api{path}",)
        if path.startswith("/external/v1/") or path == "/readyz"
    }
    unlisted = {("get", path) for path in ("/", "/reference", "/metrics", *DOCUMENTS)}
    assert served == described | aliases | unlisted


def test_the_documents_describe_each_handler_s_own_declaration(everything: Json) -> None:
    for surface in (DISCOVERY, REVENUE):
        declared = {
            handler.opt["operation"].id: handler.opt["operation"] for handler in surface.handlers
        }
        described = {
            each["operationId"]: each
            for path, _, each in _operations(everything)
            if path.startswith(surface.prefixes[0] + "/")
        }
        assert set(described) == set(declared)
        for name, each in described.items():
            operation: Operation = declared[name]
            assert each["x-required-scopes"] == (
                [] if operation.access == "any key" else [operation.access]
            )


# --- what the API answers ---------------------------------------------------------------------


async def test_answers_match_their_schemas(everything: Json, acme: Tenant) -> None:
    http, check = acme.http, partial(_check, everything)
    typed = {
        "text": "The export fails every day. I would love a CSV button.",
        "signalType": "review",
        "occurredAt": "2024-03-20T10:00:00Z",
        "additionalContext": "a survey",
        "accountId": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002",
    }
    raw = {
        "source": {"type": "support-ticket", "external_data": {"provider": "zendesk"}},
        "data": {"subject": "The reset link is broken"},
    }
    signal = check(SIGNALS, await http.post(SIGNALS, json=typed))
    check(SIGNALS, await http.post(SIGNALS, json=raw))
    check(SIGNALS, await http.post(SIGNALS, json={"source": {"type": "call"}, "data": None}))
    await acme.processed(signal["id"])
    got = check(SIGNAL, await http.get(f"{SIGNALS}/{signal['publicId']}"))
    assert len(check(SIGNALS, await http.get(SIGNALS))) == 3
    assert check(INSIGHTS, await http.get(INSIGHTS))
    for insight in got["insightIds"]:
        check(INSIGHT, await http.get(f"{INSIGHTS}/{insight}"))
        assert check(f"{INSIGHT}/evidence", await http.get(f"{INSIGHTS}/{insight}/evidence"))
    check(SIGNAL, await http.patch(f"{SIGNALS}/{signal['id']}", json={"context": None}))
    check(f"{SIGNAL}/process", await http.post(f"{SIGNALS}/{signal['id']}/process"))
    check(SIGNAL, await http.delete(f"{SIGNALS}/{signal['id']}"))
    check(CONTEXT, await http.get(CONTEXT))
    check("/v1/health", await http.get("/v1/health"))
    for path in ("/health", "/readyz", "/livez"):
        check(path, await http.get(path, headers={"Authorization": ""}))


async def test_refusals_match_their_schemas(
    everything: Json, stack: Stack, acme: Tenant, make_tenant: MakeTenant
) -> None:
    http, check = acme.http, partial(_check, everything)
    nobody = {"Authorization": "Bearer sk_live_nobody"}
    limited = await make_tenant(scopes=["insights:read"])
    refused = [
        (401, SIGNALS, await http.get(SIGNALS, headers=nobody)),
        (401, "/v1/health", await http.get("/v1/health", headers=nobody)),
        (403, SIGNALS, await limited.http.get(SIGNALS)),
        (400, SIGNALS, await http.get(SIGNALS, params={"limit": "0"})),
        (400, SIGNALS, await http.post(SIGNALS, json={"text": ""})),
        (404, SIGNAL, await http.get(f"{SIGNALS}/SIGNAL-404")),
        (404, f"{INSIGHT}/evidence", await http.get(f"{INSIGHTS}/x/evidence")),
        (413, SIGNALS, await http.post(SIGNALS, content=b" " * (10 * 1024 * 1024 + 1))),
    ]
    for status, template, answer in refused:
        assert answer.status_code == status
        body = check(template, answer)
        if template.startswith("/external/"):
            assert body["status"] == status
            assert body["requestId"] == answer.headers["x-request-id"]
    async with httpx.AsyncClient(base_url=stack.base_url) as anonymous:
        check(SIGNALS, await anonymous.get(SIGNALS))


def test_both_error_bodies_of_the_revenue_surface_are_described(everything: Json) -> None:
    schemas = everything["components"]["schemas"]
    assert _errors(everything, schemas["ReadError"], {"detail": "No."}) == []
    fault = {"error": "conflict", "message": "No.", "field": None, "request_id": "r"}
    assert _errors(everything, schemas["WriteError"], {"detail": fault}) == []
