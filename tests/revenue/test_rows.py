"""Rows, object types and sources: typed fields, exact values, schema changes."""

from typing import Any

import pytest

from tests.revenue.push_records import (
    FIELD_DEFINITIONS,
    Source,
    assert_refused,
    create_source,
    get_json,
    listed_ids,
    refusal,
)
from tests.stack import Tenant


def value(of: Any, kind: str, **more: Any) -> dict[str, Any]:
    return {"value": of, "fieldType": kind, **more}


TITLE = {"title": value("x", "string")}

# Field -> its type and values, as written in JSON.
VALID = {
    "score": ("int", ["87", "0", "-5", "9223372036854775807", "-9223372036854775808"]),
    "ratio": ("double", ["2.0", "2", "1e2", "0.1", "-0.0", "123456789012345678901234", "1E-7"]),
    "open": ("boolean", ["true", "false"]),
    "notes": ("textarea", ['"a\\nb"', '""', '"Zwölf 🥊"']),
    "title": ("string", ['"one line"', '""', '"tab\\there"']),
    "at": ("datetime", ['"2024-05-01T15:00:00Z"', '"2024-05-01T15:00:00.5+02:00"']),
    "on": ("date", ['"2024-02-29"']),
    "tags": ("list", ["[]", '["a",1,2.0,true]']),
}
INVALID = {
    "score": ("int", ["87.0", "true", '"87"', "9223372036854775808", "[]", "1e2", "null"]),
    "ratio": ("double", ['"2"', "true", "{}", "null"]),
    "open": ("boolean", ["0", '"true"', "null"]),
    "notes": ("textarea", ["5", "[]", "null"]),
    "title": ("string", ['"a\\nb"', '"a\\rb"', '"a\\u2028b"', "5", "null"]),
    "at": ("datetime", ['"2024-05-01"', "1714575600", '"2024-13-01T00:00:00Z"', '"x"', "null"]),
    "on": ("date", ['"2024-05-01T15:00:00Z"', '"2023-02-29"', "20240501", "null"]),
    "tags": ("list", ['"a"', "[null]", "[[]]", '[{"a":1}]', "{}", "null"]),
}


async def _send(source: Source, name: str, kind: str, raw: str) -> Any:
    """Push a row with a value in the given JSON notation, and with the required title."""
    fields = f'"{name}": {{"value": {raw}, "fieldType": "{kind}"}}'
    if name != "title":
        fields += ', "title": {"value": "x", "fieldType": "string"}'
    body = (
        f'{{"id": "one", "sourceId": "{source.id}", "objectTypeId": "{source.object_type}",'
        f' "name": "n", "fields": {{{fields}}}}}'
    )
    return await source.http.post(
        "/v1/rows", content=body.encode(), headers={"Content-Type": "application/json"}
    )


@pytest.mark.parametrize("name", VALID)
async def test_values_are_returned_exactly_as_sent(source: Source, name: str) -> None:
    kind, values = VALID[name]
    for raw in values:
        sent = await _send(source, name, kind, raw)
        assert sent.status_code == 201, (raw, sent.text)
        response = await source.http.get(f"/v1/rows/{sent.json()['recordId']}")
        assert f'"{name}":{{"value":{raw},"fieldType":"{kind}"' in response.text
        # A PATCH of another field does not change the value.
        other = "notes" if name != "notes" else "open"
        change = {other: value("x" if other == "notes" else True, _type(other))}
        assert (await source.patch("rows", "one", fields=change)).status_code == 200
        after = await source.http.get(f"/v1/rows/{sent.json()['recordId']}")
        assert f'"{name}":{{"value":{raw},' in after.text


@pytest.mark.parametrize("end", ["", "\\n", "\\u2028"])
async def test_large_strings_are_checked_and_returned_exactly(source: Source, end: str) -> None:
    for kind in ("string", "textarea"):
        raw = '"' + "Dächer \\t🥊 " * 100_000 + end + '"'
        name = "title" if kind == "string" else "notes"
        for _ in range(2):
            sent = await _send(source, name, kind, raw)
            if end and kind == "string":
                assert refusal(sent) == (400, "fields.title")
            else:
                assert sent.is_success, sent.text
                stored = await source.http.get(f"/v1/rows/{sent.json()['recordId']}")
                assert f'"{name}":{{"value":{raw},' in stored.text


def _type(name: str) -> str:
    return str(next(field["fieldType"] for field in FIELD_DEFINITIONS if field["name"] == name))


@pytest.mark.parametrize("name", INVALID)
async def test_a_value_of_another_type_is_refused_with_its_field(source: Source, name: str) -> None:
    await source.push("rows", "kept")
    kind, values = INVALID[name]
    for raw in values:
        refused = await _send(source, name, kind, raw)
        assert refusal(refused) == (400, f"fields.{name}"), raw
    assert len((await get_json(source.tenant, "rows"))["rows"]) == 1


