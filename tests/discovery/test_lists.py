"""Lists of all resources: filters, full text search, headers and pages."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.discovery.insights import INSIGHTS, InsightQuery
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.pagination import offset
from tests.conftest import MakeTenant
from tests.discovery.support import ACCOUNT, MINIMAL, PRODUCT, create_minimal
from tests.stack import Tenant


async def _list_names(tenant: Tenant, path: str) -> list[str]:
    return [record["name"] for record in await tenant.get(path)]


async def test_filters_of_signals(acme: Tenant) -> None:
    await acme.create_signal(name="a", occurredAt="2025-01-01T00:00:00Z")
    await acme.create_signal(name="b", signalType="transcript", occurredAt="2025-02-01T00:00:00Z")
    await acme.create("signals", name="c", source={"type": "crm"}, externalId="A-1")
    await acme.create("signals", name="d", source={"type": "crm"}, externalId="A-1")
    await acme.create("signals", name="e", source={"type": "crm"}, externalId="a-1")
    for signal in await acme.get("signals"):
        await acme.wait_until_processed(signal["id"])
    await acme.patch("signals/SIGNAL-2", status="pending")
    for query, names in {
        "status=pending": "b",
        "status=processed&order=asc": "acde",
        "status=failed": "",
        "signalType=review": "a",
        "signalType=transcript&status=processed": "",
        "externalId=A-1": "dc",
        "externalId=a-1": "e",
        "externalId=A-1%20": "",
        "createdAfter=2025-01-01T00:00:00Z&createdBefore=2025-02-01T00:00:00Z": "ba",
        "createdAfter=2025-01-01T00:00:00.000001Z&createdBefore=2025-02-01T01:00:00%2B01:00": "b",
        "createdBefore=2025-01-31T23:59:59": "a",
        "createdAfter=2025-02-02T00:00:00Z&limit=1&offset=2": "c",
        "unknown=1": "edcba",
    }.items():
        response = await acme.http.get(f"/external/v1/signals?{query}")
        assert "".join(signal["name"] for signal in response.json()) == names, query
        if "offset" not in query:
            assert response.headers["X-Total-Count"] == str(len(names))


async def test_the_external_id_filter_compares_the_whole_id(acme: Tenant) -> None:
    long = "ä" * 400
    for name, external in (("a", long + "x"), ("b", long + "y"), ("c", "ä" * 200)):
        await acme.create("signals", name=name, source={"type": "crm"}, externalId=external)
    assert await _list_names(acme, f"signals?externalId={long}x") == ["a"]
    assert await _list_names(acme, f"signals?externalId={'ä' * 200}") == ["c"]
    assert await _list_names(acme, f"signals?externalId={long}") == []


async def test_filters_of_insights(acme: Tenant) -> None:
    signal = await acme.process_text("The export fails every day.", accountId=ACCOUNT)
    (found,) = signal["insightIds"]
    await acme.patch(f"insights/{found}", name="found", tagIds=["x", "y"])
    fields_by_name: dict[str, dict[str, Any]] = {
        "a": {"type": "feedback", "productId": PRODUCT, "status": "published"},
        "b": {"tagIds": ["y", "y z"], "productId": ACCOUNT, "status": "archived"},
        "c": {"tagIds": ["Y"], "type": "market-research"},
    }
    for name, fields in fields_by_name.items():
        await acme.create("insights", name=name, description="An insight.", **fields)
    for query, names in {
        "status=draft": ["c", "found"],
        "status=published": ["a"],
        "type=feedback": ["a", "found"],
        "type=session-recording": [],
        f"productId={PRODUCT}": ["a"],
        f"productId={PRODUCT.upper()}&status=draft": [],
        f"accountId={ACCOUNT}": ["found"],
        f"accountId={PRODUCT}": [],
        f"signalId={signal['id']}": ["found"],
        "signalId=SIGNAL-1&tagId=x": ["found"],
        "signalId=SIGNAL-99": [],
        f"signalId={PRODUCT}": [],
        "tagId=y": ["b", "found"],
        "tagId=y%20z": ["b"],
        "tagId=Y": ["c"],
        "q=insight&order=asc": ["a", "b", "c"],
        "q=exports": ["found"],
        "q=insight&tagId=y&status=archived&type=other": ["b"],
    }.items():
        response = await acme.http.get(f"/external/v1/insights?{query}")
        assert [insight["name"] for insight in response.json()] == names, query
        assert response.headers["X-Total-Count"] == str(len(names))


async def test_the_kind_filter_finds_the_findings_of_a_kind(acme: Tenant, rival: Tenant) -> None:
    text = (
        "The export crashes every morning. We cannot find the billing page. "
        "I would love to share boards by e-mail. I love the search."
    )
    signal = await acme.process_text(text)
    await acme.create("insights", name="written", description="We cannot export the numbers.")
    found = {insight["name"]: insight["kind"] for insight in await acme.get("insights")}
    assert found.pop("written") is None
    assert len(found) == 4
    names = {kind: [name for name in found if found[name] == kind] for kind in found.values()}
    assert {kind: len(of_kind) for kind, of_kind in names.items()} == {
        "pain": 2,
        "request": 1,
        "praise": 1,
    }
    newest, oldest = names["pain"]
    for query, listed, total in (
        ("kind=pain", names["pain"], 2),
        ("kind=request", names["request"], 1),
        ("kind=praise", names["praise"], 1),
        ("kind=question", [], 0),
        ("kind=pain&limit=1", [newest], 2),
        ("kind=pain&limit=1&offset=1", [oldest], 2),
        ("kind=pain&limit=1&order=asc", [oldest], 2),
        ("kind=pain&q=export", [oldest], 1),
        (f"kind=praise&status=draft&signalId={signal['id']}", names["praise"], 1),
        ("kind=pain&status=published", [], 0),
    ):
        response = await acme.http.get(f"/external/v1/insights?{query}")
        assert [insight["name"] for insight in response.json()] == listed, query
        assert response.headers["X-Total-Count"] == str(total)
    for kind in names:
        assert await rival.get(f"insights?kind={kind}") == []


@pytest.mark.parametrize("kind", ["pain_point", "Pain", "null", "pain,request"])
async def test_the_kind_filter_refuses_other_values(acme: Tenant, kind: str) -> None:
    response = await acme.http.get(f"/external/v1/insights?kind={kind}")
    assert response.status_code == 400
    expected = "must be one of pain, praise, question, request"
    assert response.json()["errors"] == [{"field": "kind", "message": expected}]


@pytest.mark.parametrize("resource", ["opportunities", "ideas"])
async def test_filters_of_opportunities_and_ideas(acme: Tenant, resource: str) -> None:
    fields_by_name: dict[str, dict[str, str]] = {
        "Faster exports": {"productId": PRODUCT},
        "Dark mode": {"status": "archived", "productId": PRODUCT},
        "Search": {},
    }
    for name, fields in fields_by_name.items():
        await acme.create(resource, name=name, description="Many ask for it.", **fields)
    default = {"opportunities": "discovery", "ideas": "evaluating"}[resource]
    for query, names in {
        "status=archived": ["Dark mode"],
        f"status={default}": ["Search", "Faster exports"],
        f"productId={PRODUCT}": ["Dark mode", "Faster exports"],
        f"productId={ACCOUNT}": [],
        "q=export": ["Faster exports"],
        f"q=asking&productId={PRODUCT}&order=asc": ["Faster exports", "Dark mode"],
    }.items():
        assert await _list_names(acme, f"{resource}?{query}") == names, query


async def test_full_text_finds_words_phrases_and_alternatives(acme: Tenant) -> None:
    for name, description in {
        "a": "The billing page is hard to find.",
        "b": "Billing e-mails are late; the page loads.",
        "c": "Die Abrechnung läuft über PAGE-1.",
        "d": "100% of snake_case users 'quote' things.",
    }.items():
        await acme.create("insights", name=name, description=description)
    for q, names in {
        "billing": "ba",
        "BILLING page": "ba",
        '"billing page"': "a",
        "pages -late": "ca",
        "late or quoted": "db",
        "abrechnung": "c",
        "läuft": "c",
        "snake_case": "d",
        "nothing": "",
        "the": "",
        "'": "",
        '"': "",
        "&|!():*<->": "",
        "bil": "",
    }.items():
        response = await acme.http.get("/external/v1/insights", params={"q": q})
        assert response.status_code == 200
        assert "".join(insight["name"] for insight in response.json()) == names, q
    await acme.patch(f"insights/{(await acme.get('insights'))[0]['id']}", description="zebra")
    assert await _list_names(acme, "insights?q=zebra") == ["d"]
    assert await _list_names(acme, "insights?q=snake_case") == []


@pytest.mark.parametrize("resource", MINIMAL)
async def test_pages_have_limit_offset_and_total_in_headers(acme: Tenant, resource: str) -> None:
    default_limit = "100" if resource in ("opportunities", "ideas") else "20"
    ids = [await create_minimal(acme, resource) for _ in range(3)]
    for query, limit, offset_, listed in (
        ("", default_limit, "0", ids[::-1]),
        ("limit=1&offset=1", "1", "1", [ids[1]]),
        ("limit=101", "100", "0", ids[::-1]),
        (f"limit={10**30}&offset=2&order=asc", "100", "2", [ids[2]]),
        ("offset=50", default_limit, "50", []),
    ):
        response = await acme.http.get(f"/external/v1/{resource}?{query}")
        assert [record["id"] for record in response.json()] == listed
        headers = response.headers
        assert (headers["X-Limit"], headers["X-Offset"]) == (limit, offset_)
        assert headers["X-Total-Count"] == "3"
        assert "X-Total-Count-Capped" not in headers


async def test_signals_are_listed_by_creation_not_by_occurrence(acme: Tenant) -> None:
    await acme.create_signal(name="first", occurredAt="2001-01-01T00:00:00Z")
    await acme.create_signal(name="second", occurredAt="2000-01-01T00:00:00Z")
    assert await _list_names(acme, "signals") == ["second", "first"]


async def test_the_total_is_capped(acme: Tenant, database: Database) -> None:
    count = offset.COUNT_CAP * 3 // 2 + 10
    async with database.connection() as connection:
        await connection.execute(
            "insert into insights (id, workspace_id, number, name, description, status)"
            " select gen_random_uuid(), $1, n, 'bulk', 'bulk', case when n % 3 = 0 then 'archived'"
            " else 'draft' end from generate_series(1, $2::int) n",
            UUID(acme.workspace),
            count,
        )
    for query in ("limit=1", "limit=1&status=draft"):
        headers = (await acme.http.get(f"/external/v1/insights?{query}")).headers
        assert headers["X-Total-Count"] == str(offset.COUNT_CAP)
        assert headers["X-Total-Count-Capped"] == "true"
    headers = (await acme.http.get("/external/v1/insights?limit=1&status=archived")).headers
    assert int(headers["X-Total-Count"]) == count // 3
    assert "X-Total-Count-Capped" not in headers


@pytest.fixture
async def insight_library(make_tenant: MakeTenant) -> Tenant:
    """A workspace with insights of several statuses, types, tags and texts."""
    tenant = await make_tenant()
    for number in range(24):
        await tenant.create(
            "insights",
            name=f"{number} {'export' if number % 3 else 'search'}",
            description="slow" if number % 2 else "hard to find",
            status=("draft", "published")[number % 2],
            type=("other", "feedback")[number // 6 % 2],
            tagIds=["t"] if number % 4 == 0 else [],
        )
    return tenant


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    limit=st.integers(1, 30),
    order=st.sampled_from(["asc", "desc"]),
    filters=st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["draft", "published", "archived"]),
            "type": st.sampled_from(["other", "feedback"]),
            "tagId": st.sampled_from(["t", "u"]),
            "q": st.sampled_from(["export", "slow search", "-find"]),
        },
    ),
)
async def test_the_pages_of_a_filtered_list_make_up_the_whole_list(
    insight_library: Tenant, limit: int, order: str, filters: dict[str, str]
) -> None:
    async def page(**query: Any) -> Any:
        response = await insight_library.http.get("/external/v1/insights", params=filters | query)
        return response.json(), response.headers["X-Total-Count"]

    whole, total = await page(limit=100, order=order)
    assert total == str(len(whole))
    walked: list[Any] = []
    while insights := (await page(limit=limit, order=order, offset=len(walked)))[0]:
        assert len(insights) <= limit
        walked += insights
    assert walked == whole
    newest_first, _ = await page(limit=100)
    assert newest_first == (whole if order == "desc" else whole[::-1])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=st.fixed_dictionaries(
        {
            "limit": st.integers(1, 30),
            "offset": st.integers(0, 30),
            "order": st.sampled_from(["asc", "desc"]),
        },
        optional={
            "status": st.sampled_from(["draft", "published", "archived"]),
            "type": st.sampled_from(["other", "feedback"]),
            "tag_id": st.sampled_from(["t", "u"]),
        },
    ),
    cap=st.integers(0, 30),
)
async def test_pages_are_equal_whether_all_matches_are_counted_or_not(
    insight_library: Tenant,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, Any],
    cap: int,
) -> None:
    workspace = WorkspaceId(UUID(insight_library.workspace))
    (listed,) = (each for each in offset.OFFSET_LISTS if each.table.name == "insights")
    pages = []
    for count_cap in (1000, cap):
        with monkeypatch.context() as patched:
            patched.setattr(offset, "COUNT_CAP", count_cap)
            patched.setattr(listed, "_statements", {})
            pages.append(await INSIGHTS.page(database.read, workspace, InsightQuery(**query)))
    counted_all, counted_some = pages
    assert counted_some.items == counted_all.items
    if "status" in query or "type" in query or "tag_id" in query:
        assert counted_some.counted == min(counted_all.counted, cap + 1)


@pytest.mark.parametrize("resource", ["insights", "ideas", "products", "signals"])
async def test_paging_oldest_first_during_inserts_repeats_and_misses_no_record(
    acme: Tenant, resource: str
) -> None:
    first = [await create_minimal(acme, resource) for _ in range(5)]
    inserts = asyncio.gather(*(acme.create(resource, **MINIMAL[resource]) for _ in range(60)))
    walked: list[str] = []
    while True:
        ended = inserts.done()
        page = await acme.get(f"{resource}?order=asc&limit=3&offset={len(walked)}")
        walked += [record["id"] for record in page]
        if not page and ended:
            break
    await inserts
    assert walked[:5] == first
    assert len(walked) == len(set(walked)) == 65
