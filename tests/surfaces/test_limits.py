"""Rate limits: moving windows per key, shared by both surfaces, exact under concurrency."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from domains.kernel.tenancy.api_keys import RateLimitOverrides, RateLimits
from gateway.rate_limit import Limiter, RateLimitStatus, connect
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant, eventually, new_tenant, running_stack

CONTEXT = "/external/v1/auth/context"
HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


async def test_the_request_over_the_limit_is_429_on_both_surfaces(
    make_tenant: MakeTenant,
) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=3))
    remaining = []
    for path in (CONTEXT, "/external/v1/signals", "/external/v1/nothing", CONTEXT):
        answer = await caller.http.get(path)
        if "X-RateLimit-Remaining" in answer.headers:
            remaining.append(answer.headers["X-RateLimit-Remaining"])
            assert answer.headers["X-RateLimit-Limit"] == "3"
    assert remaining == ["2", "1", "0"]
    answer = await caller.http.get(CONTEXT)
    assert answer.status_code == 429
    assert answer.json()["detail"] == "Rate limit exceeded"
    assert answer.json()["status"] == 429
    assert answer.headers["X-RateLimit-Limit"] == "3"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert abs(int(answer.headers["X-RateLimit-Reset"]) - (time.time() + wait)) < 3


async def test_refused_requests_do_not_count_and_faulty_ones_do(make_tenant: MakeTenant) -> None:
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
        answer = await caller.http.get("/v1/health")
        assert answer.status_code == 200
        assert not set(map(str.lower, HEADERS)) & set(answer.headers)
    # The name alone does not exempt a path.
    assert (await caller.http.get("/external/v1/signals/health")).status_code == 404
    assert (await caller.http.get(CONTEXT)).status_code == 429
    assert (await caller.http.get("/v1/health")).status_code == 200


async def test_exactly_the_limit_passes_under_concurrency(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=20))
    answers = await asyncio.gather(*(caller.http.get(CONTEXT) for _ in range(60)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (20, 40)
    left = sorted(
        int(answer.headers["X-RateLimit-Remaining"])
        for answer in answers
        if answer.status_code == 200
    )
    assert left == list(range(20))


async def test_the_headers_speak_of_the_window_nearest_to_its_limit(
    make_tenant: MakeTenant,
) -> None:
    caller = await make_tenant(limits=RateLimitOverrides(minute=10, hour=4, day=7))
    answer = await caller.http.get(CONTEXT)
    assert [answer.headers[name] for name in HEADERS[:2]] == ["4", "3"]
    assert 3500 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 3601
    for _ in range(3):
        await caller.http.get(CONTEXT)
    assert (await caller.http.get(CONTEXT)).headers["X-RateLimit-Limit"] == "4"


async def test_the_defaults_are_60_a_minute(make_tenant: MakeTenant) -> None:
    caller = await make_tenant(limits=RateLimitOverrides())
    answer = await caller.http.get(CONTEXT)
    assert [answer.headers[name] for name in HEADERS[:2]] == ["60", "59"]


async def test_a_key_without_limits_gets_no_headers(acme: Tenant) -> None:
    answer = await acme.http.get(CONTEXT)
    assert not set(map(str.lower, HEADERS)) & set(answer.headers)


async def test_keys_of_one_workspace_have_limits_of_their_own(make_tenant: MakeTenant) -> None:
    one = await make_tenant(limits=RateLimitOverrides(minute=1))
    other = await make_tenant(limits=RateLimitOverrides(minute=1), workspace=one.name)
    assert (await one.http.get(CONTEXT)).status_code == 200
    assert (await one.http.get(CONTEXT)).status_code == 429
    assert (await other.http.get(CONTEXT)).status_code == 200


@pytest.mark.parametrize(
    ("choice", "in_force"),
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
def test_a_default_is_never_tighter_than_a_chosen_shorter_window(
    choice: RateLimitOverrides, in_force: RateLimits
) -> None:
    assert choice.resolve(RateLimits(60, 1_000, 10_000)) == in_force


async def test_while_redis_is_away_requests_pass_and_health_says_so(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        async with new_tenant(stack, limits=RateLimitOverrides(minute=2)) as caller:
            assert (await caller.http.get(CONTEXT)).headers["X-RateLimit-Remaining"] == "1"

            async def healthy() -> bool:
                return (await caller.http.get("/health")).status_code == 200

            # A worker takes a moment to report.
            await eventually(healthy)
            stack.valkey.stop()
            for _ in range(5):
                answer = await caller.http.get(CONTEXT)
                assert answer.status_code == 200
                assert "X-RateLimit-Limit" not in answer.headers
            health = await caller.http.get("/health")
            assert health.status_code == 200
            assert health.json()["status"] == "degraded"
            assert health.json()["parts"]["redis"]["status"] == "degraded"
            assert "rate_limit_skipped" in stack.api.log.read_text()
            stack.valkey.start()

            async def limited_again() -> bool:
                return "X-RateLimit-Limit" in (await caller.http.get(CONTEXT)).headers

            await eventually(limited_again, patience=10)


async def test_a_window_moves(stack: Stack) -> None:
    """A place frees one window after the request that took it, not at the turn of a minute."""
    client = connect(stack.env["REDIS_URL"], 1.0)
    try:
        script = Limiter(client)._script
        key = f"limit:test-{time.monotonic_ns()}"
        started = time.monotonic()
        taken = [await script(keys=[key], args=[str(i), 1, 3]) for i in range(4)]
        assert [each[0] for each in taken] == [1, 1, 1, 0]

        async def admitted() -> bool:
            return bool((await script(keys=[key], args=["later", 1, 3]))[0])

        await eventually(admitted)
        assert time.monotonic() - started >= 0.99
    finally:
        await client.aclose()


def test_the_reset_is_rounded_up_to_whole_seconds() -> None:
    assert RateLimitStatus(60, 59, 1_700_000_001).headers()["X-RateLimit-Reset"] == "1700000001"


async def test_unkeyed_paths_have_no_limit(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        answer = await client.get("/livez")
    assert "X-RateLimit-Limit" not in answer.headers
