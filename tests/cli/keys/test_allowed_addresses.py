"""Keys that may be used from some addresses only, directly and behind trusted proxies."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.cli.gateway_command import Gateway
from tests.cli.keys.conftest import CreateKey, get_key, send, status
from tests.stack import Process, Stack, eventually, free_port

REFUSAL = "This API key may not be used from this address."


@pytest.fixture(scope="module")
def proxied_url(stack: Stack) -> Iterator[str]:
    """A second API process of the stack, which trusts proxies on this machine and in 10.9/16."""
    port = free_port()
    environment = {
        **stack.env,
        "GATEWAY_PORT": str(port),
        "GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8, 10.9.0.0/16",
    }
    process = Process("gateway.serve", environment, stack.folder / "proxied.log")
    process.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


@pytest.fixture
async def proxied(proxied_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API behind trusted proxies: it is one of them."""
    async with httpx.AsyncClient(base_url=proxied_url, timeout=30) as client:

        async def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get("/livez")).is_success
            return False

        await eventually(answers)
        yield client


async def test_a_request_from_another_address_is_403_in_the_body_of_each_api(
    create_key: CreateKey, api: httpx.AsyncClient
) -> None:
    key = await create_key(
        "--allow", "203.0.113.0/24", "--scope", "read", "--limit-per-minute", "1"
    )
    for _ in range(3):
        # Not counted: the limit of 1 would answer 429.
        refused = await api.get("/external/v1/signals", headers=_bearer(key))
        assert (refused.status_code, refused.json()["detail"]) == (403, REFUSAL)
        assert "x-ratelimit-limit" not in refused.headers
    refused = await api.get("/v1/rows", headers=_bearer(key))
    assert refused.status_code == 403
    assert REFUSAL in refused.text
    assert refused.json().keys() == {"detail"}


def _bearer(key: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def test_a_header_of_a_client_that_is_no_proxy_is_ignored(
    create_key: CreateKey, api: httpx.AsyncClient
) -> None:
    key = await create_key("--allow", "203.0.113.0/24")
    assert (await send(api, key, **{"X-Forwarded-For": "203.0.113.7"})).status_code == 403
    local = await create_key("--allow", "::ffff:127.0.0.0/104")
    assert local["allow"] == ["127.0.0.0/8"]
    assert (await send(api, local, **{"X-Forwarded-For": "203.0.113.7"})).status_code == 200


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        (["203.0.113.7"], True),
        (["203.0.113.7, 10.9.1.1"], True),
        (["203.0.113.7:4711"], True),
        (["::ffff:203.0.113.7"], True),
        # The client has sent the first address, and the proxy has added the second.
        (["203.0.113.7, 198.51.100.1"], False),
        (["203.0.113.7", "198.51.100.1"], False),
        (["203.0.113.7, 198.51.100.1, 10.9.1.1"], False),
        (["203.0.113.7, unknown"], False),
        (["203.0.113.7,"], False),
        ([], False),
    ],
)
async def test_the_address_behind_proxies_is_the_last_that_is_no_proxy(
    create_key: CreateKey, proxied: httpx.AsyncClient, forwarded: list[str], allowed: bool
) -> None:
    key = await create_key("--allow", "203.0.113.7")
    headers = [("X-Forwarded-For", value) for value in forwarded]
    response = await proxied.get(
        "/external/v1/auth/context", headers=[*_bearer(key).items(), *headers]
    )
    assert response.status_code == (200 if allowed else 403)


async def test_all_processes_apply_a_changed_list_at_once(
    gateway: Gateway, create_key: CreateKey, api: httpx.AsyncClient, proxied: httpx.AsyncClient
) -> None:
    key = await create_key()
    clients = (api, proxied)

    async def statuses() -> set[int]:
        return {await status(client, key) for client in clients}

    async def all_refuse() -> bool:
        return await statuses() == {403}

    async def all_accept() -> bool:
        return await statuses() == {200}

    assert await all_accept()
    for networks, applied in (
        (["203.0.113.0/24", "2001:db8::/32"], all_refuse),
        ([""], all_accept),
    ):
        options = [part for network in networks for part in ("--allow", network)]
        changed = (await gateway("keys", "set", key["id"], *options, "--json")).json()
        assert changed["allow"] == [network for network in networks if network]
        await eventually(applied)


async def test_set_changes_only_what_is_given(gateway: Gateway, create_key: CreateKey) -> None:
    key = await create_key("--name", "old", "--description", "Sync", "--allow", "127.0.0.1")
    assert (await gateway("keys", "set", key["id"], "--name", "new")).code == 0
    changed = await get_key(gateway, key["id"])
    assert (changed["name"], changed["description"], changed["allow"]) == (
        *("new", "Sync"),
        ["127.0.0.1/32"],
    )
    nothing = await gateway("keys", "set", key["id"])
    assert (nothing.code, nothing.out) == (2, "")


@pytest.mark.parametrize(
    ("network", "part"),
    [("10.0.0.1/8", "10.0.0.0/8"), ("localhost", "neither an address"), ("1.2.3.4/33", "neither")],
)
async def test_a_wrong_network_says_what_is_expected(
    gateway: Gateway, create_key: CreateKey, network: str, part: str
) -> None:
    key = await create_key()
    assert part in (await gateway("keys", "set", key["id"], "--allow", network)).refusal()
