"""The published OpenAPI documents are valid and match the contracts in tests/contracts."""

import re
from typing import Any, cast

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from openapi_spec_validator import OpenAPIV31SpecValidator

from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.signing import Signer
from gateway import app
from gateway.admission.rate_limit import Limiter
from gateway.admission.redis_connection import RedisConnection
from gateway.discovery import surface as discovery
from gateway.openapi.document import build_document
from gateway.revenue import surface as revenue
from tests.http.contracts import DISCOVERY, REVENUE, Contract, Operation, field_of, reference
from tests.http.published import (
    DISCOVERY_DOCUMENT,
    DOCUMENTS,
    REVENUE_DOCUMENT,
    Json,
    errors,
    operations,
)
from tests.http.published import (
    operation as resolved_operation,
)
from tests.stack import Stack

CONTRACTS = {DISCOVERY_DOCUMENT: DISCOVERY, REVENUE_DOCUMENT: REVENUE}
OPERATIONS = [
    pytest.param(path, each, id=each.name)
    for path, contract in CONTRACTS.items()
    for each in contract.operations.values()
]
MODELS = [(path, name) for path, contract in CONTRACTS.items() for name in contract.models]

TAGS = {
    DISCOVERY_DOCUMENT: ["Signals", "Insights", "Opportunities", "Ideas", "Products", "Auth"],
    REVENUE_DOCUMENT: [
        *("Health", "Sources", "Object types", "Rows", "Conversations", "Messages", "Documents"),
        *("Deals", "Accounts"),
    ],
}
# Ids in paths that are not UUIDs.
OTHER_IDS = {
    "signals": "UUID or public id of the signal, such as `SIGNAL-42`.",
    "deals": "The id that the CRM gave to the deal.",
    "accounts": "The id that the CRM gave to the account.",
}
# Headers that every answer with this documentation has; the others are optional.
REQUIRED_HEADERS = {
    *("X-Request-Id", "X-Total-Count", "X-Limit", "X-Offset", "Retry-After", "WWW-Authenticate"),
}
OPTIONAL_HEADERS = {
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    *("X-Total-Count-Capped", "Idempotent-Replayed"),
}


@pytest.fixture(params=CONTRACTS, ids=["discovery", "revenue"])
def path(request: pytest.FixtureRequest) -> str:
    """The path of the document of each API in turn."""
    return str(request.param)


@pytest.fixture
def document(documents: dict[str, Json], path: str) -> Json:
    return documents[path]


# --- whole documents --------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=["full_document", "discovery", "revenue"])
def test_document_is_valid_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(cast(Any, document)).validate()
    ids = [described["operationId"] for _, _, described in operations(document)]
    assert len(ids) == len(set(ids))


def test_document_is_part_of_the_full_document(
    full_document: Json, document: Json, path: str
) -> None:
    prefix = CONTRACTS[path].prefix + "/"
    paths = {name: each for name, each in full_document["paths"].items() if name.startswith(prefix)}
    assert document["paths"] == paths
    assert (
        document["components"]["schemas"].items() <= full_document["components"]["schemas"].items()
    )


def test_headers_are_described_and_required_if_always_sent(full_document: Json) -> None:
    headers = full_document["components"]["headers"]
    assert {name for name, each in headers.items() if each["required"]} == REQUIRED_HEADERS
    assert {name for name, each in headers.items() if not each["required"]} == OPTIONAL_HEADERS
    assert all(each["description"] for each in headers.values())
    counted = headers["X-Total-Count"]["description"]
    assert "10,000" in counted
    assert "X-Total-Count-Capped" in counted


def test_each_resource_has_a_tag(document: Json, path: str) -> None:
    for name, _, described in operations(document):
        resource = name.removeprefix(CONTRACTS[path].prefix).split("/")[1]
        assert described["tags"] == [resource.replace("-", " ").capitalize()]
    assert [tag["name"] for tag in document["tags"]] == TAGS[path]


def test_probes_need_no_key(full_document: Json) -> None:
    open_paths = {path for path, _, each in operations(full_document) if not each["security"]}
    assert open_paths == {"/livez", "/readyz", "/health"}


