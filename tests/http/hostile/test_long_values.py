"""Extreme but valid values: long texts, many tags, large contents."""

import base64
import random
from collections.abc import Callable

import pytest

from tests.http.hostile.apis import CALLS
from tests.http.hostile.harness import Answer, Call, Case, Tenants
from tests.http.hostile.values import to_json
from tests.revenue.push_records import MINIMAL_FIELDS, create_source
from tests.stack import Tenant

MEGABYTE = 1_000_000

# Up to nine megabytes of text that the full text search splits into words.
LONG_TEXTS: dict[str, Callable[[], str]] = {
    "words": lambda: random.Random(7).randbytes(9 * MEGABYTE // 2).hex().replace("0", " "),
    "one word": lambda: "w" * MEGABYTE,
    "hyphens": lambda: "-" * 9 * MEGABYTE,
    "hyphenated": lambda: "ab-c" * (9 * MEGABYTE // 4),
    # The full text parser would take quadratic time for these, unless they are split first.
    "snakes": lambda: "snake_case_" * 20_000,
    "mentions": lambda: "a@1" * 20_000,
    "brackets": lambda: "\u2039!--" * 20_000,
    "address": lambda: "https://example.com/" + "a-b/c.d?e=f&" * (9 * MEGABYTE // 12),
}
CREATES = {
    call.operation.collection: call
    for call in CALLS
    if call.model in ("InsightCreate", "OpportunityCreate", "IdeaCreate")
}


async def _answer(tenants: Tenants, call: Call, **body: object) -> Answer:
    (answer,) = await call.send(tenants.writer, [Case("", to_json(body))])
    assert answer.status == 201, answer
    return answer


@pytest.mark.parametrize("kind", LONG_TEXTS)
async def test_long_description_is_stored_whole(tenants: Tenants, kind: str) -> None:
    """The default name of an insight is taken from its description.

    Insights are enough, because all resources have the same full text index.
    """
    text = LONG_TEXTS[kind]()
    number = list(LONG_TEXTS).index(kind)
    named = ("opportunities", "ideas")[number % 2]
    for body, call in (({}, CREATES["insights"]), ({"name": kind}, CREATES[named])):
        found = (await _answer(tenants, call, description=text, **body)).json()
        assert found["description"] == text
        assert 0 < len(found["name"]) <= 80


@pytest.mark.parametrize("resource", CREATES)
async def test_largest_number_of_words_in_name_and_description(
    tenants: Tenants, resource: str
) -> None:
    """The words are hyphenated and all different. Each letter takes four bytes."""
    text = " ".join(
        f"{chr(n)}{chr(n + 1)}-{chr(n + 2)}{chr(n + 3)}" for n in range(0x20000, 0x2A000)
    )
    made = (await _answer(tenants, CREATES[resource], name=text, description=text)).json()["id"]
    path = f"/external/v1/{resource}/{made}"
    http = tenants.writer.tenant.http
    changed = await http.patch(path, json={"name": "Short", "description": text[::-1]})
    assert changed.status_code == 200
    assert (await http.get(path)).json()["description"] == text[::-1]


async def test_very_many_and_very_long_tags(acme: Tenant) -> None:
    many = [f"tag-{number}" for number in range(10_000)]
    long = ["\U0001f94a" * 255, "\U00010400" * 255, "a" * 255]
    for tags in (many, long):
        made = await acme.create("insights", description="x", tagIds=tags)
        assert made["tagIds"] == tags
        for tag in (tags[0], tags[-1]):
            found = (await acme.http.get("/external/v1/insights", params={"tagId": tag})).json()
            assert [each["id"] for each in found] == [made["id"]]


async def test_filter_by_a_long_external_id_compares_the_whole_id(acme: Tenant) -> None:
    long = "ext-Ä-" * (MEGABYTE // 6)
    params = {"externalId": long[:1000]}
    for external_id in (long, long[:1000]):
        found = await acme.http.get("/external/v1/signals", params=params)
        assert (found.status_code, found.json()) == (200, [])
        made = await acme.create("signals", source={"type": "crm"}, externalId=external_id)
        assert made["externalId"] == external_id
    found = await acme.http.get("/external/v1/signals", params=params)
    assert [each["externalId"] for each in found.json()] == [long[:1000]]


async def test_document_content_is_stored_unchanged(acme: Tenant) -> None:
    source = await create_source(acme)
    for written in ("AA==", "+/8=", base64.b64encode(bytes(range(256))).decode()):
        record = await source.push("documents", written, url=None, content=written)
        url = (await acme.http.get(f"/v1/documents/{record}")).json()["url"]
        assert (await acme.http.get(url)).content == base64.b64decode(written)


async def test_uuids_are_case_insensitive(acme: Tenant) -> None:
    """Writes and lists with an upper-case UUID select the same source."""
    source = await create_source(acme)
    upper = source.id.upper()
    for kind in MINIMAL_FIELDS:
        record = await source.push(kind, "R-1")
        same = {"recordId": record, "id": "R-1", "sourceId": source.id}
        again = await source.post(kind, "R-1", sourceId=upper)
        assert again.json() == {"status": "updated", **same}
        listed = (await acme.http.get(f"/v1/{kind}", params={"sourceId": upper})).json()[kind]
        assert [each["sourceId"] for each in listed] == [source.id]
        params = {"remoteId": "R-1", "sourceId": upper}
        if kind in ("rows", "documents"):
            changed = await acme.http.patch(f"/v1/{kind}", params=params, json={"public": True})
            assert changed.json() == {"status": "updated", **same}
        deleted = (await acme.http.delete(f"/v1/{kind}", params=params)).json()
        assert deleted == {"status": "deleted", **same, "deletedAt": deleted["deletedAt"]}
    for path in (f"sources/{upper}", f"object-types/{source.object_type.upper()}"):
        assert (await acme.http.get(f"/v1/{path}")).status_code == 200
    listed = (await acme.http.get("/v1/object-types", params={"sourceId": upper})).json()
    assert len(listed["objectTypes"]) == 1
