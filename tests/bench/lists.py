"""`make bench`: latency of first pages of discovery with each filter and pair of filters.

The workspace has a million records of each kind. Prints pages over 50 ms and a summary. Caches are
warm. `python -m tests.bench.lists 100000 ideas` measures ideas with 100,000 records.
`--data=FOLDER` keeps the filled database for the next run.
"""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from domains.discovery.ideas import IdeaQuery
from domains.discovery.insights import InsightQuery
from domains.discovery.opportunities import OpportunityQuery
from domains.discovery.signals import SignalQuery
from domains.kernel.db.database import Database
from domains.kernel.pagination.offset import OffsetQuery
from tests.bench.combinations import Values, combinations
from tests.bench.harness import FILL_TIMEOUT, FirstPages, named_tenant, refill, report, run
from tests.stack import Stack

RECORDS = 1_000_000

COMMON, RARE, OLD, NEW, NONE = (f"6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f00{n}" for n in range(5))

# Each value is in another share of the records: half, a handful, the oldest fifth, the newest
# thousandth. Record number 1 is the oldest.
_IDS: Final = f"""case when n <= :all / 5 then '{OLD}'::uuid when n > :all - :all / 1000
    then '{NEW}' when n % 50000 = 0 then '{RARE}' when n % 2 = 0 then '{COMMON}' end"""
_TEXT: Final = """case when n % 3 = 0 then 'Exports are slow' else 'Search is hard to find' end,
    concat_ws(' ', 'Word' || n % 50000, 'said a customer of the page number', n % 977,
        case when n <= :all / 5 then 'telegraph' end,
        case when n > :all - :all / 1000 then 'hologram' end)"""

FILLS: Final[Mapping[str, str]] = {
    "signals": """
        insert into signals (id, workspace_id, number, name, status, signal_type, source, data,
            external_id, created_at)
        select gen_random_uuid(), $1, n, 'signal ' || n,
            case when n <= :all / 5 then 'pending' when n > :all - :all / 1000 then 'processing'
                when n % 50000 = 0 then 'failed' else 'processed' end,
            case when n <= :all / 5 then 'support_ticket' when n % 50000 = 7 then 'discovery_report'
                when n % 3 = 0 then 'review' else 'transcript' end,
            '{"type": "crm"}', '{"subject": "It fails"}',
            case when n <= :all / 5 then 'E-old' when n > :all - :all / 1000 then 'E-new'
                when n % 2 = 0 then 'E-common' else 'E-' || n % 100000 end,
            now() - make_interval(mins => :all - n)
        from generate_series(1, :all) n
        """,
    "insights": f"""
        insert into insights (id, workspace_id, number, name, description, status, type, tag_ids,
            product_id, account_id, kind)
        select gen_random_uuid(), $1, n, {_TEXT},
            case when n <= :all / 5 then 'archived' when n % 2 = 0 then 'published'
                else 'draft' end,
            case when n <= :all / 5 then 'other' when n > :all - :all / 1000 then 'support-ticket'
                when n % 50000 = 0 then 'market-research' when n % 100 = 7 then 'user-interview'
                else 'feedback' end,
            array_remove(array[case when n % 2 = 0 then 'common' end,
                case when n % 50000 = 0 then 'rare' end, case when n <= :all / 5 then 'old' end,
                case when n > :all - :all / 1000 then 'new' end], null),
            {_IDS}, {_IDS},
            case when n <= :all / 5 then 'praise' when n > :all - :all / 1000 then 'request'
                when n % 50000 = 0 then 'question' when n % 4 > 0 then 'pain' end
        from generate_series(1, :all) n
        """,
    "opportunities": f"""
        insert into opportunities (id, workspace_id, number, name, description, status, product_id)
        select gen_random_uuid(), $1, n, {_TEXT},
            case when n <= :all / 5 then 'archived' when n > :all - :all / 1000 then 'defined'
                when n % 50000 = 0 then 'validated' else 'discovery' end, {_IDS}
        from generate_series(1, :all) n
        """,
    "ideas": f"""
        insert into ideas (id, workspace_id, number, name, description, status, product_id)
        select gen_random_uuid(), $1, n, {_TEXT},
            case when n <= :all / 5 then 'archived' when n > :all - :all / 1000 then 'released'
                when n % 50000 = 0 then 'backlog' else 'evaluating' end, {_IDS}
        from generate_series(1, :all) n
        """,
}
# Links signals number 1 to 4 to many insights, to a few, to the oldest and to the newest.
_LINKS: Final = """
    insert into signal_insights (workspace_id, signal_id, insight_id)
    select $1, signals.id, insights.id from insights, signals
    where insights.workspace_id = $1 and signals.workspace_id = $1
        and signals.number = any(array_remove(array[
            case when insights.number % 100 = 0 then 1 end,
            case when insights.number % 100000 = 1 then 2 end,
            case when insights.number <= 5000 then 3 end,
            case when insights.number > :all - 100 then 4 end], null))
    """

