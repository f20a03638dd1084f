"""The published OpenAPI documents are valid and match the contracts in tests/contracts."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.discovery import surface as discovery
from gateway.revenue import surface as revenue
from tests.http.conftest import BASE_URL
from tests.http.contracts import DISCOVERY, REVENUE, Contract, Operation, field_of, reference
from tests.http.published import (
    DISCOVERY_DOCUMENT,
    DOCUMENTS,
    REVENUE_DOCUMENT,
    Json,
    errors,
    operations,
    resolve,
)
from tests.http.published import (
    operation as resolved_operation,
)

CONTRACTS = {DISCOVERY_DOCUMENT: DISCOVERY, REVENUE_DOCUMENT: REVENUE}
OPERATIONS = [
    pytest.param(path, each, id=each.name)
    for path, contract in CONTRACTS.items()
    for each in contract.operations.values()
]
MODELS = [(path, name) for path, contract in CONTRACTS.items() for name in contract.models]

TAGS = {
    DISCOVERY_DOCUMENT: [
        "Signals",
        "Insights",
        "Opportunities",
        "Ideas",
        "Products",
        "Accounts",
        "Auth",
    ],
    REVENUE_DOCUMENT: [
        *("Health", "Sources", "Object types", "Rows", "Conversations", "Messages", "Documents"),
        *("Deals", "Accounts"),
    ],
}
# Ids in paths that are not UUIDs.
OTHER_IDS = {
    "signals": "UUID or public id of the signal, such as `SIGNAL-42`.",
    "insights": "UUID or public id of the insight, such as `INSIGHT-7`.",
    "opportunities": "UUID or public id of the opportunity, such as `OPPORTUNITY-3`.",
    "ideas": "UUID or public id of the idea, such as `IDEA-12`.",
    "deals": "The id that the CRM gave to the deal.",
    "accounts": "The id that the CRM gave to the account.",
}
# Headers that every answer with this documentation has; the others are optional.
REQUIRED_HEADERS = {
    *("X-Request-Id", "X-Total-Count", "X-Limit", "X-Offset", "Retry-After", "WWW-Authenticate"),
}
OPTIONAL_HEADERS = {
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    *("X-Total-Count-Capped", "Idempotent-Replayed", "ETag", "Link"),
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
    ids = [described["operationId"].lower() for _, _, described in operations(document)]
    assert len(ids) == len(set(ids))
    # The same name in a generated client.
    assert not {f"get{name}" for name in ids} & set(ids)
    assert all(described["description"] for _, _, described in operations(document))


def test_document_says_where_the_api_is_and_who_is_responsible(document: Json) -> None:
    assert [server["url"] for server in document["servers"]] == [BASE_URL]
    assert document["info"]["contact"]["url"] == BASE_URL
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["externalDocs"]["url"] == f"{BASE_URL}/reference"
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_lists_say_how_they_are_paged(document: Json, path: str) -> None:
    for _, _, described in operations(document):
        names = {each["name"] for each in described["parameters"]}
        hint = described.get("x-speakeasy-pagination", {})
        assert (hint != {}) == bool(names & {"offset", "cursor"})
        assert {each["name"] for each in hint.get("inputs", ())} <= names
        if path == REVENUE_DOCUMENT and hint:
            schema = described["responses"]["200"]["content"]["application/json"]["schema"]
            page = resolve(document, schema)["properties"]
            items = hint["outputs"]["results"].removeprefix("$.")
            assert page[items]["type"] == "array"
            assert described["x-fern-pagination"]["results"] == f"$response.{items}"
            assert hint["outputs"]["nextCursor"] == "$.pagination.nextCursor"


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
    assert all(tag["description"] for tag in document["tags"])


def test_probes_need_no_key(full_document: Json) -> None:
    open_paths = {path for path, _, each in operations(full_document) if not each["security"]}
    assert open_paths == {"/livez", "/healthcheck", "/readyz", "/health"}


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
    found = {400, 401, 429, 500}
    if operation.scope is None:
        return found
    found.add(403)
    if path == REVENUE_DOCUMENT:
        found |= {404} if operation.parameter or operation.method != "GET" else set()
        found |= {409} if operation.method != "GET" else set()
        return found | ({411, 413} if operation.method in ("POST", "PATCH") else set())
    found |= {404} if operation.parameter else set()
    found |= {412} if operation.method in ("PATCH", "DELETE") else set()
    # The identity of another signal.
    found |= {409} if operation.name == "updateSignal" else set()
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
    answers = {
        int(status): each
        for status, each in described["responses"].items()
        if "x-addition" not in each
    }
    is_record = operation.method == "GET" and operation.path.endswith("}")
    assert (304 in answers) == is_record
    not_modified = answers.pop(304, {"content": {}})
    assert not_modified["content"] == {}
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
        text = f"The uuid of the {noun}."
        # Discovery has UUIDs for the accounts.
        if (path, operation.collection) != (DISCOVERY_DOCUMENT, "accounts"):
            text = OTHER_IDS.get(operation.collection, text)
        schema: Json = {"type": "string", "format": "uuid"}
        if "public id" in text:
            pattern = f"^({noun.upper()}-[1-9][0-9]{{0,17}}|[0-9A-Fa-f-]{{36}})$"
            schema = {"type": "string", "pattern": pattern}
        elif "uuid" not in text:
            schema = {"type": "string", "minLength": 1}
        assert (given["description"], given["schema"]) == (text, schema)
        assert given["required"]
    key = found.pop(("header", "Idempotency-Key"), None)
    assert (key is not None) == (operation.method == "POST")
    read = found.pop(("header", "If-None-Match"), None)
    assert (read is not None) == (operation.method == "GET" and operation.path.endswith("}"))
    write = found.pop(("header", "If-Match"), None)
    is_change = operation.method in ("PATCH", "DELETE")
    assert (write is not None) == (is_change and path == DISCOVERY_DOCUMENT)
    assert {
        name: field_of(each["schema"], required=each.get("required", False))
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
        assert "Link" in headers


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


def _schemas(value: Any) -> Iterator[Json]:
    """Every schema within a component, at any depth."""
    yield value
    for name in ("items", "additionalProperties"):
        if isinstance(value.get(name), dict):
            yield from _schemas(value[name])
    for each in (*value.get("properties", {}).values(), *value.get("anyOf", ())):
        yield from _schemas(each)


@pytest.fixture
def schemas(full_document: Json) -> list[Json]:
    """Every schema of the full document: of components, parameters and bodies."""
    found = [*full_document["components"]["schemas"].values()]
    for _, _, described in operations(full_document):
        found += [each["schema"] for each in described["parameters"]]
        bodies = [described.get("requestBody", {}), *described["responses"].values()]
        found += [each["schema"] for body in bodies for each in body.get("content", {}).values()]
    return [schema for each in found for schema in _schemas(each)]


def test_numbers_have_formats_and_objects_say_what_they_hold(schemas: list[Json]) -> None:
    formats = {"integer": {"int32", "int64"}, "number": {"double"}}
    for schema in schemas:
        kind = schema.get("type")
        assert kind not in formats or schema["format"] in formats[kind]
        assert kind != "object" or "properties" in schema or schema.get("additionalProperties")
        assert kind != "array" or "items" in schema


def test_enumerations_are_named(full_document: Json) -> None:
    """Code generators give the inline ones a name for each use. Constants are inline."""
    for schema in full_document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            for each in _schemas(field):
                assert len(each.get("enum", [1])) == 1, each


def test_fields_have_no_defaults(full_document: Json) -> None:
    """Code generators make a property with a default required."""
    for schema in full_document["components"]["schemas"].values():
        assert not [each for each in _schemas(schema) if "default" in each]


@pytest.mark.parametrize("path", DOCUMENTS, ids=["full_document", "discovery", "revenue"])
def test_document_is_small_and_has_no_unused_component(document: Json) -> None:
    text = json.dumps(document, separators=(",", ":"))
    assert len(text) < 250_000
    for kind, objects in document["components"].items():
        for name in objects if kind != "securitySchemes" else ():
            assert f'"#/components/{kind}/{name}"' in text


def test_error_bodies_of_the_revenue_record_are_closed(documents: dict[str, Json]) -> None:
    document = documents[REVENUE_DOCUMENT]
    schemas = document["components"]["schemas"]
    assert errors(document, schemas["ReadError"], {"detail": "No."}) == []
    fault = {"error": "conflict", "message": "No.", "field": None, "request_id": "r"}
    assert errors(document, schemas["WriteError"], {"detail": fault}) == []
    for wrong in ({"detail": [fault]}, {"detail": fault | {"more": 1}}, {"detail": {"error": "x"}}):
        assert errors(document, schemas["WriteError"], wrong)


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
    assert marked - {"livez"} == {"getSystemHealth", "healthcheck"}
