"""`make bench`: latency of all filters of the revenue record in a workspace of a million records.

Marks queries over 50 ms, and statements that scan a whole table. Measures one kind of record after
another, with warm caches.
`python -m tests.bench.records 100000 deals rows` measures deals and rows with 100,000 records.
"""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import asyncpg
import msgspec

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.pagination.cursor import CURSOR_LISTS, CursorList, CursorQuery
from domains.kernel.tenancy.signing import Signer
from domains.revenue.accounts import ACCOUNTS, AccountQuery
from domains.revenue.conversations import CONVERSATIONS, ConversationQuery
from domains.revenue.deals import DEALS, DealQuery
from domains.revenue.documents import DOCUMENTS, DocumentQuery
from domains.revenue.messages import MESSAGES, MessageQuery
from domains.revenue.rows import ROWS, RowQuery
from tests.bench.harness import median_and_worst, report, run, time_requests
from tests.stack import Stack, Tenant, new_tenant

RECORDS = 1_000_000
ROUNDS = 9
SLOW_MS = 50.0
TIMEOUT = 3_600

SOURCE, SMALL_SOURCE, OLD_SOURCE, NO_SOURCE = (
    f"6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f00{n}" for n in range(4)
)
TYPE, SMALL_TYPE, OLD_TYPE, NO_TYPE = (f"7f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f00{n}" for n in range(4))

# Each word is in another share of the records: half, 1 %, a handful, old records only (two words),
# new records only. Record number 1 is the oldest.
WORDS: Final = """
    case when n % 2 = 0 then 'review' end,
    case when n % 100 = 7 then 'renewal' end,
    case when n % 200000 = 7 then 'zeppelin' end,
    case when n <= :all / 100 then 'mainframe' end,
    case when n <= :all / 5 then 'telegraph' end,
    case when n > :all - :all / 1000 then 'hologram' end
"""
_FUNCTIONS: Final = """
    create function pg_temp.syllable(n bigint, seed bigint) returns text language sql immutable as
        $$ select (array['ba','ton','mer','co','lin','sta','vor','pel','dan','rix','qua','neo',
            'fin','gro','hal','jet','kor','lum','mag','nor','oxi','pri','rad','sol','tec','uni',
            'ver','wex','yor','zen','alt','bri'])[1 + (hashint8extended(n, seed) & 31)] $$;
    create function pg_temp.company(n bigint) returns text language sql immutable as
        $$ select initcap(pg_temp.syllable(n, 1) || pg_temp.syllable(n, 2)
            || pg_temp.syllable(n, 3)) $$;
    create function pg_temp.person(n bigint) returns text language sql immutable as
        $$ select initcap(pg_temp.syllable(n, 4) || pg_temp.syllable(n, 5)) || ' '
            || initcap(pg_temp.syllable(n, 6) || pg_temp.syllable(n, 7)) $$;
"""
_AT: Final = "now() - make_interval(mins => :all - n)"
# Gives 60 records the same time.
_TIED: Final = "now() - make_interval(hours => (:all - n) / 60)"
_SOURCES: Final = f"""case when n <= :all / 5 then '{OLD_SOURCE}'
    when n % 10000 = 0 then '{SMALL_SOURCE}' else '{SOURCE}' end"""
_EMAILS: Final = """array_remove(array['rep' || n % 50 || '@ours.io',
        lower(pg_temp.syllable(n, 8)) || n % 997 || '@'
            || lower(pg_temp.company(n % 5000)) || '.com',
        case when n % 2 = 0 then 'boss@big.com' end,
        case when n % 100 = 7 then 'ann@medium.com' end,
        case when n % 200000 = 7 then 'ann@rare.com' end,
        case when n <= :all / 100 then 'ann@ancient.com' end,
        case when n <= :all / 5 then 'ann@former.com' end,
        case when n > :all - :all / 1000 then 'ann@novel.com' end], null)"""
_PEOPLE: Final = """json_build_array(
        json_build_object('name', pg_temp.person(n % 5000), 'email', 'rep' || n % 50 || '@ours.io'),
        json_build_object('name', pg_temp.person(n), 'email', 'x' || n % 997 || '@acme.com'))"""

