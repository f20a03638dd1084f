"""Fixtures: keys created by the command, and requests with them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.cli.gateway_command import Gateway
from tests.stack import Stack

CreateKey = Callable[..., Awaitable[Any]]
CONTEXT = "/external/v1/auth/context"


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API without a key."""
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=30) as client:
        yield client


@pytest.fixture
def create_key(gateway: Gateway, workspace: Any) -> CreateKey:
    """Creates a key of the workspace with further options, and returns its JSON."""

    async def create(*options: str) -> Any:
        scope = ("--scope", "signals:read")
        command = ("keys", "create", "--workspace", workspace["id"], *scope, *options, "--json")
        return (await gateway(*command)).json()

    return create


async def send(api: httpx.AsyncClient, key: Any, **headers: str) -> httpx.Response:
    """Send a request with the key."""
    return await api.get(CONTEXT, headers={"Authorization": f"Bearer {key['key']}", **headers})


async def status(api: httpx.AsyncClient, key: Any) -> int:
    """Status of a request with the key."""
    return (await send(api, key)).status_code


async def get_key(gateway: Gateway, key_id: str) -> Any:
    """The record of a key in the list of keys."""
    listed = (await gateway("keys", "list", "--json")).json()
    return next(key for key in listed if key["id"] == key_id)


async def listed_line(gateway: Gateway, key_id: str) -> str:
    """The line of a key in the list of keys."""
    lines = (await gateway("keys", "list")).out.splitlines()
    return next(line for line in lines if line.startswith(key_id))
