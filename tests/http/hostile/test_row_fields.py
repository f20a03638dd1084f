"""Typed fields of rows: values come back byte for byte, and values of another type are refused."""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
import msgspec
import pytest

from tests.http.hostile.engine import Answer, Call, Case, Home, World
from tests.http.hostile.revenue import TITLE
from tests.http.hostile.sites import CALLS
from tests.http.hostile.values import NO_TEXTS, json_of
from tests.revenue.push_records import Json, Source, create_source
from tests.stack import Tenant

BY_NAME = {call.operation.name: call for call in CALLS}
CREATE, UPDATE = BY_NAME["createRow"], BY_NAME["updateRow"]

# Too large for a float, and too long for an integer of Python.
TEN_TO_400 = "1" + "0" * 400
TEN_TO_5000 = "1" + "0" * 5000

# The key of each type in `pushed.FIELDS`; good values, and wrong ones, as they are written in JSON.
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


class Shaped(msgspec.Struct):
    """A row as it is read, its values left as they are written."""

    fields: dict[str, dict[str, msgspec.Raw]]


class Listed(msgspec.Struct):
    """A page of rows."""

    rows: list[Shaped]


def _value(kind: str, written: str) -> bytes:
    return f'{{"fieldType": "{kind}", "value": {written}}}'.encode()


def _fields(fields: Mapping[str, bytes]) -> bytes:
    """A body of fields that are written in JSON already."""
    members = b", ".join(json.dumps(key).encode() + b": " + each for key, each in fields.items())
    return b'{"fields": {' + members + b"}}"


def _row(home: Home, remote: str, fields: Mapping[str, bytes]) -> bytes:
    body = {"id": remote, "sourceId": "{sources}", "objectTypeId": "{object-types}", "name": "T-1"}
    return home.body(body)[:-1] + b", " + _fields({"title": _value("string", '"x"'), **fields})[1:]


@pytest.mark.parametrize("kind", TYPED)
async def test_typed_values_come_back_byte_for_byte(world: World, kind: str) -> None:
    """From the row and from the list, also after a PATCH of them or of another field."""
    home, (key, good, _) = world.own, TYPED[kind]
    values = {secrets.token_hex(8): written for written in good}
    other = (
        ("score", _value("int", "5")) if key == "notes" else ("notes", _value("textarea", '"y"'))
    )
    fields = {remote: {key: _value(kind, written)} for remote, written in values.items()}
    queries = {remote: home.fill(f"remoteId={remote}&sourceId={{sources}}") for remote in values}

    async def answers(call: Call, cases: Iterable[Case]) -> list[Answer]:
        found = await call.send(home, cases)
        assert [each for each in found if each.status != call.operation.status] == []
        return found

    async def assert_shown(ids: Iterable[str]) -> None:
        rows = await answers(BY_NAME["getRow"], [Case("", reference=each) for each in ids])
        shown = [
            msgspec.json.decode(each.content, type=Shaped).fields[key]["value"] for each in rows
        ]
        assert [bytes(each).decode() for each in shown] == list(good)

    cases = [Case("", _row(home, remote, each)) for remote, each in fields.items()]
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
        (row,) = msgspec.json.decode(answer.content, type=Listed).rows
        assert bytes(row.fields[key]["value"]).decode() == written


@pytest.mark.parametrize("kind", TYPED)
async def test_value_of_another_type_is_refused_by_its_key(world: World, kind: str) -> None:
    """Also where it is right in itself, but its type is not the one of the object type."""
    home, (key, _, wrong) = world.mine, TYPED[kind]
    written = [_value(kind, each) for each in wrong]
    written += [_value(other, good[0]) for other, (_, good, _) in TYPED.items() if other != kind]
    field = f"fields.{key}"
    async with world.unchanged():
        cases = [Case(field, _row(home, "R-1", {key: each})) for each in written]
        assert await CREATE.let_through(home, cases) == []
        cases = [UPDATE.case(home, field, _fields({key: each})) for each in written]
        assert await UPDATE.let_through(home, cases) == []


async def test_undecodable_text_is_refused_in_a_value_and_in_a_key(world: World) -> None:
    title = json_of(TITLE)
    members = [b'"title": {"fieldType": "string", "value": ' + text + b"}" for text in NO_TEXTS]
    members += [b'"tags": {"fieldType": "list", "value": [' + text + b"]}" for text in NO_TEXTS]
    members += [text + b": " + title for text in NO_TEXTS]
    for call in (CREATE, UPDATE):
        good = call.good(world.mine)
        assert good
        contents = [good[:-1] + b', "fields": {' + each + b"}}" for each in members]
        cases = [call.case(world.mine, "", content) for content in contents]
        async with world.unchanged():
            assert await call.let_through(world.mine, cases) == []


async def test_row_has_at_most_fifty_fields_after_a_merge(acme: Tenant) -> None:
    """Fields of a former schema stay, and count."""
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
    # One goes as one comes.
    assert (await _patch(source, **values("b", [0]), a0=None)).status_code == 200
    assert set((await shown(record))["fields"]) == set(before["fields"]) - {"a0"} | {"b0"}


async def _patch(source: Source, **fields: Any) -> httpx.Response:
    return await source.patch("rows", "R-1", fields=fields)


async def test_very_many_fields_are_refused_shortly(world: World) -> None:
    """Also where only the last one is wrong."""
    home = world.mine
    many: Json = {f"f{number}": TITLE for number in range(20_000)}
    body = CREATE.site.good("RowRequest")
    wrong: list[tuple[Call, Json, str]] = [
        (CREATE, body | {"fields": many}, "fields"),
        (CREATE, body | {"fields": many | {"last": 5}}, "fields.last"),
        (UPDATE, {"fields": many}, "fields.f0"),
        (UPDATE, {"fields": {**many, "last": {"value": 1}}}, "fields.last.fieldType"),
    ]
    async with world.unchanged():
        for call, content, field in wrong:
            assert await call.let_through(home, [call.case(home, field, home.body(content))]) == []
