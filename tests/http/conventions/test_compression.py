"""Compression of responses, negotiated by Accept-Encoding."""

import base64
import gzip
import json
from typing import Any

import httpx
import pytest

from gateway.middleware.compression import CODINGS, negotiate
from tests.conftest import MakeTenant
from tests.http.conventions.every_path import METRICS, PAGES, YAML_DOCUMENTS
from tests.http.hostile.harness import exchange, request_head
from tests.http.published import DOCUMENTS
from tests.revenue.push_records import create_source
from tests.stack import Stack, Tenant

INSIGHTS = "/external/v1/insights"


async def _create_insights(tenant: Tenant, count: int) -> None:
    for number in range(count):
        await tenant.create("insights", description=f"The export {number} fails. " * 10)


async def _raw(stack: Stack, key: str | None, path: str, accepted: str | None) -> Any:
    """The response as it was sent."""
    head = request_head("GET", path, key, Accept_Encoding=accepted)
    (answer,) = await exchange(stack.port, [head])
    return answer


async def test_a_list_of_more_than_a_kilobyte_is_compressed(acme: Tenant, stack: Stack) -> None:
    await _create_insights(acme, 5)
    plain = await _raw(stack, acme.key, INSIGHTS, None)
    assert len(plain.content) > 1024
    assert "content-encoding" not in plain.headers
    small = await _raw(stack, acme.key, INSIGHTS, "gzip")
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) == len(small.content) < len(plain.content) / 2
    assert gzip.decompress(small.content) == plain.content
    assert small.headers["content-type"] == plain.headers["content-type"]
    # A cache must not give either to a client that asked for the other.
    assert plain.headers["vary"] == small.headers["vary"] == "Accept-Encoding"


async def test_a_large_list_is_compressed_too(acme: Tenant, stack: Stack) -> None:
    for _ in range(60):
        await acme.create("insights", description="The export fails. " * 60)
    path = f"{INSIGHTS}?limit=100"
    plain = await _raw(stack, acme.key, path, None)
    assert len(plain.content) > 64 * 1024
    small = await _raw(stack, acme.key, path, "gzip")
    assert gzip.decompress(small.content) == plain.content


async def test_short_bodies_are_not_compressed(acme: Tenant, stack: Stack) -> None:
    for path in (INSIGHTS, "/v1/health", "/livez", "/nothing"):
        answer = await _raw(stack, acme.key, path, "gzip")
        assert len(answer.content) < 1024
        assert "content-encoding" not in answer.headers
        assert "vary" not in answer.headers


@pytest.mark.parametrize("path", [*DOCUMENTS, *YAML_DOCUMENTS, "/reference", METRICS])
async def test_documents_pages_and_metrics_are_compressed(path: str, stack: Stack) -> None:
    answer = await _raw(stack, None, path, "gzip")
    assert answer.headers["content-encoding"] == "gzip"
    body = gzip.decompress(answer.content)
    assert len(body) > 1024
    if path in PAGES:
        assert body == (await _raw(stack, None, path, None)).content


async def test_a_compressed_body_has_an_etag_of_its_own(acme: Tenant, stack: Stack) -> None:
    signal = await acme.create_signal()
    long = await acme.create("insights", description="The export fails. " * 100)
    path = f"{INSIGHTS}/{long['id']}"
    plain = await _raw(stack, acme.key, path, "identity")
    small = await _raw(stack, acme.key, path, "gzip")
    assert small.headers["content-encoding"] == "gzip"
    assert small.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    # Each of them is current, in any coding.
    for etag in (plain.headers["etag"], small.headers["etag"]):
        for coding, sent in (("identity", plain), ("gzip", small)):
            again = await acme.http.get(
                path, headers={"If-None-Match": etag, "Accept-Encoding": coding}
            )
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == sent.headers["etag"]
            assert again.headers["vary"] == "Accept-Encoding"
            assert "content-encoding" not in again.headers
    changed = await acme.http.patch(
        path, json={"name": "Changed"}, headers={"If-Match": small.headers["etag"]}
    )
    assert changed.status_code == 200
    assert signal["id"]


async def test_stored_files_are_sent_as_they_are(make_tenant: MakeTenant) -> None:
    tenant = await make_tenant()
    source = await create_source(tenant)
    text = "The export fails every day. " * 100
    content = base64.b64encode(text.encode()).decode()
    record = await source.push(
        "documents", "1", url=None, content=content, contentType="text/plain"
    )
    url = (await tenant.http.get(f"/v1/documents/{record}")).json()["url"]
    async with httpx.AsyncClient(headers={"Accept-Encoding": "gzip"}) as client:
        for headers in ({}, {"Range": "bytes=0-1999"}):
            answer = await client.get(url, headers=headers)
            assert answer.status_code in (200, 206)
            assert "content-encoding" not in answer.headers
            assert answer.text in text


async def test_responses_to_writes_and_errors_are_compressed(acme: Tenant) -> None:
    wrong = {"tagIds": ["x"] * 10_001, "description": "x"}
    refused = await acme.http.post(INSIGHTS, json=wrong)
    assert refused.status_code == 400
    unknown = [f"00000000-0000-7000-8000-{number:012d}" for number in range(10)]
    body = {"name": "x", "description": "x", "insightIds": unknown}
    refused = await acme.http.post("/external/v1/ideas", json=body)
    assert refused.status_code == 400
    assert len(refused.content) < 1024 or refused.headers["content-encoding"]
    created = await acme.http.post(INSIGHTS, json={"description": "The export fails. " * 100})
    assert created.status_code == 201
    assert created.headers["content-encoding"] in (coding.decode() for coding in CODINGS)
    assert json.loads(created.content)["description"].startswith("The export")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, gzip;q=0.5", "gzip"),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"),
        ("identity;q=0, gzip ; q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("identity;q=0.9, gzip;q=0.3", None),
        ("*;q=0", None),
        ("deflate", None),
        ("", None),
        (",;,", None),
        ("gzip;q=2", None),
        ("gzip;q=-1", None),
        ("gzip;q=nan", None),
        ("gzip;level=9", None),
    ],
)
def test_the_coding_follows_the_qualities(accepted: str, coding: str | None) -> None:
    assert negotiate(accepted.encode()) == (coding and coding.encode())


def test_of_equal_codings_the_first_is_used() -> None:
    assert negotiate(b"*") == next(iter(CODINGS))
    assert negotiate(b"gzip, *;q=0.5") == b"gzip"
