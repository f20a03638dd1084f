"""Examples of the published documents: consistent with each other, and accepted by the API."""

from typing import Any

from tests.http.contracts import DISCOVERY, REVENUE
from tests.http.published import DISCOVERY_DOCUMENT, REVENUE_DOCUMENT, Json, operations
from tests.stack import Tenant


def _examples(document: Json) -> dict[str, tuple[Json, Any]]:
    """The request and the answer of each operation."""
    found = {}
    for _, _, described in operations(document):
        body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
        given: Json = next(iter(body.get("examples", {}).values()), {"value": {}})["value"]
        (answer,) = [
            each
            for status, each in described["responses"].items()
            if status < "300" and "x-addition" not in each
        ]
        found[described["operationId"]] = (given, answer["content"]["application/json"]["example"])
    return found


def _agree(given: Any, shown: Any) -> bool:
    """True if `shown` contains all values of `given`."""
    if isinstance(given, dict):
        return all(_agree(each, shown.get(name)) for name, each in given.items())
    if isinstance(given, list):
        return all(map(_agree, given, shown)) and len(given) == len(shown)
    return bool(given == shown)


def test_examples_of_discovery_show_the_same_records(documents: dict[str, Json]) -> None:
    """Answers have the values of their requests, and all ids refer to the example records."""
    examples = _examples(documents[DISCOVERY_DOCUMENT])
    for name, (given, answer) in examples.items():
        if DISCOVERY.operations[name].method in ("POST", "PATCH") and isinstance(answer, dict):
            kept = {field: value for field, value in given.items() if field in answer}
            assert kept == {field: answer[field] for field in kept}
            assert kept or not given
    shown = {name: answer for name, (_, answer) in examples.items()}
    opportunity, idea = shown["getOpportunity"], shown["getIdea"]
    assert (opportunity["name"], opportunity["score"]) == ("Exports that finish in seconds", 85)
    assert (idea["name"], shown["getProduct"]["name"]) == ("CSV button", "Atlas")
    ids = {
        "signalIds": shown["getSignal"]["id"],
        "insightIds": shown["getInsight"]["id"],
        "opportunityIds": opportunity["id"],
        "ideaIds": idea["id"],
    }
    assert len(set(ids.values())) == 4
    for record in (shown["getSignal"], shown["getInsight"], opportunity, idea):
        linked = {name: value for name, value in record.items() if name in ids}
        assert linked == {name: [ids[name]] for name in linked}
        assert record.get("productId", shown["getProduct"]["id"]) == shown["getProduct"]["id"]


def test_examples_of_the_revenue_record_show_the_same_records(documents: dict[str, Json]) -> None:
    shown = _examples(documents[REVENUE_DOCUMENT])
    for name, operation in REVENUE.operations.items():
        if name.startswith("list") and not operation.addition:
            (listed,) = next(each for each in shown[name][1].values() if isinstance(each, list))
            one = shown["get" + name.removeprefix("list").removesuffix("s")][1]
            assert listed == {field: one[field] for field in listed}
    source, object_type = shown["getSource"][1], shown["getObjectType"][1]
    assert _agree(shown["createSource"][0], source)
    assert _agree(shown["createObjectType"][0], object_type)
    for verb in ("update", "delete"):
        assert shown[f"{verb}Source"][1]["id"] == source["id"]
        assert shown[f"{verb}ObjectType"][1]["id"] == object_type["id"]
    assert object_type["sourceId"] == source["id"]
    assert shown["getRow"][1]["objectTypeId"] == object_type["id"]
    for kind, own_id, fields in (
        ("Row", "rowId", {"name": "name", "displayName": "displayName", "fields": "fields"}),
        ("Conversation", "conversationId", {"displayName": "title", "startedAt": "startTime"}),
        ("Message", "messageId", {"displayName": "subject", "body": "body", "sender": "sender"}),
        ("Document", "id", {"displayName": "displayName", "url": "url"}),
    ):
        given, made = shown[f"create{kind}"]
        one = shown[f"get{kind}"][1]
        assert made == {
            "status": "created",
            "recordId": one[own_id],
            "id": given["id"],
            "sourceId": source["id"],
        }
        assert one["sourceId"] == source["id"]
        assert one.get("remoteId", given["id"]) == given["id"]
        assert all(_agree(given[field], one[name]) for field, name in fields.items())
        gone = shown[f"delete{kind}"][1]
        assert gone == made | {"status": "deleted", "deletedAt": gone["deletedAt"]}
        if f"update{kind}" in shown:
            assert shown[f"update{kind}"][1] == made | {"status": "updated"}
    deal, account = shown["getDeal"][1], shown["getAccount"][1]
    assert shown["getConversation"][1]["crm"] == {
        "id": deal["dealId"],
        "name": deal["name"],
        "type": "opportunity",
    }
    assert _agree(account["latestDeal"], deal)
    assert account["name"] == deal["accountName"]


async def test_examples_of_requests_are_accepted(documents: dict[str, Json], acme: Tenant) -> None:
    shown = _examples(documents[REVENUE_DOCUMENT])
    source = (await acme.http.post("/v1/sources", json=shown["createSource"][0])).json()["id"]
    body = shown["createObjectType"][0] | {"sourceId": source}
    object_type = (await acme.http.post("/v1/object-types", json=body)).json()["id"]
    for kind in ("Row", "Conversation", "Message", "Document"):
        path = f"/v1/{kind.lower()}s"
        body = shown[f"create{kind}"][0] | {"sourceId": source}
        if kind == "Row":
            body["objectTypeId"] = object_type
        made = await acme.http.post(path, json=body)
        assert made.status_code == 201, made.text
        read = (await acme.http.get(f"{path}/{made.json()['recordId']}")).json()
        expected = shown[f"get{kind}"][1]
        # These differ: results of processing, ids, and values of a later change.
        same = set(expected) - {
            *("rowId", "conversationId", "messageId", "id", "sourceId", "objectTypeId"),
            *("crm", "category", "summary", "recordings", "attachments", "updatedAt"),
            *("processing", "language", "normalizedUrl", "normalizedContentType"),
        }
        assert {name: read[name] for name in same} == {name: expected[name] for name in same}
        if f"update{kind}" in shown:
            params = {"remoteId": body["id"], "sourceId": source}
            changed = await acme.http.patch(path, params=params, json=shown[f"update{kind}"][0])
            assert changed.status_code == 200, changed.text
    urls = {"Source": f"sources/{source}", "ObjectType": f"object-types/{object_type}"}
    for kind, url in urls.items():
        changed = await acme.http.patch(f"/v1/{url}", json=shown[f"update{kind}"][0])
        assert changed.status_code == 200, changed.text
