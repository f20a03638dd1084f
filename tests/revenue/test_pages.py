"""Pages of lists together are the whole list, in order, also during concurrent writes."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.pagination import cursor_statements
from domains.kernel.pagination.cursor import CURSOR_LENGTH
from tests.revenue.list_kinds import (
    KINDS,
    START_TIME,
    WORDS,
    Record,
    insert_records,
    read_page_in_process,
    record_ids,
)
from tests.revenue.push_records import Json, Source, get_json
from tests.stack import Tenant

GENERATED = settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


class GeneratedList(NamedTuple):
    kind: str
    records: list[Record]
    filters: Json


@st.composite
def generated_records(draw: st.DrawFn, kind: str) -> list[Record]:
    """Generate records with few distinct times, so that many have equal times."""
    hours = st.sampled_from([0, 0, 1, 2, 9])
    times: st.SearchStrategy[Any] = hours.map(lambda number: START_TIME + timedelta(hours=number))
    if KINDS[kind].may_lack_time:
        times |= st.none()
    count = draw(st.integers(0, 20))
    return [
        Record(
            str(draw(st.uuids(version=4))),
            draw(times),
            draw(st.sampled_from(WORDS)),
            number,
        )
        for number in range(count)
    ]


def generated_filters(kind: str) -> st.SearchStrategy[Json]:
    values = {name: st.sampled_from(list(choices)) for name, choices in KINDS[kind].filters.items()}
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def generated_lists(draw: st.DrawFn) -> GeneratedList:
    kind = draw(st.sampled_from(sorted(KINDS)))
    return GeneratedList(kind, draw(generated_records(kind)), draw(generated_filters(kind)))


async def _replace_records(
    connection: asyncpg.Connection, tenant: Tenant, kind: str, records: Sequence[Record]
) -> None:
    await connection.execute(f"delete from {kind} where workspace_id = $1", UUID(tenant.workspace))
    await insert_records(connection, tenant, kind, records)


@GENERATED
@given(
    generated=generated_lists(),
    limits=st.lists(st.none() | st.integers(1, 7), max_size=30),
    choices=st.data(),
)
async def test_pages_together_are_the_whole_list(
    acme: Tenant,
    connection: asyncpg.Connection,
    generated: GeneratedList,
    limits: list[int | None],
    choices: st.DataObject,
) -> None:
    kind, records, filters = generated
    await _replace_records(connection, acme, kind, records)
    newest_first = [
        record.id for record in sorted(records, key=lambda record: record.position)[::-1]
    ]
    assert record_ids(kind, await get_json(acme, kind, limit=50)) == newest_first
    whole = await get_json(acme, kind, limit=50, **filters)
    expected = record_ids(kind, whole)
    assert expected == [record for record in newest_first if record in set(expected)]
    assert whole["pagination"] == {"nextCursor": None, "hasMore": False}

    limit = choices.draw(st.integers(1, 4))
    page = await get_json(acme, kind, limit=limit, **filters)
    read = record_ids(kind, page)
    new_limits = iter(limits)
    while page["pagination"]["hasMore"]:
        assert len(record_ids(kind, page)) == limit
        cursor = page["pagination"]["nextCursor"]
        assert 0 < len(cursor) <= CURSOR_LENGTH
        # Filters may be repeated with the cursor. A new limit holds for all later pages.
        params = {name: filters[name] for name in filters if choices.draw(st.booleans())}
        if (new_limit := next(new_limits, None)) is not None:
            limit = params["limit"] = new_limit
        page = await get_json(acme, kind, cursor=cursor, **params)
        read += record_ids(kind, page)
    assert page["pagination"]["nextCursor"] is None
    assert read == expected


@GENERATED
@given(generated=generated_lists(), limit=st.integers(1, 3))
async def test_both_stages_of_a_search_find_the_same_records(
    acme: Tenant,
    connection: asyncpg.Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    generated: GeneratedList,
    limit: int,
) -> None:
    kind, records, filters = generated
    await _replace_records(connection, acme, kind, records)
    expected = record_ids(kind, await get_json(acme, kind, limit=50, **filters))
    cursor_list = KINDS[kind].cursor_list
    # Scan few records, so that the index stage runs. Sample all records, or every other one. Read
    # the matches of all times, or those of the spans.
    for mask, few in ((0, 0), (0, 100), (1, 0)):
        with monkeypatch.context() as patched:
            patched.setattr(cursor_statements, "FEW_SAMPLED", few)
            patched.setattr(cursor_list, "scan_factor", 1)
            patched.setattr(cursor_list, "sample_sql", f"hashtext(id::text) & {mask}")
            patched.setattr(cursor_list, "_compiled", {})
            read: list[str] = []
            cursor = None
            while True:
                page, cursor = await read_page_in_process(
                    database, acme, kind, filters, limit, cursor
                )
                read += page
                if cursor is None:
                    break
            assert read == expected


class Change(NamedTuple):
    """A write between two pages. `choice` selects the record."""

    action: str
    choice: int
    hours: int


generated_changes = st.lists(
    st.lists(
        st.builds(
            Change,
            st.sampled_from(["insert", "insert", "delete", "update", "move"]),
            st.integers(0, 100),
            st.integers(-2, 10),
        ),
        max_size=3,
    ),
    min_size=1,
    max_size=8,
)


class Writer:
    """Applies changes to a list, and keeps track of which records they affected."""

    def __init__(
        self, connection: asyncpg.Connection, tenant: Tenant, kind: str, records: list[Record]
    ) -> None:
        # `disturbed`: records that were moved or deleted. `moved`: records that were moved.
        self.disturbed: set[str] = set()
        self.moved: set[str] = set()
        self._connection = connection
        self._tenant = tenant
        self._kind = kind
        self._existing = {record.id for record in records}

    async def apply(self, change: Change) -> None:
        at = START_TIME + timedelta(hours=change.hours)
        if change.action == "insert":
            new = Record(str(uuid4()), at, "plan", change.choice)
            await insert_records(self._connection, self._tenant, self._kind, [new])
            self._existing.add(new.id)
            return
        if not self._existing:
            return
        record = sorted(self._existing)[change.choice % len(self._existing)]
        is_crm = KINDS[self._kind].may_lack_time
        if change.action == "delete":
            self.disturbed.add(record)
            self._existing.remove(record)
            if is_crm:
                await self._execute(f"delete from {self._kind}", record)
            else:
                await self._execute(f"update {self._kind} set deleted_at = now()", record)
        elif change.action == "update":
            # This write changes neither the position nor a filtered value.
            update = "contacts = '[]'" if is_crm else "public = not public"
            await self._execute(f"update {self._kind} set {update}", record)
        else:
            self.disturbed.add(record)
            self.moved.add(record)
            column = "started_at" if self._kind == "conversations" else "created_at"
            column = "activity_given_at" if is_crm else column
            await self._execute(f"update {self._kind} set {column} = $3", record, at)

    async def _execute(self, command: str, record: str, *arguments: Any) -> None:
        await self._connection.execute(
            f"{command} where workspace_id = $1 and id::text = $2",
            UUID(self._tenant.workspace),
            record,
            *arguments,
        )


@GENERATED
@given(generated=generated_lists(), limit=st.integers(1, 5), changes=generated_changes)
async def test_changes_between_pages_neither_hide_nor_repeat_other_records(
    acme: Tenant,
    connection: asyncpg.Connection,
    generated: GeneratedList,
    limit: int,
    changes: list[list[Change]],
) -> None:
    kind, records, filters = generated
    await _replace_records(connection, acme, kind, records)
    before = record_ids(kind, await get_json(acme, kind, limit=50, **filters))
    writer = Writer(connection, acme, kind, records)
    read: list[str] = []
    pending_changes = iter(changes)
    params: Json = {"limit": limit, **filters}
    while True:
        page = await get_json(acme, kind, **params)
        read += record_ids(kind, page)
        cursor = page["pagination"]["nextCursor"]
        if cursor is None:
            break
        params = {"cursor": cursor}
        for change in next(pending_changes, []):
            await writer.apply(change)
    assert {record for record in read if read.count(record) > 1} <= writer.moved
    undisturbed = [record for record in before if record not in writer.disturbed]
    assert [record for record in read if record in undisturbed] == undisturbed


@pytest.mark.parametrize("kind", ["conversations", "messages", "rows", "documents"])
async def test_concurrent_pushes_neither_hide_nor_repeat_other_records(
    source: Source, kind: str
) -> None:
    first = await asyncio.gather(*(source.push(kind, f"first {number}") for number in range(12)))

    async def write(number: int) -> None:
        await source.push(kind, f"new {number}")
        # The same content again, which changes nothing.
        await source.push(kind, f"first {number % 12}")
        assert (await source.delete(kind, f"new {number}")).status_code == 200

    writing = asyncio.gather(*(write(number) for number in range(12)))
    while True:
        is_last = writing.done()
        page = await get_json(source.tenant, kind, limit=2)
        read = record_ids(kind, page)
        while page["pagination"]["hasMore"]:
            page = await get_json(source.tenant, kind, cursor=page["pagination"]["nextCursor"])
            read += record_ids(kind, page)
        assert len(read) == len(set(read))
        assert set(first) <= set(read)
        if is_last:
            break
    await writing
    assert sorted(read) == sorted(first)