_BY_ID: Final = {"common": COMMON, "rare": RARE, "old": OLD, "new": NEW, "none": NONE}
_WORDS: Final = {
    "common": "exports",
    "all": "customer",
    "rare": "word4711",
    "old": "telegraph",
    "new": "hologram",
    "none": "nowhere",
    "phrase": '"said a customer"',
    "not": "-exports",
}
# For each list: every filter, with values of each frequency that the filter can have.
VALUES: Final[Mapping[str, Mapping[str, Values]]] = {
    "signals": {
        "status": {"common": "processed", "rare": "failed", "old": "pending", "new": "processing"},
        "signalType": {
            "common": "review",
            "most": "transcript",
            "rare": "discovery_report",
            "old": "support_ticket",
        },
        "externalId": {
            "common": "E-common",
            "rare": "E-4711",
            "old": "E-old",
            "new": "E-new",
            "none": "nothing",
        },
        "createdAfter": {"most": "{0.05}", "new": "{0.999}", "none": "2100-01-01T00:00:00Z"},
        "createdBefore": {"most": "{0.95}", "old": "{0.2}", "none": "2000-01-01T00:00:00Z"},
    },
    "insights": {
        "productId": _BY_ID,
        "q": _WORDS,
        "status": {"common": "draft", "other": "published", "old": "archived"},
        "type": {
            "common": "feedback",
            "medium": "user-interview",
            "rare": "market-research",
            "old": "other",
            "new": "support-ticket",
            "none": "session-recording",
        },
        "kind": {"common": "pain", "rare": "question", "old": "praise", "new": "request"},
        "accountId": _BY_ID,
        "signalId": {
            "common": "SIGNAL-1",
            "rare": "SIGNAL-2",
            "old": "SIGNAL-3",
            "new": "SIGNAL-4",
            "none": "SIGNAL-5",
        },
        "tagId": {name: name for name in ("common", "rare", "old", "new", "none")},
    },
    "opportunities": {
        "productId": _BY_ID,
        "q": _WORDS,
        "status": {
            "common": "discovery",
            "rare": "validated",
            "old": "archived",
            "new": "defined",
        },
    },
    "ideas": {
        "productId": _BY_ID,
        "q": _WORDS,
        "status": {
            "common": "evaluating",
            "rare": "backlog",
            "old": "archived",
            "new": "released",
            "none": "development",
        },
    },
}


QUERIES: Final[Mapping[str, type[OffsetQuery]]] = {
    "signals": SignalQuery,
    "insights": InsightQuery,
    "opportunities": OpportunityQuery,
    "ideas": IdeaQuery,
}


def _value(value: str, records: int) -> str:
    """Replace "{share}" by a time: this share of the records is older."""
    if not value.startswith("{"):
        return value
    age = timedelta(minutes=(1 - float(value.strip("{}"))) * records)
    return (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")


async def _measure(stack: Stack) -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    records = numbers[0] if numbers else RECORDS
    kinds = [argument for argument in sys.argv[1:] if argument in FILLS] or list(FILLS)
    async with (
        named_tenant(stack, "bench") as caller,
        named_tenant(stack, "bench-other") as other,
        # Use the settings of the product's connections.
        Database.open(stack.database_url, timeout=FILL_TIMEOUT) as database,
        database.connection() as connection,
    ):
        for kind in FILLS:
            if kind not in kinds and kind != "signals":
                continue
            started = time.perf_counter()
            counts = {other: records // 10, caller: records}
            if await refill(connection, kind, FILLS[kind], counts):
                seconds = time.perf_counter() - started
                report(f"{records:,} {kind} in {seconds:.0f} s")
        if "insights" in kinds:
            workspace = {caller: records}
            await refill(connection, "signal_insights", _LINKS, workspace)
        for kind in kinds:
            pages = FirstPages(caller)
            for label, params in combinations(QUERIES[kind], VALUES[kind]):
                given = {name: _value(value, records) for name, value in params.items()}
                for order in ("desc", "asc"):
                    path = f"/external/v1/{kind}?{urlencode({**given, 'order': order})}"
                    await pages.time(f"{kind}: {label} {order}", path)
            pages.report(kind)


if __name__ == "__main__":
    run(_measure, worker=False)
