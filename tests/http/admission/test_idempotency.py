"""`Idempotency-Key` on POST: a repeated request has no second effect."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Conflict
from domains.kernel.db.database import Database
from domains.kernel.tenancy import idempotency
from domains.kernel.tenancy.idempotency import Reservation, StoredResponse
from tests.conftest import MakeTenant
from tests.stack import Tenant

SIGNALS = "/external/v1/signals"
BODY = {"text": "The export fails.", "signalType": "review"}


async def _post(tenant: Tenant, key: str, body: Any = None, path: str = SIGNALS) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await tenant.http.post(path, json=BODY if body is None else body, headers=headers)


async def _count(tenant: Tenant) -> int:
    return int((await tenant.http.get(SIGNALS)).headers["X-Total-Count"])


async def _set_age(database: Database, tenant: Tenant, **age: int) -> None:
    """Change the age of the tenant's reservations and stored responses."""
    async with database.connection() as connection:
        await connection.execute(
            "update idempotency set created_at = now() - $2::interval where key_id = $1",
            UUID(tenant.key_id),
            timedelta(**age),
        )


async def test_a_repeated_request_gets_the_stored_response(acme: Tenant) -> None:
    first = await _post(acme, "k")
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(2):
        repeated = await _post(acme, "k")
        assert repeated.status_code == 201
        assert repeated.content == first.content
        assert repeated.headers["Idempotent-Replayed"] == "true"
        assert repeated.headers["Content-Type"] == first.headers["Content-Type"]
        assert repeated.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await _count(acme) == 1


async def test_the_key_with_another_body_or_path_gets_409(acme: Tenant) -> None:
    first = await _post(acme, "k")
    other_body = await _post(acme, "k", {**BODY, "name": "x"})
    other_path = await _post(acme, "k", path=f"{SIGNALS}/{first.json()['id']}/process")
    assert other_body.status_code == other_path.status_code == 409
    assert await _count(acme) == 1


async def test_after_an_error_the_key_can_be_used_again(acme: Tenant) -> None:
    assert (await _post(acme, "k", {"text": "x"})).status_code == 400
    assert (await _post(acme, "k")).status_code == 201


async def test_idempotency_keys_belong_to_an_api_key(make_tenant: MakeTenant, acme: Tenant) -> None:
    colleague = await make_tenant(workspace=acme.name)
    rival = await make_tenant()
    for tenant in (acme, colleague, rival):
        response = await _post(tenant, "k")
        assert response.status_code == 201
        assert "Idempotent-Replayed" not in response.headers
    assert await _count(acme) == 2


async def test_concurrent_repetitions_have_one_effect(acme: Tenant) -> None:
    responses = await asyncio.gather(*(_post(acme, "k") for _ in range(20)))
    assert {response.status_code for response in responses} <= {201, 409}
    created = {response.json()["id"] for response in responses if response.status_code == 201}
    assert len(created) == 1
    assert await _count(acme) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
async def test_an_invalid_key_gets_400(acme: Tenant, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    response = await acme.http.post(SIGNALS, json=BODY, headers=headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await _count(acme) == 0


async def test_a_running_request_blocks_its_key_for_a_minute(
    acme: Tenant, database: Database
) -> None:
    """A reservation like that of a crashed process simulates the running request."""
    await _post(acme, "k", {"text": "x"})
    reservation = Reservation(
        WorkspaceId(UUID(acme.workspace)), UUID(acme.key_id), "k", b"another request"
    )
    assert await idempotency.reserve(database.read, reservation) is None
    response = await _post(acme, "k")
    assert response.status_code == 409
    await _set_age(database, acme, seconds=61)
    assert (await _post(acme, "k")).status_code == 201


async def test_a_request_that_lost_its_reservation_stores_nothing(
    acme: Tenant, database: Database
) -> None:
    """After the first reservation expires, the second replaces it: only the second may store."""
    fields = (WorkspaceId(UUID(acme.workspace)), UUID(acme.key_id), "k", b"the same request")
    first, second = Reservation(*fields), Reservation(*fields)
    response = StoredResponse(201, "application/json", b"{}")
    assert await idempotency.reserve(database.read, first) is None
    await _set_age(database, acme, seconds=61)
    assert await idempotency.reserve(database.read, second) is None
    await idempotency.release(database.read, first)
    with pytest.raises(Conflict):
        async with database.transaction() as tx:
            await idempotency.store_response(tx, first, response)
    async with database.transaction() as tx:
        await idempotency.store_response(tx, second, response)
    assert await idempotency.reserve(database.read, Reservation(*fields)) == response


async def test_expired_responses_are_deleted(acme: Tenant, database: Database) -> None:
    await _post(acme, "k")
    await _set_age(database, acme, hours=25)
    await idempotency.delete_expired(database.read)
    async with database.connection() as connection:
        query = "select 1 from idempotency where key_id = $1"
        assert await connection.fetchval(query, UUID(acme.key_id)) is None


async def test_a_response_is_replayed_for_24_hours(acme: Tenant, database: Database) -> None:
    first = await _post(acme, "k")
    for hours, replayed in ((23, True), (25, False)):
        await _set_age(database, acme, hours=hours)
        repeated = await _post(acme, "k")
        assert (repeated.json()["id"] == first.json()["id"]) is replayed


async def test_patch_ignores_the_header(acme: Tenant) -> None:
    signal = await acme.create_signal()
    path = f"{SIGNALS}/{signal['id']}"
    for external_id in ("a", "b"):
        headers = {"Idempotency-Key": "k"}
        response = await acme.http.patch(path, json={"externalId": external_id}, headers=headers)
        assert response.json()["externalId"] == external_id