FILLS: Final[Mapping[str, str]] = {
    "conversations": f"""
        insert into conversations (workspace_id, id, source_id, remote_id, title, started_at,
            ended_at, type, participants, names, emails, domains, outside, outside_domains, crm_id,
            crm_name, crm_type, state)
        select $1, gen_random_uuid(), {_SOURCES}, 'c' || n,
            concat_ws(' ', pg_temp.company(n % 5000), 'call', n % 977, {WORDS}),
            {_AT}, {_AT} + interval '1 hour',
            case when n <= :all / 5 then 'INTERNAL' else 'EXTERNAL' end,
            {_PEOPLE}, concat_ws(E'\\n', pg_temp.person(n % 5000), pg_temp.person(n), {WORDS}),
            emails, domains, emails[2:], domains[2:], 'D' || n % 100000,
            case when n % 3 = 0
                then concat_ws(' ', pg_temp.company(n % 100000), 'Ltd', {WORDS}) end,
            'opportunity', 'processed'
        from generate_series(1, :all) n, lateral (select {_EMAILS} as emails) e,
            lateral (select array_agg(split_part(each, '@', 2)) as domains
                from unnest(emails) each) d
        """,
    "messages": f"""
        insert into messages (workspace_id, id, source_id, remote_id, thread_id, subject, sender,
            recipients, body, body_preview, attachments, emails, outside, outside_domains,
            created_at)
        select $1, gen_random_uuid(), {_SOURCES}, 'm' || n,
            case when n <= :all / 5 then 'old thread' when n % 5 > 0 then 't' || n / 10 end,
            concat_ws(' ', pg_temp.company(n % 5000), {WORDS}), '{{}}', {_PEOPLE},
            repeat('It says this and that. ', 20), repeat('It says this and that. ', 8), '[]',
            emails, emails[2:], array['acme.com'], {_TIED}
        from generate_series(1, :all) n, lateral (select {_EMAILS} as emails) e
        """,
    "rows": f"""
        insert into rows (workspace_id, id, source_id, remote_id, object_type_id, name,
            display_name, fields, created_at)
        select $1, gen_random_uuid(), {_SOURCES}, 'r' || n,
            case when n <= :all / 5 then '{OLD_TYPE}'::uuid
                when n % 10000 = 0 then '{SMALL_TYPE}'::uuid else '{TYPE}'::uuid end,
            concat_ws(' ', 'T-' || n, pg_temp.company(n), {WORDS}), 'A row',
            '{{"title": {{"value": "It is broken", "fieldType": "string", "label": null}}}}',
            {_AT}
        from generate_series(1, :all) n
        """,
    "documents": f"""
        insert into documents (workspace_id, id, source_id, remote_id, display_name, content_type,
            url, state, created_at)
        select $1, gen_random_uuid(), {_SOURCES}, 'd' || n,
            concat_ws(' ', pg_temp.company(n), 'plan', n % 977, {WORDS}) || '.pdf',
            'application/pdf', 'https://example.com/' || n, 'processed', {_AT}
        from generate_series(1, :all) n
        """,
    # In random order. Deals without activity have equal sort keys.
    "deals": f"""
        insert into deals (workspace_id, id, name, owner_name, owner_email, created_at,
            activity_given_at, contact_emails, account_id, account_name, stage, pipeline, amount,
            close_date, closed)
        select $1, 'D' || n, concat_ws(' ', pg_temp.company(n), 'deal', {WORDS}),
            concat_ws(' ', pg_temp.person(n % 50), {WORDS}), 'rep' || n % 50 || '@ours.io', {_AT},
            case when n > :all / 3 or n <= :all / 5 then {_AT} end,
            array[lower(pg_temp.company(n)) || '@mail.com'],
            case when n % 2 = 0 then 'A' || n / 2 end, pg_temp.company(n / 2) || ' Inc',
            concat_ws(' ', (array['Discovery', 'Demo', 'Proposal', 'Won', 'Lost'])[1 + n % 5],
                {WORDS}), 'Sales', n % 1000000, {_AT} + interval '90 days',
            case when n % 1000 > 0 then n % 5 > 2 or n <= :all / 5 end
        from generate_series(1, :all) n order by hashint8(n)
        """,
    "accounts": f"""
        insert into accounts (workspace_id, id, name, owner_name, owner_email, created_at,
            activity_given_at, contact_emails, website, domain)
        select $1, 'A' || n, concat_ws(' ', pg_temp.company(n), 'Inc', {WORDS}),
            pg_temp.person(n % 50), concat_ws('.', 'rep' || n % 50, {WORDS}) || '@ours.io',
            {_AT}, case when n > :all / 3 or n <= :all / 5 then {_AT} end,
            array[lower(pg_temp.company(n)) || '@mail.com'],
            'https://' || concat_ws('-', lower(pg_temp.company(n)), {WORDS}) || '.com',
            concat_ws('-', lower(pg_temp.company(n)), {WORDS}) || '.com'
        from generate_series(1, :all) n order by hashint8(n)
        """,
}

