"""A revoked key is refused at once, also where notifications do not arrive."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from domains.kernel.db.database import Database
from tests.fakes.postgres_proxy import PostgresProxy, running_proxy
from tests.stack import Process, Stack, Tenant, eventually, new_tenant

# Seconds from a revocation until it holds, at the latest.
BOUND = 2.0
CONTEXT = "/external/v1/auth/context"
# New connections, which the kernel distributes at random: all in one process is impossible.
CONNECTIONS = 30


@pytest.fixture(scope="module")
def proxy(stack: Stack) -> Iterator[PostgresProxy]:
    with running_proxy(stack.database_url) as started:
        yield started


@pytest.fixture(scope="module")
def api(stack: Stack, proxy: PostgresProxy, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """An API process that reaches PostgreSQL through the proxy. Not started."""
    folder = tmp_path_factory.mktemp("revocation")
    return Stack(folder, {**stack.urls, "DATABASE_URL": proxy.url})


@contextlib.contextmanager
def running(api: Stack, processes: int) -> Iterator[None]:
    """Run API processes within the block."""
    arguments = ("serve", "--processes", str(processes))
    api.api = Process("gateway", api.env, api.folder / "api.log", *arguments)
    try:
        api.start_api()
        yield
    finally:
        api.api.stop()
        api.api.log.unlink()


async def revoke(stack: Stack, tenant: Tenant) -> float:
    """Revoke the key as an operator does. Returns the time at which it was revoked.

    Sends requests meanwhile, so that each process has used the key shortly before.
    """
    command = [sys.executable, "-m", "gateway", "keys", "revoke", tenant.key_id]
    environment = {**os.environ, **stack.urls}
    revoking = asyncio.create_task(
        asyncio.to_thread(subprocess.run, command, env=environment, check=True)
    )
    while not revoking.done():
        assert await statuses(tenant) <= {200, 401}
    await revoking
    return time.monotonic()


async def statuses(tenant: Tenant) -> set[int]:
    """Statuses of requests on many new connections."""
    responses = await asyncio.gather(
        *(tenant.http.get(CONTEXT, headers={"Connection": "close"}) for _ in range(CONNECTIONS))
    )
    return {response.status_code for response in responses}


async def refused_in_time(tenant: Tenant, revoked_at: float) -> None:
    """Fail unless all requests that begin BOUND seconds after the revocation are refused."""

    async def refused() -> bool:
        return await statuses(tenant) == {401}

    with contextlib.suppress(AssertionError):
        await eventually(refused, revoked_at + BOUND - time.monotonic())
    assert await refused()


async def test_a_revoked_key_is_refused_where_no_notification_arrives(
    stack: Stack, database: Database, proxy: PostgresProxy, api: Stack
) -> None:
    """Of two processes, one receives notifications and the other one never does."""
    first = proxy.listeners
    proxy.drops_notifications = lambda listener: listener != first
    with running(api, 2):
        async with (
            new_tenant(api, database=database) as revoked,
            new_tenant(api, database=database) as other,
        ):
            assert await statuses(revoked) == await statuses(other) == {200}
            await refused_in_time(revoked, await revoke(stack, revoked))
            assert await statuses(other) == {200}


async def test_a_revoked_key_is_refused_after_notifications_have_stopped(
    stack: Stack, database: Database, proxy: PostgresProxy, api: Stack
) -> None:
    """Also once they arrive again: the one about the key does not."""
    dropping = False
    proxy.drops_notifications = lambda _listener: dropping
    with running(api, 1):
        async with (
            new_tenant(api, database=database) as revoked,
            new_tenant(api, database=database) as other,
        ):
            await eventually(lambda: proxy.forwarded_notifications > 0)
            assert await statuses(revoked) == await statuses(other) == {200}
            dropping = True
            await refused_in_time(revoked, await revoke(stack, revoked))
            assert await statuses(other) == {200}
            await eventually(lambda: "notifications_missed" in api.api.log.read_text())
            dropping = False
            await eventually(lambda: "notifications_arrive" in api.api.log.read_text())
            assert await statuses(revoked) == {401}
            assert await statuses(other) == {200}
