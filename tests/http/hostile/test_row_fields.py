"""Typed fields of rows: values are returned byte for byte, and other types are refused."""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import msgspec
import pytest

from tests.http.hostile.apis import CALLS
from tests.http.hostile.harness import Answer, Call, Caller, Case, Tenants
from tests.http.hostile.revenue import TITLE
from tests.http.hostile.values import INVALID_JSON_STRINGS, to_json
from tests.revenue.push_records import Json, Source, create_source
from tests.stack import Tenant

BY_NAME = {call.operation.name: call for call in CALLS}
CREATE, UPDATE = BY_NAME["createRow"], BY_NAME["updateRow"]

# Too large for a float, and too long for Python to parse as an integer.
TEN_TO_400 = "1" + "0" * 400
TEN_TO_5000 = "1" + "0" * 5000

# By type: its key in `FIELD_DEFINITIONS`, and good and wrong values in JSON notation.
TYPED: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "string": (
        "title",
        ('""', '"x"', '"\\u00e9\\/\\b\\""', '"Zwölf 🥊"', '"tab\\t."', '"\\ud83e\\udd4a"'),
        (
            *("5", "1.5", "true", "[]", "{}", "null", '["x"]'),
            *('"a\\nb"', '"a\\r"', '"\\u2028"', '"\\u0085"', '"\\u000b"', '"\\u001c"'),
        ),
    ),
    "textarea": (
        "notes",
        ('""', '"a\\nb\\r\\nc\\u2028"', f'"{"x" * 50_000}"'),
        ("5", "[]", "null"),
    ),
    "boolean": ("open", ("true", "false"), ("0", "1", '"true"', '""', "[]", "{}", "null")),
    "int": (
        "score",
        ("87", "0", "-0", "-1", "9223372036854775807", "-9223372036854775808"),
        (
            *("87.0", "1e2", "-0.0", "9223372036854775808", "-9223372036854775809", "1e999"),
            *(TEN_TO_400, TEN_TO_5000, '"87"', '""', "true", "false", "[]", "{}", "null"),
        ),
    ),
    "double": (
        "ratio",
        (
            *("2", "2.0", "1e2", "1E+2", "1e-2", "-0.0", "0.1", "0.30000000000000004", "5e-324"),
            *("1.7976931348623157e308", "123456789012345678901234567890", "0.1000000000000000001"),
        ),
        (
            *("1e999", "-1e999", "1.8e308", TEN_TO_400, f"-{TEN_TO_400}", TEN_TO_5000),
            *('"1"', '"NaN"', '""', "true", "[]", "{}", "null"),
        ),
    ),
    "datetime": (
        "at",
        (
            *('"2026-03-11T14:00:00Z"', '"2026-03-11t14:00:00.123456789+02:00"'),
            *('"2026-03-11 14:00"', '"2026-03-11T14:00:00"', '"0001-01-01T00:00:00Z"'),
        ),
        (
            *("1773237600", "1773237600000", '"1773237600"', '"2026-03-11"', '"yesterday"'),
            *('"2026-02-30T00:00:00Z"', '"10000-01-01T00:00:00Z"', '"2026-03-11T14:00:00Z\\n"'),
            *('""', "true", "[]", "{}", "null"),
        ),
    ),
    "date": (
        "on",
        ('"2026-03-11"', '"2024-02-29"', '"0001-01-01"', '"9999-12-31"'),
        (
            *('"2026-02-29"', '"2026-3-1"', '"2026-03-11T00:00:00Z"', '"20260311"'),
            *('"0000-01-01"', '"2026-03-11\\n"', "20260311", '""', "true", "[]", "{}", "null"),
        ),
    ),
    "list": (
        "tags",
        ("[]", '["a",  1,\n 1.50, true, ""]', "[1e2, -0.0, 2.0]"),
        (
            *('"a"', "5", "true", "{}", "null", "[null]", "[[]]", "[{}]", '["a", [1]]'),
            *("[1e999]", f"[{TEN_TO_400}]"),
        ),
    ),
}


class RawRow(msgspec.Struct):
    """A row from the API, with its values as raw JSON."""

    fields: dict[str, dict[str, msgspec.Raw]]


class RawPage(msgspec.Struct):
    """A page of rows."""

    rows: list[RawRow]


def _value(kind: str, written: str) -> bytes:
    return f'{{"fieldType": "{kind}", "value": {written}}}'.encode()


def _fields(fields: Mapping[str, bytes]) -> bytes:
    """A body with these fields, which are JSON already."""
    members = b", ".join(json.dumps(key).encode() + b": " + each for key, each in fields.items())
    return b'{"fields": {' + members + b"}}"


def _row(caller: Caller, remote: str, fields: Mapping[str, bytes]) -> bytes:
    body = {"id": remote, "sourceId": "{sources}", "objectTypeId": "{object-types}", "name": "T-1"}
    return (
        caller.body(body)[:-1] + b", " + _fields({"title": _value("string", '"x"'), **fields})[1:]
    )


