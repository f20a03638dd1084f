"""`gateway keys rotate`: a key is replaced without an interruption."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domains.kernel.db.database import Database
from tests.cli.gateway_command import Gateway
from tests.cli.keys.conftest import CreateKey, get_key, listed_line, status
from tests.stack import eventually
from tests.workers.support import execute

COPIED = ("workspaceId", "name", "description", "scopes", "limits", "allow")


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)


async def test_both_keys_work_during_the_overlap(
    gateway: Gateway, create_key: CreateKey, api: httpx.AsyncClient
) -> None:
    old = await create_key(
        *("--name", "crm", "--description", "Nightly sync", "--limit-per-minute", "500"),
        *("--allow", "127.0.0.0/8", "--allow", "::1"),
    )
    new = (await gateway("keys", "rotate", old["id"], "--json")).json()
    assert new["key"] != old["key"]
    assert {name: new[name] for name in COPIED} == {name: old[name] for name in COPIED}
    assert (new["replaces"], new["expiresAt"]) == (old["id"], None)
    for key in (old, new):
        assert await status(api, key) == 200
    ends = _time(new["replaced"]["expiresAt"]) - datetime.now(UTC)
    assert timedelta(hours=23) < ends <= timedelta(hours=24)
    assert (await get_key(gateway, old["id"]))["replacedBy"] == new["id"]
    assert old["id"] in (await listed_line(gateway, new["id"]))
    assert "(expires in 23 h)" in await listed_line(gateway, old["id"])


async def test_the_lifetime_is_that_of_the_old_key_and_the_overlap_ends_with_it(
    gateway: Gateway, create_key: CreateKey
) -> None:
    expires = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    old = await create_key("--expires", expires)
    new = (await gateway("keys", "rotate", old["id"], "--overlap", "7d", "--json")).json()
    assert new["replaced"]["expiresAt"] == old["expiresAt"]
    lifetimes = [_time(key["expiresAt"]) - _time(key["createdAt"]) for key in (old, new)]
    assert lifetimes[0] == lifetimes[1]


async def test_without_an_overlap_the_old_key_is_revoked(
    gateway: Gateway, create_key: CreateKey, api: httpx.AsyncClient
) -> None:
    old = await create_key()
    assert await status(api, old) == 200
    rotated = await gateway("keys", "rotate", old["id"], "--overlap", "0")
    assert rotated.code == 0
    assert "revoked" in rotated.err
    text = next(line for line in rotated.out.splitlines() if line.startswith("sk_live_"))
    assert await status(api, {"key": text}) == 200

    async def refused() -> bool:
        return await status(api, old) == 401

    await eventually(refused)
    assert "revoked" in await listed_line(gateway, old["id"])


async def test_a_key_that_cannot_be_rotated_says_what_to_do(
    gateway: Gateway, create_key: CreateKey, database: Database
) -> None:
    revoked, expired, replaced = [await create_key() for _ in range(3)]
    assert (await gateway("keys", "revoke", revoked["id"])).code == 0
    await execute(database, "update api_keys set expires_at = now() where id = $1", expired["id"])
    successor = (await gateway("keys", "rotate", replaced["id"], "--json")).json()
    before = len((await gateway("keys", "list", "--json")).json())
    expected: list[tuple[Any, tuple[str, ...]]] = [
        (revoked["id"], ("revoked", "gateway keys create")),
        (expired["id"], ("expired", "gateway keys create")),
        (replaced["id"], ("rotated already", successor["id"])),
        ("0199c2f4-0000-7000-8000-000000000000", ("There is no key", "gateway keys list")),
        ("sk_live_x", ("not the id of a key",)),
    ]
    for key_id, parts in expected:
        refusal = (await gateway("keys", "rotate", key_id)).refusal()
        for part in parts:
            assert part in refusal
    assert len((await gateway("keys", "list", "--json")).json()) == before


@pytest.mark.parametrize("overlap", ["", "1", "-1h", "1.5h", "24 hours", "99999d", "²h"])
async def test_a_wrong_overlap_is_a_usage_error(gateway: Gateway, overlap: str) -> None:
    result = await gateway("keys", "rotate", "x", "--overlap", overlap)
    assert (result.code, result.out) == (2, "")
    assert "24h" in result.err
