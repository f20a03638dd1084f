"""ETag, If-None-Match and Cache-Control of responses."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from domains.kernel.storage import signed_urls
from domains.kernel.storage.signed_urls import version_of_url
from tests.conftest import MakeTenant
from tests.discovery.support import MINIMAL
from tests.http.conventions.every_path import (
    YAML_DOCUMENTS,
    Records,
    documented_gets,
    is_record,
)
from tests.http.published import DOCUMENTS, HIGH_LIMITS, Json
from tests.stack import Tenant, eventually

STRONG = re.compile(r'"[0-9a-f]{24}"')
DISCOVERY = "/external/v1"


async def test_every_single_record_has_an_etag_that_is_current(
    records: Records, full_document: Json
) -> None:
    seen = set()
    for template in filter(is_record, documented_gets(full_document)):
        path = records.fill(template)
        http = records.owner.http
        got = await http.get(path, headers={"Accept-Encoding": "identity"})
        assert got.status_code == 200, path
        etag = got.headers["ETag"]
        assert STRONG.fullmatch(etag)
        assert got.headers["Cache-Control"] == "private, no-cache"
        for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await http.get(path, headers={"If-None-Match": condition})
            assert (again.status_code, again.content) == (304, b""), (path, condition)
            assert again.headers["ETag"].startswith(etag[:-1])
            assert again.headers["Cache-Control"] == "private, no-cache"
            assert again.headers["X-Request-Id"]
            assert not {"content-type", "content-length"} & set(again.headers)
        for condition in ('"other"', etag.strip('"'), ""):
            again = await http.get(path, headers={"If-None-Match": condition})
            # The links of a document are signed anew.
            assert (again.status_code, again.json().keys()) == (200, got.json().keys())
        seen.add(template)
    assert len(seen) == 14


async def test_a_304_counts_and_needs_a_key(make_tenant: MakeTenant) -> None:
    tenant = await make_tenant(limits=HIGH_LIMITS)
    idea = await tenant.create("ideas", **MINIMAL["ideas"])
    path = f"{DISCOVERY}/ideas/{idea['id']}"
    got = await tenant.http.get(path)
    condition = {"If-None-Match": got.headers["ETag"]}
    again = await tenant.http.get(path, headers=condition)
    assert again.status_code == 304
    before, after = (each.headers["X-RateLimit-Remaining"] for each in (got, again))
    assert int(after) == int(before) - 1
    refused = await tenant.http.get(path, headers={**condition, "Authorization": "Bearer x"})
    assert refused.status_code == 401


async def test_all_other_responses_are_stored_by_nobody(
    records: Records, full_document: Json, make_tenant: MakeTenant
) -> None:
    for template in documented_gets(full_document):
        path = records.fill(template)
        if not is_record(template):
            answer = await records.owner.http.get(path)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store"), path
            assert "ETag" not in answer.headers
        if path.startswith(("/v1", "/external")):
            refused = await records.owner.http.get(path, headers={"Authorization": "Bearer x"})
            assert (refused.status_code, refused.headers["Cache-Control"]) == (401, "no-store")
            assert "ETag" not in refused.headers
    tenant = await make_tenant()
    for resource, body in MINIMAL.items():
        created = await tenant.http.post(f"{DISCOVERY}/{resource}", json=body)
        assert (created.status_code, created.headers["Cache-Control"]) == (201, "no-store")
        if resource == "products":
            continue
        path = f"{DISCOVERY}/{resource}/{created.json()['id']}"
        for answer in (
            await tenant.http.patch(path, json={}),
            await tenant.http.delete(path),
            await tenant.http.delete(path),
            await tenant.http.get(path),
        ):
            assert answer.headers["Cache-Control"] == "no-store"
    for path in ("/nothing", "/v1/nothing"):
        assert (await tenant.http.get(path)).headers["Cache-Control"] == "no-store"


async def _created(tenant: Tenant, resource: str, **fields: Any) -> httpx.Response:
    body = {**MINIMAL[resource], **fields}
    created = await tenant.http.post(f"{DISCOVERY}/{resource}", json=body)
    assert created.status_code == 201
    return created


async def _etag(tenant: Tenant, path: str) -> str:
    answer = await tenant.http.get(path, headers={"Accept-Encoding": "identity"})
    return str(answer.headers["ETag"])


LINKED = {
    "signals": ("insights",),
    "insights": ("opportunities", "ideas"),
    "opportunities": ("insights", "ideas"),
    "ideas": ("insights", "opportunities"),
}
FIELDS = {"insights": "insightIds", "opportunities": "opportunityIds", "ideas": "ideaIds"}


@pytest.mark.parametrize("resource", LINKED)
async def test_create_and_change_return_the_etag_of_get(resource: str, acme: Tenant) -> None:
    async def new_links() -> dict[str, list[str]]:
        return {
            FIELDS[each]: [(await _created(acme, each)).json()["id"] for _ in range(3)][::-1]
            for each in LINKED[resource]
        }

    created = await _created(acme, resource, **await new_links())
    record = created.json()
    path = f"{DISCOVERY}/{resource}/{record['id']}"
    if resource == "signals":
        # Its analysis has begun. Without the job's id, the body is what GET returned.
        assert STRONG.fullmatch(created.headers["ETag"])
        await acme.wait_until_processed(record["id"])
        assert created.headers["ETag"] != await _etag(acme, path)
    else:
        assert created.headers["ETag"] == await _etag(acme, path)
    changes: list[Json] = [await new_links(), {FIELDS[LINKED[resource][0]]: []}, {}]
    if resource != "signals":
        changes.append({"name": "Changed"})
    etags = {created.headers["ETag"]}
    for change in changes:
        changed = await acme.http.patch(path, json=change)
        assert changed.status_code == 200
        assert changed.headers["ETag"] == await _etag(acme, path), change
        etags.add(changed.headers["ETag"])
    assert len(etags) == len(changes) + 1


async def test_a_link_changes_the_etag_of_the_other_record(acme: Tenant) -> None:
    insight = (await _created(acme, "insights")).json()["id"]
    path = f"{DISCOVERY}/insights/{insight}"
    before = await _etag(acme, path)
    await _created(acme, "ideas", insightIds=[insight])
    assert await _etag(acme, path) != before


async def test_a_created_signal_has_the_etag_that_get_returns_until_it_is_analysed(
    acme: Tenant, pause: Callable[[], Any]
) -> None:
    with pause():
        created = await _created(acme, "signals")
        signal = created.json()["id"]
        path = f"{DISCOVERY}/signals/{signal}"
        assert created.headers["ETag"] == await _etag(acme, path)
        public = f"{DISCOVERY}/signals/{created.json()['publicId']}"
        assert created.headers["ETag"] == await _etag(acme, public)
    await acme.wait_until_processed(signal)
    assert created.headers["ETag"] != await _etag(acme, path)


# --- signed links -----------------------------------------------------------------------------


async def test_new_signatures_of_a_documents_links_keep_its_etag(records: Records) -> None:
    path = f"/v1/documents/{records.ids['documents']}"
    http = records.owner.http
    first = await http.get(path)

    async def signed_anew() -> bool:
        return bool((await http.get(path)).json()["url"] != first.json()["url"])

    await eventually(signed_anew)
    again = await http.get(path)
    assert again.json()["normalizedUrl"] != first.json()["normalizedUrl"]
    assert again.headers["ETag"] == first.headers["ETag"]


def test_the_version_of_a_signed_url_is_its_object_for_twelve_hours() -> None:
    now = 1_800_000_000 // 43_200 * 43_200
    key = "documents/01a2289d-65cf-75bf-91f4-f041a500af1d/01a2289d-65cf-75bf-91f4-f042832cf8dd"
    ours = f"http://h/files/{key}?type=text%2Fplain&name=a&expires={{}}&signature={{}}"
    of_s3 = f"https://b.s3.example/{key}?X-Amz-Date={{}}&X-Amz-Signature={{}}"
    for url in (ours, of_s3):
        first = version_of_url(url.format(1, 2), now)
        assert version_of_url(url.format(3, 4), now + 43_199) == first
        # Before the first link has expired, the client must read the record again.
        assert version_of_url(url.format(3, 4), now + 43_200) != first
        assert version_of_url(url.format(1, 2).replace("cf8dd", "cf8de"), now) != first
    assert signed_urls.LIFETIME >= 2 * 43_200
    signed_elsewhere = "https://files.example/plan.pdf?X-Amz-Signature=1"
    for plain in ("https://files.example/plan.pdf?version=1", signed_elsewhere, None):
        assert version_of_url(plain, now) == plain


# --- public documents -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *DOCUMENTS,
        *YAML_DOCUMENTS,
        *("/", "/reference", "/llms.txt", "/reference.md", "/favicon.ico", "/favicon.svg"),
    ],
)
async def test_public_documents_are_cached_and_revalidated(
    path: str, anonymous: httpx.AsyncClient
) -> None:
    got = await anonymous.get(path)
    assert got.status_code == 200
    assert re.fullmatch(r"public, max-age=\d+|no-cache", got.headers["Cache-Control"])
    etag = got.headers["ETag"]
    assert STRONG.fullmatch(etag)
    for coding, sent in (("identity", etag), ("gzip", etag[:-1] + '-gzip"')):
        headers = {"If-None-Match": etag, "Accept-Encoding": coding}
        again = await anonymous.get(path, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == got.headers["Cache-Control"]
        if len(got.content) > 1024:
            assert again.headers["ETag"] == sent
