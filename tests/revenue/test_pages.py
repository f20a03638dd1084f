"""Cursors: pages that together are the whole, whatever others do; and no cursor but one's own."""

import asyncio
import string
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.pagination.cursor import CURSOR_LENGTH, CursorList, CursorQuery
from domains.kernel.tenancy.signing import Signer
from domains.revenue.accounts import ACCOUNTS, AccountQuery
from domains.revenue.conversations import CONVERSATIONS, ConversationQuery
from domains.revenue.deals import DEALS, DealQuery
from domains.revenue.documents import DOCUMENTS, DocumentQuery
from domains.revenue.messages import MESSAGES, MessageQuery
from domains.revenue.rows import ROWS, RowQuery
from tests.revenue.push_records import Json, create_source, get_json
from tests.stack import Tenant

WALKS = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCES = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")


class Kind(NamedTuple):
    """A list, and how records get into it: $1 workspace, $2 ids, $3 times, $4 words, $5 numbers."""

    key: str
    listed: CursorList[Any]
    query: type[CursorQuery]
    insert: str
    # By which record it filters: a word of its texts, or its number.
    filters: dict[str, Sequence[Any]]
    # Whether its records may be without the time that they are ordered by.
    timeless: bool = False


_GIVEN = "from unnest($2::text[], $3::timestamptz[], $4::text[], $5::int[]) as g(id, at, word, n)"
_SOURCE = f"(array['{SOURCES[0]}', '{SOURCES[1]}'])[1 + n % 2]"
_WORDS = ("Plan", "plan", "risk", "xyz", "la", "ri")
_TIMES = [(BEGINNING + timedelta(hours=hours)).isoformat() for hours in (-1, 0, 2, 9)]

KINDS = {
    "conversations": Kind(
        "conversationId",
        CONVERSATIONS,
        ConversationQuery,
        f"""insert into conversations (workspace_id, id, source_id, remote_id, title, started_at,
            ended_at, type, participants, names, emails, domains, crm_name, state)
        select $1, id::uuid, {_SOURCE}, id, word, at, at,
            case when n % 3 = 0 then 'INTERNAL' else 'EXTERNAL' end, '[]', 'Ann ' || word,
            array[word || '@acme.com'], array['acme.com'], word || ' Ltd', 'processed' {_GIVEN}""",
        {
            "title": _WORDS,
            "attendees": ("plan@acme.com", "@acme.com", "no.com", "ann", "ann risk"),
            "crmName": ("plan ltd", "ltd", "lt"),
            "type": ("INTERNAL", "EXTERNAL"),
            "sourceId": (*SOURCES, "gong"),
            "startedAfter": _TIMES,
            "startedBefore": _TIMES,
        },
    ),
    "messages": Kind(
        "messageId",
        MESSAGES,
        MessageQuery,
        f"""insert into messages (workspace_id, id, source_id, remote_id, thread_id, subject,
            recipients, body, body_preview, attachments, emails, created_at)
        select $1, id::uuid, {_SOURCE}, id, 't' || n % 3, word, '[]', '', '', '[]',
            array[word || '@acme.com', 'rep@ours.io'], at {_GIVEN}""",
        {
            "threadId": ("t0", "t1", "t9"),
            "participantEmail": ("plan@acme.com", "REP@ours.io", "no@no.com"),
            "sourceId": (*SOURCES, "gmail"),
            "createdAfter": _TIMES,
            "createdBefore": _TIMES,
        },
    ),
    "rows": Kind(
        "rowId",
        ROWS,
        RowQuery,
        f"""insert into rows (workspace_id, id, source_id, remote_id, object_type_id, name,
            display_name, fields, created_at)
        select $1, id::uuid, {_SOURCE}, id, {_SOURCE}::uuid, word, '', '{{}}', at {_GIVEN}""",
        {
            "name": _WORDS,
            "objectTypeId": SOURCES,
            "sourceId": SOURCES,
            "createdAfter": _TIMES,
            "createdBefore": _TIMES,
        },
    ),
    "documents": Kind(
        "id",
        DOCUMENTS,
        DocumentQuery,
        f"""insert into documents (workspace_id, id, source_id, remote_id, display_name,
            content_type, url, state, created_at)
        select $1, id::uuid, {_SOURCE}, id, word, 'text/plain', 'https://example.com', 'processed',
            at {_GIVEN}""",
        {"name": _WORDS, "sourceId": SOURCES},
    ),
    "deals": Kind(
        "dealId",
        DEALS,
        DealQuery,
        f"""insert into deals (workspace_id, id, name, stage, owner_name, amount, close_date,
            closed, activity_given_at)
        select $1, id, word, 'Stage ' || word, 'Ann ' || word, n * 10000.5,
            timestamptz '{BEGINNING}' - n * interval '300 days',
            case when n % 3 > 0 then n % 3 = 1 end, at {_GIVEN}""",
        {
            "name": _WORDS,
            "stage": ("stage", "age ri", "none"),
            "owner": ("ann", "nn pl"),
            "closed": ("true", "false"),
            "amountMin": (0, 30000, 60003),
            "amountMax": (-1, 30001.5, 1e12),
            "closeDateAfter": (*_TIMES, "2020-05-05"),
            "closeDateBefore": (*_TIMES, "2020-05-05"),
            "lastActivityAfter": _TIMES,
            "lastActivityBefore": _TIMES,
        },
        timeless=True,
    ),
    "accounts": Kind(
        "accountId",
        ACCOUNTS,
        AccountQuery,
        f"""insert into accounts (workspace_id, id, name, website, owner_name, owner_email,
            created_at, activity_given_at)
        select $1, id, word, 'https://' || word || '.com', 'Ann', word || '@ours.io',
            timestamptz '{BEGINNING}' - n * interval '300 days', at {_GIVEN}""",
        {
            "name": _WORDS,
            "website": ("plan.com", "https", "none"),
            "owner": ("ann", "plan@", "ours.io"),
            "createdAfter": (*_TIMES, "2020-05-05"),
            "createdBefore": (*_TIMES, "2020-05-05"),
            "lastActivityAfter": _TIMES,
            "lastActivityBefore": _TIMES,
        },
        timeless=True,
    ),
}