# For each list: every filter with values of each frequency, then combined filters.
_TEXTS: Final = ("review", "renewal", "zeppelin", "mainframe", "telegraph", "hologram", "vorlin")
_ANY: Final = (*_TEXTS, "rev", "nowhere")
_COMBINED_FILTERS: Final = {
    "conversations": (
        "title=telegraph&attendees=review",
        "title=review&type=INTERNAL",
        "title=telegraph&type=EXTERNAL",
        "title=renewal&attendees=ann@medium.com",
        "title=review&attendees=ann@former.com",
        "title=telegraph&attendees=zeppelin",
        "title=hologram&attendees=telegraph",
        "title=rev&attendees=ren&crmName=ltd",
        "type=INTERNAL&attendees=boss@big.com",
        f"sourceId={SOURCE}&type=INTERNAL",
        f"sourceId={OLD_SOURCE}&type=INTERNAL&title=review&attendees=big.com&crmName=ltd",
        "title=telegraph&startedBefore={old}",
        "type=INTERNAL&startedBefore={old}",
        "title=renewal&startedAfter={old}&startedBefore={late}",
    ),
    "messages": (
        f"sourceId={SOURCE}&participantEmail=ann@former.com",
        f"sourceId={OLD_SOURCE}&participantEmail=ann@medium.com",
        "threadId=old thread&participantEmail=ann@rare.com",
        "threadId=old thread&participantEmail=boss@big.com&createdBefore={old}",
        "participantEmail=ann@former.com&createdAfter={late}",
        f"remoteId=m4711&sourceId={SOURCE}",
    ),
    "rows": (
        f"sourceId={SOURCE}&objectTypeId={OLD_TYPE}",
        f"objectTypeId={OLD_TYPE}&name=review",
        f"objectTypeId={TYPE}&name=telegraph",
        f"sourceId={SMALL_SOURCE}&name=review",
        f"sourceId={OLD_SOURCE}&objectTypeId={OLD_TYPE}&name=renewal&createdBefore={{old}}",
        "name=telegraph&createdAfter={late}",
    ),
    "documents": (
        f"sourceId={SOURCE}&name=telegraph",
        f"sourceId={SMALL_SOURCE}&name=review",
        f"sourceId={OLD_SOURCE}&name=renewal",
    ),
    "deals": (
        "stage=telegraph&closed=false",
        "stage=won&amountMin=990000",
        "stage=won&owner=bat&amountMin=990000",
        "stage=telegraph&owner=review&closed=true&amountMin=5000",
        "closed=true&closeDateBefore={old}",
        "closed=false&lastActivityBefore={old}",
        "name=telegraph&lastActivityBefore={old}",
        "amountMin=100&amountMax=120",
        "closeDateAfter={old}&closeDateBefore={late}",
        "name=renewal&stage=demo&closed=false&closeDateAfter={late}",
    ),
    "accounts": (
        "name=telegraph&owner=review",
        "name=renewal&website=renewal",
        "name=review&createdBefore={old}",
        "website=telegraph&lastActivityBefore={old}",
        "owner=telegraph&lastActivityAfter={late}",
    ),
}
_SINGLE: Final[dict[str, dict[str, Sequence[str]]]] = {
    "conversations": {
        "title": _ANY,
        "attendees": (
            *_ANY,
            *(f"{name}@{name_of}.com" for name, name_of in (("boss", "big"), ("no", "no"))),
            *(f"ann@{each}.com" for each in ("medium", "rare", "ancient", "former", "novel")),
            *("@big.com", "medium.com", "rare.com", "@ancient.com", "former.com", "no.com"),
        ),
        "crmName": (*_ANY[:-2], "ltd", "vorlin ltd", "nowhere"),
        "type": ("INTERNAL", "EXTERNAL"),
        "sourceId": (SOURCE, SMALL_SOURCE, OLD_SOURCE, NO_SOURCE, "gong"),
        "startedAfter": ("{old}", "{late}", "2100-01-01"),
        "startedBefore": ("{old}", "{late}", "2000-01-01"),
    },
    "messages": {
        "participantEmail": (
            *("boss@big.com", "no@no.com"),
            *(f"ann@{each}.com" for each in ("medium", "rare", "ancient", "former", "novel")),
        ),
        "sourceId": (SOURCE, SMALL_SOURCE, OLD_SOURCE, NO_SOURCE, "gmail"),
        "threadId": ("old thread", "t471", "none"),
        "remoteId": ("m4711", "none"),
        "createdAfter": ("{old}", "{late}", "2100-01-01"),
        "createdBefore": ("{old}", "{late}", "2000-01-01"),
    },
    "rows": {
        "name": (*_ANY, "T-4711", "471"),
        "sourceId": (SOURCE, SMALL_SOURCE, OLD_SOURCE, NO_SOURCE),
        "objectTypeId": (TYPE, SMALL_TYPE, OLD_TYPE, NO_TYPE),
        "remoteId": ("r4711", "none"),
        "createdAfter": ("{old}", "{late}", "2100-01-01"),
        "createdBefore": ("{old}", "{late}", "2000-01-01"),
    },
    "documents": {
        "name": (*_ANY, "plan 471"),
        "sourceId": (SOURCE, SMALL_SOURCE, OLD_SOURCE, NO_SOURCE, "chat_upload"),
    },
    "deals": {
        "name": _ANY,
        "stage": (*_ANY[:-3], "won", "Proposal", "nowhere"),
        "owner": (*_ANY[:-3], "bat", "nowhere"),
        "closed": ("true", "false"),
        "amountMin": ("500000", "999990", "2000000"),
        "amountMax": ("500000", "10", "-5"),
        "closeDateAfter": ("{old}", "{late}", "2100-01-01"),
        "closeDateBefore": ("{old}", "{late}", "2000-01-01"),
        "lastActivityAfter": ("{old}", "{late}", "2100-01-01"),
        "lastActivityBefore": ("{old}", "{late}", "2000-01-01"),
    },
    "accounts": {
        "name": _ANY,
        "website": (*_ANY, "https://"),
        "owner": (*_ANY, "rep4", "ours.io"),
        "createdAfter": ("{old}", "{late}", "2100-01-01"),
        "createdBefore": ("{old}", "{late}", "2000-01-01"),
        "lastActivityAfter": ("{old}", "{late}", "2100-01-01"),
        "lastActivityBefore": ("{old}", "{late}", "2000-01-01"),
    },
}
LISTS: Final[dict[str, tuple[CursorList[Any], type[CursorQuery]]]] = {
    "conversations": (CONVERSATIONS, ConversationQuery),
    "messages": (MESSAGES, MessageQuery),
    "rows": (ROWS, RowQuery),
    "documents": (DOCUMENTS, DocumentQuery),
    "deals": (DEALS, DealQuery),
    "accounts": (ACCOUNTS, AccountQuery),
}
assert len(LISTS) == len(CURSOR_LISTS)


