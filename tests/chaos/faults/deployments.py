"""Faults of several API servers: rate limits, idempotency keys, revocation, rolling restarts."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx

from domains.kernel.core.tasks import background_task
from domains.kernel.tenancy.api_keys import RateLimitOverrides
from tests.chaos.chaos_stack import ChaosStack, Server
from tests.chaos.workload import Item, Workload
from tests.fakes.http_balancer import HttpBalancer
from tests.stack import Tenant, eventually, new_tenant

# Processes of each server. Starting them takes most of the time of a short scenario.
FEW: Final = (1, 1)
MANY: Final = (2, 1)

_CONTEXT: Final = "/external/v1/auth/context"
# Requests on new connections, which Linux distributes at random: all processes get some.
_CONNECTIONS: Final = 20


@contextlib.asynccontextmanager
async def _balanced(stack: ChaosStack, workload: Workload) -> AsyncIterator[HttpBalancer]:
    """Send the requests of the workload through a balancer."""
    async with stack.balanced() as balancer:
        workload.tenant.http.base_url = httpx.URL(balancer.url)
        yield balancer
    workload.tenant.http.base_url = httpx.URL(stack.base_url)


async def _kill_member(stack: ChaosStack, server: Server) -> None:
    """Kill one of the processes of a server, and wait until it is replaced."""
    member = min(server.members())
    os.kill(member, signal.SIGKILL)
    stack.faults += 1
    await eventually(lambda: server.alive and member not in server.members())
    await server.until_ready()


async def _get(tenant: Tenant, url: str = "") -> httpx.Response | None:
    """The response to a request on a connection of its own. None: the connection was lost."""
    with contextlib.suppress(httpx.TransportError):
        return await tenant.http.get(url + _CONTEXT, headers={"Connection": "close"})
    return None


def _statuses(responses: list[httpx.Response | None]) -> Counter[int | None]:
    return Counter(None if response is None else response.status_code for response in responses)


# --- rate limits ------------------------------------------------------------------------------


async def exhaust_rate_limit(stack: ChaosStack, workload: Workload) -> None:
    """Send 300 requests with a limit of 100 per minute; kill an API process, then Valkey."""
    # Also per hour: on a slow machine the scenario takes more than a minute.
    limits = RateLimitOverrides(minute=100, hour=100)
    async with (
        _balanced(stack, workload) as balancer,
        stack.supervised(),
        new_tenant(stack, limits=limits, workspace=workload.tenant.name) as limited,
        workload.sending_in_background(senders=1),
    ):
        limited.http.base_url = httpx.URL(balancer.url)
        requests = [asyncio.create_task(_get(limited)) for _ in range(300)]
        await eventually(lambda: sum(request.done() for request in requests) >= 50)
        await _kill_member(stack, stack.servers[0])
        statuses = _statuses(await asyncio.gather(*requests))
        assert set(statuses) <= {200, 429, None}, statuses
        # The killed process may have counted requests that it did not answer.
        assert statuses[200] <= 100 <= statuses[200] + statuses[None], statuses
        assert _counted(stack, limited) == 100
        assert set(_statuses(await _many(limited))) == {429}
        await _lose_limiter(stack, limited)


async def _lose_limiter(stack: ChaosStack, limited: Tenant) -> None:
    """Kill and restart Valkey: requests pass meanwhile, and counts from before are kept."""
    os.kill(stack.valkey_pid(), signal.SIGKILL)
    stack.faults += 1
    passed = await _many(limited)
    assert set(_statuses(passed)) == {200}
    assert not any(response and "X-RateLimit-Limit" in response.headers for response in passed)
    await asyncio.to_thread(stack.valkey.start)

    async def limited_again() -> bool:
        return set(_statuses(await _many(limited))) == {429}

    await eventually(limited_again)
    assert _counted(stack, limited) == 100


async def _many(tenant: Tenant, url: str = "") -> list[httpx.Response | None]:
    return await asyncio.gather(*(_get(tenant, url) for _ in range(_CONNECTIONS)))


def _counted(stack: ChaosStack, limited: Tenant) -> int:
    """Number of requests of a key that are counted in Valkey."""
    with stack.redis() as client:
        return int(client.zcard(f"limit:{limited.key_id}"))


# --- idempotency keys -------------------------------------------------------------------------


async def repeat_requests(stack: ChaosStack, workload: Workload, *, rounds: int) -> None:
    """Send each request 50 times at once with one Idempotency-Key: it takes effect once.

    Meanwhile a server is killed, or the connections of all servers to PostgreSQL are cut.
    """
    faults: list[Callable[[ChaosStack], Awaitable[None]]] = [_kill_server, _cut_connections]
    async with _balanced(stack, workload), stack.supervised():
        for number in range(rounds):
            item = workload.prepare()
            await _repeat(stack, workload, item, faults[number % len(faults)])
        await _kill_during_request(stack, workload)


async def _repeat(
    stack: ChaosStack,
    workload: Workload,
    item: Item,
    inject: Callable[[ChaosStack], Awaitable[None]],
) -> None:
    """Send a request 50 times at once, and inject a fault when the first response is there."""
    requests = [asyncio.create_task(_post(workload, item)) for _ in range(50)]
    await eventually(lambda: any(request.done() for request in requests))
    await inject(stack)
    await _check_repetitions(stack, workload, item, await asyncio.gather(*requests))


async def _kill_server(stack: ChaosStack) -> None:
    await stack.kill(stack.servers[1])


async def _cut_connections(stack: ChaosStack) -> None:
    """Cut the connections of all API processes, also those that listen for revocations."""
    async with stack.connected() as connection:
        stack.faults += await connection.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where application_name in ('gateway-api', 'gateway-listener')"
        )


async def _post(workload: Workload, item: Item, url: str = "") -> httpx.Response | None:
    with contextlib.suppress(httpx.TransportError):
        return await workload.post(item, url)
    return None


async def _check_repetitions(
    stack: ChaosStack, workload: Workload, item: Item, responses: list[httpx.Response | None]
) -> None:
    """Check the responses; then send the request again until it gets the stored response."""
    statuses = _statuses(responses)
    assert set(statuses) <= {201, 409, 503, None}, statuses
    async with stack.connected() as connection:
        await workload.expire_reservations(connection)

    async def stored() -> httpx.Response | None:
        response = await _post(workload, item)
        return response if response is not None and response.status_code == 201 else None

    await eventually(stored)
    item.accepted = True
    last = await workload.post(item)
    assert last.headers["Idempotent-Replayed"] == "true"
    bodies = {each.content for each in responses if each and each.status_code == 201}
    assert bodies <= {last.content}
    changed = await workload.post(item, name="another name")
    assert changed.status_code == 409
    assert "used for another request" in changed.text


async def _kill_during_request(stack: ChaosStack, workload: Workload) -> None:
    """Kill a server while its request waits for a lock. Its key is free after a minute."""
    server, item = stack.servers[1], workload.prepare()
    await server.until_ready()
    async with stack.connected() as connection:
        async with connection.transaction():
            await connection.execute("lock table signals in exclusive mode")
            first = asyncio.create_task(_post(workload, item, f"http://127.0.0.1:{server.port}"))
            await eventually(lambda: _reserved(stack, workload))
            repeated = _statuses(await asyncio.gather(*(_post(workload, item) for _ in range(10))))
            await stack.kill(server)
        assert repeated == {409: 10}
        assert await first is None
    await server.until_ready()
    refused = await workload.post(item)
    assert refused.status_code == 409
    assert "still under way" in refused.text
    await _check_repetitions(stack, workload, item, [])


async def _reserved(stack: ChaosStack, workload: Workload) -> Any:
    async with stack.connected() as connection:
        return await connection.fetchval(
            "select count(*) from idempotency where workspace_id = $1 and status is null",
            workload.tenant.workspace,
        )


# --- revocation -------------------------------------------------------------------------------


async def revoke_keys(stack: ChaosStack, workload: Workload, *, brief: bool) -> None:
    """Revoke a key after a process was killed, and one while connections are cut.

    If not `brief`, also one without a fault, and one after a restart of PostgreSQL.
    """
    async with (
        _balanced(stack, workload),
        stack.supervised(),
        workload.sending_in_background(senders=1),
    ):
        await _kill_member(stack, stack.servers[0])
        await _revoke(stack, workload)
        async with background_task(_keep_cutting(stack)):
            await _revoke(stack, workload)
        if not brief:
            await _revoke(stack, workload)
            await asyncio.to_thread(stack.postgres.stop, hard=True)
            await asyncio.to_thread(stack.postgres.start)
            stack.faults += 1
            await _revoke(stack, workload)


async def _keep_cutting(stack: ChaosStack) -> None:
    """Cut the connections that listen for revocations, several times a second."""
    async with stack.connected() as connection:
        while True:
            stack.faults += await connection.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where application_name = 'gateway-listener'"
            )
            await asyncio.sleep(0.2)


async def _revoke(stack: ChaosStack, workload: Workload) -> None:
    """Revoke a key that all processes know. Two seconds later none of them accepts it."""
    async with new_tenant(stack, workspace=workload.tenant.name) as caller:

        async def answers() -> set[int | None]:
            urls = [f"http://127.0.0.1:{server.port}" for server in stack.servers]
            responses = await asyncio.gather(*(_many(caller, url) for url in urls))
            return set(_statuses([response for many in responses for response in many]))

        async def accepted() -> bool:
            return await answers() == {200}

        await eventually(accepted)
        command = ("-m", "gateway", "keys", "revoke", caller.key_id)
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *command],
            env={**os.environ, **stack.env},
            check=True,
            capture_output=True,
            timeout=30,
        )
        clock = asyncio.get_running_loop().time
        revoked_at = clock()
        began, statuses = revoked_at, await answers()
        while statuses != {401}:
            assert 200 not in statuses or began < revoked_at + 2, statuses
            assert began < revoked_at + 20, statuses
            began, statuses = clock(), await answers()
        assert await answers() == {401}


# --- rolling restart --------------------------------------------------------------------------


async def restart_in_turn(stack: ChaosStack, workload: Workload, *, rounds: int) -> None:
    """Stop and start one server after the other under load. No request fails."""
    statuses: Counter[int | None] = Counter()

    async def read() -> None:
        while True:
            statuses.update(_statuses([await _get(workload.tenant)]))
            await asyncio.sleep(0.01)

    async with (
        _balanced(stack, workload) as balancer,
        contextlib.AsyncExitStack() as background,
    ):
        for _ in range(3):
            await background.enter_async_context(background_task(read()))
        await background.enter_async_context(workload.sending_in_background(senders=2))
        for server in stack.servers * rounds:
            await workload.until_accepted(10)
            assert await asyncio.to_thread(server.kill, signal.SIGTERM) == 0
            stack.faults += 1
            await workload.until_accepted(5)
            server.start()
            await server.until_ready()
        await workload.until_accepted(10)
    assert set(statuses) == {200}, statuses
    assert not workload.refused
    assert (balancer.lost, balancer.refused) == (0, 0)