class Stored(NamedTuple):
    """A record of any list."""

    id: str
    at: datetime | None
    word: str
    number: int

    @property
    def place(self) -> tuple[datetime, str]:
        """What lists are ordered by, from the greatest to the least."""
        return self.at or datetime.min.replace(tzinfo=UTC), self.id


async def _insert(
    connection: asyncpg.Connection, tenant: Tenant, kind: str, records: Sequence[Stored]
) -> None:
    columns = [list(column) for column in zip(*records, strict=True)] or [[], [], [], []]
    await connection.execute(KINDS[kind].insert, UUID(tenant.workspace), *columns)


async def _refill(
    connection: asyncpg.Connection, tenant: Tenant, kind: str, records: Sequence[Stored]
) -> None:
    await connection.execute(f"delete from {kind} where workspace_id = $1", UUID(tenant.workspace))
    await _insert(connection, tenant, kind, records)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    async with database.connection() as opened:
        yield opened


@st.composite
def some_records(draw: st.DrawFn, kind: str) -> list[Stored]:
    """Records at few moments, so that most have the time of others."""
    hours = st.sampled_from([0, 0, 1, 2, 9])
    moments = hours.map(lambda each: BEGINNING + timedelta(hours=each))
    times: st.SearchStrategy[Any] = moments | st.none() if KINDS[kind].timeless else moments
    count = draw(st.integers(0, 20))
    return [
        Stored(
            str(draw(st.uuids(version=4))), draw(times), draw(st.sampled_from(["plan", "risk"])), n
        )
        for n in range(count)
    ]


def some_filters(kind: str) -> st.SearchStrategy[Json]:
    values = {name: st.sampled_from(list(each)) for name, each in KINDS[kind].filters.items()}
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def some_list(draw: st.DrawFn) -> tuple[str, list[Stored], Json]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    return kind, draw(some_records(kind)), draw(some_filters(kind))


def _ids(kind: str, page: Any) -> list[str]:
    return [str(record[KINDS[kind].key]) for record in page[kind]]


