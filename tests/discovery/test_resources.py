"""Insights, opportunities, ideas and products: created, read, changed and deleted."""

from typing import Any
from uuid import UUID

import pytest

from tests.discovery.support import MINIMAL, PRODUCT
from tests.stack import Tenant

# The fields of the response to a create with the required fields, besides id and times.
DEFAULTS: dict[str, dict[str, Any]] = {
    "insights": {
        "name": "Three of five users did not find the billing page.",
        "description": "Three of five users did not find the billing page.",
        "status": "draft",
        "type": "other",
        "kind": None,
        "productId": None,
        "opportunityIds": [],
        "ideaIds": [],
        "tagIds": [],
    },
    "opportunities": {
        "name": "Reduce churn",
        "description": "Users leave after two days.",
        "score": None,
        "status": "discovery",
        "productId": None,
        "insightIds": [],
        "ideaIds": [],
    },
    "ideas": {
        "name": "One-click checkout",
        "description": "Store what users prefer.",
        "status": "evaluating",
        "productId": None,
        "opportunityIds": [],
        "insightIds": [],
    },
}
# A value for every field that can be set, except links.
CHANGES: dict[str, dict[str, Any]] = {
    "insights": {
        "name": "Billing is hard to find",
        "description": "In interviews.",
        "status": "published",
        "type": "user-interview",
        "productId": PRODUCT,
        "tagIds": ["tag-1", "Ä", "tag-1"],
        "suggestions": {"duplicateOf": [1, {"b": 2.5}], "a": None},
        "externalLinks": [{"type": "jira", "url": "https://x.test/A-1", "name": "A-1"}, {}],
    },
    "opportunities": {
        "name": "Keep users",
        "description": "Of the mobile app.",
        "score": 92,
        "status": "validated",
        "productId": PRODUCT,
    },
    "ideas": {
        "name": "AI Search 2.0",
        "description": "Better ranking.",
        "status": "development",
        "productId": PRODUCT,
    },
}
RESOURCES = list(DEFAULTS)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_create_with_the_required_fields_returns_the_defaults(
    acme: Tenant, resource: str
) -> None:
    record = await acme.create(resource, **MINIMAL[resource])
    assert list(record) == ["id", *DEFAULTS[resource], "createdAt", "updatedAt", "publicId"]
    UUID(record["id"])
    assert record["createdAt"] == record["updatedAt"]
    assert record["createdAt"].endswith("Z")
    assert {name: record[name] for name in DEFAULTS[resource]} == DEFAULTS[resource]
    assert await acme.get(f"{resource}/{record['id']}") == record
    assert await acme.get(f"{resource}/{record['id'].upper()}") == record
    assert await acme.get(resource) == [record]


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_create_can_set_every_field(acme: Tenant, resource: str) -> None:
    record = await acme.create(resource, **CHANGES[resource])
    assert {name: record[name] for name in CHANGES[resource]} == CHANGES[resource]
    assert await acme.get(f"{resource}/{record['id']}") == record


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_patch_changes_only_the_fields_it_contains(acme: Tenant, resource: str) -> None:
    before = await acme.create(resource, **MINIMAL[resource])
    other = await acme.create(resource, **MINIMAL[resource])
    path = f"{resource}/{before['id']}"
    assert await acme.patch(path) | {"updatedAt": before["updatedAt"]} == before
    for name, value in CHANGES[resource].items():
        changed = await acme.patch(path, **{name: value})
        assert changed[name] == value
        assert changed["updatedAt"] > before["updatedAt"]
        before |= {name: value, "updatedAt": changed["updatedAt"]}
        assert changed == before == await acme.get(path)
    assert (await acme.patch(path, productId=None))["productId"] is None
    assert await acme.get(f"{resource}/{other['id']}") == other


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_deleted_record_is_not_found(acme: Tenant, resource: str) -> None:
    record = (await acme.create(resource, **MINIMAL[resource]))["id"]
    path = f"/external/v1/{resource}/{record}"
    await acme.delete(f"{resource}/{record}")
    for method in ("GET", "DELETE"):
        assert (await acme.http.request(method, path)).status_code == 404
    refused = await acme.http.patch(path, json={"name": "x"})
    assert refused.status_code == 404
    noun = {"opportunities": "opportunity"}.get(resource, resource[:-1])
    assert refused.json()["detail"] == f"There is no {noun} '{record}' in this workspace."
    assert await acme.get(resource) == []


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Short.", "Short."),
        ("  Two\nlines  ", "Two lines"),
        ("word " * 30, "word " * 15 + "word"),
        ("x" * 80, "x" * 80),
        ("x" * 200, "x" * 80),
        ("a " + "x" * 90, "a"),
        ("ä" * 79 + " bc", "ä" * 79),
    ],
)
async def test_the_default_name_of_an_insight_is_the_start_of_its_description(
    acme: Tenant, description: str, name: str
) -> None:
    insight = await acme.create("insights", description=description)
    assert insight["name"] == name
    assert insight["description"] == description


