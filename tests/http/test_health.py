"""Health, readiness, liveness and metrics."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domains.kernel.db.database import Database
from domains.kernel.db.tables import SCHEMA_REVISION
from domains.kernel.health import check_health
from domains.kernel.jobs.model import QUEUES
from domains.kernel.storage.blobs import Blobs
from tests.embedded.processes import sql
from tests.stack import Stack, Tenant, eventually, get, running_stack


@pytest.fixture(scope="module")
def workerless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("workerless"), worker=False) as started:
        yield started


def _get(stack: Stack, path: str = "/health") -> httpx.Response:
    return get(stack.base_url + path, timeout=30)


def _statuses(response: httpx.Response) -> dict[str, Any]:
    return {name: part["status"] for name, part in response.json()["parts"].items()}


async def test_a_complete_deployment_is_healthy(stack: Stack) -> None:
    await eventually(lambda: _get(stack).status_code == 200)
    response = _get(stack)
    assert response.json()["status"] == "ok"
    assert _statuses(response) == {
        **dict.fromkeys(("database", "schema", "workers", "keys", "redis", "blobs"), "ok"),
        "transcription": "off",
        "provider": "off",
        "embeddings": "ok",
    }
    assert "GATEWAY_CHAT_URL" in response.json()["parts"]["provider"]["detail"]
    assert "GATEWAY_SPEECH_URL" in response.json()["parts"]["transcription"]["detail"]
    assert response.json()["queues"].keys() == set(QUEUES)
    for path in ("/livez", "/healthcheck", "/readyz", "/api/readyz"):
        probe = _get(stack, path)
        assert (probe.status_code, probe.json()) == (200, {"status": "ok"})


def test_without_a_worker_health_is_503_and_readiness_200(workerless: Stack) -> None:
    response = _get(workerless)
    assert response.status_code == 503
    assert response.json()["status"] == "down"
    assert _statuses(response)["workers"] == "down"
    assert "gateway work" in response.json()["parts"]["workers"]["detail"]
    assert _get(workerless, "/readyz").status_code == 200


def test_a_worker_counts_as_down_after_a_minute_without_heartbeat(workerless: Stack) -> None:
    for seconds, status in ((55, 200), (61, 503)):
        sql(
            workerless.database_url,
            "delete from workers",
            "insert into workers (id, host, pid, beat_at) values"
            f" (gen_random_uuid(), 'h', 1, now() - interval '{seconds} seconds')",
        )
        assert _get(workerless).status_code == status
    sql(workerless.database_url, "delete from workers")


def test_an_outdated_schema_gets_503_and_a_hint(workerless: Stack) -> None:
    set_revision = "update alembic_version set version_num = "
    sql(workerless.database_url, f"{set_revision}'0000'")
    try:
        response = _get(workerless)
        ready = _get(workerless, "/readyz")
    finally:
        sql(workerless.database_url, f"{set_revision}'{SCHEMA_REVISION}'")
    assert response.status_code == ready.status_code == 503
    assert _statuses(response)["schema"] == "down"
    assert "gateway migrate" in response.json()["parts"]["schema"]["detail"]


# State of each job, and how many seconds ago it was due or failed.
_JOBS = (
    *(("queued", seconds) for seconds in (90, 60, 0, -3_600)),
    *(("sent", 30), ("running", 200), ("done", 10), ("cancelled", 10)),
    *(("failed", seconds) for seconds in (23 * 3_600, 5, 25 * 3_600)),
)


def test_queues_count_due_running_and_failed_jobs(workerless: Stack) -> None:
    jobs = ", ".join(f"('{state}', now() - interval '{seconds} s')" for state, seconds in _JOBS)
    sql(
        workerless.database_url,
        "insert into workspaces (id, name) values (gen_random_uuid(), 'queue')",
        "insert into jobs (id, workspace_id, kind, queue, payload, state, run_after, finished_at)"
        " select gen_random_uuid(), id, 'k', 'analysis', '{}', state, at, at"
        f" from workspaces, (values {jobs}) jobs (state, at)",
        "insert into schedule (task, ran_at) values ('jobs', now() - interval '1 hour')",
        "insert into workers (id, host, pid, beat_at) select gen_random_uuid(), 'h', 1,"
        " now() - seconds * interval '1 second' from unnest(array[1, 50, 70]) seconds",
    )
    try:
        queues = _get(workerless).json()["queues"]
        figures = _figures(_get(workerless, "/metrics").text)
    finally:
        deletions = (f"delete from {table}" for table in ("workspaces", "schedule", "workers"))
        sql(workerless.database_url, *deletions)
    busy = queues.pop("analysis")
    assert 90 <= busy.pop("oldestSeconds") < 120
    assert busy == {"depth": 4, "running": 1, "failed": 2}
    idle = {"depth": 0, "running": 0, "oldestSeconds": 0.0, "failed": 0}
    assert queues == {queue: idle for queue in QUEUES if queue != "analysis"}
    expected = {"queued": (3, 90), "sent": (1, 30), "running": (1, 200), "failed": (2, 82_800)}
    for queue in QUEUES:
        for state, (count, oldest) in expected.items():
            labels = f'{{queue="{queue}",state="{state}"}}'
            has_jobs = queue == "analysis"
            assert figures[f"gateway_jobs{labels}"] == (count if has_jobs else 0)
            age = figures[f"gateway_jobs_oldest_seconds{labels}"]
            assert oldest <= age < oldest + 30 if has_jobs else age == 0
    assert 3_600 <= figures['gateway_schedule_age_seconds{task="jobs"}'] < 3_630
    assert figures["gateway_workers"] == 2
    assert figures['gateway_jobs_waiting{dependency="speech"}'] == 0


def _figures(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(figure) for name, _, figure in lines}


async def test_request_metrics_have_routes_and_no_ids(acme: Tenant) -> None:
    signal = await acme.create_signal()
    await acme.http.get(f"/external/v1/signals/{signal['id']}")
    await acme.http.get("/external/v1/secret-path-of-a-customer")
    response = await acme.http.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    text = response.text
    route = re.search(r'gateway_requests_total\{method="GET",route="([^"]+\{[^"]+)"', text)
    assert route is not None
    assert 'status="201"' in text
    assert "gateway_request_seconds_bucket" in text
    assert "gateway_database_up 1.0" in text
    assert signal["id"] not in text
    assert acme.workspace not in text
    assert "secret-path" not in text


async def test_without_postgres_health_is_503_and_liveness_200(tmp_path: Path) -> None:
    settings = {"GATEWAY_DATABASE_TIMEOUT": "1"}
    with running_stack(tmp_path, worker=False, settings=settings) as stack:
        stack.postgres.stop()
        response = _get(stack)
        assert response.status_code == 503
        assert _statuses(response)["database"] == "down"
        assert str(tmp_path) not in response.text
        assert _get(stack, "/readyz").status_code == 503
        assert _get(stack, "/livez").status_code == 200
        assert "gateway_database_up 0.0" in _get(stack, "/metrics").text
        stack.postgres.start()
        await eventually(lambda: _get(stack, "/readyz").status_code == 200)


async def test_a_check_that_hangs_is_not_started_again(database: Database, tmp_path: Path) -> None:
    started: list[str] = []
    released = asyncio.Event()

    async def check() -> None:
        started.append("x")
        await released.wait()

    async def redis_status() -> str:
        state = await check_health(database, blobs, check)
        return state.parts["redis"].status

    blobs = Blobs.open(tmp_path.as_uri(), {})
    statuses = await asyncio.gather(*(redis_status() for _ in range(2)))
    assert statuses == ["degraded"] * 2
    assert len(started) == 1
    released.set()
    assert await redis_status() == "ok"


async def test_api_starts_without_the_object_store_and_uses_it_when_it_can_be_created(
    tmp_path: Path,
) -> None:
    blobs = tmp_path / "blobs"
    blobs.write_bytes(b"")
    with running_stack(tmp_path, worker=False) as stack:
        assert _statuses(_get(stack))["blobs"] == "degraded"
        assert _get(stack, "/readyz").status_code == 200
        blobs.unlink()
        await eventually(lambda: _statuses(_get(stack))["blobs"] == "ok")


def test_without_the_object_store_health_is_degraded(tmp_path: Path) -> None:
    settings = {"GATEWAY_SPEECH_URL": "https://speech.example/v1"}
    # Without a worker, which would create the directory again when it starts.
    with running_stack(tmp_path, settings=settings, worker=False) as stack:
        blobs = tmp_path / "blobs"
        blobs.rename(tmp_path / "elsewhere")
        response = _get(stack)
        assert _statuses(response)["blobs"] == "degraded"
        assert _statuses(response)["transcription"] == "ok"
