"""Rate limits: sliding windows per key, shared by both surfaces, exact under concurrency."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from domains.kernel.tenancy.api_keys import RateLimitOverrides, RateLimits
from gateway.admission.rate_limit import Limiter
from gateway.admission.redis_connection import RedisConnection
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant, eventually, new_tenant, running_stack

CONTEXT = "/external/v1/auth/context"
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


async def test_a_request_over_the_limit_gets_429(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=3))
    remaining = []
    for path in (CONTEXT, "/external/v1/signals", "/external/v1/nothing", CONTEXT):
        response = await caller.http.get(path)
        if "X-RateLimit-Remaining" in response.headers:
            remaining.append(response.headers["X-RateLimit-Remaining"])
            assert response.headers["X-RateLimit-Limit"] == "3"
    assert remaining == ["2", "1", "0"]
    response = await caller.http.get(CONTEXT)
    assert response.status_code == 429
    assert response.json()["detail"] == "Rate limit exceeded"
    assert response.json()["status"] == 429
    assert response.headers["X-RateLimit-Limit"] == "3"
    assert response.headers["X-RateLimit-Remaining"] == "0"
    wait = int(response.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert abs(int(response.headers["X-RateLimit-Reset"]) - (time.time() + wait)) < 3


async def test_403_and_429_do_not_count_but_400_does(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(scopes=["insights:read"], limits=RateLimitOverrides(minute=2))
    assert (await caller.http.get("/external/v1/signals")).status_code == 403
    assert (await caller.http.get("/external/v1/insights?limit=0")).status_code == 400
    assert (await caller.http.get("/external/v1/insights")).status_code == 200
    first = await caller.http.get("/external/v1/insights")
    second = await caller.http.get("/external/v1/insights")
    assert first.status_code == second.status_code == 429
    assert first.headers["X-RateLimit-Reset"] == second.headers["X-RateLimit-Reset"]


async def test_health_is_not_counted(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=1))
    for _ in range(3):
        response = await caller.http.get("/v1/health")
        assert response.status_code == 200
        assert not set(map(str.lower, HEADERS)) & set(response.headers)
    # The name alone does not exempt a path.
    assert (await caller.http.get("/external/v1/signals/health")).status_code == 404
    assert (await caller.http.get(CONTEXT)).status_code == 429
    assert (await caller.http.get("/v1/health")).status_code == 200


async def test_concurrent_requests_pass_exactly_up_to_the_limit(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=20))
    responses = await asyncio.gather(*(caller.http.get(CONTEXT) for _ in range(60)))
    statuses = [response.status_code for response in responses]
    assert (statuses.count(200), statuses.count(429)) == (20, 40)
    left = sorted(
        int(response.headers["X-RateLimit-Remaining"])
        for response in responses
        if response.status_code == 200
    )
    assert left == list(range(20))


async def test_headers_describe_the_window_nearest_to_its_limit(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=10, hour=4, day=7))
    response = await caller.http.get(CONTEXT)
    assert [response.headers[name] for name in HEADERS[:2]] == ["4", "3"]
    assert 3500 < int(response.headers["X-RateLimit-Reset"]) - time.time() <= 3601
    for _ in range(3):
        await caller.http.get(CONTEXT)
    assert (await caller.http.get(CONTEXT)).headers["X-RateLimit-Limit"] == "4"


async def test_the_default_is_60_per_minute(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides())
    response = await caller.http.get(CONTEXT)
    assert [response.headers[name] for name in HEADERS[:2]] == ["60", "59"]


async def test_without_a_limit_there_are_no_rate_limit_headers(
    acme: Tenant, make_tenant: MakeTenant
) -> None:
    limited = await make_tenant(limits=RateLimitOverrides(minute=1))
    for response in (await acme.http.get(CONTEXT), await limited.http.get("/livez")):
        assert response.status_code == 200
        assert not set(map(str.lower, HEADERS)) & set(response.headers)


async def test_each_key_of_a_workspace_has_its_own_limits(make_tenant: MakeTenant) -> None:
    one = await make_tenant(limits=RateLimitOverrides(minute=1))
    other = await make_tenant(limits=RateLimitOverrides(minute=1), workspace=one.name)
    assert (await one.http.get(CONTEXT)).status_code == 200
    assert (await one.http.get(CONTEXT)).status_code == 429
    assert (await other.http.get(CONTEXT)).status_code == 200


@pytest.mark.parametrize(
    ("overrides", "effective"),
    [
        (RateLimitOverrides(), RateLimits(60, 1_000, 10_000)),
        (RateLimitOverrides(minute=10), RateLimits(10, 1_000, 10_000)),
        (RateLimitOverrides(minute=5_000), RateLimits(5_000, 5_000, 10_000)),
        (RateLimitOverrides(minute=50_000), RateLimits(50_000, 50_000, 50_000)),
        (RateLimitOverrides(minute=None), RateLimits(None, 1_000, 10_000)),
        (RateLimitOverrides(None, None, None), RateLimits(None, None, None)),
        (RateLimitOverrides(hour=5), RateLimits(60, 5, 10_000)),
    ],
)
def test_a_default_is_raised_to_the_override_of_a_shorter_window(
    overrides: RateLimitOverrides, effective: RateLimits
) -> None:
    assert overrides.resolve(RateLimits(60, 1_000, 10_000)) == effective


async def test_while_redis_is_unavailable_requests_pass_and_health_is_degraded(
    tmp_path: Path,
) -> None:
    with running_stack(tmp_path) as stack:
        async with new_tenant(stack, limits=RateLimitOverrides(minute=2)) as caller:
            assert (await caller.http.get(CONTEXT)).headers["X-RateLimit-Remaining"] == "1"

            async def healthy() -> bool:
                return (await caller.http.get("/health")).status_code == 200

            # The worker needs a moment to report.
            await eventually(healthy)
            stack.valkey.stop()
            for _ in range(5):
                response = await caller.http.get(CONTEXT)
                assert response.status_code == 200
                assert "X-RateLimit-Limit" not in response.headers
            health = await caller.http.get("/health")
            assert health.status_code == 200
            assert health.json()["status"] == "degraded"
            assert health.json()["parts"]["redis"]["status"] == "degraded"
            log = [json.loads(line) for line in stack.api.log.read_text().splitlines()]
            outages = [line["event"] for line in log if line.get("dependency") == "redis"]
            assert outages == ["dependency_unavailable"]
            stack.valkey.start()

            async def limited_again() -> bool:
                return "X-RateLimit-Limit" in (await caller.http.get(CONTEXT)).headers

            await eventually(limited_again, patience=10)


async def test_a_request_stops_counting_after_one_window(stack: Stack) -> None:
    connection = RedisConnection(stack.env["REDIS_URL"], 1.0)
    try:
        count = Limiter(connection)._run_script
        key = f"limit:test-{time.monotonic_ns()}"
        started = time.monotonic()
        results = [await count(key, str(i).encode(), 1, 3) for i in range(4)]
        assert [admitted for admitted, *_ in results] == [1, 1, 1, 0]

        async def admitted_again() -> bool:
            return bool((await count(key, b"later", 1, 3))[0])

        await eventually(admitted_again)
        assert time.monotonic() - started >= 0.99
    finally:
        await connection.aclose()