async def test_suggestions_and_external_links_are_returned_as_sent(acme: Tenant) -> None:
    fields: dict[str, Any] = {
        "suggestions": {"zz": 1e300, "a": [{"deep": {"er": []}}], "text": "Ünïcode 🥊"},
        "externalLinks": [{"url": "x"}, {"name": "only a name"}, {}],
    }
    insight = await acme.create("insights", description="An insight.", **fields)
    assert {name: insight[name] for name in fields} == fields
    assert await acme.get("insights") == [insight]
    cleared = await acme.patch(f"insights/{insight['id']}", suggestions={}, externalLinks=[])
    assert (cleared["suggestions"], cleared["externalLinks"]) == ({}, [])
    assert not set(fields) & set(await acme.create("insights", description="Another one."))


@pytest.mark.parametrize(
    ("score", "written"),
    [("0", "0"), ("100", "100"), ("85.0", "85"), ("99.5", "99.5"), ("0.1", "0.1"), ("-0.0", "0")],
)
async def test_whole_scores_are_written_without_a_fraction(
    acme: Tenant, score: str, written: str
) -> None:
    body = f'{{"name": "n", "description": "d", "score": {score}}}'
    response = await acme.http.post("/external/v1/opportunities", content=body)
    assert f'"score":{written},' in response.text


async def test_a_score_is_null_unless_a_caller_sets_it(acme: Tenant) -> None:
    opportunity = await acme.create("opportunities", name="n", description="d")
    path = f"opportunities/{opportunity['id']}"
    assert opportunity["score"] is None
    assert (await acme.patch(path, name="m"))["score"] is None
    assert (await acme.patch(path, score=95))["score"] == 95
    assert (await acme.patch(path, score=None))["score"] is None
    assert (await acme.get(path))["score"] is None


async def test_an_insight_created_by_a_request_has_no_evidence(acme: Tenant) -> None:
    insight = await acme.create("insights", description="From memory.")
    assert await acme.get(f"insights/{insight['id']}/evidence") == []


async def test_a_request_cannot_set_the_kind_of_an_insight(acme: Tenant) -> None:
    written = await acme.create("insights", description="From memory.", kind="pain")
    (found,) = (await acme.process_text("The export fails every day."))["insightIds"]
    for insight, kind in ((written["id"], None), (found, "pain")):
        for sent in ("praise", None, 7):
            assert (await acme.patch(f"insights/{insight}", kind=sent))["kind"] == kind
        assert (await acme.patch(f"insights/{insight}", name="changed"))["kind"] == kind
        assert (await acme.get(f"insights/{insight}"))["kind"] == kind


async def test_a_product_has_the_id_of_the_request_or_a_new_one(
    acme: Tenant, rival: Tenant
) -> None:
    atlas = await acme.create("products", name="Atlas")
    assert list(atlas) == ["id", "name", "workspaceId", "createdAt", "updatedAt"]
    assert atlas["workspaceId"] == acme.workspace
    borealis = await acme.create("products", name="Borealis", id=PRODUCT)
    assert borealis["id"] == PRODUCT
    assert await acme.get(f"products/{PRODUCT}") == borealis
    assert await acme.get("products") == [borealis, atlas]
    again = await acme.http.post("/external/v1/products", json={"name": "B", "id": PRODUCT})
    assert again.status_code == 409
    # Another workspace may use the same id.
    corona = await rival.create("products", name="Corona", id=PRODUCT)
    assert corona["workspaceId"] == rival.workspace
    assert (await acme.get(f"products/{PRODUCT}"))["name"] == "Borealis"
    assert await rival.get("products") == [corona]


async def test_the_auth_context_contains_workspace_and_scopes_of_the_key(acme: Tenant) -> None:
    context = await acme.get("auth/context")
    assert context["workspace"] == {"id": acme.workspace, "name": acme.name}
    assert context["credential"]["id"] == acme.key_id
    assert {"insights:write", "products:read", "ingest"} <= set(context["credential"]["scopes"])
