"""Lists of every resource: filters, full text, headers, and pages that together are the whole."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.pagination import offset
from tests.conftest import MakeTenant
from tests.stack import Tenant

PRODUCT = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"
OTHER = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"


async def _names(tenant: Tenant, path: str) -> list[str]:
    return [each["name"] for each in await tenant.get(path)]


async def test_filters_of_signals(acme: Tenant) -> None:
    await acme.create_signal(name="a", occurredAt="2025-01-01T00:00:00Z")
    await acme.create_signal(name="b", signalType="transcript", occurredAt="2025-02-01T00:00:00Z")
    await acme.create("signals", name="c", source={"type": "crm"}, externalId="A-1")
    await acme.create("signals", name="d", source={"type": "crm"}, externalId="A-1")
    await acme.create("signals", name="e", source={"type": "crm"}, externalId="a-1")
    for each in await acme.get("signals"):
        await acme.wait_until_processed(each["id"])
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
        answer = await acme.http.get(f"/external/v1/signals?{query}")
        assert "".join(each["name"] for each in answer.json()) == names, query
        if "offset" not in query:
            assert answer.headers["X-Total-Count"] == str(len(names))


async def test_an_external_id_is_compared_as_a_whole(acme: Tenant) -> None:
    long = "ä" * 400
    for name, external in (("a", long + "x"), ("b", long + "y"), ("c", "ä" * 200)):
        await acme.create("signals", name=name, source={"type": "crm"}, externalId=external)
    assert await _names(acme, f"signals?externalId={long}x") == ["a"]
    assert await _names(acme, f"signals?externalId={'ä' * 200}") == ["c"]
    assert await _names(acme, f"signals?externalId={long}") == []


async def test_filters_of_insights(acme: Tenant) -> None:
    text = "The export fails every day."
    signal = await acme.wait_until_processed(
        (await acme.create_signal(text, accountId=OTHER))["id"]
    )
    (found,) = signal["insightIds"]
    await acme.patch(f"insights/{found}", name="found", tagIds=["x", "y"])
    made: dict[str, dict[str, Any]] = {
        "a": {"type": "feedback", "productId": PRODUCT, "status": "published"},
        "b": {"tagIds": ["y", "y z"], "productId": OTHER, "status": "archived"},
        "c": {"tagIds": ["Y"], "type": "market-research"},
    }
    for name, fields in made.items():
        await acme.create("insights", name=name, description="An insight.", **fields)
    for query, names in {
        "status=draft": ["c", "found"],
        "status=published": ["a"],
        "type=feedback": ["a", "found"],
        "type=session-recording": [],
        f"productId={PRODUCT}": ["a"],
        f"productId={PRODUCT.upper()}&status=draft": [],
        f"accountId={OTHER}": ["found"],
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
        answer = await acme.http.get(f"/external/v1/insights?{query}")
        assert [each["name"] for each in answer.json()] == names, query
        assert answer.headers["X-Total-Count"] == str(len(names))


@pytest.mark.parametrize("resource", ["opportunities", "ideas"])
async def test_filters_of_opportunities_and_ideas(acme: Tenant, resource: str) -> None:
    made: dict[str, dict[str, str]] = {
        "Faster exports": {"productId": PRODUCT},
        "Dark mode": {"status": "archived", "productId": PRODUCT},
        "Search": {},
    }
    for name, fields in made.items():
        await acme.create(resource, name=name, description="Many ask for it.", **fields)
    default = {"opportunities": "discovery", "ideas": "evaluating"}[resource]
    for query, names in {
        "status=archived": ["Dark mode"],
        f"status={default}": ["Search", "Faster exports"],
        f"productId={PRODUCT}": ["Dark mode", "Faster exports"],
        f"productId={OTHER}": [],
        "q=export": ["Faster exports"],
        f"q=asking&productId={PRODUCT}&order=asc": ["Faster exports", "Dark mode"],
    }.items():
        assert await _names(acme, f"{resource}?{query}") == names, query


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
        found = await acme.http.get("/external/v1/insights", params={"q": q})
        assert found.status_code == 200
        assert "".join(each["name"] for each in found.json()) == names, q
    await acme.patch(f"insights/{(await acme.get('insights'))[0]['id']}", description="zebra")
    assert await _names(acme, "insights?q=zebra") == ["d"]
    assert await _names(acme, "insights?q=snake_case") == []


async def test_opportunities_and_ideas_page_by_a_hundred_unless_told(acme: Tenant) -> None:
    for resource, default in (
        ("signals", "20"),
        ("insights", "20"),
        ("opportunities", "100"),
        ("ideas", "100"),
        ("products", "20"),
    ):
        headers = (await acme.http.get(f"/external/v1/{resource}")).headers
        assert (headers["X-Limit"], headers["X-Offset"]) == (default, "0")
        assert headers["X-Total-Count"] == "0"
        headers = (await acme.http.get(f"/external/v1/{resource}?limit=1&offset=7")).headers
        assert (headers["X-Limit"], headers["X-Offset"]) == ("1", "7")
        headers = (await acme.http.get(f"/external/v1/{resource}?limit=101")).headers
        assert headers["X-Limit"] == "100"


async def test_the_count_of_a_filtered_list_stops_at_its_cap_too(
    acme: Tenant, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into insights (id, workspace_id, number, name, description, status)"
            " select gen_random_uuid(), $1, n, 'bulk', 'bulk', case when n % 3 = 0 then 'archived'"
            " else 'draft' end from generate_series(1, $2::int) n",
            UUID(acme.workspace),
            offset.COUNT_CAP * 3 // 2 + 10,
        )
    headers = (await acme.http.get("/external/v1/insights?status=draft&limit=1")).headers
    assert headers["X-Total-Count"] == str(offset.COUNT_CAP)
    assert headers["X-Total-Count-Capped"] == "true"
    headers = (await acme.http.get("/external/v1/insights?status=archived&limit=1")).headers
    assert int(headers["X-Total-Count"]) == (offset.COUNT_CAP * 3 // 2 + 10) // 3
    assert "X-Total-Count-Capped" not in headers


@pytest.fixture
async def library(make_tenant: MakeTenant) -> Tenant:
    """A workspace with insights of every status, type, tag and wording."""
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
async def test_pages_of_any_filter_put_together_are_the_whole(
    library: Tenant, limit: int, order: str, filters: dict[str, str]
) -> None:
    async def page(**query: Any) -> Any:
        answer = await library.http.get("/external/v1/insights", params=filters | query)
        return answer.json(), answer.headers["X-Total-Count"]

    whole, total = await page(limit=100, order=order)
    assert total == str(len(whole))
    walked: list[Any] = []
    while found := (await page(limit=limit, order=order, offset=len(walked)))[0]:
        assert len(found) <= limit
        walked += found
    assert walked == whole
    assert [each["id"] for each in (await page(limit=100))[0]][:: 1 if order == "desc" else -1] == [
        each["id"] for each in whole
    ]


@pytest.mark.parametrize("resource", ["insights", "ideas", "products", "signals"])
async def test_a_walk_from_the_oldest_neither_repeats_nor_misses_while_others_insert(
    make_tenant: MakeTenant, resource: str
) -> None:
    tenant = await make_tenant()
    bodies: dict[str, dict[str, Any]] = {
        "insights": {"description": "d"},
        "ideas": {"name": "n", "description": "d"},
        "products": {"name": "n"},
        "signals": {"source": {"type": "x"}},
    }
    body = bodies[resource]
    first = [(await tenant.create(resource, **body))["id"] for _ in range(5)]
    inserting = asyncio.gather(
        *(tenant.create(resource, **body) for _ in range(60)), return_exceptions=False
    )
    walked: list[str] = []
    while True:
        ended = inserting.done()
        page = await tenant.get(f"{resource}?order=asc&limit=3&offset={len(walked)}")
        walked += [each["id"] for each in page]
        if not page and ended:
            break
    await inserting
    assert walked[:5] == first
    assert len(walked) == len(set(walked)) == 65
