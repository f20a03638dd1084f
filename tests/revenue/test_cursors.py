"""Cursors: bounded length, bound to list, workspace and filters, and protected from changes."""

import asyncio
import string
from typing import Any

import asyncpg
import pytest

from domains.kernel.db.database import Database
from domains.kernel.pagination.cursor import CURSOR_LENGTH
from tests.revenue.list_kinds import (
    KINDS,
    SOURCES,
    Record,
    equal_records,
    insert_records,
    read_page_in_process,
    record_ids,
)
from tests.revenue.push_records import Json, get_json
from tests.stack import Tenant


async def _first_cursor(tenant: Tenant, kind: str, **params: Any) -> str:
    page = await get_json(tenant, kind, limit=1, **params)
    cursor = page["pagination"]["nextCursor"]
    assert isinstance(cursor, str)
    assert len(cursor) <= CURSOR_LENGTH
    return cursor


async def _assert_refused(tenant: Tenant, kind: str, **params: Any) -> None:
    response = await tenant.http.get(f"/v1/{kind}", params=params)
    assert response.status_code == 400, (params, response.text)
    assert list(response.json()) == ["detail"]


@pytest.fixture
async def filled(acme: Tenant, connection: asyncpg.Connection) -> Tenant:
    """The workspace `acme` with three records of each kind."""
    for kind in KINDS:
        await insert_records(connection, acme, kind, equal_records(3))
    return acme


@pytest.mark.parametrize(
    ("kind", "name", "value", "other"),
    [
        ("rows", "name", "n" * 1000, {"name": "n" * 999}),
        ("rows", "name", "\U0001f600" * 1000, {"name": "\U0001f600" * 999}),
        ("conversations", "title", "Ä" * 3000, {"title": "Ä" * 2999 + "O"}),
        ("documents", "name", "漢" * 255, {"name": "漢" * 254}),
        ("deals", "stage", "%" * 3000, {"stage": "%" * 2999}),
        ("accounts", "website", "x" * 60, {"website": "x" * 61}),
    ],
)
async def test_long_filters_do_not_lengthen_a_cursor(
    acme: Tenant, connection: asyncpg.Connection, kind: str, name: str, value: str, other: Json
) -> None:
    await insert_records(connection, acme, kind, equal_records(4, value))
    whole = record_ids(kind, await get_json(acme, kind, **{name: value}))
    assert len(whole) == 4
    cursor = await _first_cursor(acme, kind, **{name: value})
    for params in ({}, {name: value}):
        page = await get_json(acme, kind, cursor=cursor, **params)
        assert record_ids(kind, page) == whole[1:2]
        page = await get_json(acme, kind, cursor=page["pagination"]["nextCursor"], limit=50)
        assert record_ids(kind, page) == whole[2:]
    await _assert_refused(acme, kind, cursor=cursor, **other)


@pytest.mark.parametrize("kind", ["deals", "accounts"])
async def test_a_cursor_has_room_for_the_longest_id(
    acme: Tenant, connection: asyncpg.Connection, kind: str
) -> None:
    records = [Record(f"{number}".rjust(128, "d"), None, "p", number) for number in range(3)]
    await insert_records(connection, acme, kind, records)
    page = await get_json(acme, kind, limit=1, name="p")
    read = record_ids(kind, page)
    while page["pagination"]["hasMore"]:
        assert len(page["pagination"]["nextCursor"]) <= CURSOR_LENGTH
        page = await get_json(acme, kind, cursor=page["pagination"]["nextCursor"])
        read += record_ids(kind, page)
    assert read == [record.id for record in records[::-1]]


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_other_filters_than_those_of_the_first_page_are_refused(
    filled: Tenant, kind: str
) -> None:
    filters = {name: values[0] for name, values in KINDS[kind].filters.items()}
    name = {"conversations": "title", "messages": "sourceId"}.get(kind, "name")
    value = SOURCES[0] if kind == "messages" else filters[name]
    cursor = await _first_cursor(filled, kind)
    for other_name, other_value in filters.items():
        await _assert_refused(filled, kind, cursor=cursor, **{other_name: other_value})
    cursor = await _first_cursor(filled, kind, **{name: value})
    other_value = next(other for other in KINDS[kind].filters[name] if other != value)
    await _assert_refused(filled, kind, cursor=cursor, **{name: other_value})
    await get_json(filled, kind, cursor=cursor, **{name: value})
    await get_json(filled, kind, cursor=cursor)
    # An empty text does not filter, so it does not differ from the first page's filters.
    if name != "sourceId":
        await get_json(filled, kind, cursor=cursor, **{name: ""})


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_limit_applies_to_later_pages_until_it_is_changed(
    acme: Tenant, connection: asyncpg.Connection, kind: str
) -> None:
    await insert_records(connection, acme, kind, equal_records(22))
    sizes = []
    page = await get_json(acme, kind, limit=3)
    cursor = ""
    for limit in (None, 5, None, 1, None, 50):
        sizes.append(len(page[kind]))
        cursor = page["pagination"]["nextCursor"]
        params = {} if limit is None else {"limit": limit}
        page = await get_json(acme, kind, cursor=cursor, **params)
    assert [*sizes, len(page[kind])] == [3, 3, 5, 5, 1, 1, 4]
    for invalid_limit in (0, 51, -1, "x"):
        await _assert_refused(acme, kind, cursor=cursor, limit=invalid_limit)


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_cursor_is_valid_for_one_list_of_one_workspace(
    filled: Tenant, rival: Tenant, connection: asyncpg.Connection, kind: str
) -> None:
    await insert_records(connection, rival, kind, equal_records(3))
    own = await _first_cursor(filled, kind)
    await get_json(filled, kind, cursor=own)
    await _assert_refused(filled, kind, cursor=await _first_cursor(rival, kind))
    await _assert_refused(rival, kind, cursor=own)
    for other in KINDS.keys() - {kind}:
        await _assert_refused(filled, kind, cursor=await _first_cursor(filled, other))
    invalid = ("x", "null", "e30", own[:-1], own[1:], own + "A", own * 2, own + "=", "é", "\0")
    await asyncio.gather(*(_assert_refused(filled, kind, cursor=cursor) for cursor in invalid))


@pytest.mark.parametrize("kind", ["conversations", "deals"])
async def test_a_cursor_with_one_changed_character_is_refused(filled: Tenant, kind: str) -> None:
    cursor = await _first_cursor(filled, kind)
    alphabet = string.ascii_letters + string.digits + "-_+/=. ~"
    changed = []
    for index, character in enumerate(cursor):
        # Try one other character per position, but all in the last position, which has unused bits.
        is_last = index == len(cursor) - 1
        others = alphabet if is_last else alphabet[index % len(alphabet)]
        changed += [
            cursor[:index] + other + cursor[index + 1 :] for other in others.replace(character, "")
        ]
    for start in range(0, len(changed), 20):
        await asyncio.gather(
            *(_assert_refused(filled, kind, cursor=text) for text in changed[start : start + 20])
        )


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_cursor_is_valid_in_every_process(
    filled: Tenant, database: Database, kind: str
) -> None:
    whole = record_ids(kind, await get_json(filled, kind))
    cursor = await _first_cursor(filled, kind)
    second, next_cursor = await read_page_in_process(database, filled, kind, {}, 1, cursor)
    third = await get_json(filled, kind, cursor=next_cursor)
    assert [*second, *record_ids(kind, third)] == whole[1:]