@WALKS
@given(
    given_list=some_list(),
    limits=st.lists(st.none() | st.integers(1, 7), max_size=30),
    again=st.data(),
)
async def test_pages_put_together_are_the_whole(
    acme: Tenant,
    connection: asyncpg.Connection,
    given_list: tuple[str, list[Stored], Json],
    limits: list[int | None],
    again: st.DataObject,
) -> None:
    kind, records, filters = given_list
    await _refill(connection, acme, kind, records)
    newest_first = [each.id for each in sorted(records, key=lambda each: each.place)[::-1]]
    everything = await get_json(acme, kind, limit=50)
    assert _ids(kind, everything) == newest_first
    whole = await get_json(acme, kind, limit=50, **filters)
    matching = set(_ids(kind, whole))
    assert _ids(kind, whole) == [each for each in newest_first if each in matching]
    assert whole["pagination"] == {"nextCursor": None, "hasMore": False}

    limit = again.draw(st.integers(1, 4))
    page = await get_json(acme, kind, limit=limit, **filters)
    walked = _ids(kind, page)
    changes = iter(limits)
    while page["pagination"]["hasMore"]:
        assert len(_ids(kind, page)) == limit
        cursor = page["pagination"]["nextCursor"]
        assert 0 < len(cursor) <= CURSOR_LENGTH
        # Any of the filters may be said again, and the limit changed for good.
        said = {name: filters[name] for name in filters if again.draw(st.booleans())}
        if (other := next(changes, None)) is not None:
            limit, said["limit"] = other, other
        page = await get_json(acme, kind, cursor=cursor, **said)
        walked += _ids(kind, page)
    assert page["pagination"]["nextCursor"] is None
    assert walked == _ids(kind, whole)


