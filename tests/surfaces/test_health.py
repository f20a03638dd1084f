"""Health tells which part is down; metrics tell the rest."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from domains.kernel.db.tables import SCHEMA_REVISION
from domains.kernel.jobs.model import QUEUES
from tests.stack import Stack, Tenant, eventually, running_stack


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without a worker."""
    with running_stack(tmp_path_factory.mktemp("lonely"), worker=False) as started:
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
    assert _statuses(answer) == {
        **dict.fromkeys(("database", "schema", "workers", "redis", "blobs"), "ok"),
        "transcription": "off",
        "provider": "off",
        "embeddings": "ok",
    }
    assert "GATEWAY_CHAT_URL" in answer.json()["parts"]["provider"]["detail"]
    assert "GATEWAY_SPEECH_URL" in answer.json()["parts"]["transcription"]["detail"]
    assert answer.json()["queues"].keys() == set(QUEUES)
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
        await _sql(lonely, f"update alembic_version set version_num = '{SCHEMA_REVISION}'")
    assert answer.status_code == ready.status_code == 503
    assert _statuses(answer)["schema"] == "down"
    assert "gateway migrate" in answer.json()["parts"]["schema"]["detail"]


# Jobs by state, and how many seconds ago they were due, or failed.
_JOBS = (
    *(("queued", seconds) for seconds in (90, 60, 0, -3_600)),
    *(("sent", 30), ("running", 200), ("done", 10), ("cancelled", 10)),
    *(("failed", seconds) for seconds in (23 * 3_600, 5, 25 * 3_600)),
)


async def test_queues_tell_what_waits_runs_and_failed(lonely: Stack) -> None:
    await _sql(lonely, "insert into workspaces (id, name) values (gen_random_uuid(), 'queue')")
    for state, seconds in _JOBS:
        await _sql(
            lonely,
            "insert into jobs (id, workspace_id, kind, queue, payload, state, run_after,"
            f" finished_at) select gen_random_uuid(), id, 'k', 'analysis', '{{}}', '{state}', at,"
            " at from workspaces, (select now() - interval"
            f" '{seconds} seconds') of_the_job (at)",
        )
    await _sql(
        lonely,
        "insert into schedule (task, ran_at) values ('jobs', now() - interval '1 hour');"
        "insert into workers (id, host, pid, beat_at) select gen_random_uuid(), 'h', 1,"
        " now() - seconds * interval '1 second' from unnest(array[1, 50, 70]) seconds",
    )
    try:
        queues = (await _get(lonely)).json()["queues"]
        figures = _figures((await _get(lonely, "/metrics")).text)
    finally:
        await _sql(lonely, "delete from workspaces; delete from schedule; delete from workers")
    busy = queues.pop("analysis")
    assert 90 <= busy.pop("oldestSeconds") < 120
    assert busy == {"depth": 4, "running": 1, "failed": 2}
    idle = {"depth": 0, "running": 0, "oldestSeconds": 0.0, "failed": 0}
    assert queues == {queue: idle for queue in QUEUES if queue != "analysis"}
    wanted = {"queued": (3, 90), "sent": (1, 30), "running": (1, 200), "failed": (2, 82_800)}
    for queue in QUEUES:
        for state, (count, oldest) in wanted.items():
            labels = f'{{queue="{queue}",state="{state}"}}'
            there = queue == "analysis"
            assert figures[f"gateway_jobs{labels}"] == (count if there else 0)
            age = figures[f"gateway_jobs_oldest_seconds{labels}"]
            assert oldest <= age < oldest + 30 if there else age == 0
    assert 3_600 <= figures['gateway_schedule_age_seconds{task="jobs"}'] < 3_630
    assert figures["gateway_workers"] == 2


def _figures(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(figure) for name, _, figure in lines}


async def test_metrics_count_requests_by_route_and_hold_no_ids(acme: Tenant) -> None:
    signal = await acme.create_signal()
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
    with running_stack(tmp_path, worker=False, settings=settings) as stack:
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
    settings = {"GATEWAY_SPEECH_URL": "https://speech.example/v1"}
    with running_stack(tmp_path, settings=settings) as stack:
        blobs = tmp_path / "blobs"
        blobs.rename(tmp_path / "elsewhere")
        answer = await _get(stack)
        assert _statuses(answer)["blobs"] == "degraded"
        assert _statuses(answer)["transcription"] == "ok"
