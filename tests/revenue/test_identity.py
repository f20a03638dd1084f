"""Identity by source and id: replacement, deletion, and concurrent writes."""

import asyncio
from typing import Any

import pytest

from domains.kernel.db.database import Database
from tests.revenue.push_records import (
    MINIMAL_FIELDS,
    Json,
    Source,
    create_source,
    get_json,
    listed_ids,
    refusal,
)
from tests.stack import Tenant

KINDS = tuple(MINIMAL_FIELDS)
PATCHED = ("rows", "documents")
WRITERS = 50

# Kind -> the request field in which the writers differ, and its name in the response.
NAME_FIELDS: dict[str, tuple[str, str]] = {
    "conversations": ("displayName", "title"),
    "messages": ("displayName", "subject"),
    "documents": ("displayName", "displayName"),
    "rows": ("displayName", "displayName"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_push_replaces_the_record_in_place(source: Source, kind: str) -> None:
    first = (await source.post(kind, "one")).json()
    assert first == {
        "status": "created",
        "recordId": first["recordId"],
        "id": "one",
        "sourceId": source.id,
    }
    second = (await source.post(kind, "one", displayName="Another")).json()
    assert second == first | {"status": "updated"}
    assert len((await get_json(source.tenant, kind))[kind]) == 1
    shown = await get_json(source.tenant, f"{kind}/{first['recordId']}")
    assert shown[NAME_FIELDS[kind][1]] == "Another"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_push_replaces_the_whole_record(source: Source, kind: str) -> None:
    record = await source.push(kind, "one")

    async def content() -> Any:
        found = await get_json(source.tenant, f"{kind}/{record}")
        # A worker may have begun to process the record.
        return {name: value for name, value in found.items() if name != "processing"}

    minimal = await content()
    extra: dict[str, Any] = {
        "displayName": "More",
        "updatedAt": "2026-04-01T00:00:00Z",
        "public": True,
        "ownerEmails": ["rep@ours.io"],
    }
    if kind == "messages":
        extra |= {"threadId": "t", "attachments": [{"name": "a", "url": "https://example.com/a"}]}
    await source.push(kind, "one", **extra)
    assert await content() != minimal
    await source.push(kind, "one")
    assert await content() == minimal


@pytest.mark.parametrize("kind", KINDS)
async def test_a_record_pushed_after_its_deletion_is_new(source: Source, kind: str) -> None:
    record = await source.push(kind, "one")
    deletion = await source.delete(kind, "one")
    assert deletion.status_code == 200
    assert deletion.json() == {
        "status": "deleted",
        "recordId": record,
        "id": "one",
        "sourceId": source.id,
        "deletedAt": deletion.json()["deletedAt"],
    }
    assert deletion.json()["deletedAt"].endswith("Z")
    assert (await source.http.get(f"/v1/{kind}/{record}")).status_code == 404
    assert (await get_json(source.tenant, kind))[kind] == []
    assert (await source.delete(kind, "one")).status_code == 404
    if kind in PATCHED:
        assert (await source.patch(kind, "one", displayName="x")).status_code == 404
    second = (await source.post(kind, "one")).json()
    assert second["status"] == "created"
    assert second["recordId"] != record
    assert (await source.http.get(f"/v1/{kind}/{record}")).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_id_in_another_source_is_another_record(
    source: Source, kind: str, acme: Tenant
) -> None:
    other = await create_source(acme, "other")
    records = {await source.push(kind, "one"), await other.push(kind, "one")}
    assert len(records) == 2
    await source.delete(kind, "one")
    assert len((await get_json(acme, kind))[kind]) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_concurrent_pushes_of_one_record_create_one(
    source: Source, kind: str, database: Database
) -> None:
    """One push creates the record, the others update it. All its values are of one push."""
    sent, shown = NAME_FIELDS[kind]
    at = [f"2026-03-11T14:00:{number:02}Z" for number in range(WRITERS)]
    responses = await asyncio.gather(
        *(
            source.post(kind, "one", **{sent: f"writer {number}"}, updatedAt=at[number])
            for number in range(WRITERS)
        )
    )
    assert {response.status_code for response in responses} <= {201, 409}
    pushed = [response.json() for response in responses if response.status_code == 201]
    statuses = [push["status"] for push in pushed]
    assert statuses.count("created") == 1
    assert statuses.count("updated") == len(statuses) - 1
    (record,) = {push["recordId"] for push in pushed}
    (listed,) = (await get_json(source.tenant, kind))[kind]
    assert listed["sourceId"] == source.id
    async with database.connection() as connection:
        (row,) = await connection.fetch(
            f"select * from {kind} where source_id = $1 and remote_id = 'one'", source.id
        )
    name = (await get_json(source.tenant, f"{kind}/{record}"))[shown]
    number = int(name.removeprefix("writer "))
    assert row["updated_at"].isoformat().replace("+00:00", "Z") == at[number]


@pytest.mark.parametrize("kind", KINDS)
async def test_concurrent_pushes_and_deletions_leave_at_most_one_record(
    source: Source, kind: str, database: Database
) -> None:
    responses = await asyncio.gather(
        *(
            source.delete(kind, "one") if number % 3 == 2 else source.post(kind, "one")
            for number in range(30)
        )
    )
    assert {response.status_code for response in responses} <= {200, 201, 404, 409}
    created = sum(response.json().get("status") == "created" for response in responses)
    deleted = sum(response.json().get("status") == "deleted" for response in responses)
    living = len((await get_json(source.tenant, kind))[kind])
    assert created - deleted == living
    assert living in (0, 1)
    async with database.connection() as connection:
        stored = await connection.fetchval(
            f"select count(*) from {kind} where source_id = $1", source.id
        )
    assert stored == created


async def test_a_write_that_waits_too_long_for_a_lock_is_a_conflict(
    source: Source, database: Database
) -> None:
    for kind in KINDS:
        await source.push(kind, "one")
    async with database.connection() as connection, connection.transaction():
        for kind in KINDS:
            await connection.execute(
                f"select 1 from {kind} where source_id = $1 for update", source.id
            )
        responses = await asyncio.gather(
            *(source.post(kind, "one") for kind in KINDS),
            *(source.delete(kind, "one") for kind in KINDS),
            *(source.patch(kind, "one", displayName="x") for kind in PATCHED),
        )
    for response in responses:
        assert response.status_code == 409, response.text
        assert response.json()["detail"]["error"] == "conflict"
    for kind in KINDS:
        assert (await source.delete(kind, "one")).status_code == 200


@pytest.mark.parametrize("kind", PATCHED)
async def test_concurrent_patches_of_different_fields_are_all_applied(
    source: Source, kind: str
) -> None:
    record = await source.push(kind, "one")
    values = {"score": 1, "ratio": 2.5, "open": True, "on": "2026-03-11", "tags": ["a"]}
    types = {"score": "int", "ratio": "double", "open": "boolean", "on": "date", "tags": "list"}
    changes: list[dict[str, Any]] = [
        {"fields": {name: {"value": value, "fieldType": types[name]}}}
        for name, value in values.items()
    ]
    if kind == "documents":
        changes = [{"displayName": "x"}, {"updatedAt": 1_700_000_000}, {"contentType": "a/b"}]
    responses = await asyncio.gather(*(source.patch(kind, "one", **change) for change in changes))
    assert {response.status_code for response in responses} == {200}
    shown = await get_json(source.tenant, f"{kind}/{record}")
    if kind == "rows":
        assert {name: shown["fields"][name]["value"] for name in values} == values
    else:
        assert (shown["displayName"], shown["contentType"]) == ("x", "a/b")
        assert shown["updatedAt"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("kind", PATCHED)
async def test_an_empty_patch_changes_nothing(source: Source, kind: str) -> None:
    record = await source.push(kind, "one", displayName="x", updatedAt=1_700_000_000)

    async def read() -> Json:
        shown: Json = await get_json(source.tenant, f"{kind}/{record}")
        # Jobs are running.
        shown.pop("processing", None)
        return shown

    before = await read()
    nothing = {"displayName": None, "updatedAt": None, "public": None, "ownerEmails": None}
    for body in ({}, nothing):
        response = await source.patch(kind, "one", **body)
        assert response.status_code == 200
        assert response.json() == {
            "status": "updated",
            "recordId": record,
            "id": "one",
            "sourceId": source.id,
        }
    assert await read() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_records_of_a_deleted_source_stay_readable_but_cannot_change(
    source: Source, kind: str, acme: Tenant
) -> None:
    record = await source.push(kind, "one")
    deletion = await acme.http.delete(f"/v1/sources/{source.id}")
    assert (deletion.status_code, deletion.json()) == (200, {"status": "deleted", "id": source.id})
    assert (await acme.http.delete(f"/v1/sources/{source.id}")).status_code == 404
    assert (await acme.http.get(f"/v1/sources/{source.id}")).status_code == 404
    assert (await get_json(acme, "sources"))["sources"] == []
    refused = [await source.post(kind, "one"), await source.post(kind, "two")]
    refused.append(await source.delete(kind, "one"))
    if kind in PATCHED:
        refused.append(await source.patch(kind, "one", displayName="x"))
    for response in refused:
        assert refusal(response) == (403, "sourceId")
        assert response.json()["detail"]["error"] == "forbidden"
    shown = await get_json(acme, f"{kind}/{record}")
    assert shown["sourceId"] == source.id
    assert len(await listed_ids(acme, kind, sourceId=source.id)) == 1
    # The name of the deleted source can be used again.
    assert (await create_source(acme)).id != source.id
