"""The vendor's documented examples of the revenue record, byte for byte as files.

Documented requests are accepted; only the ids of the source and the object type are replaced.
Documented answers match the published schemas and have the same fields as real answers.
"""

import json

import pytest

from gateway.revenue.surface import REVENUE
from tests.http.contracts import FOLDER
from tests.http.published import REVENUE_DOCUMENT, Json, errors, operations
from tests.stack import Tenant

FILES = FOLDER / "examples"
REQUESTS = sorted(path.name.split(".")[0] for path in FILES.glob("*.request.json"))
ANSWERS = sorted(path.name.split(".")[0] for path in FILES.glob("*.response.json"))
CREATES = {
    "createConversation": "conversations",
    "createMessage": "messages",
    "createRow": "rows",
    "createDocument": "documents",
}
# Example of a PATCH -> example of the POST that creates its record.
CHANGES = {"updateRow": "createRow", "updateDocument": "createDocument"}


def _example(name: str) -> Json:
    found: Json = json.loads((FILES / f"{name}.json").read_text())
    return found


_CALL, _MAIL, _ROW = (
    _example(f"create{kind}.request") for kind in ("Conversation", "Message", "Row")
)
# Fields of each documented record as the API shows it.
SHOWN: dict[str, Json] = {
    "createConversation": {
        "title": "Acme onboarding call",
        "startTime": "2024-05-01T15:00:00Z",
        "endTime": "2024-05-01T15:45:00Z",
        "type": "EXTERNAL",
        "participants": [{**each, "attended": True} for each in _CALL["participants"]],
    },
    "createMessage": {
        **{name: _MAIL[name] for name in ("body", "sender", "recipients", "createdAt")},
        "remoteId": "msg-9001",
        "threadId": "thread-42",
        "subject": "Re: Pricing question",
        "bodyPreview": _MAIL["body"],
    },
    "createRow": {
        "remoteId": "TKT-1234",
        "objectTypeName": "support_ticket",
        "name": "TKT-1234",
        "displayName": "Login bug — Acme",
        "fields": {name: {"label": None, **value} for name, value in _ROW["fields"].items()},
        "updatedAt": None,
    },
    "createDocument": {
        "remoteId": "doc-42",
        "displayName": "Acme onboarding plan",
        "url": "https://example.com/doc.pdf",
        "contentType": "application/pdf",
    },
}

# Fields that conversations, messages and documents have in addition to the documented ones.
ADDED = {"language", "processing"}


@pytest.fixture
async def made(acme: Tenant) -> dict[str, Json]:
    """The documented source and object type, created over the API."""
    source = await acme.http.post("/v1/sources", json=_example("createSource.request"))
    assert source.status_code == 201, source.text
    body = _example("createObjectType.request") | {"sourceId": source.json()["id"]}
    object_type = await acme.http.post("/v1/object-types", json=body)
    assert object_type.status_code == 201, object_type.text
    return {"source": source.json(), "object type": object_type.json()}


async def _push(acme: Tenant, made: dict[str, Json], name: str) -> Json:
    """Create a documented record and read it."""
    body = _example(f"{name}.request") | {"sourceId": made["source"]["id"]}
    if "objectTypeId" in body:
        body["objectTypeId"] = made["object type"]["id"]
    answer = await acme.http.post(f"/v1/{CREATES[name]}", json=body)
    assert answer.status_code == 201, answer.text
    record = answer.json()
    assert record == {
        "status": "created",
        "recordId": record["recordId"],
        "id": body["id"],
        "sourceId": made["source"]["id"],
    }
    return await _read(acme, name, record["recordId"])


async def _read(acme: Tenant, name: str, record: str) -> Json:
    shown: Json = (await acme.http.get(f"/v1/{CREATES[name]}/{record}")).json()
    return shown


def test_every_example_belongs_to_an_operation() -> None:
    known = {handler.opt["operation"].id for handler in REVENUE.handlers}
    assert (len(REQUESTS), len(ANSWERS)) == (9, 17)
    assert set(REQUESTS) | set(ANSWERS) <= known
    assert len(list(FILES.iterdir())) == len(REQUESTS) + len(ANSWERS) + 1
    tested = {"createSource", "createObjectType", "updateSource", *CREATES, *CHANGES}
    assert set(REQUESTS) == tested


@pytest.mark.parametrize("name", REQUESTS)
def test_a_documented_request_fits_its_schema(documents: dict[str, Json], name: str) -> None:
    document = documents[REVENUE_DOCUMENT]
    (described,) = [each for _, _, each in operations(document) if each["operationId"] == name]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert errors(document, schema, _example(f"{name}.request")) == []