async def _page(
    database: Database, tenant: Tenant, kind: str, filters: Json, limit: int, cursor: str | None
) -> tuple[list[str], str | None]:
    """The same page as the API's, made in this process."""
    key, listed, query, *_ = KINDS[kind]
    asked = filters | {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
    wanted = msgspec.convert(asked, query, strict=False)
    signer = await Signer.open(database)
    page = await listed.page(database.read, signer, WorkspaceId(UUID(tenant.workspace)), wanted)
    return [str(record[key]) for record in _shown(page.items)], page.pagination.next_cursor


def _shown(items: list[Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(items))


@WALKS
@given(given_list=some_list(), limit=st.integers(1, 3))
async def test_a_search_finds_the_same_by_every_way(
    acme: Tenant,
    connection: asyncpg.Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    given_list: tuple[str, list[Stored], Json],
    limit: int,
) -> None:
    kind, records, filters = given_list
    await _refill(connection, acme, kind, records)
    whole = _ids(kind, await get_json(acme, kind, limit=50, **filters))
    # Looks at as few in the list's order as are wanted, and samples every record, or every other.
    for one_of in (1, 2):
        with monkeypatch.context() as patched:
            listed = KINDS[kind].listed
            sample_sql = f"hashtext(id::text) & {one_of - 1}"
            statements = replace(listed.statements, scan_factor=1, sample_sql=sample_sql)
            patched.setattr(listed, "statements", statements)
            walked: list[str] = []
            cursor = None
            while cursor is not None or not walked:
                page, cursor = await _page(database, acme, kind, filters, limit, cursor)
                walked += page
                if cursor is None:
                    break
            assert walked == whole


class Change(NamedTuple):
    """What somebody else does between two pages; `which` chooses among the records."""

    what: str
    which: int
    hours: int


some_changes = st.lists(
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


@WALKS
@given(given_list=some_list(), limit=st.integers(1, 5), changes=some_changes)
async def test_a_walk_misses_and_repeats_nothing_while_others_write(
    acme: Tenant,
    connection: asyncpg.Connection,
    given_list: tuple[str, list[Stored], Json],
    limit: int,
    changes: list[list[Change]],
) -> None:
    kind, records, filters = given_list
    await _refill(connection, acme, kind, records)
    whole = _ids(kind, await get_json(acme, kind, limit=50, **filters))
    number = {record: place for place, record in enumerate(whole)}
    living = {each.id: each for each in records}
    disturbed: set[str] = set()
    moved: set[str] = set()
    walked: list[str] = []
    cursor = None
    waiting = iter(changes)
    while True:
        said = {"limit": limit, **filters} if cursor is None else {"cursor": cursor}
        page = await get_json(acme, kind, **said)
        walked += _ids(kind, page)
        cursor = page["pagination"]["nextCursor"]
        if cursor is None:
            break
        for change in next(waiting, []):
            await _apply(connection, acme, kind, change, living, disturbed, moved)
    assert (
        len(walked) == len(set(walked))
        or {each for each in walked if walked.count(each) > 1} <= moved
    )
    kept = [each for each in walked if each in number and each not in disturbed]
    assert kept == [each for each in whole if each not in disturbed]


async def _apply(
    connection: asyncpg.Connection,
    tenant: Tenant,
    kind: str,
    change: Change,
    living: dict[str, Stored],
    disturbed: set[str],
    moved: set[str],
) -> None:
    at = BEGINNING + timedelta(hours=change.hours)
    if change.what == "insert":
        new = Stored(str(uuid4()), at, "plan", change.which)
        await _insert(connection, tenant, kind, [new])
        living[new.id] = new
        return
    if not living:
        return
    record = sorted(living)[change.which % len(living)]
    mine = (UUID(tenant.workspace), record)
    where = "where workspace_id = $1 and id::text = $2"
    crm = KINDS[kind].timeless
    if change.what == "delete":
        disturbed.add(record)
        del living[record]
        if crm:
            await connection.execute(f"delete from {kind} {where}", *mine)
        else:
            await connection.execute(f"update {kind} set deleted_at = now() {where}", *mine)
    elif change.what == "update":
        # Neither its place nor what any filter looks at.
        touched = "contacts = '[]'" if crm else "public = not public"
        await connection.execute(f"update {kind} set {touched} {where}", *mine)
    else:
        disturbed.add(record)
        moved.add(record)
        order = {"conversations": "started_at", "deals": "activity_given_at"}.get(
            kind, "created_at"
        )
        order = "activity_given_at" if crm else order
        await connection.execute(f"update {kind} set {order} = $3 {where}", *mine, at)


@pytest.mark.parametrize("kind", ["conversations", "messages", "rows", "documents"])
async def test_a_walk_misses_and_repeats_nothing_while_others_push(acme: Tenant, kind: str) -> None:
    source = await create_source(acme)
    first = [await source.push(kind, f"first {number}") for number in range(12)]
    key = KINDS[kind].key

    async def write(number: int) -> None:
        await source.push(kind, f"new {number}")
        # The same again, which changes nothing of it.
        await source.push(kind, f"first {number % 12}")
        assert (await source.delete(kind, f"new {number}")).status_code == 200

    writing = asyncio.gather(*(write(number) for number in range(20)))
    while True:
        ended = writing.done()
        page = await get_json(acme, kind, limit=2)
        walked = [record[key] for record in page[kind]]
        while page["pagination"]["hasMore"]:
            page = await get_json(acme, kind, cursor=page["pagination"]["nextCursor"])
            walked += [record[key] for record in page[kind]]
        assert len(walked) == len(set(walked))
        assert set(first) <= set(walked)
        if ended:
            break
    await writing
    assert sorted(walked) == sorted(first)


# --- cursors ----------------------------------------------------------------------------------


async def _first(tenant: Tenant, kind: str, **params: Any) -> str:
    page = await get_json(tenant, kind, limit=1, **params)
    cursor = page["pagination"]["nextCursor"]
    assert isinstance(cursor, str)
    assert len(cursor) <= CURSOR_LENGTH
    return cursor


async def _refused(tenant: Tenant, kind: str, **params: Any) -> None:
    answer = await tenant.http.get(f"/v1/{kind}", params=params)
    assert answer.status_code == 400, (params, answer.text)
    assert list(answer.json()) == ["detail"]


@pytest.fixture
async def filled(acme: Tenant, connection: asyncpg.Connection) -> Tenant:
    """A workspace with three records of each kind."""
    for kind in KINDS:
        records = [Stored(str(uuid4()), BEGINNING, "plan", number) for number in range(3)]
        await _insert(connection, acme, kind, records)
    return acme


@pytest.mark.parametrize(
    ("kind", "name", "long", "other"),
    [
        ("rows", "name", "n" * 1000, {"name": "n" * 999}),
        ("rows", "name", "\U0001f600" * 1000, {"name": "\U0001f600" * 999}),
        ("conversations", "title", "Ä" * 3000, {"title": "Ä" * 2999 + "O"}),
        ("documents", "name", "漢" * 255, {"name": "漢" * 254}),
        ("deals", "stage", "%" * 3000, {"stage": "%" * 2999}),
        ("accounts", "website", "x" * 60, {"website": "x" * 61}),
    ],
)
async def test_a_cursor_is_short_however_long_the_filters_are(
    acme: Tenant, connection: asyncpg.Connection, kind: str, name: str, long: str, other: Json
) -> None:
    records = [Stored(str(uuid4()), BEGINNING, long, number) for number in range(4)]
    await _insert(connection, acme, kind, records)
    whole = _ids(kind, await get_json(acme, kind, **{name: long}))
    assert len(whole) == 4
    cursor = await _first(acme, kind, **{name: long})
    for said in ({}, {name: long}):
        page = await get_json(acme, kind, cursor=cursor, **said)
        assert _ids(kind, page) == whole[1:2]
        page = await get_json(acme, kind, cursor=page["pagination"]["nextCursor"], limit=50)
        assert _ids(kind, page) == whole[2:]
    await _refused(acme, kind, cursor=cursor, **other)


async def test_an_id_of_the_greatest_length_fits_into_a_cursor(
    acme: Tenant, connection: asyncpg.Connection
) -> None:
    for kind, length in (("deals", 128), ("accounts", 128)):
        records = [Stored(f"{number}".rjust(length, "d"), None, "p", number) for number in range(3)]
        await _insert(connection, acme, kind, records)
        walked = []
        page = await get_json(acme, kind, limit=1, name="p")
        while page["pagination"]["hasMore"]:
            walked += _ids(kind, page)
            assert len(page["pagination"]["nextCursor"]) <= CURSOR_LENGTH
            page = await get_json(acme, kind, cursor=page["pagination"]["nextCursor"])
        assert walked + _ids(kind, page) == [each.id for each in records[::-1]]


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_other_filters_than_the_first_page_s_are_refused(filled: Tenant, kind: str) -> None:
    filters = {name: values[0] for name, values in KINDS[kind].filters.items()}
    name = "title" if kind == "conversations" else "sourceId" if kind == "messages" else "name"
    chosen = filters[name] if kind != "messages" else SOURCES[0]
    cursor = await _first(filled, kind)
    for other, value in filters.items():
        await _refused(filled, kind, cursor=cursor, **{other: value})
    cursor = await _first(filled, kind, **{name: chosen})
    values = KINDS[kind].filters[name]
    await _refused(filled, kind, cursor=cursor, **{name: next(v for v in values if v != chosen)})
    await get_json(filled, kind, cursor=cursor, **{name: chosen})
    await get_json(filled, kind, cursor=cursor)
    # Nothing is filtered by a text that is empty, so nothing other is said by one.
    if name != "sourceId":
        await get_json(filled, kind, cursor=cursor, **{name: ""})


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_the_limit_stays_until_it_is_changed(
    acme: Tenant, connection: asyncpg.Connection, kind: str
) -> None:
    records = [Stored(str(uuid4()), BEGINNING, "plan", number) for number in range(22)]
    await _insert(connection, acme, kind, records)
    sizes = []
    page = await get_json(acme, kind, limit=3)
    cursor = ""
    for limit in (None, 5, None, 1, None, 50):
        sizes.append(len(page[kind]))
        cursor = page["pagination"]["nextCursor"]
        page = await get_json(
            acme, kind, cursor=cursor, **({} if limit is None else {"limit": limit})
        )
    assert [*sizes, len(page[kind])] == [3, 3, 5, 5, 1, 1, 4]
    for nonsense in (0, 51, -1, "x"):
        await _refused(acme, kind, cursor=cursor, limit=nonsense)


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_no_cursor_but_the_list_s_own_is_taken(
    filled: Tenant, rival: Tenant, connection: asyncpg.Connection, kind: str
) -> None:
    records = [Stored(str(uuid4()), BEGINNING, "plan", number) for number in range(3)]
    await _insert(connection, rival, kind, records)
    own = await _first(filled, kind)
    await get_json(filled, kind, cursor=own)
    await _refused(filled, kind, cursor=await _first(rival, kind))
    await _refused(rival, kind, cursor=own)
    for other in KINDS.keys() - {kind}:
        await _refused(filled, kind, cursor=await _first(filled, other))
    for nonsense in (
        "x",
        "null",
        "e30",
        own[:-1],
        own[1:],
        own + "A",
        own * 2,
        own + "=",
        "é",
        "\0",
    ):
        await _refused(filled, kind, cursor=nonsense)


@pytest.mark.parametrize("kind", ["conversations", "deals"])
async def test_a_cursor_with_any_other_character_is_refused(filled: Tenant, kind: str) -> None:
    cursor = await _first(filled, kind)
    alphabet = string.ascii_letters + string.digits + "-_+/=. ~"
    for place, character in enumerate(cursor):
        # Each place once, and the last, of which not every bit counts, with every character.
        others = alphabet if place == len(cursor) - 1 else alphabet[place % len(alphabet)]
        for other in others.replace(character, ""):
            changed = cursor[:place] + other + cursor[place + 1 :]
            await _refused(filled, kind, cursor=changed)


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_cursor_goes_on_in_any_process(
    filled: Tenant, database: Database, kind: str
) -> None:
    whole = _ids(kind, await get_json(filled, kind))
    cursor = await _first(filled, kind)
    second, cursor_here = await _page(database, filled, kind, {}, 1, cursor)
    third = await get_json(filled, kind, cursor=cursor_here)
    assert [*second, *_ids(kind, third)] == whole[1:]
