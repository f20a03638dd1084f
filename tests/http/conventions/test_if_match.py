"""If-Match on PATCH and DELETE of discovery resources."""

import asyncio
from typing import Any

import pytest

from tests.discovery.support import MINIMAL
from tests.http.conventions.every_path import Records
from tests.stack import Tenant

RESOURCES = ("signals", "insights", "opportunities", "ideas")
CHANGES: dict[str, list[dict[str, Any]]] = {
    "signals": [{"context": f"text {number}"} for number in range(8)],
    **{
        resource: [{"name": f"Name {number}"} for number in range(8)]
        for resource in RESOURCES
        if resource != "signals"
    },
}
UNKNOWN = "01a2289d-65cf-75bf-91f4-f041a500af1d"


async def _create(tenant: Tenant, resource: str) -> tuple[str, str]:
    """Create a record. Returns its path and its ETag."""
    record = (await tenant.create(resource, **MINIMAL[resource]))["id"]
    if resource == "signals":
        await tenant.wait_until_processed(record)
    path = f"/external/v1/{resource}/{record}"
    return path, (await tenant.http.get(path)).headers["ETag"]


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_change_of_the_record_that_was_read_succeeds_once(
    resource: str, acme: Tenant
) -> None:
    path, etag = await _create(acme, resource)
    first, second = CHANGES[resource][:2]
    changed = await acme.http.patch(path, json=first, headers={"If-Match": etag})
    assert changed.status_code == 200
    refused = await acme.http.patch(path, json=second, headers={"If-Match": etag})
    assert refused.status_code == 412
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Cache-Control"] == "no-store"
    assert "ETag" not in refused.headers
    assert refused.json()["type"] == "urn:gateway:problem:precondition-failed"
    assert "Read it again" in refused.json()["detail"]
    assert (await acme.http.get(path)).json() == changed.json()
    condition = {"If-Match": f'"other", {changed.headers["ETag"]}'}
    assert (await acme.http.patch(path, json=second, headers=condition)).status_code == 200


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_deletion_needs_the_current_etag(resource: str, acme: Tenant) -> None:
    path, etag = await _create(acme, resource)
    changed = await acme.http.patch(path, json=CHANGES[resource][0])
    refused = await acme.http.delete(path, headers={"If-Match": etag})
    assert refused.status_code == 412
    assert (await acme.http.get(path)).status_code == 200
    condition = {"If-Match": changed.headers["ETag"]}
    assert (await acme.http.delete(path, headers=condition)).status_code == 200
    assert (await acme.http.delete(path, headers=condition)).status_code == 404


@pytest.mark.parametrize("resource", RESOURCES)
async def test_a_star_matches_every_record_that_exists(resource: str, acme: Tenant) -> None:
    path, _ = await _create(acme, resource)
    star = {"If-Match": "*"}
    for each in CHANGES[resource][:2]:
        assert (await acme.http.patch(path, json=each, headers=star)).status_code == 200
    assert (await acme.http.delete(path, headers=star)).status_code == 200
    for headers in (star, {"If-Match": '"any"'}):
        for reference in (path.rpartition("/")[2], UNKNOWN, "no-id"):
            missing = f"/external/v1/{resource}/{reference}"
            assert (await acme.http.patch(missing, json={}, headers=headers)).status_code == 404
            assert (await acme.http.delete(missing, headers=headers)).status_code == 404


async def test_records_of_other_workspaces_stay_404(acme: Tenant, rival: Tenant) -> None:
    path, etag = await _create(acme, "ideas")
    for condition in ("*", etag):
        headers = {"If-Match": condition}
        assert (await rival.http.patch(path, json={}, headers=headers)).status_code == 404
        assert (await rival.http.delete(path, headers=headers)).status_code == 404


@pytest.mark.parametrize("condition", ["", "none", '"x"', "W/{etag}", "{bare}"])
async def test_another_or_a_weak_tag_does_not_match(condition: str, acme: Tenant) -> None:
    path, etag = await _create(acme, "insights")
    sent = condition.format(etag=etag, bare=etag.strip('"'))
    refused = await acme.http.patch(path, json={"name": "x"}, headers={"If-Match": sent})
    assert refused.status_code == 412


async def test_several_lines_are_one_list(acme: Tenant) -> None:
    path, etag = await _create(acme, "insights")
    lines = [("If-Match", '"x"'), ("If-Match", etag)]
    assert (await acme.http.patch(path, json={"name": "x"}, headers=lines)).status_code == 200


@pytest.mark.parametrize("resource", RESOURCES)
async def test_of_concurrent_changes_exactly_one_succeeds(resource: str, acme: Tenant) -> None:
    path, etag = await _create(acme, resource)
    for _ in range(5):
        answers = await asyncio.gather(
            *(
                acme.http.patch(path, json=change, headers={"If-Match": etag})
                for change in CHANGES[resource]
            )
        )
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] + [412] * (len(answers) - 1)
        (winner,) = [answer for answer in answers if answer.status_code == 200]
        current = await acme.http.get(path)
        assert current.json() == winner.json()
        etag = current.headers["ETag"]


async def test_of_concurrent_changes_of_links_exactly_one_succeeds(acme: Tenant) -> None:
    """The lock of the record does not deadlock with those of its links."""
    path, etag = await _create(acme, "opportunities")
    insights = [(await _create(acme, "insights"))[0].rpartition("/")[2] for _ in range(4)]
    for number in range(4):
        links = {"insightIds": insights[number:] + insights[:number]}
        own = path.rpartition("/")[2]
        answers = await asyncio.gather(
            *(acme.http.patch(path, json=links, headers={"If-Match": etag}) for _ in range(4)),
            *(
                acme.http.patch(f"/external/v1/insights/{insight}", json={"opportunityIds": [own]})
                for insight in insights
            ),
        )
        statuses = [answer.status_code for answer in answers]
        # A link that an insight added first makes all four conditions false.
        assert statuses[:4].count(200) <= 1
        assert set(statuses[:4]) <= {200, 412}
        assert set(statuses[4:]) == {200}
        etag = (await acme.http.get(path)).headers["ETag"]


async def test_of_a_change_and_a_deletion_exactly_one_succeeds(acme: Tenant) -> None:
    for _ in range(5):
        path, etag = await _create(acme, "ideas")
        headers = {"If-Match": etag}
        changed, deleted = await asyncio.gather(
            acme.http.patch(path, json={"name": "x"}, headers=headers),
            acme.http.delete(path, headers=headers),
        )
        outcome = (changed.status_code, deleted.status_code)
        assert outcome in ((200, 412), (404, 200)), outcome


async def test_the_revenue_record_ignores_the_header(records: Records) -> None:
    path = f"/v1/sources/{records.ids['sources']}"
    changed = await records.owner.http.patch(
        path, json={"displayName": "CRM"}, headers={"If-Match": '"other"'}
    )
    assert changed.status_code == 200