async def test_fields_that_violate_the_schema_are_refused(source: Source) -> None:
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"fields": {"title": value("x", "textarea")}}, "fields.title"),
        ({"fields": {**TITLE, "unknown": value("x", "string")}}, "fields.unknown"),
        ({"fields": {"score": value(1, "int")}}, "fields.title"),
    ]
    await assert_refused(source, "rows", cases)


async def test_a_patch_merges_fields(source: Source) -> None:
    fields = {**TITLE, "score": value(87, "int"), "notes": value("a", "textarea", label="Notes")}
    record = await source.push("rows", "one", name="short", fields=fields)
    change = {
        "title": value("y", "string", label="T"),
        "score": None,
        "open": value(True, "boolean"),
    }
    response = await source.patch(
        "rows", "one", displayName="shown", name="longer", updatedAt=1_700_000_000, fields=change
    )
    assert response.status_code == 200
    row = await get_json(source.tenant, f"rows/{record}")
    assert row["fields"] == {
        "title": value("y", "string", label="T"),
        "notes": value("a", "textarea", label="Notes"),
        "open": value(True, "boolean", label=None),
    }
    assert (row["displayName"], row["name"]) == ("shown", "longer")
    assert row["updatedAt"] == "2023-11-14T22:13:20Z"
    assert row["createdAt"] is None


async def test_a_patch_that_violates_the_schema_changes_nothing(source: Source) -> None:
    record = await source.push("rows", "one")
    before = await get_json(source.tenant, f"rows/{record}")
    for fields, field in (
        ({"title": None}, "fields.title"),
        ({"unknown": None}, "fields.unknown"),
        ({"unknown": value(1, "int")}, "fields.unknown"),
        ({"score": value("1", "int"), "open": value(True, "boolean")}, "fields.score"),
    ):
        refused = await source.patch("rows", "one", displayName="changed", fields=fields)
        assert refusal(refused) == (400, field)
    assert await get_json(source.tenant, f"rows/{record}") == before


async def test_a_row_has_at_most_fifty_fields_after_a_merge_too(source: Source) -> None:
    half = [{"name": f"a{number}", "fieldType": "int"} for number in range(50)]
    created = await _object_type(source, "wide", half)
    fields = {f"a{number}": value(number, "int") for number in range(50)}
    record = await source.push("rows", "one", objectTypeId=created, fields=fields)
    other = [{"name": "b", "fieldType": "int"}]
    changed = await source.http.patch(
        f"/v1/object-types/{created}", json={"fieldDefinitions": half[:49] + other}
    )
    assert changed.status_code == 200
    refused = await source.patch("rows", "one", fields={"b": value(1, "int")})
    assert refusal(refused) == (400, "fields")
    exchange = {"b": value(1, "int"), "a0": None}
    assert (await source.patch("rows", "one", fields=exchange)).status_code == 200
    assert len((await get_json(source.tenant, f"rows/{record}"))["fields"]) == 50
    fields = {f"a{number}": value(number, "int") for number in range(51)}
    refused = await source.post("rows", "two", objectTypeId=created, fields=fields)
    assert refusal(refused) == (400, "fields")


async def test_a_new_schema_applies_to_later_writes_only(source: Source) -> None:
    record = await source.push("rows", "one", fields={**TITLE, "score": value(1, "int")})
    before = await get_json(source.tenant, f"rows/{record}")
    definitions = [{"name": "score", "fieldType": "string"}, {"name": "new", "fieldType": "int"}]
    changed = await source.http.patch(
        f"/v1/object-types/{source.object_type}", json={"fieldDefinitions": definitions}
    )
    assert [field["name"] for field in changed.json()["fieldDefinitions"]] == ["score", "new"]
    assert await get_json(source.tenant, f"rows/{record}") == before
    # Only the fields in a PATCH are checked against the schema.
    assert (await source.patch("rows", "one", fields={"new": value(1, "int")})).status_code == 200
    assert (await source.patch("rows", "one", fields={"title": None})).status_code == 400
    kept = (await get_json(source.tenant, f"rows/{record}"))["fields"]
    assert set(kept) == {"title", "score", "new"}
    assert (await source.post("rows", "two", fields=TITLE)).status_code == 400
    fields = {"score": value("high", "string")}
    assert (await source.post("rows", "two", fields=fields)).status_code == 201


async def test_rows_of_a_deleted_object_type_stay_readable_but_cannot_change(
    source: Source,
) -> None:
    record = await source.push("rows", "one")
    deletion = await source.http.delete(f"/v1/object-types/{source.object_type}")
    assert deletion.json() == {"status": "deleted", "id": source.object_type}
    path = f"/v1/object-types/{source.object_type}"
    assert (await source.http.delete(path)).status_code == 404
    assert (await source.http.get(path)).status_code == 404
    assert (await source.post("rows", "two")).status_code == 400
    assert (await source.post("rows", "one")).status_code == 400
    assert (await source.patch("rows", "one", displayName="x")).status_code == 400
    row = await get_json(source.tenant, f"rows/{record}")
    assert (row["objectTypeId"], row["objectTypeName"]) == (source.object_type, "ticket")
    assert await listed_ids(source.tenant, "rows", objectTypeId=source.object_type) == ["one"]
    # The row can still be deleted, and the object type's name can be used again.
    assert (await source.delete("rows", "one")).status_code == 200
    assert await _object_type(source, "ticket", FIELD_DEFINITIONS) != source.object_type


