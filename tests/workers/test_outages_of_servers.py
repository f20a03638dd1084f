"""Outages of real servers: object store, speech-to-text service and Redis."""

import asyncio
import base64
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from domains.kernel.db.database import Database
from tests.fakes.fake_endpoint import FakeResponse
from tests.fakes.recordings import make_wav
from tests.fakes.speech_server import BEHAVIOURS, SpeechRequest, speech_server
from tests.fakes.web_server import CannedResponse, running_web_server
from tests.revenue.push_records import create_source
from tests.stack import Process, Stack, Tenant, eventually, free_port, new_tenant
from tests.workers.support import execute

# Seconds after an outage within which jobs must run again. The promise is 10 s on a machine that
# is not busy with other tests.
RECOVERY = 30.0

CONTENT = base64.b64encode(b"The plan for this year.").decode()
# Size of the recording that the service fails for, relative to the others, compressed or not.
BROKEN_SIZE = 1.3


class OutageStack(Stack):
    """A stack whose jobs try again soon. The worker is not started."""

    speech_port: int

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @contextlib.contextmanager
    def without_store(self) -> Iterator[None]:
        """Replace the directory of the object store by a file within the block."""
        hidden = self.folder / "hidden"
        self.blobs.rename(hidden)
        self.blobs.write_text("")
        try:
            yield
        finally:
            self.blobs.unlink()
            hidden.rename(self.blobs)

    def logged(self, process: Process, **fields: str) -> list[dict[str, Any]]:
        """Log lines of a process with these fields."""
        lines = [json.loads(line) for line in process.log.read_text().splitlines()]
        return [line for line in lines if fields.items() <= line.items()]


@pytest.fixture(scope="module")
def outage_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutageStack]:
    port = free_port()
    settings = {
        "GATEWAY_OUTAGE_BACKOFF": "0.2",
        "GATEWAY_JOB_RESEND": "2",
        "GATEWAY_FETCH_ALLOW": "127.0.0.1",
        "GATEWAY_SPEECH_URL": f"http://127.0.0.1:{port}/v1",
    }
    stack = OutageStack(tmp_path_factory.mktemp("outages"), settings)
    stack.speech_port = port
    try:
        stack.start_servers()
        stack.start_api()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def db(outage_stack: OutageStack) -> AsyncIterator[Database]:
    async with Database.open(outage_stack.database_url) as database:
        yield database


@pytest.fixture
async def tenant(outage_stack: OutageStack, db: Database) -> AsyncIterator[Tenant]:
    async with new_tenant(outage_stack, database=db) as created:
        yield created


@pytest.fixture
def worker(outage_stack: OutageStack) -> Process:
    """The running worker."""
    if not outage_stack.worker.alive:
        outage_stack.worker.start()
    return outage_stack.worker


async def _state(db: Database, tenant: Tenant, table: str, name: str) -> str:
    rows = await execute(
        db,
        f"select state from {table} where workspace_id = $1 and remote_id = $2",
        tenant.workspace,
        name,
    )
    return str(rows[0]["state"])


async def _attempts(db: Database, tenant: Tenant, kind: str, count: int) -> Any:
    """Wait until the newest job has made `count` vain attempts. Returns its row."""
    seen: set[Any] = set()
    row: Any = None

    async def tried() -> bool:
        nonlocal row
        rows = await execute(
            db,
            "select * from jobs where workspace_id = $1 and kind = $2 order by id desc limit 1",
            tenant.workspace,
            kind,
        )
        if rows and rows[0]["tried_at"]:
            row = rows[0]
            assert row["state"] in ("queued", "sent", "running")
            seen.add(row["tried_at"])
        return len(seen) >= count

    await eventually(tried)
    return row


