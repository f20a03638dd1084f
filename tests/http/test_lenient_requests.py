"""Requests of common clients that differ from the canonical form, and those that are refused."""

import base64
from typing import Any

import httpx
import pytest

from tests.discovery.support import ACCOUNT, MINIMAL, PRODUCT, create_minimal
from tests.http.hostile.harness import exchange, request_head
from tests.http.hostile.values import to_json
from tests.revenue.push_records import (
    MINIMAL_FIELDS,
    STARTED,
    Source,
    create_source,
    get_json,
    listed_ids,
    refusal,
)
from tests.stack import Stack, Tenant

DISCOVERY = "/external/v1"


@pytest.fixture
async def source(acme: Tenant) -> Source:
    return await create_source(acme)


# --- nulls on create --------------------------------------------------------------------------

NULLS: dict[str, tuple[str, ...]] = {
    "signals": ("name", "data", "externalId", "context", "insightIds"),
    "insights": (
        *("name", "status", "type", "productId", "opportunityIds", "ideaIds", "tagIds"),
        *("suggestions", "externalLinks"),
    ),
    "opportunities": ("score", "status", "productId", "insightIds", "ideaIds"),
    "ideas": ("status", "productId", "opportunityIds", "insightIds"),
    "products": ("id",),
}


def _comparable(record: Any) -> Any:
    varying = ("id", "publicId", "name", "createdAt", "updatedAt", "jobId", "processing")
    return {name: value for name, value in record.items() if name not in varying}


@pytest.mark.parametrize("resource", NULLS)
async def test_null_equals_absent_when_a_discovery_record_is_created(
    acme: Tenant, resource: str
) -> None:
    absent = await acme.create(resource, **MINIMAL[resource])
    null = await acme.create(resource, **MINIMAL[resource] | dict.fromkeys(NULLS[resource]))
    assert _comparable(null) == _comparable(absent)


async def test_null_equals_absent_in_a_text_signal(acme: Tenant) -> None:
    optional = ("name", "additionalContext", "occurredAt", "productIds", "accountId")
    # Fields of the other form of a signal.
    others = dict.fromkeys(("source", "data", "externalId", "insightIds"))
    text = {"text": "The export fails.", "signalType": "review"}
    signal = await acme.create("signals", **text, **dict.fromkeys(optional), **others)
    assert signal["name"].startswith("Review - ")
    assert signal["data"].keys() == {"s3Key", "uploadedAt"}
    raw = {"source": {"type": "crm", "external_data": None}, "text": None}
    assert (await acme.create("signals", **raw))["source"] == {"type": "crm"}


async def test_null_equals_absent_within_lists_of_a_discovery_record(acme: Tenant) -> None:
    links = [{"type": None, "url": "https://jira.example/1", "name": None}]
    insight = await acme.create("insights", description="Slow.", externalLinks=links)
    assert insight["externalLinks"] == [{"url": "https://jira.example/1"}]


async def test_nulls_in_free_form_objects_are_kept(acme: Tenant) -> None:
    """Also if the body is decoded again because of the null of an optional field."""
    free = {"a": None, "b": [{"c": None}]}
    insight = await acme.create("insights", description="Slow.", suggestions=free, status=None)
    assert insight["suggestions"] == free
    signal = await acme.create("signals", source={"type": "crm"}, data=free, name=None)
    assert signal["data"] == free


async def test_null_equals_absent_when_a_revenue_record_is_pushed(source: Source) -> None:
    shared = ("version", "displayName", "updatedAt", "public", "ownerEmails")
    person = {"email": "ana@acme.com", "version": None, "id": None, "name": None}
    sentence = {"speakerName": "Ana", "text": "Hi.", "timestamp": STARTED, "version": None}
    attachment = {"name": "a", "url": "b", "version": None, "mimeType": None, "sizeBytes": None}
    bodies: dict[str, dict[str, Any]] = {
        "conversations": {
            **dict.fromkeys((*shared, "recordingUrl", "recordingMimeType", "endedAt")),
            "participants": [person],
            "transcript": [sentence | {"speakerId": None}],
        },
        "messages": {
            **dict.fromkeys((*shared, "threadId")),
            "sender": person,
            "recipients": [person],
            "attachments": [attachment],
        },
        "documents": {
            **dict.fromkeys((*shared, "createdAt", "content", "filename", "contentType")),
            "author": person,
        },
        "rows": {
            **dict.fromkeys((*shared, "createdAt")),
            "fields": {
                "title": {"value": "x", "fieldType": "string", "version": None, "label": None}
            },
        },
    }
    for kind, nulls in bodies.items():
        body = source.body(kind, "one") | nulls
        answer = await source.http.post(f"/v1/{kind}", json=body)
        assert (answer.status_code, answer.json().get("status")) == (201, "created"), answer.text
    (document,) = (await get_json(source.tenant, "documents"))["documents"]
    assert document["contentType"] == "text/plain"
    missing = await source.http.post(
        "/v1/messages", json=source.body("messages", "two") | {"attachments": None}
    )
    assert missing.status_code == 201


