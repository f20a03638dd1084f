"""`make bench`: latency of first pages of the revenue record with each filter and pair of filters.

The workspace has a million records of each kind. Prints pages over 50 ms, statements that scan a
whole table, and a summary. Caches are warm.
`python -m tests.bench.records 100000 deals rows` measures deals and rows with 100,000 records.
`--data=FOLDER` keeps the filled database for the next run.
"""

import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
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
from tests.bench.combinations import Values, combinations
from tests.bench.harness import (
    FILL_TIMEOUT,
    ROUNDS,
    FirstPages,
    median_and_worst,
    named_tenant,
    refill,
    report,
    run,
    time_requests,
)
from tests.stack import Stack, Tenant

RECORDS = 1_000_000

SOURCE, SMALL_SOURCE, OLD_SOURCE, NEW_SOURCE, NO_SOURCE = (
    f"6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f00{n}" for n in range(5)
)
TYPE, SMALL_TYPE, OLD_TYPE, NEW_TYPE, NO_TYPE = (
    f"7f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f00{n}" for n in range(5)
)

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
    when n > :all - :all / 1000 then '{NEW_SOURCE}' when n % 10000 = 0 then '{SMALL_SOURCE}'
    else '{SOURCE}' end"""
_STATES: Final = """case when n % 10000 = 3 then 'failed' when n <= :all / 5 then 'pending'
    when n > :all - :all / 1000 then 'processing' else 'processed' end"""
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
            'opportunity', {_STATES}
        from generate_series(1, :all) n, lateral (select {_EMAILS} as emails) e,
            lateral (select array_agg(split_part(each, '@', 2)) as domains
                from unnest(emails) each) d
        """,
    "messages": f"""
        insert into messages (workspace_id, id, source_id, remote_id, thread_id, subject, sender,
            recipients, body, body_preview, attachments, emails, outside, outside_domains,
            created_at)
        select $1, gen_random_uuid(), {_SOURCES}, 'm' || n,
            case when n <= :all / 5 then 'old thread' when n > :all - :all / 1000 then 'new thread'
                when n % 5 > 0 then 't' || n / 10 else 'big thread' end,
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
                when n > :all - :all / 1000 then '{NEW_TYPE}'::uuid
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
            'application/pdf', 'https://example.com/' || n, {_STATES}, {_AT}
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

_TEXTS: Final = {
    "common": "review",
    "medium": "renewal",
    "rare": "zeppelin",
    "ancient": "mainframe",
    "old": "telegraph",
    "new": "hologram",
    "none": "nowhere",
}
# "{0.15}" is a time: 15 % of the records are older.
_AFTER: Final = {
    "most": "{0.15}",
    "half": "{0.5}",
    "new": "{0.999}",
    "none": "2100-01-01",
}
_BEFORE: Final = {
    "most": "{0.95}",
    "half": "{0.5}",
    "old": "{0.2}",
    "none": "2000-01-01",
}
_SOURCE_VALUES: Final = {
    "common": SOURCE,
    "rare": SMALL_SOURCE,
    "old": OLD_SOURCE,
    "new": NEW_SOURCE,
    "none": NO_SOURCE,
}
_STATE_VALUES: Final = {
    "common": "processed",
    "rare": "failed",
    "old": "pending",
    "new": "processing",
}
_EMAIL_VALUES: Final = {
    "common": "boss@big.com",
    "medium": "ann@medium.com",
    "rare": "ann@rare.com",
    "old": "ann@former.com",
    "new": "ann@novel.com",
    "none": "no@no.com",
}
# For each list: every filter, with values of each frequency that the filter can have.
VALUES: Final[Mapping[str, Mapping[str, Values]]] = {
    "conversations": {
        "title": {**_TEXTS, "part": "rev"},
        "attendees": {
            **_EMAIL_VALUES,
            "common domain": "@big.com",
            "rare domain": "rare.com",
            "old domain": "former.com",
            "common name": "review",
            "rare name": "zeppelin",
            "old name": "telegraph",
            "new name": "hologram",
            "no name": "nowhere",
        },
        "crmName": {**_TEXTS, "third": "ltd", "phrase": "vorlin ltd"},
        "type": {"common": "EXTERNAL", "old": "INTERNAL"},
        "sourceId": _SOURCE_VALUES,
        "processingStatus": _STATE_VALUES,
        "startedAfter": _AFTER,
        "startedBefore": _BEFORE,
    },
    "messages": {
        "participantEmail": _EMAIL_VALUES,
        "sourceId": _SOURCE_VALUES,
        "threadId": {
            "common": "big thread",
            "rare": "t47110",
            "old": "old thread",
            "new": "new thread",
            "none": "none",
        },
        "remoteId": {"rare": "m471100", "old": "m4711", "none": "none"},
        "createdAfter": _AFTER,
        "createdBefore": _BEFORE,
    },
    "rows": {
        "name": {**_TEXTS, "part": "471", "one": "T-471100"},
        "sourceId": _SOURCE_VALUES,
        "objectTypeId": {
            "common": TYPE,
            "rare": SMALL_TYPE,
            "old": OLD_TYPE,
            "new": NEW_TYPE,
            "none": NO_TYPE,
        },
        "remoteId": {"rare": "r471100", "old": "r4711", "none": "none"},
        "createdAfter": _AFTER,
        "createdBefore": _BEFORE,
    },
    "documents": {
        "name": {**_TEXTS, "phrase": "plan 471"},
        "sourceId": _SOURCE_VALUES,
        "processingStatus": _STATE_VALUES,
    },
    "deals": {
        "name": {**_TEXTS, "part": "rev"},
        "stage": {**_TEXTS, "fifth": "proposal"},
        "owner": {**_TEXTS, "few": "bat"},
        "closed": {"common": "false", "other": "true"},
        "amountMin": {
            "most": "150000",
            "half": "500000",
            "new": "999000",
            "rare": "999990",
            "none": "2000000",
        },
        "amountMax": {
            "most": "950000",
            "half": "500000",
            "old": "200000",
            "rare": "10",
            "none": "-5",
        },
        "closeDateAfter": {name: value.replace("}", "+90}") for name, value in _AFTER.items()},
        "closeDateBefore": {name: value.replace("}", "+90}") for name, value in _BEFORE.items()},
        "lastActivityAfter": _AFTER,
        "lastActivityBefore": _BEFORE,
    },
    "accounts": {
        "name": {**_TEXTS, "part": "rev"},
        "website": {**_TEXTS, "all": "https://"},
        "owner": {**_TEXTS, "few": "rep4", "all": "ours.io"},
        "createdAfter": _AFTER,
        "createdBefore": _BEFORE,
        "lastActivityAfter": _AFTER,
        "lastActivityBefore": _BEFORE,
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
    """A workspace with many records of a kind."""

    def __init__(
        self,
        stack: Stack,
        caller: Tenant,
        connection: asyncpg.Connection,
        kind: str,
        records: int,
    ) -> None:
        self.stack = stack
        self.caller = caller
        self.connection = connection
        self.kind = kind
        self.records = records

    async def time_first_pages(self) -> None:
        """Time the first pages of all filters and pairs. Mark those that scan the whole table."""
        listed, query = LISTS[self.kind]
        oldest, newest = await self.connection.fetchrow(
            f"select min({listed.order_by.name}), max({listed.order_by.name}) from {self.kind}"
            f" where workspace_id = $1 and {listed.order_by.name} > '-infinity'",
            UUID(self.caller.workspace),
        )
        pages = FirstPages(self.caller)
        for label, params in [("no filter", {}), *combinations(query, VALUES[self.kind])]:
            filters = {name: _value(value, oldest, newest) for name, value in params.items()}
            # A small table is scanned sooner than an index.
            scans = self.records >= 100_000 and await self._reads_all(filters)
            mark = "  SEQUENTIAL SCAN" if scans else ""
            path = f"/v1/{self.kind}?{urlencode(filters)}"
            await pages.time(f"{self.kind}: {label}", path, mark)
        pages.report(self.kind)

    async def time_last_page(self, filters: dict[str, str]) -> None:
        """Print the latency of the page before the last, read with a cursor."""
        listed, query = LISTS[self.kind]
        order = listed.order_by.name
        at, record = await self.connection.fetchrow(
            f"select {order}, id from {self.kind} where workspace_id = $1 order by 1, 2"
            " offset 100 limit 1",
            UUID(self.caller.workspace),
        )
        async with Database.open(self.stack.database_url) as database:
            signer = Signer()
            await signer.load(database.read)
        encoded = msgspec.msgpack.encode(
            msgspec.convert(filters, query, strict=False), order="deterministic"
        )
        place = msgspec.msgpack.encode([50, at, str(record), encoded])
        workspace = WorkspaceId(UUID(self.caller.workspace))
        cursor = signer.issue_token(listed.cursor_purpose(workspace), place)
        response, milliseconds = await time_requests(
            self.caller, "GET", f"/v1/{self.kind}?cursor={cursor}", rounds=ROUNDS, warm_up=1
        )
        shown = len(next(iter(response.json().values())))
        label = f"{self.kind}: {urlencode(filters) or 'no filter'}, page before the last"
        report(f"{label:<64} {shown:>3} records   {median_and_worst(milliseconds)}")

    async def _reads_all(self, filters: Mapping[str, str]) -> bool:
        listed, query = LISTS[self.kind]
        values = msgspec.convert(filters, query, strict=False).filters()
        statement = listed.statement(frozenset(values), after=False)
        workspace = UUID(self.caller.workspace)
        arguments = statement.arguments({"workspace": workspace, "limit": 21, **values})
        plan = await self.connection.fetchval(f"explain (format json) {statement.sql}", *arguments)
        return _has_scan(msgspec.json.decode(plan), self.kind)


def _value(value: str, oldest: datetime, newest: datetime) -> str:
    """Replace "{share}" and "{share+days}" by a time between those of the records."""
    if not value.startswith("{"):
        return value
    share, _, days = value.strip("{}").partition("+")
    at = oldest + float(share) * (newest - oldest) + timedelta(days=int(days or 0))
    return at.isoformat().replace("+00:00", "Z")


def _has_scan(plan: Any, table: str) -> bool:
    """True if the plan has a sequential scan of the table."""
    if isinstance(plan, dict):
        is_scan = plan.get("Node Type") == "Seq Scan" and plan.get("Relation Name") == table
        return is_scan or any(_has_scan(node, table) for node in plan.values())
    return isinstance(plan, list) and any(_has_scan(node, table) for node in plan)


async def _measure(stack: Stack) -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    records = numbers[0] if numbers else RECORDS
    kinds = [argument for argument in sys.argv[1:] if argument in LISTS] or list(LISTS)
    async with (
        named_tenant(stack, "bench") as caller,
        named_tenant(stack, "bench-other") as other,
        # Use the settings of the product's connections.
        Database.open(stack.database_url, timeout=FILL_TIMEOUT) as database,
        database.connection() as connection,
    ):
        await connection.execute("set maintenance_work_mem = '512MB'")
        await connection.execute(_FUNCTIONS)
        for kind in kinds:
            started = time.perf_counter()
            counts = {other: records // 10, caller: records}
            if await refill(connection, kind, FILLS[kind], counts):
                size = await connection.fetchval(
                    "select pg_size_pretty(pg_table_size($1)) || ' and indexes of '"
                    " || pg_size_pretty(pg_indexes_size($1))",
                    kind,
                )
                report(f"{records:,} {kind} in {time.perf_counter() - started:.0f} s: {size}")
            bench = Bench(stack, caller, connection, kind, records)
            await bench.time_first_pages()
            name, values = next(iter(VALUES[kind].items()))
            for filters in ({}, {name: values["common"]}):
                await bench.time_last_page(filters)


if __name__ == "__main__":
    run(_measure, worker=False)