@pytest.mark.parametrize("name", ANSWERS)
def test_a_documented_answer_fits_its_schema(documents: dict[str, Json], name: str) -> None:
    document = documents[REVENUE_DOCUMENT]
    (described,) = [each for _, _, each in operations(document) if each["operationId"] == name]
    (success,) = [each for status, each in described["responses"].items() if status < "300"]
    schema = success["content"]["application/json"]["schema"]
    # The vendor's examples lack the fields that we add.
    missing = tuple(f"'{field}' is a required property" for field in ADDED)
    found = errors(document, schema, _example(f"{name}.response"))
    assert [error for error in found if not error.endswith(missing)] == []


@pytest.mark.parametrize("name", CREATES)
async def test_a_documented_record_is_accepted(
    acme: Tenant, made: dict[str, Json], name: str
) -> None:
    shown = await _push(acme, made, name)
    assert shown["sourceId"] == made["source"]["id"]
    assert {field: shown[field] for field in SHOWN[name]} == SHOWN[name]


@pytest.mark.parametrize("name", CHANGES)
async def test_a_documented_change_is_accepted(
    acme: Tenant, made: dict[str, Json], name: str
) -> None:
    before = await _push(acme, made, CHANGES[name])
    params = {"remoteId": before["remoteId"], "sourceId": before["sourceId"]}
    url = f"/v1/{CREATES[CHANGES[name]]}"
    change = _example(f"{name}.request")
    answer = await acme.http.patch(url, params=params, json=change)
    assert (answer.status_code, answer.json()["status"]) == (200, "updated"), answer.text
    shown = await _read(acme, CHANGES[name], answer.json()["recordId"])
    expected = before | change
    if name == "updateRow":
        priority = {"value": "urgent", "fieldType": "string", "label": None}
        fields = before["fields"] | {"priority": priority}
        expected["fields"] = {field: fields[field] for field in ("priority", "openedAt")}
    for record in (shown, expected):
        # Jobs are running.
        for field in ADDED:
            record.pop(field, None)
    assert shown == expected


async def test_sources_and_object_types_are_as_documented(
    acme: Tenant, made: dict[str, Json]
) -> None:
    source, object_type = made["source"], made["object type"]
    example = _example("createSource.response")
    ours = {name: source[name] for name in ("id", "createdAt", "updatedAt")}
    assert source == example | ours
    (example,) = _example("listObjectTypes.response")["objectTypes"]
    assert set(object_type) == set(example)
    assert object_type["fieldDefinitions"][:1] == example["fieldDefinitions"]
    change = _example("updateSource.request")
    changed = await acme.http.patch(f"/v1/sources/{source['id']}", json=change)
    assert changed.json() == source | change | {"updatedAt": changed.json()["updatedAt"]}
    for url, record, name in (
        ("object-types", object_type, "deleteObjectType"),
        ("sources", source, "deleteSource"),
    ):
        answer = await acme.http.delete(f"/v1/{url}/{record['id']}")
        assert answer.json() == _example(f"{name}.response") | {"id": record["id"]}


async def test_answers_have_the_fields_of_the_documented_ones(
    acme: Tenant, made: dict[str, Json]
) -> None:
    for name, kind in CREATES.items():
        shown = await _push(acme, made, name)
        single = name.removeprefix("create")
        page = (await acme.http.get(f"/v1/{kind}")).json()
        example = _example(f"list{single}s.response")
        assert set(page) == set(example)
        assert set(page["pagination"]) == set(example["pagination"])
        assert set(page[kind][0]) - ADDED == set(example[kind][0])
        if f"get{single}" in ANSWERS:
            assert set(shown) - ADDED == set(_example(f"get{single}.response"))
    health = (await acme.http.get("/v1/health")).json()
    assert set(health) == set(_example("health.response"))


async def test_the_documented_error(
    acme: Tenant, made: dict[str, Json], documents: dict[str, Json]
) -> None:
    example = _example("error.write")
    schema = documents[REVENUE_DOCUMENT]["components"]["schemas"]["WriteError"]
    assert errors(documents[REVENUE_DOCUMENT], schema, example) == []
    body = {"id": "doc-42", "sourceId": made["source"]["id"], "displayName": "Neither"}
    answer = await acme.http.post("/v1/documents", json=body)
    assert answer.status_code == 400
    example["detail"]["request_id"] = answer.headers["x-request-id"]
    assert answer.json() == example
