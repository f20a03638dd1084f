"""Isolation of tenants in every operation of both APIs.

Ids in paths, links and cursors are tested in test_bad_input.py.
"""

from typing import Any

import pytest

from tests.http.hostile.apis import CALLS, REVENUE, for_each
from tests.http.hostile.harness import Answer, Call, Caller, Case, Tenants
from tests.http.hostile.values import UNKNOWN
from tests.revenue.push_records import MINIMAL_FIELDS, create_source
from tests.stack import Tenant

# Filters of each list that match the records of the tenants.
FILTERS: dict[str, tuple[str, ...]] = {
    "listSignals": ("externalId=secret",),
    "listInsights": (
        *("signalId={signals}", "signalId={public-id}", "productId={products}"),
        *("accountId={accountId}", "tagId=secret", "q=secret", "kind=pain"),
    ),
    "listOpportunities": ("productId={products}", "q=secret"),
    "listIdeas": ("productId={products}", "q=secret"),
    "listProducts": (),
    "listCrmAccounts": ("name=a%20SECRET", "domain=acme.com", "externalId={accounts}"),
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
# Fields of bodies that refer to records of the tenant, other than links.
REFERENCES = {"sourceId": "sources", "objectTypeId": "object-types"}
CREATES = [
    (call, field)
    for call in CALLS
    for field in REFERENCES
    if call.api is REVENUE and call.model and field in REVENUE.contract.models[call.model]
]
BY_REMOTE_ID = [call for call in CALLS if call.required]
# Operations without a reference to another record.
WITHOUT_REFERENCES = {
    *("createSignal", "createInsight", "createOpportunity", "createIdea", "createProduct"),
    *("processTranscript", "getAuthContext", "health", "createSource"),
}


def test_every_operation_is_in_a_table() -> None:
    tested = {call.operation.name for call in CALLS if call.operation.parameter}
    tested |= {call.operation.name for call in BY_REMOTE_ID}
    tested |= {call.operation.name for call, _ in CREATES}
    assert {call.operation.name for call in CALLS} == tested | set(FILTERS) | WITHOUT_REFERENCES


def _records(answer: Answer) -> list[Any]:
    """The records of a list. An empty list must have no next page, and a count of 0."""
    assert answer.status == 200, answer
    body = answer.json()
    records = body if isinstance(body, list) else next(iter(body.values()))
    if not records and isinstance(body, list):
        assert answer.headers["x-total-count"] == "0"
    if not records and isinstance(body, dict) and "pagination" in body:
        assert body["pagination"] == {"nextCursor": None, "hasMore": False}
    return list(records)


@for_each(call for call in CALLS if call.operation.name in FILTERS)
async def test_list_shows_no_record_of_another_tenant(
    tenants: Tenants, acme: Tenant, call: Call
) -> None:
    """Tested with a tenant without records, and with a tenant that has records of its own."""
    foreign = tenants.other
    queries = ["", *FILTERS[call.operation.name]]
    cases = [Case("", query=foreign.fill(query)) for query in queries]
    assert all(_records(answer) for answer in await call.send(foreign, cases))
    without_records = Caller(acme, foreign.port, {})
    assert not any(_records(answer) for answer in await call.send(without_records, cases))
    ids = {each for kind, each in foreign.ids.items() if kind not in ("public-id", "accountId")}
    for answer in await call.send(tenants.caller, cases):
        assert not [each for each in ids if each in answer.content.decode()]
        assert answer.status == 200


def _assert_forbidden(call: Call, answers: list[Answer], field: str) -> None:
    """Assert that all answers are the same 403, whichever id was sent."""
    messages = [call.api.refusal(answer, "forbidden", field) for answer in answers]
    assert messages[0]
    assert {answer.status for answer in answers} == {403}
    assert len(set(messages)) == 1


@pytest.mark.parametrize(
    ("call", "field"), CREATES, ids=[f"{call.model}-{field}" for call, field in CREATES]
)
async def test_create_with_an_id_of_another_tenant_is_forbidden(
    tenants: Tenants, call: Call, field: str
) -> None:
    foreign = tenants.other.ids[REFERENCES[field]]
    bodies = [
        call.api.good(call.model) | {field: each} for each in (foreign, foreign.upper(), UNKNOWN)
    ]
    cases = [Case("", tenants.caller.body(body)) for body in bodies]
    async with tenants.unchanged():
        _assert_forbidden(call, await call.send(tenants.caller, cases), field)
        both = {name: tenants.other.ids[kind] for name, kind in REFERENCES.items()}
        case = Case("", tenants.caller.body(call.api.good(call.model) | both))
        _assert_forbidden(call, await call.send(tenants.caller, [case]), "sourceId")


@for_each(BY_REMOTE_ID)
async def test_remote_id_in_a_source_of_another_tenant_is_forbidden(
    tenants: Tenants, call: Call
) -> None:
    """The answer is the same as for an unknown source, whether or not the record exists."""
    caller, foreign = tenants.caller, tenants.other.ids["sources"]
    content = call.good(caller)
    cases = [
        Case("", content, f"remoteId={remote}&sourceId={source}")
        for source in (foreign, foreign.upper(), UNKNOWN)
        for remote in ("R-1", "R-2")
    ]
    async with tenants.unchanged():
        _assert_forbidden(call, await call.send(caller, cases), "sourceId")


async def test_names_and_ids_are_unique_per_tenant(tenants: Tenants, acme: Tenant) -> None:
    """Two tenants can use the same name or id, each for its own record."""
    foreign = tenants.other.ids
    async with tenants.unchanged():
        source = await create_source(acme, "crm")
        for kind in MINIMAL_FIELDS:
            assert await source.push(kind, "R-1") != foreign[kind]
            assert (await source.delete(kind, "R-1")).status_code == 200
        health = (await acme.http.get("/v1/health")).json()
        assert health["org_id"] == acme.workspace
        assert (await acme.get("auth/context"))["workspace"]["id"] == acme.workspace
        # Atlas is a product of the other tenant.
        transcribed = {"transcript": "Honestly the Atlas export fails every day."}
        path = "/external/v1/insights/process-transcript/insights"
        found = await acme.http.post(path, json=transcribed | {"createInsights": True})
        assert {each["productId"] for each in found.json()} == {None}
        own = await acme.create("products", name="Corona", id=foreign["products"])
        assert own["workspaceId"] == acme.workspace
