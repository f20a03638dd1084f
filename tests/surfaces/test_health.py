"""Health tells which part is down; metrics tell the rest."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from domains.kernel.tables import SCHEMA
from tests.stack import Stack, Tenant, eventually, running


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without a worker."""
    with running(tmp_path_factory.mktemp("lonely"), worker=False) as started:
        yield started


async def _get(stack: Stack, path: str = "/health") -> httpx.Response:
    async with httpx.AsyncClient(base_url=stack.base_url, timeout=30) as client:
        return await client.get(path)


async def _sql(stack: Stack, statement: str) -> None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _statuses(answer: httpx.Response) -> dict[str, Any]:
    return {name: part["status"] for name, part in answer.json()["parts"].items()}


async def test_everything_is_well(stack: Stack) -> None:
    async def healthy() -> bool:
        return (await _get(stack)).status_code == 200

    await eventually(healthy)
    answer = await _get(stack)
    assert answer.json()["status"] == "ok"
    assert _statuses(answer) == dict.fromkeys(
        ("database", "schema", "workers", "redis", "blobs"), "ok"
    )
    for path in ("/livez", "/readyz", "/api/readyz"):
        probe = await _get(stack, path)
        assert (probe.status_code, probe.json()) == (200, {"status": "ok"})


async def test_without_a_worker_health_is_503_and_readiness_is_not(lonely: Stack) -> None:
    answer = await _get(lonely)
    assert answer.status_code == 503
    assert answer.json()["status"] == "down"
    assert _statuses(answer)["workers"] == "down"
    assert "gateway work" in answer.json()["parts"]["workers"]["detail"]
    assert (await _get(lonely, "/readyz")).status_code == 200


async def test_a_worker_silent_for_a_minute_is_gone(lonely: Stack) -> None:
    for seconds, status in ((55, 200), (61, 503)):
        await _sql(
            lonely,
            "delete from workers;"
            "insert into workers (id, host, pid, beat_at) values"
            f" (gen_random_uuid(), 'h', 1, now() - interval '{seconds} seconds')",
        )
        assert (await _get(lonely)).status_code == status
    await _sql(lonely, "delete from workers")


async def test_a_schema_that_is_behind_is_503_and_says_what_to_do(lonely: Stack) -> None:
    await _sql(lonely, "update alembic_version set version_num = '0000'")
    try:
        answer = await _get(lonely)
        ready = await _get(lonely, "/readyz")
    finally:
        await _sql(lonely, f"update alembic_version set version_num = '{SCHEMA}'")
    assert answer.status_code == ready.status_code == 503
    assert _statuses(answer)["schema"] == "down"
    assert "gateway migrate" in answer.json()["parts"]["schema"]["detail"]


async def test_queues_tell_depth_and_age(lonely: Stack) -> None:
    await _sql(
        lonely,
        "insert into workspaces (id, name) values (gen_random_uuid(), 'queue');"
        "insert into jobs (id, workspace_id, kind, queue, payload, run_after)"
        " select gen_random_uuid(), id, 'k', 'analysis', '{}', now() - interval '90 seconds'"
        " from workspaces, generate_series(1, 3);"
        "insert into jobs (id, workspace_id, kind, queue, payload, run_after)"
        " select gen_random_uuid(), id, 'k', 'analysis', '{}', now() + interval '1 hour'"
        " from workspaces",
    )
    try:
        queues = (await _get(lonely)).json()["queues"]
        metrics = (await _get(lonely, "/metrics")).text
    finally:
        await _sql(lonely, "delete from workspaces")
    assert queues["analysis"]["depth"] == 3
    assert 90 <= queues["analysis"]["oldestSeconds"] < 120
    assert 'gateway_jobs{queue="analysis",state="queued"} 3.0' in metrics


async def test_metrics_count_requests_by_route_and_hold_no_ids(acme: Tenant) -> None:
    signal = await acme.signal()
    await acme.http.get(f"/external/v1/signals/{signal['id']}")
    await acme.http.get("/external/v1/secret-path-of-a-customer")
    answer = await acme.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.text
    route = re.search(r'gateway_requests_total\{method="GET",route="([^"]+\{[^"]+)"', text)
    assert route is not None
    assert 'status="201"' in text
    assert "gateway_request_seconds_bucket" in text
    assert "gateway_database_up 1.0" in text
    assert signal["id"] not in text
    assert acme.workspace not in text
    assert "secret-path" not in text


async def test_postgres_away_is_503_and_liveness_is_not(tmp_path: Path) -> None:
    settings = {"GATEWAY_DATABASE_TIMEOUT": "1"}
    with running(tmp_path, worker=False, settings=settings) as stack:
        stack.postgres.stop()
        answer = await _get(stack)
        assert answer.status_code == 503
        assert _statuses(answer)["database"] == "down"
        assert str(tmp_path) not in answer.text
        assert (await _get(stack, "/readyz")).status_code == 503
        assert (await _get(stack, "/livez")).status_code == 200
        assert "gateway_database_up 0.0" in (await _get(stack, "/metrics")).text
        stack.postgres.start()

        async def ready() -> bool:
            return (await _get(stack, "/readyz")).status_code == 200

        await eventually(ready)


async def test_an_object_store_that_is_gone_degrades(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        blobs = tmp_path / "blobs"
        blobs.rename(tmp_path / "elsewhere")
        answer = await _get(stack)
        assert _statuses(answer)["blobs"] == "degraded"
