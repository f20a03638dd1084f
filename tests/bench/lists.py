"""`make bench`: latency of filtered lists in a workspace of a million insights and signals.

Uses warm caches.
"""

import time
from uuid import UUID

from domains.kernel.db.database import Database
from tests.bench.harness import median_and_worst, report, run, time_requests
from tests.stack import Stack, Tenant, new_tenant

RECORDS = 1_000_000
ROUNDS = 11

PRODUCT = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"

# Rare and common values, which need different query plans.
_INSIGHTS = f"""
    insert into insights (id, workspace_id, number, name, description, status, type, tag_ids,
        product_id, account_id, kind)
    select gen_random_uuid(), $1, n,
        case when n % 3 = 0 then 'Exports are slow' else 'Search is hard to find' end,
        'Word' || n % 50000 || ' said a customer of the page number ' || n % 977,
        case when n % 10000 = 0 then 'archived' when n % 2 = 0 then 'published' else 'draft' end,
        case when n % 100000 = 0 then 'market-research' else 'feedback' end,
        case when n % 1000 = 0 then array['rare'] when n % 2 = 0 then array['common']
            else '{{}}' end,
        case when n % 5000 = 0 then '{PRODUCT}'::uuid end,
        case when n % 7 = 0 then '{PRODUCT}'::uuid end,
        case when n % 20000 = 0 then 'question' when n % 4 > 0 then 'pain' end
    from generate_series(1, {RECORDS}) n
"""
_SIGNALS = f"""
    insert into signals (id, workspace_id, number, name, status, signal_type, source, data,
        external_id, created_at)
    select gen_random_uuid(), $1, n, 'signal ' || n,
        case when n % 50000 = 0 then 'failed' else 'processed' end,
        case when n % 3 = 0 then 'review' else 'transcript' end,
        '{{"type": "crm"}}', '{{"subject": "It fails"}}', 'E-' || n % 100000,
        now() - make_interval(mins => ({RECORDS} - n))
    from generate_series(1, {RECORDS}) n
"""

QUERIES = (
    "insights?limit=50",
    "insights?status=draft",
    "insights?status=archived",
    "insights?type=market-research",
    "insights?kind=pain",
    "insights?kind=question",
    f"insights?productId={PRODUCT}",
    f"insights?accountId={PRODUCT}",
    "insights?tagId=rare",
    "insights?tagId=common",
    "insights?tagId=missing",
    "insights?q=exports",
    "insights?q=word4711",
    "insights?q=customer",
    "insights?q=nowhere",
    'insights?q="said a customer"',
    "insights?q=-exports",
    "insights?q=customer -exports",
    "insights?q=exports&status=archived&tagId=rare",
    "signals?limit=50",
    "signals?status=failed",
    "signals?signalType=review",
    "signals?externalId=E-4711",
    "signals?externalId=nothing",
    "signals?createdAfter=2030-01-01T00:00:00Z",
    "signals?createdBefore=2020-01-01T00:00:00Z",
    "signals?createdAfter=2020-01-01T00:00:00Z",
    "signals?status=failed&signalType=review",
)


async def _fill(stack: Stack, caller: Tenant) -> None:
    async with (
        Database.open(stack.database_url, timeout=1_800) as database,
        database.connection() as connection,
    ):
        for statement in (_INSIGHTS, _SIGNALS):
            await connection.execute(statement, UUID(caller.workspace), timeout=1_800)
        await connection.execute("vacuum analyze insights", timeout=1_800)
        await connection.execute("vacuum analyze signals", timeout=1_800)


async def _measure(stack: Stack) -> None:
    async with new_tenant(stack) as caller:
        started = time.perf_counter()
        await _fill(stack, caller)
        report(f"{RECORDS:,} insights and signals in {time.perf_counter() - started:.0f} s")
        for query in QUERIES:
            for order in ("desc", "asc"):
                path = f"/external/v1/{query}&order={order}"
                response, milliseconds = await time_requests(
                    caller, "GET", path, rounds=ROUNDS, warm_up=1
                )
                total = response.headers["X-Total-Count"]
                capped = "+" if "X-Total-Count-Capped" in response.headers else ""
                figures = median_and_worst(milliseconds)
                report(f"{query:<46} {order:<4} {total + capped:>7} records   {figures}")


if __name__ == "__main__":
    run(_measure, worker=False)