class Bench:
    """A workspace with many records of a kind, and another workspace with a tenth as many."""

    def __init__(self, stack: Stack, caller: Tenant, records: int) -> None:
        self.stack = stack
        self.caller = caller
        self.records = records
        self.over = 0

    async def fill(self, connection: asyncpg.Connection, kind: str, other: Tenant) -> None:
        """Insert the records, then create the indexes for lists, which is faster in this order."""
        indexes = await connection.fetch(
            "select indexname, indexdef from pg_indexes"
            " where tablename = $1 and indexname like 'ix%'",
            kind,
        )
        for name, _ in indexes:
            await connection.execute(f"drop index {name}")
        for tenant, records in ((other, self.records // 10), (self.caller, self.records)):
            fill = FILLS[kind].replace(":all", str(records))
            await connection.execute(fill, UUID(tenant.workspace), timeout=TIMEOUT)
        for _, definition in indexes:
            await connection.execute(definition, timeout=TIMEOUT)
        await connection.execute(f"vacuum analyze {kind}", timeout=TIMEOUT)

    async def time_first_page(self, connection: asyncpg.Connection, kind: str, query: str) -> None:
        """Print the latency of the first page, and mark it if the whole table is scanned."""
        # The age of the oldest record in minutes is the number of records.
        oldest = await connection.fetchval("select now() - make_interval(mins => $1)", self.records)
        span = (time.time() - oldest.timestamp()) / 20
        old, late = (
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(oldest.timestamp() + share * span))
            for share in (3, 19)
        )
        filters = parse_qsl(query.format(old=old, late=late))
        path = f"/v1/{kind}?{urlencode(filters)}"
        shown, first = await self._timed(path)
        plan = await self._plan(connection, kind, dict(filters))
        marks = "" if statistics.median(first) < SLOW_MS else "  OVER"
        self.over += bool(marks)
        if _reads_all(plan, kind):
            marks += "  SEQUENTIAL SCAN"
        report(f"{kind}?{query:<68} {shown:>3} records   {median_and_worst(first)}{marks}")

    async def time_last_page(
        self, connection: asyncpg.Connection, kind: str, filters: dict[str, str]
    ) -> None:
        """Print the latency of the page before the last, read with a cursor."""
        listed, query = LISTS[kind]
        order = {"conversations": "started_at", "messages": "created_at"}.get(kind, "ordered_at")
        at, record = await connection.fetchrow(
            f"select {order}, id from {kind} where workspace_id = $1 order by 1, 2"
            " offset $2 limit 1",
            UUID(self.caller.workspace),
            min(100, self.records // 10),
        )
        async with Database.open(self.stack.database_url) as database:
            signer = await Signer.open(database)
        encoded = msgspec.msgpack.encode(
            msgspec.convert(filters, query, strict=False), order="deterministic"
        )
        place = msgspec.msgpack.encode([50, at, str(record), encoded])
        workspace = WorkspaceId(UUID(self.caller.workspace))
        cursor = signer.issue_token(listed.cursor_purpose(workspace), place)
        shown, milliseconds = await self._timed(f"/v1/{kind}?cursor={cursor}")
        label = f"{urlencode(filters)} at depth {self.records:,}"
        report(f"{kind}?{label:<68} {shown:>3} records   {median_and_worst(milliseconds)}")

    async def _timed(self, path: str) -> tuple[int, list[float]]:
        response, milliseconds = await time_requests(
            self.caller, "GET", path, rounds=ROUNDS, warm_up=1
        )
        page = next(value for value in response.json().values() if isinstance(value, list))
        return len(page), milliseconds

    async def _plan(
        self, connection: asyncpg.Connection, kind: str, filters: Mapping[str, str]
    ) -> Any:
        listed, query = LISTS[kind]
        values = msgspec.convert(filters, query, strict=False).filters()
        statement = listed.statement(frozenset(values), after=False)
        workspace = UUID(self.caller.workspace)
        arguments = statement.arguments({"workspace": workspace, "limit": 21, **values})
        plan = await connection.fetchval(f"explain (format json) {statement.sql}", *arguments)
        return msgspec.json.decode(plan)


def _reads_all(plan: Any, table: str) -> bool:
    """True if the plan has a sequential scan of the table."""
    if isinstance(plan, dict):
        is_scan = plan.get("Node Type") == "Seq Scan" and plan.get("Relation Name") == table
        return is_scan or any(_reads_all(node, table) for node in plan.values())
    return isinstance(plan, list) and any(_reads_all(node, table) for node in plan)


async def _measure(stack: Stack) -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    records = numbers[0] if numbers else RECORDS
    kinds = [argument for argument in sys.argv[1:] if argument in LISTS] or list(LISTS)
    async with (
        new_tenant(stack) as caller,
        new_tenant(stack) as other,
        # Use the settings of the product's connections.
        Database.open(stack.database_url, timeout=TIMEOUT) as database,
        database.connection() as connection,
    ):
        bench = Bench(stack, caller, records)
        await connection.execute("set maintenance_work_mem = '512MB'")
        await connection.execute(_FUNCTIONS)
        for kind in kinds:
            begun = time.perf_counter()
            await bench.fill(connection, kind, other)
            size = await connection.fetchval(
                "select pg_size_pretty(pg_table_size($1)) || ' and indexes of '"
                " || pg_size_pretty(pg_indexes_size($1))",
                kind,
            )
            seconds = time.perf_counter() - begun
            report(f"{records:,} {kind} in {seconds:.0f} s: {size}")
            await bench.time_first_page(connection, kind, "")
            for name, values in _SINGLE[kind].items():
                for value in values:
                    await bench.time_first_page(connection, kind, f"{name}={value}")
            for query in _COMBINED_FILTERS[kind]:
                await bench.time_first_page(connection, kind, query)
            name, values = next(iter(_SINGLE[kind].items()))
            for filters in ({}, {name: values[0]}):
                await bench.time_last_page(connection, kind, filters)
        report(f"{bench.over} queries over {SLOW_MS:.0f} ms")


if __name__ == "__main__":
    run(_measure, worker=False)