def test_every_example_is_valid(full_document: Json) -> None:
    checked = 0
    for _, _, described in operations(full_document):
        contents = [described.get("requestBody", {}).get("content", {})]
        contents += [answer["content"] for answer in described["responses"].values()]
        for content in (each for media in contents for each in media.values()):
            examples = [each["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            for example in examples:
                assert errors(full_document, content["schema"], example) == []
                checked += 1
    assert checked > len(OPERATIONS)


# --- operations -------------------------------------------------------------------------------


def test_document_has_the_operations_of_the_contract(document: Json, path: str) -> None:
    contract = CONTRACTS[path]
    found = {
        (each["operationId"], method.upper(), name, each.get("x-addition", False))
        for name, method, each in operations(document)
    }
    assert found == {
        (name, each.method, contract.prefix + each.path, each.addition)
        for name, each in contract.operations.items()
    }
    # Operations that the vendors document.
    vendor = [each for each in contract.operations.values() if not each.addition]
    assert len(vendor) == {DISCOVERY_DOCUMENT: 24, REVENUE_DOCUMENT: 33}[path]


def _refusals(path: str, operation: Operation) -> set[int]:
    """The documented error statuses, except 503, which is optional."""
    found = {401, 429, 500}
    if operation.scope is None:
        return found
    found |= {400, 403}
    if path == REVENUE_DOCUMENT:
        found |= {404} if operation.parameter or operation.method != "GET" else set()
        found |= {409} if operation.method != "GET" else set()
        return found | ({411, 413} if operation.method in ("POST", "PATCH") else set())
    found |= {404} if operation.parameter else set()
    return found | {"POST": {409, 413}, "PATCH": {413}}.get(operation.method, set())


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_operation_is_as_in_the_contract(document: Json, path: str, operation: Operation) -> None:
    described = _described(document, path, operation)
    assert described["summary"]
    assert described["description"]
    assert described["security"] == [{"bearer": [operation.scope] if operation.scope else []}]
    bodies = [reference(body) for body in operation.bodies]
    assert described.get("requestBody", {}).get("required", False) == bool(bodies)
    if bodies:
        body = described["requestBody"]["content"]["application/json"]["schema"]
        body.pop("discriminator", None)
        assert body == (bodies[0] if len(bodies) == 1 else {"oneOf": bodies})
    refusals = _refusals(path, operation)
    answers = {int(status): each for status, each in described["responses"].items()}
    assert refusals | {operation.status} <= set(answers) <= refusals | {operation.status, 503}
    problem = path == DISCOVERY_DOCUMENT
    error = "ReadError" if operation.method == "GET" else "WriteError"
    for status, each in answers.items():
        if status == operation.status:
            assert each["content"]["application/json"]["schema"] == operation.answer
        elif problem:
            schema = reference("ProblemDetails")
            assert each["content"]["application/problem+json"]["schema"] == schema
        else:
            assert each["content"]["application/json"]["schema"] == reference(error)


def _described(document: Json, path: str, operation: Operation) -> Json:
    name = CONTRACTS[path].prefix + operation.path
    return resolved_operation(document, name, operation.method.lower())


@pytest.mark.parametrize(("path", "operation"), OPERATIONS)
def test_parameters_are_as_in_the_contract(document: Json, path: str, operation: Operation) -> None:
    described = _described(document, path, operation)
    found = {(each["in"], each["name"]): each for each in described["parameters"]}
    assert all(each["description"] for each in found.values())
    if operation.parameter:
        given = found.pop(("path", operation.parameter))
        kind = {"opportunities": "opportunity"}.get(operation.collection, operation.collection)
        noun = kind.removesuffix("s").replace("-", " ")
        text = OTHER_IDS.get(operation.collection, f"The uuid of the {noun}.")
        other: Json = {"type": "string", "minLength": 1}
        schema = (
            other if operation.collection in OTHER_IDS else {"type": "string", "format": "uuid"}
        )
        assert (given["description"], given["schema"]) == (text, schema)
        assert given["required"]
    key = found.pop(("header", "Idempotency-Key"), None)
    assert (key is not None) == (operation.method == "POST")
    assert {
        name: field_of(each["schema"], required=each["required"])
        for (place, name), each in found.items()
        if place == "query"
    } == operation.query
    assert len(found) == len(operation.query)
    # Discovery's vendor documents only these two parameters. The revenue record's documents all
    # but one.
    all_but_one = set(operation.query) - {"processingStatus"}
    vendor = {"limit", "offset"} if path == DISCOVERY_DOCUMENT else all_but_one
    added = {name for (_, name), each in found.items() if each.get("x-addition")}
    assert added == set(operation.query) - vendor
    if "offset" in operation.query:
        headers = described["responses"]["200"]["headers"]
        assert {"X-Total-Count", "X-Limit", "X-Offset", "X-Total-Count-Capped"} <= set(headers)


def test_creates_link_to_the_operations_of_the_record(document: Json, path: str) -> None:
    links = {
        described["operationId"]: {
            name: link["parameters"]
            for name, link in answer["links"].items()
            if name == link["operationId"]
        }
        for _, _, described in operations(document)
        for answer in described["responses"].values()
        if "links" in answer
    }
    every = CONTRACTS[path].operations.values()
    expected: dict[str, Json] = {}
    for create in every:
        if create.method == "POST" and create.path == f"/{create.collection}":
            id_field = "recordId" if create.answer == reference("RecordResponse") else "id"
            expected[create.name] = {
                each.name: {each.parameter: f"$response.body#/{id_field}"}
                if each.parameter
                else {"remoteId": "$response.body#/id", "sourceId": "$response.body#/sourceId"}
                for each in every
                if each.collection == create.collection
                and (each.parameter or each.method in ("PATCH", "DELETE"))
            }
    assert links == {name: each for name, each in expected.items() if each}


# --- models -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "name"), MODELS)
def test_model_is_as_in_the_contract(document: Json, path: str, name: str) -> None:
    schema = document["components"]["schemas"][name]
    required = schema.get("required", ())
    assert {
        field: field_of(described, required=field in required)
        for field, described in schema["properties"].items()
    } == CONTRACTS[path].models[name]


def test_every_model_is_in_the_contract_and_described(document: Json, path: str) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas) == set(CONTRACTS[path].models) | set(CONTRACTS[path].named)
    for schema in schemas.values():
        assert schema["description"]
        # Markdown would show an indented line as code.
        assert "\n " not in schema["description"]
        for described in schema.get("properties", {}).values():
            assert described["description"]


def test_named_types_are_as_in_the_contract(document: Json, path: str) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in CONTRACTS[path].named.items():
        assert field_of(schemas[name], required=False).schema == schema


def test_error_bodies_of_the_revenue_record_are_closed(documents: dict[str, Json]) -> None:
    document = documents[REVENUE_DOCUMENT]
    schemas = document["components"]["schemas"]
    assert errors(document, schemas["ReadError"], {"detail": "No."}) == []
    fault = {"error": "conflict", "message": "No.", "field": None, "request_id": "r"}
    assert errors(document, schemas["WriteError"], {"detail": fault}) == []
    for wrong in ({"detail": [fault]}, {"detail": fault | {"more": 1}}, {"detail": {"error": "x"}}):
        assert errors(document, schemas["WriteError"], wrong)


# --- served routes ----------------------------------------------------------------------------


async def test_no_served_operation_is_missing(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router has the served operations. Pages, metrics and files are left out on purpose."""
    blobs = Blobs.open(stack.env["BLOB_URL"], {})
    connection = RedisConnection(stack.env["REDIS_URL"], 1)
    built: list[Litestar] = []
    monkeypatch.setattr(app, "require_operations", built.append)
    with ProcessPool.open(1, 1) as compute:
        app.create_app(
            database,
            blobs,
            Limiter(connection),
            compute,
            Signer(b""),
            load_settings(stack.env),
        )
    await connection.aclose()
    served = {
        (str(method).lower(), re.sub("_([a-z])", lambda found: found[1].upper(), route.path_format))
        for route in built[0].routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and "operation" in handler.opt
        for method in handler.http_methods
    }
    described = {
        (method, path)
        for path, method, _ in operations(build_document(app.SURFACES, "https://gateway.test"))
    }
    aliases = {
        (method, f"/api{path}")
        for method, path in described
        if path.startswith("/external/v1/") or path == "/readyz"
    }
    others = ("/", "/reference", "/metrics", "/files/{key}", *DOCUMENTS)
    unlisted = {("get", path) for path in others} | {("head", "/files/{key}")}
    assert served == described | aliases | unlisted


@pytest.mark.parametrize(
    ("contract", "surface"), [(DISCOVERY, discovery.DISCOVERY), (REVENUE, revenue.REVENUE)]
)
def test_handlers_declare_the_scopes_of_the_contract(contract: Contract, surface: Any) -> None:
    declared = {each.opt["operation"].id: each.opt["operation"].access for each in surface.handlers}
    assert declared == {name: each.scope or "any key" for name, each in contract.operations.items()}


def test_additions_of_the_operator_are_marked(full_document: Json) -> None:
    marked = {
        described["operationId"]
        for path, _, described in operations(full_document)
        if described.get("x-addition") and not path.startswith(("/external/v1/", "/v1/"))
    }
    # The liveness probe may be marked or not.
    assert marked - {"livez"} == {"getSystemHealth"}
