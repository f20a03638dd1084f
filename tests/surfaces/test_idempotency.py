"""`Idempotency-Key` on POST: sent again, the same request has no second effect."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from domains.kernel.core.problems import Conflict
from domains.kernel.core.workspace_id import WorkspaceId
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


async def test_the_same_request_gets_the_first_answer_again(acme: Tenant) -> None:
    first = await _post(acme, "k")
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(2):
        again = await _post(acme, "k")
        assert again.status_code == 201
        assert again.content == first.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["Content-Type"] == first.headers["Content-Type"]
        assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await _count(acme) == 1


async def test_another_body_or_path_is_409(acme: Tenant) -> None:
    first = await _post(acme, "k")
    other_body = await _post(acme, "k", {**BODY, "name": "x"})
    other_path = await _post(acme, "k", path=f"{SIGNALS}/{first.json()['id']}/process")
    assert other_body.status_code == other_path.status_code == 409
    assert await _count(acme) == 1


async def test_a_refused_request_leaves_the_key_free(acme: Tenant) -> None:
    assert (await _post(acme, "k", {"text": "x"})).status_code == 400
    assert (await _post(acme, "k")).status_code == 201


async def test_each_api_key_has_its_own(make_tenant: MakeTenant, acme: Tenant) -> None:
    colleague = await make_tenant(workspace=acme.name)
    rival = await make_tenant()
    for tenant in (acme, colleague, rival):
        answer = await _post(tenant, "k")
        assert answer.status_code == 201
        assert "Idempotent-Replayed" not in answer.headers
    assert await _count(acme) == 2


async def test_twenty_at_once_have_one_effect(acme: Tenant) -> None:
    answers = await asyncio.gather(*(_post(acme, "k") for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert await _count(acme) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
async def test_a_key_out_of_bounds_is_400(acme: Tenant, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await acme.http.post(SIGNALS, json=BODY, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await _count(acme) == 0


async def test_a_request_under_way_is_409_until_its_minute_is_over(
    acme: Tenant, database: Database
) -> None:
    """The reservation of a process that died: nothing of it is left but the row."""
    await _post(acme, "k", {"text": "x"})
    held = Reservation(WorkspaceId(UUID(acme.workspace)), UUID(acme.key_id), "k", b"somebody else")
    assert await idempotency.reserve(database.read, held) is None
    answer = await _post(acme, "k")
    assert answer.status_code == 409
    async with database.connection() as connection:
        await connection.execute(
            "update idempotency set created_at = now() - interval '61 seconds' where key_id = $1",
            UUID(acme.key_id),
        )
    assert (await _post(acme, "k")).status_code == 201


async def test_an_overtaken_request_stores_nothing(acme: Tenant, database: Database) -> None:
    """The first one took too long, the second took its turn: only the second may store."""
    turn = (WorkspaceId(UUID(acme.workspace)), UUID(acme.key_id), "k", b"the same request")
    first, second = Reservation(*turn), Reservation(*turn)
    answer = StoredResponse(201, "application/json", b"{}")
    assert await idempotency.reserve(database.read, first) is None
    async with database.connection() as connection:
        await connection.execute(
            "update idempotency set created_at = now() - interval '61 seconds' where key_id = $1",
            UUID(acme.key_id),
        )
    assert await idempotency.reserve(database.read, second) is None
    await idempotency.release(database.read, first)
    with pytest.raises(Conflict):
        async with database.transaction() as tx:
            await idempotency.store_response(tx, first, answer)
    async with database.transaction() as tx:
        await idempotency.store_response(tx, second, answer)
    assert await idempotency.reserve(database.read, Reservation(*turn)) == answer


async def test_old_answers_are_forgotten(acme: Tenant, database: Database) -> None:
    await _post(acme, "k")
    async with database.connection() as connection:
        await connection.execute(
            "update idempotency set created_at = now() - interval '25 hours' where key_id = $1",
            UUID(acme.key_id),
        )
        await idempotency.delete_expired(database.read)
        left = await connection.fetchval(
            "select count(*) from idempotency where key_id = $1", UUID(acme.key_id)
        )
    assert left == 0


async def test_an_answer_is_kept_for_a_day(acme: Tenant, database: Database) -> None:
    first = await _post(acme, "k")
    async with database.connection() as connection:
        for hours, replayed in ((23, True), (25, False)):
            await connection.execute(
                "update idempotency set created_at = now() - make_interval(hours => $2)"
                " where key_id = $1",
                UUID(acme.key_id),
                hours,
            )
            again = await _post(acme, "k")
            assert (again.json()["id"] == first.json()["id"]) is replayed


async def test_reads_and_patches_ignore_the_header(acme: Tenant) -> None:
    signal = await acme.create_signal()
    path = f"{SIGNALS}/{signal['id']}"
    for external_id in ("a", "b"):
        headers = {"Idempotency-Key": "k"}
        answer = await acme.http.patch(path, json={"externalId": external_id}, headers=headers)
        assert answer.json()["externalId"] == external_id