@pytest.mark.parametrize("kind", TYPED)
async def test_typed_values_are_returned_byte_for_byte(tenants: Tenants, kind: str) -> None:
    """Reads and lists return them so, also after a PATCH of this field or of another one."""
    caller, (key, good, _) = tenants.writer, TYPED[kind]
    values = {secrets.token_hex(8): written for written in good}
    other = (
        ("score", _value("int", "5")) if key == "notes" else ("notes", _value("textarea", '"y"'))
    )
    fields = {remote: {key: _value(kind, written)} for remote, written in values.items()}
    queries = {remote: caller.fill(f"remoteId={remote}&sourceId={{sources}}") for remote in values}

    async def answers(call: Call, cases: Iterable[Case]) -> list[Answer]:
        found = await call.send(caller, cases)
        assert [each for each in found if each.status != call.operation.status] == []
        return found

    async def assert_shown(ids: Iterable[str]) -> None:
        rows = await answers(BY_NAME["getRow"], [Case("", path_id=each) for each in ids])
        shown = [
            msgspec.json.decode(each.content, type=RawRow).fields[key]["value"] for each in rows
        ]
        assert [bytes(each).decode() for each in shown] == list(good)

    cases = [Case("", _row(caller, remote, each)) for remote, each in fields.items()]
    ids = [each.json()["recordId"] for each in await answers(CREATE, cases)]
    await assert_shown(ids)
    content = _fields(dict([other]))
    await answers(UPDATE, [Case("", content, query) for query in queries.values()])
    await assert_shown(ids)
    cases = [Case("", _fields(fields[remote]), query) for remote, query in queries.items()]
    await answers(UPDATE, cases)
    await assert_shown(ids)
    cases = [Case("", query=query) for query in queries.values()]
    for answer, written in zip(await answers(BY_NAME["listRows"], cases), good, strict=True):
        (row,) = msgspec.json.decode(answer.content, type=RawPage).rows
        assert bytes(row.fields[key]["value"]).decode() == written


@pytest.mark.parametrize("kind", TYPED)
async def test_error_of_a_value_of_another_type_names_the_key(tenants: Tenants, kind: str) -> None:
    """A value that fits its own `fieldType`, but not the object type's, is refused, too."""
    caller, (key, _, wrong) = tenants.caller, TYPED[kind]
    written = [_value(kind, each) for each in wrong]
    written += [_value(other, good[0]) for other, (_, good, _) in TYPED.items() if other != kind]
    field = f"fields.{key}"
    async with tenants.unchanged():
        cases = [Case(field, _row(caller, "R-1", {key: each})) for each in written]
        assert await CREATE.not_refused(caller, cases) == []
        cases = [UPDATE.case(caller, field, _fields({key: each})) for each in written]
        assert await UPDATE.not_refused(caller, cases) == []


async def test_undecodable_text_is_refused_in_a_value_and_in_a_key(tenants: Tenants) -> None:
    title = to_json(TITLE)
    members = [
        b'"title": {"fieldType": "string", "value": ' + text + b"}" for text in INVALID_JSON_STRINGS
    ]
    members += [
        b'"tags": {"fieldType": "list", "value": [' + text + b"]}" for text in INVALID_JSON_STRINGS
    ]
    members += [text + b": " + title for text in INVALID_JSON_STRINGS]
    for call in (CREATE, UPDATE):
        good = call.good(tenants.caller)
        assert good
        contents = [good[:-1] + b', "fields": {' + each + b"}}" for each in members]
        cases = [call.case(tenants.caller, "", content) for content in contents]
        async with tenants.unchanged():
            assert await call.not_refused(tenants.caller, cases) == []


async def test_row_has_at_most_fifty_fields_after_a_merge(acme: Tenant) -> None:
    """Fields of an earlier schema are kept and counted."""
    source = await create_source(acme)
    path = f"/v1/object-types/{source.object_type}"

    def schema(letter: str) -> list[Json]:
        return [{"name": f"{letter}{number}", "fieldType": "int"} for number in range(50)]

    def values(letter: str, numbers: Iterable[int]) -> Json:
        return {f"{letter}{number}": {"value": 1, "fieldType": "int"} for number in numbers}

    async def shown(record: str) -> Any:
        return (await acme.http.get(f"/v1/rows/{record}")).json()

    changed = await acme.http.patch(path, json={"fieldDefinitions": schema("a")})
    assert changed.status_code == 200, changed.text
    record = await source.push("rows", "R-1", fields=values("a", range(50)))
    await acme.http.patch(path, json={"fieldDefinitions": schema("b")[:49] + schema("a")[:1]})
    before = await shown(record)
    refused = await _patch(source, **values("b", [0]))
    assert (refused.status_code, refused.json()["detail"]["field"]) == (400, "fields")
    assert await shown(record) == before
    # A PATCH that removes one field and adds one is accepted.
    assert (await _patch(source, **values("b", [0]), a0=None)).status_code == 200
    assert set((await shown(record))["fields"]) == set(before["fields"]) - {"a0"} | {"b0"}


async def _patch(source: Source, **fields: Any) -> httpx.Response:
    return await source.patch("rows", "R-1", fields=fields)


async def test_error_of_very_many_fields_is_short(tenants: Tenants) -> None:
    """Tested with many wrong fields, and with only the last field wrong."""
    caller = tenants.caller
    many: Json = {f"f{number}": TITLE for number in range(20_000)}
    body = CREATE.api.good("RowRequest")
    wrong: list[tuple[Call, Json, str]] = [
        (CREATE, body | {"fields": many}, "fields"),
        (CREATE, body | {"fields": many | {"last": 5}}, "fields.last"),
        (UPDATE, {"fields": many}, "fields.f0"),
        (UPDATE, {"fields": {**many, "last": {"value": 1}}}, "fields.last.fieldType"),
    ]
    async with tenants.unchanged():
        for call, content, field in wrong:
            assert (
                await call.not_refused(caller, [call.case(caller, field, caller.body(content))])
                == []
            )
