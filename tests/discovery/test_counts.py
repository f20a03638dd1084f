"""X-Total-Count of unfiltered lists: the number of records, whatever adds or removes them."""

import asyncio
import random

import pytest

from tests.conftest import MakeTenant
from tests.discovery.support import MINIMAL, TRANSCRIPT, create_minimal, reprocess
from tests.stack import Tenant


async def _total(tenant: Tenant, resource: str, **query: str) -> int:
    """The total of a list, equal on its first page and beyond its end."""
    totals = set()
    for offset in (0, 50, 5_000):
        response = await tenant.http.get(
            f"/external/v1/{resource}", params={"limit": 1, "offset": offset, **query}
        )
        totals.add(int(response.headers["X-Total-Count"]))
    (total,) = totals
    return total


@pytest.mark.parametrize("resource", ["signals", "insights", "opportunities", "ideas"])
async def test_concurrent_creates_and_deletes_are_all_counted(
    acme: Tenant, rival: Tenant, resource: str
) -> None:
    await create_minimal(rival, resource)
    assert await _total(acme, resource) == 0
    ids = await asyncio.gather(*(create_minimal(acme, resource) for _ in range(12)))
    assert await _total(acme, resource) == 12
    deleted = random.sample(ids, 7)
    await asyncio.gather(
        *(acme.http.delete(f"/external/v1/{resource}/{record}") for record in deleted),
        *(create_minimal(acme, resource) for _ in range(3)),
    )
    assert await _total(acme, resource) == 8
    # Nothing is counted for a delete that finds nothing.
    assert (await acme.http.delete(f"/external/v1/{resource}/{deleted[0]}")).status_code == 404
    assert await _total(acme, resource) == 8
    assert await _total(rival, resource) == 1


async def test_findings_of_an_analysis_are_counted_once(make_tenant: MakeTenant) -> None:
    tenant = await make_tenant()
    signal = await tenant.create_signal(TRANSCRIPT, signalType="transcript")
    processed = await tenant.wait_until_processed(signal["id"])
    found = len(processed["insightIds"])
    assert found > 0
    assert await _total(tenant, "insights") == found
    again = await reprocess(tenant, signal["id"])
    assert await _total(tenant, "insights") == len(again["insightIds"])
    assert await _total(tenant, "insights", order="asc") == len(await tenant.get("insights"))


async def test_a_refused_create_is_not_counted(acme: Tenant) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    response = await acme.http.post(
        "/external/v1/insights", json={**MINIMAL["insights"], "ideaIds": [unknown]}
    )
    assert response.status_code == 400
    assert await _total(acme, "insights") == 0