async def test_a_worker_starts_without_redis_and_runs_jobs_once_it_responds(
    outage_stack: OutageStack, tenant: Tenant, db: Database
) -> None:
    outage_stack.valkey.stop()
    outage_stack.worker.start()
    source = await create_source(tenant)
    await source.push("documents", "plan", url=None, content=CONTENT)

    def noticed() -> bool:
        return bool(outage_stack.logged(outage_stack.worker, event="dependency_unavailable"))

    await eventually(noticed)
    assert outage_stack.worker.alive
    outage_stack.valkey.start()

    async def processed() -> bool:
        return await _state(db, tenant, "documents", "plan") == "processed"

    await eventually(processed, RECOVERY)
    lines = outage_stack.logged(outage_stack.worker, dependency="redis")
    assert [line["event"] for line in lines] == ["dependency_unavailable", "dependency_available"]
    levels = {line["level"] for line in outage_stack.logged(outage_stack.worker)}
    assert "critical" not in levels


async def test_jobs_wait_for_the_object_store_and_requests_without_bytes_work(
    outage_stack: OutageStack, worker: Process, tenant: Tenant, db: Database
) -> None:
    source = await create_source(tenant)
    # The job does not start before the outage.
    worker.send(signal.SIGSTOP)
    await source.push("documents", "plan", url=None, content=CONTENT)
    with outage_stack.without_store():
        worker.send(signal.SIGCONT)
        row = await _attempts(db, tenant, "revenue.process_document", 8)
        assert (row["waiting_for"], row["failures"]) == ("object_store", 0)
        assert await _state(db, tenant, "documents", "plan") == "processing"
        assert (await tenant.http.get("/v1/documents")).status_code == 200
        for _ in range(3):
            refused = await tenant.http.post(
                "/external/v1/signals", json={"text": "x", "signalType": "review"}
            )
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            assert str(outage_stack.folder) not in refused.text
        health = (await tenant.http.get("/health")).json()
        assert health["parts"]["blobs"]["status"] == "degraded"

    async def processed() -> bool:
        return await _state(db, tenant, "documents", "plan") == "processed"

    await eventually(processed, RECOVERY)

    async def stored() -> bool:
        created = await tenant.http.post(
            "/external/v1/signals", json={"text": "x", "signalType": "review"}
        )
        return created.status_code == 201

    await eventually(stored, RECOVERY)
    lines = outage_stack.logged(worker, dependency="object_store")
    assert [line["event"] for line in lines] == ["dependency_unavailable", "dependency_available"]


async def test_recordings_wait_for_the_speech_service_and_a_failure_of_a_broken_one_counts(
    outage_stack: OutageStack, worker: Process, tenant: Tenant, db: Database
) -> None:
    assert worker.alive
    source = await create_source(tenant)
    good, broken = make_wav((1, 0.4)), make_wav((2, 0.4))

    def answer(request: SpeechRequest) -> FakeResponse:
        is_broken = len(request.file) > BROKEN_SIZE * len(good)
        return BEHAVIOURS["500" if is_broken else "words"](request)

    async with running_web_server() as web:
        for name, recording in (("good", good), ("broken", broken)):
            web.responses[f"/{name}.wav"] = CannedResponse(recording, "audio/wav")

        async def push(name: str, recording: str) -> None:
            url = f"{web.url}/{recording}.wav"
            await source.push("conversations", name, recordingUrl=url)

        async def transcripts() -> int:
            rows = await execute(
                db,
                "select 1 from conversations where workspace_id = $1 and transcript is not null",
                tenant.workspace,
            )
            return len(rows)

        # Nothing listens.
        await push("early", "good")
        row = await _attempts(db, tenant, "revenue.transcription", 8)
        assert (row["waiting_for"], row["failures"]) == ("speech", 0)
        assert "cannot be reached" in row["error"]
        assert await _state(db, tenant, "conversations", "early") == "processing"
        async with speech_server(answer, port=outage_stack.speech_port):
            await eventually(transcripts, RECOVERY)
            await push("broken", "broken")
            pushed = 1

            async def counted() -> bool:
                nonlocal pushed
                # Others are served meanwhile. All attempts would take minutes.
                if await transcripts() == pushed:
                    await push(f"served-{pushed}", "good")
                    pushed += 1
                await asyncio.sleep(0.3)
                rows = await execute(
                    db,
                    "select 1 from jobs where workspace_id = $1 and failures >= 1",
                    tenant.workspace,
                )
                return len(rows) == 1

            await eventually(counted)

            async def all_transcribed() -> bool:
                return await transcripts() == pushed

            await eventually(all_transcribed, RECOVERY)
