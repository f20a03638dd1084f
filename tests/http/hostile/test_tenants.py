"""Two tenants: records of one do not exist for the other, in every operation of both APIs.

Operations with an id in the path, links and cursors are tested in test_bad_input.py.
"""

from typing import Any

import pytest

from tests.http.hostile.engine import Answer, Call, Case, Home, World
from tests.http.hostile.sites import CALLS, REVENUE, each
from tests.http.hostile.values import UNKNOWN
from tests.revenue.push_records import MINIMAL_FIELDS, create_source
from tests.stack import Tenant

# Filters by which a tenant finds the records of `World` in each list.
FILTERS: dict[str, tuple[str, ...]] = {
    "listSignals": ("externalId=secret",),
    "listInsights": (
        *("signalId={signals}", "signalId={public-id}", "productId={products}"),
        *("accountId={accountId}", "tagId=secret", "q=secret"),
    ),
    "listOpportunities": ("productId={products}", "q=secret"),
    "listIdeas": ("productId={products}", "q=secret"),
    "listProducts": (),
    "listSources": ("name=crm",),
    "listObjectTypes": ("sourceId={sources}",),
    "listRows": (
        *("sourceId={sources}", "objectTypeId={object-types}", "remoteId=R-1"),
        "name=A%20secret",
    ),
    "listConversations": (
        *("sourceId={sources}", "title=secret", "attendees=ana@acme.com", "attendees=acme.com"),
        *("attendees=secret", "crmName=A%20secret"),
    ),
    "listMessages": (
        *("sourceId={sources}", "remoteId=R-1", "threadId=secret"),
        "participantEmail=ana@acme.com",
    ),
    "listDocuments": ("sourceId={sources}", "name=A%20secret"),
    "listDeals": ("name=secret", "stage=secret", "owner=secret", "amountMin=1"),
    "listAccounts": ("name=secret", "website=secret", "owner=secret"),
}
# Fields of bodies that name records of the tenant, other than links.
REFERENCES = {"sourceId": "sources", "objectTypeId": "object-types"}
CREATES = [
    (call, field)
    for call in CALLS
    for field in REFERENCES
    if call.site is REVENUE and call.model and field in REVENUE.contract.models[call.model]
]
ADDRESSED = [call for call in CALLS if call.required]
# These read and write in the caller's own workspace, and name no other record.
ALONE = {
    *("createSignal", "createInsight", "createOpportunity", "createIdea", "createProduct"),
    *("processTranscript", "getAuthContext", "health", "createSource"),
}


def test_every_operation_is_in_a_table() -> None:
    tested = {call.operation.name for call in CALLS if call.operation.parameter}
    tested |= {call.operation.name for call in ADDRESSED}
    tested |= {call.operation.name for call, _ in CREATES}
    assert {call.operation.name for call in CALLS} == tested | set(FILTERS) | ALONE


def _records(answer: Answer) -> list[Any]:
    """The records of a list. Without any there is no further page, and the count is 0."""
    assert answer.status == 200, answer
    body = answer.json()
    records = body if isinstance(body, list) else next(iter(body.values()))
    if not records and isinstance(body, list):
        assert answer.headers["x-total-count"] == "0"
    if not records and isinstance(body, dict) and "pagination" in body:
        assert body["pagination"] == {"nextCursor": None, "hasMore": False}
    return list(records)


@each(call for call in CALLS if call.operation.name in FILTERS)
async def test_list_shows_no_record_of_another_tenant(
    world: World, acme: Tenant, call: Call
) -> None:
    """Neither to a tenant without records, nor beside the caller's own."""
    foreign = world.foreign
    queries = ["", *FILTERS[call.operation.name]]
    cases = [Case("", query=foreign.fill(query)) for query in queries]
    assert all(_records(answer) for answer in await call.send(foreign, cases))
    nobody = Home(acme, foreign.port, {})
    assert not any(_records(answer) for answer in await call.send(nobody, cases))
    ids = {each for kind, each in foreign.ids.items() if kind not in ("public-id", "accountId")}
    for answer in await call.send(world.mine, cases):
        assert not [each for each in ids if each in answer.content.decode()]
        assert answer.status == 200


def _assert_forbidden(call: Call, answers: list[Answer], field: str) -> None:
    """The refusals are the same, whichever id they name."""
    said = [call.site.refusal(answer, "forbidden", field) for answer in answers]
    assert said[0]
    assert {answer.status for answer in answers} == {403}
    assert said == said[:1] * len(said)


@pytest.mark.parametrize(
    ("call", "field"), CREATES, ids=[f"{call.model}-{field}" for call, field in CREATES]
)
async def test_nothing_is_created_through_ids_of_another_tenant(
    world: World, call: Call, field: str
) -> None:
    foreign = world.foreign.ids[REFERENCES[field]]
    bodies = [
        call.site.good(call.model) | {field: each} for each in (foreign, foreign.upper(), UNKNOWN)
    ]
    cases = [Case("", world.mine.body(body)) for body in bodies]
    async with world.unchanged():
        _assert_forbidden(call, await call.send(world.mine, cases), field)
        both = {name: world.foreign.ids[kind] for name, kind in REFERENCES.items()}
        case = Case("", world.mine.body(call.site.good(call.model) | both))
        _assert_forbidden(call, await call.send(world.mine, [case]), "sourceId")


@each(ADDRESSED)
async def test_address_in_a_source_of_another_tenant_is_forbidden(world: World, call: Call) -> None:
    """As in an unknown source, whether or not there is a record with the id."""
    home, foreign = world.mine, world.foreign.ids["sources"]
    content = call.good(home)
    cases = [
        Case("", content, f"remoteId={remote}&sourceId={source}")
        for source in (foreign, foreign.upper(), UNKNOWN)
        for remote in ("R-1", "R-2")
    ]
    async with world.unchanged():
        _assert_forbidden(call, await call.send(home, cases), "sourceId")


async def test_names_and_ids_are_each_tenants_own(world: World, acme: Tenant) -> None:
    """A name or an id that another tenant uses is free, and refers to the caller's own record."""
    foreign = world.foreign.ids
    async with world.unchanged():
        source = await create_source(acme, "crm")
        for kind in MINIMAL_FIELDS:
            assert await source.push(kind, "R-1") != foreign[kind]
            assert (await source.delete(kind, "R-1")).status_code == 200
        health = (await acme.http.get("/v1/health")).json()
        assert health["org_id"] == acme.workspace
        assert (await acme.get("auth/context"))["workspace"]["id"] == acme.workspace
        # The product is of the other tenant: its name is not found in texts of this one.
        transcribed = {"transcript": "Honestly the Atlas export fails every day."}
        path = "/external/v1/insights/process-transcript/insights"
        found = await acme.http.post(path, json=transcribed | {"createInsights": True})
        assert {each["productId"] for each in found.json()} == {None}
        own = await acme.create("products", name="Corona", id=foreign["products"])
        assert own["workspaceId"] == acme.workspace
