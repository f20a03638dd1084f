"""Authentication by API key: a cached key is never accepted after its revocation."""

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.core.problems import Unauthorized
from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.tenancy import keyring as keyring_module
from domains.kernel.tenancy.keyring import Keyring
from gateway.cli import admin
from tests.stack import Stack, eventually


class Requests:
    """Requests with one new API key. Counts those for which the keyring queried the database."""

    def __init__(self, stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keyring = Keyring(database, load_settings(stack.env))
        self.queries = 0
        # The test's hook runs after each query, before the keyring receives the result.
        self.after_query: Callable[[], None] = lambda: None
        self._database = database
        first = database.read.first

        async def counted(*args: Any, **params: Any) -> Any:
            result = await first(*args, **params)
            self.queries += 1
            self.after_query()
            return result

        monkeypatch.setattr(database.read, "first", counted)

    async def create_key(self) -> UUID:
        """Create the key and return its id."""
        workspace = await admin.create_workspace(self._database, f"w-{secrets.token_hex(6)}")
        key = await admin.create_key(self._database, workspace.name, ["read"])
        self._header = f"Bearer {key.key}"
        return key.id

    async def send(self) -> bool:
        """Authenticate. Returns True if the key came from the cache."""
        before = self.queries
        await self.keyring.authenticate(self._header)
        return self.queries == before


@pytest.fixture
async def requests(stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch) -> Requests:
    return Requests(stack, database, monkeypatch)


async def test_nothing_is_cached_without_the_listener(
    database: Database, requests: Requests
) -> None:
    """Therefore a key that is revoked without a notification is refused, too."""
    key_id = await requests.create_key()
    for _ in range(3):
        assert not await requests.send()
    async with requests.keyring.listening():
        await eventually(requests.send)
    async with database.connection() as connection:
        await connection.execute("update api_keys set revoked_at = now() where id = $1", key_id)

    async def refused() -> bool:
        try:
            await requests.send()
        except Unauthorized:
            return True
        return False

    await eventually(refused)


async def test_a_cached_key_is_read_again_after_its_lifetime(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without a revocation: its notification may have been lost between two nonces."""
    await requests.create_key()
    async with requests.keyring.listening():
        await eventually(requests.send)
        monkeypatch.setattr(keyring_module, "_CACHE_LIFETIME", 0.0)
        requests.keyring.clear_cache()
        for _ in range(3):
            assert not await requests.send()


async def test_a_look_up_during_a_revocation_is_not_cached(requests: Requests) -> None:
    await requests.create_key()
    async with requests.keyring.listening():
        await eventually(requests.send)
        requests.keyring.clear_cache()
        # The notification arrives between the query and the cache.
        requests.after_query = requests.keyring.clear_cache
        assert not await requests.send()
        assert not await requests.send()
