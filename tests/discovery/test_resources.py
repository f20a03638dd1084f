"""Insights, opportunities, ideas and products: created, read, changed and deleted."""

from typing import Any
from uuid import UUID

import pytest

from tests.stack import Tenant

PRODUCT = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"
OTHER = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"

# The whole model of each resource as it is answered to a create with the least that is needed.
LEAST: dict[str, dict[str, Any]] = {
    "insights": {"description": "Three of five users did not find the billing page."},
    "opportunities": {"name": "Reduce churn", "description": "Users leave after two days."},
    "ideas": {"name": "One-click checkout", "description": "Store what users prefer."},
}
MODEL: dict[str, dict[str, Any]] = {
    "insights": {
        "name": "Three of five users did not find the billing page.",
        "description": "Three of five users did not find the billing page.",
        "status": "draft",
        "type": "other",
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
# Another value for everything that can be set and is no link.
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
ALL = list(LEAST)


@pytest.mark.parametrize("resource", ALL)
async def test_what_is_left_out_has_its_default_and_the_answer_is_the_whole_model(
    acme: Tenant, resource: str
) -> None:
    made = await acme.create(resource, **LEAST[resource])
    assert list(made) == ["id", *MODEL[resource], "createdAt", "updatedAt"]
    UUID(made["id"])
    assert made["createdAt"] == made["updatedAt"]
    assert made["createdAt"].endswith("Z")
    assert {name: made[name] for name in MODEL[resource]} == MODEL[resource]
    assert await acme.get(f"{resource}/{made['id']}") == made
    assert await acme.get(f"{resource}/{made['id'].upper()}") == made
    assert await acme.get(resource) == [made]


@pytest.mark.parametrize("resource", ALL)
async def test_everything_can_be_set_on_create(acme: Tenant, resource: str) -> None:
    made = await acme.create(resource, **CHANGES[resource])
    assert {name: made[name] for name in CHANGES[resource]} == CHANGES[resource]
    assert await acme.get(f"{resource}/{made['id']}") == made


@pytest.mark.parametrize("resource", ALL)
async def test_a_patch_changes_what_is_given_and_nothing_else(acme: Tenant, resource: str) -> None:
    before = await acme.create(resource, **LEAST[resource])
    other = await acme.create(resource, **LEAST[resource])
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


@pytest.mark.parametrize("resource", ALL)
async def test_what_is_deleted_is_gone(acme: Tenant, resource: str) -> None:
    made = await acme.create(resource, **LEAST[resource])
    path = f"/external/v1/{resource}/{made['id']}"
    await acme.delete(f"{resource}/{made['id']}")
    for method in ("GET", "DELETE"):
        assert (await acme.http.request(method, path)).status_code == 404
    refused = await acme.http.patch(path, json={"name": "x"})
    assert refused.status_code == 404
    noun = {"opportunities": "opportunity"}.get(resource, resource[:-1])
    assert refused.json()["detail"] == f"There is no {noun} '{made['id']}' in this workspace."
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
async def test_an_insight_without_a_name_has_the_beginning_of_its_description(
    acme: Tenant, description: str, name: str
) -> None:
    made = await acme.create("insights", description=description)
    assert made["name"] == name
    assert made["description"] == description


async def test_suggestions_and_external_links_are_returned_as_they_were_given(
    acme: Tenant,
) -> None:
    given: dict[str, Any] = {
        "suggestions": {"zz": 1e300, "a": [{"deep": {"er": []}}], "text": "Ünïcode 🥊"},
        "externalLinks": [{"url": "x"}, {"name": "only a name"}, {}],
    }
    made = await acme.create("insights", description="An insight.", **given)
    assert {name: made[name] for name in given} == given
    assert (await acme.get("insights"))[0] == made
    cleared = await acme.patch(f"insights/{made['id']}", suggestions={}, externalLinks=[])
    assert (cleared["suggestions"], cleared["externalLinks"]) == ({}, [])
    plain = await acme.create("insights", description="Another one.")
    assert not {"suggestions", "externalLinks"} & set(plain)


@pytest.mark.parametrize(
    ("score", "written"),
    [
        ("0", "0"),
        ("100", "100"),
        ("85.0", "85"),
        ("99.5", "99.5"),
        ("0.1", "0.1"),
        ("-0.0", "0"),
    ],
)
async def test_a_score_reads_as_a_number_is_written(acme: Tenant, score: str, written: str) -> None:
    body = f'{{"name": "n", "description": "d", "score": {score}}}'
    made = await acme.http.post("/external/v1/opportunities", content=body)
    assert f'"score":{written},' in made.text


async def test_nothing_invents_a_score(acme: Tenant) -> None:
    made = await acme.create("opportunities", name="n", description="d")
    path = f"opportunities/{made['id']}"
    assert made["score"] is None
    assert (await acme.patch(path, name="m"))["score"] is None
    assert (await acme.patch(path, score=95))["score"] == 95
    assert (await acme.patch(path, score=None))["score"] is None
    assert (await acme.get(path))["score"] is None


async def test_a_made_insight_has_no_evidence(acme: Tenant) -> None:
    made = await acme.create("insights", description="From memory.")
    assert await acme.get(f"insights/{made['id']}/evidence") == []


async def test_a_product_has_the_id_that_it_is_given_or_a_new_one(
    acme: Tenant, rival: Tenant
) -> None:
    named = await acme.create("products", name="Atlas")
    assert list(named) == ["id", "name", "workspaceId", "createdAt", "updatedAt"]
    assert named["workspaceId"] == acme.workspace
    given = await acme.create("products", name="Borealis", id=PRODUCT)
    assert given["id"] == PRODUCT
    assert await acme.get(f"products/{PRODUCT}") == given
    assert await acme.get("products") == [given, named]
    again = await acme.http.post("/external/v1/products", json={"name": "B", "id": PRODUCT})
    assert again.status_code == 409
    # The id is the caller's own: what others call by it is no business of theirs.
    other = await rival.create("products", name="Corona", id=PRODUCT)
    assert other["workspaceId"] == rival.workspace
    assert (await acme.get(f"products/{PRODUCT}"))["name"] == "Borealis"
    assert (await rival.get("products")) == [other]


async def test_the_context_of_a_key_is_its_workspace_and_scopes(acme: Tenant) -> None:
    context = await acme.get("auth/context")
    assert context["workspace"] == {"id": acme.workspace, "name": acme.name}
    assert context["credential"]["id"] == acme.key_id
    assert {"insights:write", "products:read", "ingest"} <= set(context["credential"]["scopes"])
