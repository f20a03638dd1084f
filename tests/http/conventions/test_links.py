"""Link headers (RFC 8288) of lists with offset pages."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from domains.kernel.pagination.offset import COUNT_CAP, OffsetPage, OffsetQuery, neighbours
from tests.http.conftest import PUBLIC_URL
from tests.http.contracts import DISCOVERY
from tests.stack import Stack, Tenant

_LINK = re.compile(r'<([^>]+)>; rel="(\w+)"')
LISTS = [
    each.path
    for each in DISCOVERY.operations.values()
    if each.method == "GET" and "offset" in each.query
]


def _links(answer: httpx.Response) -> dict[str, str]:
    return {relation: url for url, relation in _LINK.findall(answer.headers["Link"])}


async def _create_ideas(tenant: Tenant, count: int) -> None:
    for number in range(count):
        await tenant.create("ideas", name=f"Idea {number}", description="Café & more")


async def test_the_links_lead_through_the_whole_list(acme: Tenant, stack: Stack) -> None:
    await _create_ideas(acme, 7)
    url = f"{stack.base_url}/external/v1/ideas?order=asc&limit=3"
    seen, relations = [], []
    links: dict[str, str] = {}
    while url:
        answer = await acme.http.get(url)
        seen += [idea["name"] for idea in answer.json()]
        links = _links(answer)
        relations.append(set(links))
        url = links.get("next", "")
    assert seen == [f"Idea {number}" for number in range(7)]
    assert relations == [
        {"first", "next", "last"},
        {"first", "prev", "next", "last"},
        {"first", "prev", "last"},
    ]
    assert [idea["name"] for idea in (await acme.http.get(links["last"])).json()] == ["Idea 6"]
    assert len((await acme.http.get(links["prev"])).json()) == 3
    assert links["first"].endswith("order=asc&limit=3&offset=0")


async def test_every_list_has_links_from_the_public_url(visitor: Tenant) -> None:
    assert len(LISTS) == 6
    for path in LISTS:
        for prefix in ("/external/v1", "/api/external/v1"):
            answer = await visitor.http.get(prefix + path)
            links = _links(answer)
            assert set(links) == {"first", "last"}
            limit = answer.headers["X-Limit"]
            expected = f"{PUBLIC_URL}{prefix}{path}?limit={limit}&offset=0"
            assert links == {"first": expected, "last": expected}


async def test_filters_are_kept_and_encoded(acme: Tenant) -> None:
    await _create_ideas(acme, 3)
    filters = {"q": 'Café & "more" + <x>;', "order": "asc"}
    answer = await acme.http.get(
        "/external/v1/ideas", params={**filters, "q": "Café & more", "limit": 500, "offset": 1}
    )
    links = _links(answer)
    assert set(links) == {"first", "prev", "last"}
    for relation, offset in (("first", "0"), ("prev", "0"), ("last", "0")):
        query = parse_qs(urlsplit(links[relation]).query)
        assert query == {
            "q": ["Café & more"],
            "order": ["asc"],
            "limit": ["100"],
            "offset": [offset],
        }
    # Nothing that a client sends ends the URL or the header.
    hostile = await acme.http.get(
        "/external/v1/ideas", params={**filters, "x": '>; rel="next"\r\nSet-Cookie: a=b'}
    )
    assert set(_links(hostile)) == {"first", "last"}
    assert "set-cookie" not in hostile.headers


async def test_with_a_very_long_query_only_the_most_needed_link_is_sent(acme: Tenant) -> None:
    await _create_ideas(acme, 2)
    words = "é" * 390
    answer = await acme.http.get("/external/v1/ideas", params={"q": words, "x": "Idea"})
    assert set(_links(answer)) == {"first"}
    search = f"idea or {words}"
    answer = await acme.http.get("/external/v1/ideas", params={"limit": 1, "q": search})
    assert set(_links(answer)) == {"next"}
    answer = await acme.http.get("/external/v1/ideas", params={"q": "🙏" * 400})
    assert "Link" not in answer.headers


async def test_unknown_parameters_are_not_in_the_links(acme: Tenant) -> None:
    answer = await acme.http.get("/external/v1/ideas", params={"x": "y" * 10_000, "limit": 7})
    assert _links(answer)["first"].endswith("/ideas?limit=7&offset=0")


@pytest.mark.parametrize(
    ("counted", "items", "offset", "expected"),
    [
        (0, 0, 0, {"first": 0, "last": 0}),
        (20, 20, 0, {"first": 0, "last": 0}),
        (21, 20, 0, {"next": 20, "first": 0, "last": 20}),
        (45, 20, 20, {"next": 40, "prev": 0, "first": 0, "last": 40}),
        (45, 5, 40, {"prev": 20, "first": 0, "last": 40}),
        # Pages that do not begin at a multiple of the limit, or after the end.
        (45, 20, 5, {"next": 25, "prev": 0, "first": 0, "last": 40}),
        (45, 0, 1000, {"prev": 40, "first": 0, "last": 40}),
        (0, 0, 1000, {"prev": 0, "first": 0, "last": 0}),
        # Exactly the largest total, and more: the last page is not known.
        (COUNT_CAP, 20, 9980, {"prev": 9960, "first": 0, "last": 9980}),
        (COUNT_CAP + 1, 20, 9980, {"next": 10_000, "prev": 9960, "first": 0}),
        (COUNT_CAP + 1, 3, 20_000, {"prev": 19_980, "first": 0}),
        (COUNT_CAP + 1, 20, 2**31 - 1, {"prev": 2**31 - 21, "first": 0}),
    ],
)
def test_the_pages_around_a_page(
    counted: int, items: int, offset: int, expected: dict[str, int]
) -> None:
    page = OffsetPage(items=[None] * items, counted=counted)
    assert neighbours(page, OffsetQuery(offset=offset)) == expected