async def test_null_equals_absent_for_a_source_and_an_object_type(acme: Tenant) -> None:
    body = {"name": "helpdesk", "displayName": None, "version": None}
    made = await acme.http.post("/v1/sources", json=body)
    assert (made.status_code, made.json()["displayName"]) == (201, "helpdesk")
    field = {"name": "a", "fieldType": "int", "label": None, "required": None, "version": None}
    object_type = {"sourceId": made.json()["id"], "name": "ticket", "fieldDefinitions": [field]}
    made = await acme.http.post("/v1/object-types", json=object_type)
    assert made.status_code == 201, made.text
    assert made.json()["displayName"] == "ticket"
    assert made.json()["fieldDefinitions"][0]["required"] is False


async def test_null_for_a_required_field_is_refused(acme: Tenant, source: Source) -> None:
    for resource, fields in MINIMAL.items():
        for name in fields:
            body = fields | {name: None} | dict.fromkeys(NULLS[resource])
            answer = await acme.http.post(f"{DISCOVERY}/{resource}", json=body)
            assert answer.status_code == 400, (resource, name)
            assert [each["field"] for each in answer.json()["errors"]] == [name]
    for kind, fields in MINIMAL_FIELDS.items():
        for name in (*fields, "id", "sourceId"):
            if name in ("url", "recordingUrl"):
                continue
            body = source.body(kind, "one") | {name: None, "displayName": None}
            assert refusal(await source.http.post(f"/v1/{kind}", json=body)) == (400, name)


async def test_error_of_another_field_beside_a_null_names_that_field(source: Source) -> None:
    for fields, field in (
        ({"displayName": None, "body": 5}, "body"),
        ({"attachments": [{"name": "a", "url": "b", "version": None, "sizeBytes": "x"}]}, None),
        ({"recipients": [{"email": None, "name": 5}], "ownerEmails": None}, "recipients.name"),
    ):
        body = source.body("messages", "one") | fields
        answer = await source.http.post("/v1/messages", json=body)
        assert refusal(answer) == (400, field or "attachments.sizeBytes")


async def test_null_in_a_patch_is_refused_unless_the_field_is_nullable(
    acme: Tenant, source: Source
) -> None:
    insight = await create_minimal(acme, "insights", productId=PRODUCT)
    path = f"{DISCOVERY}/insights/{insight}"
    for name in ("name", "status", "tagIds", "externalLinks"):
        assert (await acme.http.patch(path, json={name: None})).status_code == 400
    links = {"externalLinks": [{"type": None}]}
    assert (await acme.http.patch(path, json=links)).status_code == 400
    cleared = await acme.http.patch(path, json={"productId": None})
    assert (cleared.status_code, cleared.json()["productId"]) == (200, None)
    renamed = await acme.http.patch(f"/v1/sources/{source.id}", json={"displayName": None})
    assert refusal(renamed) == (400, "displayName")


# --- times ------------------------------------------------------------------------------------


async def test_a_date_is_midnight_in_utc(acme: Tenant, source: Source) -> None:
    text = {"text": "The export fails.", "signalType": "review"}
    signal = await acme.create("signals", **text, occurredAt="2026-03-16")
    assert signal["createdAt"] == "2026-03-16T00:00:00Z"
    assert signal["name"] == "Review - 3/16/26, 12:00 AM"

    async def signals(**query: str) -> int:
        return len((await acme.http.get(f"{DISCOVERY}/signals", params=query)).json())

    assert await signals(createdAfter="2026-03-16", createdBefore="2026-03-16") == 1
    assert await signals(createdAfter="2026-03-17") == 0
    assert await signals(createdBefore="2026-03-15") == 0
    dates = {"createdAt": "2026-03-16", "updatedAt": "2026-03-17"}
    record = await source.push("rows", "R-1", **dates)
    row = await get_json(acme, f"rows/{record}")
    assert (row["createdAt"], row["updatedAt"]) == ("2026-03-16T00:00:00Z", "2026-03-17T00:00:00Z")
    day = {"createdAfter": "2026-03-16", "createdBefore": "2026-03-16"}
    assert await listed_ids(acme, "rows", **day) == ["R-1"]
    await source.push("rows", "R-1", createdAt="2026-03-16T00:00:01Z")
    assert await listed_ids(acme, "rows", **day) == []