async def test_the_object_type_of_a_row_cannot_change(source: Source, acme: Tenant) -> None:
    await source.push("rows", "one")
    other = await _object_type(source, "other", FIELD_DEFINITIONS)
    response = await source.post("rows", "one", objectTypeId=other)
    assert refusal(response) == (400, "objectTypeId")
    elsewhere = await create_source(acme, "elsewhere")
    response = await source.post("rows", "two", objectTypeId=elsewhere.object_type)
    assert refusal(response) == (400, "objectTypeId")


async def test_names_of_object_types_and_their_fields_are_unique(
    source: Source, acme: Tenant
) -> None:
    taken = await _post_object_type(source, "ticket", FIELD_DEFINITIONS)
    assert (taken.status_code, taken.json()["detail"]["error"]) == (409, "conflict")
    duplicates = [{"name": "a", "fieldType": "int"}, {"name": "a", "fieldType": "string"}]
    response = await _post_object_type(source, "twice", duplicates)
    assert refusal(response) == (400, "fieldDefinitions")
    path = f"/v1/object-types/{source.object_type}"
    response = await source.http.patch(path, json={"fieldDefinitions": duplicates})
    assert refusal(response) == (400, "fieldDefinitions")
    # Names are unique within one source.
    other = await create_source(acme, "other")
    for params, ids in (
        ({}, [other.object_type, source.object_type]),
        ({"sourceId": other.id}, [other.object_type]),
    ):
        listed = (await get_json(acme, "object-types", **params))["objectTypes"]
        assert [object_type["id"] for object_type in listed] == ids


async def test_a_patch_of_an_object_type_changes_the_given_fields(source: Source) -> None:
    path = f"/v1/object-types/{source.object_type}"
    before = (await source.http.get(path)).json()
    for body in ({}, {"displayName": None, "fieldDefinitions": None}):
        response = await source.http.patch(path, json=body)
        assert response.status_code == 200
        assert response.json() | {"updatedAt": ""} == before | {"updatedAt": ""}
    response = await source.http.patch(path, json={"displayName": "Case", "name": "ignored"})
    assert (response.json()["displayName"], response.json()["name"]) == ("Case", "ticket")
    assert response.json()["fieldDefinitions"] == before["fieldDefinitions"]
    assert response.json()["updatedAt"] > before["updatedAt"]
    await source.http.delete(f"/v1/sources/{source.id}")
    for refused in (
        await source.http.patch(path, json={"displayName": "x"}),
        await source.http.delete(path),
        await _post_object_type(source, "new", FIELD_DEFINITIONS),
    ):
        assert refusal(refused) == (403, "sourceId")
    assert (await source.http.get(path)).status_code == 200


async def test_only_the_display_name_of_a_source_can_change(acme: Tenant) -> None:
    response = await acme.http.post("/v1/sources", json={"name": "crm", "displayName": "CRM"})
    created = response.json()
    path = f"/v1/sources/{created['id']}"
    changed = await acme.http.patch(path, json={"displayName": "The CRM", "name": "ignored"})
    times = {"updatedAt": changed.json()["updatedAt"]}
    assert changed.json() == created | {"displayName": "The CRM"} | times
    assert (await acme.http.get(path)).json() == changed.json()
    response = await acme.http.patch(path, json={})
    assert refusal(response) == (400, "displayName")
    taken = await acme.http.post("/v1/sources", json={"name": "crm", "displayName": "x"})
    assert (taken.status_code, taken.json()["detail"]["error"]) == (409, "conflict")
    await acme.http.post("/v1/sources", json={"name": "A_wiki", "displayName": "x"})
    cases = {"WIKI": ["A_wiki"], "a_w": ["A_wiki"], "aXw": [], "%": [], "": ["A_wiki", "crm"]}
    for part, names in cases.items():
        listed = (await get_json(acme, "sources", name=part))["sources"]
        assert [source["name"] for source in listed] == names, part


async def _object_type(source: Source, name: str, definitions: list[dict[str, Any]]) -> str:
    created = await _post_object_type(source, name, definitions)
    assert created.status_code == 201, created.text
    object_type: str = created.json()["id"]
    return object_type


async def _post_object_type(source: Source, name: str, definitions: list[dict[str, Any]]) -> Any:
    body = {
        "sourceId": source.id,
        "name": name,
        "displayName": name,
        "fieldDefinitions": definitions,
    }
    return await source.http.post("/v1/object-types", json=body)
