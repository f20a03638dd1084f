"""A revoked key is refused within two seconds, also where notifications do not arrive."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from domains.kernel.core.problems import Unauthorized
from domains.kernel.core.settings import load_settings
from domains.kernel.db.database import Database
from domains.kernel.tenancy.keyring import Keyring
from gateway.cli import admin
from tests.fakes.postgres_proxy import PostgresProxy, running_proxy
from tests.stack import Process, Stack, Tenant, eventually, new_tenant

# Seconds from a revocation until it holds, at the latest.
BOUND = 2.0
CONTEXT = "/external/v1/auth/context"
# New connections, which the kernel distributes at random: all in one process is impossible.
CONNECTIONS = 30


@pytest.fixture
def proxy(stack: Stack) -> Iterator[PostgresProxy]:
    with running_proxy(stack.database_url) as started:
        yield started


# --- one process ------------------------------------------------------------------------------


@pytest.fixture
async def keyring(stack: Stack, proxy: PostgresProxy) -> AsyncIterator[Keyring]:
    """The keyring of a process that reaches PostgreSQL through the proxy."""
    async with Database.open(proxy.url) as database:
        opened = Keyring(database, load_settings(stack.env))
        async with opened.listening():
            yield opened


async def _accepted(keyring: Keyring, tenant: Tenant) -> bool:
    try:
        await keyring.authenticate(f"Bearer {tenant.key}")
    except Unauthorized:
        return False
    return True


async def _refuses_in_time(keyring: Keyring, tenant: Tenant) -> None:
    async def refused() -> bool:
        return not await _accepted(keyring, tenant)

    await eventually(refused, BOUND)


async def test_a_revocation_holds_after_notifications_have_stopped(
    database: Database, proxy: PostgresProxy, keyring: Keyring, acme: Tenant, rival: Tenant
) -> None:
    """Also once they arrive again: the one about the key does not."""
    await eventually(lambda: proxy.forwarded_notifications)
    assert await _accepted(keyring, acme)
    assert await _accepted(keyring, rival)
    proxy.drops_notifications = lambda _listener: True
    await admin.revoke_key(database, acme.key_id)
    await _refuses_in_time(keyring, acme)
    assert await _accepted(keyring, rival)
    received = proxy.forwarded_notifications
    proxy.drops_notifications = lambda _listener: False
    await eventually(lambda: proxy.forwarded_notifications > received + 1)
    assert not await _accepted(keyring, acme)
    assert await _accepted(keyring, rival)


async def test_a_key_is_not_cached_while_notifications_are_missed(
    database: Database, proxy: PostgresProxy, keyring: Keyring, acme: Tenant
) -> None:
    """Keys cached before a gap in the proof are forgotten. A listener without proof reconnects."""
    proxy.drops_notifications = lambda _listener: True
    await eventually(lambda: proxy.listeners > 2)
    assert await _accepted(keyring, acme)
    await admin.revoke_key(database, acme.key_id)
    assert not await _accepted(keyring, acme)


async def test_nonces_of_others_prove_nothing(proxy: PostgresProxy, keyring: Keyring) -> None:
    listener = keyring._listener
    await eventually(lambda: listener.proven)
    proxy.drops_notifications = lambda _listener: True
    for payload in ("", "0" * 32, "é", listener._channel):
        await eventually(lambda: not listener.proven)
        listener._receive_nonce(payload)
        assert not listener.proven


# --- several processes ------------------------------------------------------------------------


@contextlib.contextmanager
def _two_processes(stack: Stack, proxy: PostgresProxy, name: str) -> Iterator[Stack]:
    """Two API processes that reach PostgreSQL through the proxy."""
    folder = stack.folder / name
    folder.mkdir()
    api = Stack(folder, {**stack.urls, "DATABASE_URL": proxy.url})
    api.api = Process("gateway", api.env, folder / "api.log", "serve", "--processes", "2")
    try:
        api.start_api()
        yield api
    finally:
        api.api.stop()


async def _statuses(tenant: Tenant) -> set[int]:
    """Statuses of requests on many new connections."""
    responses = await asyncio.gather(
        *(tenant.http.get(CONTEXT, headers={"Connection": "close"}) for _ in range(CONNECTIONS))
    )
    return {response.status_code for response in responses}


async def _revoke(stack: Stack, tenant: Tenant) -> float:
    """Revoke the key as an operator does. Returns the time at which it was revoked.

    Sends requests meanwhile, so that each process has used the key shortly before.
    """
    command = [sys.executable, "-m", "gateway", "keys", "revoke", tenant.key_id]
    environment = {**os.environ, **stack.urls}
    revoking = asyncio.create_task(
        asyncio.to_thread(subprocess.run, command, env=environment, check=True)
    )
    while not revoking.done():
        assert await _statuses(tenant) <= {200, 401}
        await asyncio.sleep(0.2)
    await revoking
    return time.monotonic()


async def test_a_process_that_receives_no_notifications_refuses_a_revoked_key(
    stack: Stack, database: Database, proxy: PostgresProxy
) -> None:
    """Of two processes, the other one receives them."""
    proxy.drops_notifications = lambda listener: listener != 0
    with _two_processes(stack, proxy, "two-processes") as api:
        async with (
            new_tenant(api, database=database) as revoked,
            new_tenant(api, database=database) as other,
        ):
            await eventually(lambda: proxy.listeners >= 2)
            assert await _statuses(revoked) == await _statuses(other) == {200}
            revoked_at = await _revoke(stack, revoked)

            async def refused() -> bool:
                return await _statuses(revoked) == {401}

            await eventually(refused, revoked_at + BOUND - time.monotonic())
            assert await _statuses(other) == {200}