async def test_an_offset_whose_plus_arrived_as_a_blank(acme: Tenant, source: Source) -> None:
    text = {"text": "The export fails.", "signalType": "review"}
    await acme.create("signals", **text, occurredAt="2026-03-16T10:00:00+02:00")
    await source.push("rows", "R-1", createdAt="2026-03-16T10:00:00+02:00")
    at = "2026-03-16T10:00:00+02:00"  # in a query, the plus sign means a blank
    for path in (f"{DISCOVERY}/signals", "/v1/rows"):
        answer = await acme.http.get(f"{path}?createdAfter={at}&createdBefore={at}")
        assert answer.status_code == 200
        found = answer.json() if path.startswith(DISCOVERY) else answer.json()["rows"]
        assert len(found) == 1
    # Not in a body, where a plus sign is a plus sign.
    answer = await acme.http.post(
        f"{DISCOVERY}/signals", json=text | {"occurredAt": at.replace("+", " ")}
    )
    assert answer.json()["errors"][0]["field"] == "occurredAt"
    refused = await source.post("rows", "R-2", createdAt=at.replace("+", " "))
    assert refusal(refused) == (400, "createdAt")


# --- encodings --------------------------------------------------------------------------------


async def test_a_byte_order_mark_before_json_is_skipped(acme: Tenant, source: Source) -> None:
    headers = {"Content-Type": "application/json"}
    mark = "\ufeff".encode()
    signal = to_json({"text": "The export fails. " * 50_000, "signalType": "review"})
    answer = await acme.http.post(f"{DISCOVERY}/signals", content=mark + signal, headers=headers)
    assert answer.status_code == 201, answer.text
    row = to_json(source.body("rows", "R-1"))
    answer = await acme.http.post("/v1/rows", content=mark + row, headers=headers)
    assert answer.status_code == 201
    answer = await acme.http.post("/v1/rows", content=mark * 2 + row, headers=headers)
    assert answer.status_code == 400
    answer = await acme.http.post("/v1/rows", content=mark, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "encode",
    [
        lambda content: base64.encodebytes(content).decode(),
        lambda content: base64.encodebytes(content).decode().replace("\n", "\r\n"),
        lambda content: base64.b64encode(content).decode().rstrip("="),
        lambda content: base64.encodebytes(content).decode().rstrip("=\n"),
    ],
    ids=["lines", "crlf", "unpadded", "both"],
)
async def test_base64_in_lines_or_without_padding(source: Source, encode: Any) -> None:
    content = bytes(number % 251 for number in range(400_000))
    record = await source.push(
        "documents", "D-1", url=None, content=encode(content), contentType="application/x-data"
    )
    document = await get_json(source.tenant, f"documents/{record}")
    assert (await source.http.get(document["url"])).content == content


# --- queries ----------------------------------------------------------------------------------


async def test_an_empty_filter_equals_an_absent_one(acme: Tenant, source: Source) -> None:
    # A text without findings.
    await acme.create("signals", text="Hello.", signalType="review")
    await create_minimal(acme, "insights")
    await source.push("conversations", "C-1")
    for path in (
        "signals?status=&signalType=&externalId=&createdAfter=&createdBefore=&order=",
        "insights?productId=&q=&status=&type=&kind=&accountId=&signalId=&tagId",
    ):
        answer = await acme.http.get(f"{DISCOVERY}/{path}")
        assert (answer.status_code, len(answer.json())) == (200, 1), answer.text
    for query in (
        "startedAfter=&startedBefore=&type=&title=&attendees=&crmName=&sourceId=&cursor=",
        "processingStatus=&type&unknown=",
    ):
        answer = await acme.http.get(f"/v1/conversations?{query}")
        assert (answer.status_code, len(answer.json()["conversations"])) == (200, 1), answer.text
    for kind, query in (
        ("deals", "closed=&amountMin=&amountMax=&closeDateAfter=&stage=&owner="),
        ("accounts", "createdAfter=&website="),
        ("rows", "objectTypeId=&sourceId="),
        ("object-types", "sourceId="),
        ("sources", "name="),
    ):
        assert (await acme.http.get(f"/v1/{kind}?{query}")).status_code == 200, kind


async def test_an_empty_limit_or_offset_is_refused(acme: Tenant) -> None:
    for path in (f"{DISCOVERY}/signals?limit=", f"{DISCOVERY}/ideas?offset="):
        answer = await acme.http.get(path)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] in ("limit", "offset")
    assert (await acme.http.get("/v1/rows?limit=")).status_code == 400


async def test_an_empty_parameter_that_is_required_or_repeated_is_refused(
    acme: Tenant, source: Source
) -> None:
    await source.push("rows", "R-1")
    answer = await acme.http.delete(f"/v1/rows?remoteId=&sourceId={source.id}")
    assert refusal(answer) == (400, "remoteId")
    assert refusal(await acme.http.delete("/v1/rows?remoteId=R-1&sourceId=")) == (400, "sourceId")
    for query in ("type=&type=", "type=&type=INTERNAL", "type=INTERNAL&type="):
        assert (await acme.http.get(f"/v1/conversations?{query}")).status_code == 400


async def test_public_ids_in_any_letter_case(acme: Tenant) -> None:
    signal = await acme.create_signal("The export fails every day.", accountId=ACCOUNT)
    signal = await acme.wait_until_processed(signal["id"])
    for spelled in ("signal", "Signal", "sIGNAL"):
        reference = f"{spelled}-{signal['publicId'].partition('-')[2]}"
        assert (await acme.get(f"signals/{reference}"))["id"] == signal["id"]
        found = await acme.get(f"insights?signalId={reference}")
        assert [each["id"] for each in found] == signal["insightIds"][::-1]
    assert (await acme.http.get(f"{DISCOVERY}/signals/insight-1")).status_code == 404


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Host", "Idempotency-Key"])
async def test_a_header_that_must_be_single_is_refused_twice(
    stack: Stack, acme: Tenant, source: Source, name: str
) -> None:
    port = httpx.URL(stack.base_url).port
    assert port is not None
    twice = f"{name}: a\r\n{name}: b\r\n" if name != "Host" else "Host: other\r\n"
    for path, body in (
        (f"{DISCOVERY}/products", {"name": "Atlas"}),
        ("/v1/rows", source.body("rows", "R-1")),
    ):
        content = to_json(body)
        head = request_head("POST", path, acme.key, Content_Length=str(len(content)))
        (answer,) = await exchange(
            port, [head.removesuffix(b"\r\n") + twice.encode() + b"\r\n" + content]
        )
        assert answer.status == 400, answer
        fault = answer.json()
        message = fault["detail"] if path.startswith(DISCOVERY) else fault["detail"]["message"]
        assert message == f"The header {name} is given more than once."
    assert await acme.get("products") == []
    assert await listed_ids(acme, "rows") == []
    # Other headers may be repeated.
    head = request_head("GET", f"{DISCOVERY}/products", acme.key, Accept="*/*")
    (answer,) = await exchange(port, [head.removesuffix(b"\r\n") + b"Accept: text/html\r\n\r\n"])
    assert answer.status == 200


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u00a0"])
async def test_a_blank_source_name_is_refused(acme: Tenant, name: str) -> None:
    answer = await acme.http.post("/v1/sources", json={"name": name, "displayName": "Mail"})
    assert refusal(answer) == (400, "name")


# --- additions of the revenue record ----------------------------------------------------------


async def test_version_is_any_integer(source: Source) -> None:
    for version in (0, 1, 2, -1, 2**63 - 1, -(2**63)):
        person = {"email": "ana@acme.com", "version": version}
        await source.push("messages", f"M{version}", version=version, sender=person)
        await source.push("documents", f"D{version}", version=version, author=person)
        changed = await source.patch("documents", f"D{version}", version=version)
        assert changed.status_code == 200
    for wrong in ("1", 1.5, True, [1], 2**63):
        refused = await source.post("messages", "M", version=wrong)
        assert refusal(refused) == (400, "version")


async def test_new_origins_are_filters(acme: Tenant) -> None:
    for kind, origins in (
        (
            "conversations",
            ("nooks_dialer", "ringcentral_dialer", "aircall_dialer", "hubspot_dialer"),
        ),
        ("documents", ("mailbox_attachment",)),
    ):
        for origin in origins:
            assert await listed_ids(acme, kind, sourceId=origin) == []
        refused = await acme.http.get(f"/v1/{kind}", params={"sourceId": "other_dialer"})
        assert refused.status_code == 400
