"""Whatever dies, what was answered with 201 is processed, and its effect exists once.

Real processes, real signals. `SIGKILL` unless a test says otherwise.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import redis

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from gateway.local.machine import process_alive
from tests.stack import Stack, Tenant, eventually, running, tenant

TEXT = "The export fails every morning. Search is very slow. We want a dark mode in the app."
TICKET = {"signalType": "support_ticket"}

# Long enough that the analysis is still under way when the worker is killed.
LONG = "\n".join(f"Customer {n}: {TEXT} It crashed {n} times." for n in range(2_500))

QUICK = {"GATEWAY_JOB_LEASE": "1", "GATEWAY_JOB_RESEND": "1", "GATEWAY_WORKER_HEARTBEAT": "0.5"}


class Rack:
    """Holds the stack that is broken, since a new one takes seconds."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._parts = ExitStack()
        self._stack: Stack | None = None

    def take(self) -> Stack:
        if self._stack is None:
            folder = self._folders.mktemp("faulty")
            self._stack = self._parts.enter_context(running(folder, settings=QUICK))
        return self._stack

    def drop(self) -> None:
        self._stack = None
        self._parts.close()


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    made = Rack(tmp_path_factory)
    yield made
    made.drop()


@pytest.fixture
async def faulty(rack: Rack) -> AsyncIterator[Stack]:
    """A stack to be broken. A test that does not leave it whole leaves it to no other."""
    stack = rack.take()
    yield stack
    try:
        await eventually(partial(_whole, stack), patience=5)
    except (AssertionError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        rack.drop()


async def _whole(stack: Stack) -> bool:
    """Whether every part runs and every job has ended."""
    try:
        async with httpx.AsyncClient(base_url=stack.base_url, timeout=30) as client:
            health = (await client.get("/health")).json()
    except httpx.TransportError:
        return False
    states = await _states(stack)
    return (
        health["status"] == "ok"
        and process_alive(stack.worker.pid)
        and not states - Counter(done=states["done"], failed=states["failed"])
    )


async def _states(stack: Stack, caller: Tenant | None = None) -> Counter[str]:
    """How many jobs are in each state, of all workspaces or of one."""
    workspace = None if caller is None else caller.workspace
    connection = await asyncpg.connect(stack.database_url)
    try:
        rows = await connection.fetch(
            "select state, count(*) as n from jobs"
            " where $1::uuid is null or workspace_id = $1 group by 1",
            workspace,
        )
        return Counter({row["state"]: row["n"] for row in rows})
    finally:
        await connection.close()


async def _when_running(stack: Stack, caller: Tenant) -> None:
    async def is_running() -> bool:
        return (await _states(stack, caller))["running"] > 0

    await eventually(is_running)


@cache
def _insights(text: str) -> list[str]:
    return sorted(
        each.name for each in analyse(Document(text=text, profile="support_ticket")).insights
    )


async def _assert_once(caller: Tenant, signals: list[Any], text: str = TEXT) -> None:
    """Every signal is processed, with the insights that its text gives, once each."""
    wanted = _insights(text)
    assert wanted
    total = 0
    for each in signals:
        done = await caller.processed(each["id"])
        assert done["status"] == "processed"
        found = [
            (await caller.http.get(f"/external/v1/insights/{insight_id}")).json()
            for insight_id in done["insightIds"]
        ]
        assert sorted(insight["name"] for insight in found) == wanted
        total += len(found)
    listed = await caller.http.get("/external/v1/insights")
    assert listed.headers["X-Total-Count"] == str(total)


async def test_a_worker_killed_while_it_processes(faulty: Stack) -> None:
    async with tenant(faulty) as caller:
        created = await caller.signal(LONG, **TICKET)
        await _when_running(faulty, caller)
        faulty.worker.kill()
        assert (await _states(faulty, caller))["running"] == 1
        faulty.worker.start()
        await _assert_once(caller, [created], LONG)
        assert await _states(faulty, caller) == Counter(done=1)


async def test_workers_killed_again_and_again(faulty: Stack) -> None:
    async with tenant(faulty) as caller:
        created = []
        for _ in range(5):
            created += [await caller.signal(TEXT, **TICKET) for _ in range(8)]
            faulty.worker.kill()
            faulty.worker.start()
            # Long enough for the new one to have begun.
            async with asyncio.timeout(20):
                while (await _states(faulty, caller))["done"] == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        await _assert_once(caller, created)
        assert await _states(faulty, caller) == Counter(done=40)


async def test_the_api_killed_right_after_its_answer(faulty: Stack) -> None:
    async with tenant(faulty) as caller:
        kept = [await caller.signal(TEXT, **TICKET)]
        faulty.api.kill()
        faulty.start_api()
        await _assert_once(caller, kept)


async def test_the_api_killed_under_load(faulty: Stack) -> None:
    """Each signal whose 201 arrived is there afterwards; the others exist whole or not at all."""
    async with tenant(faulty) as caller:
        answered: list[Any] = []

        async def send() -> None:
            while True:
                answered.append(await caller.signal(TEXT, **TICKET))

        senders = [asyncio.create_task(send()) for _ in range(8)]
        async with asyncio.timeout(20):
            while len(answered) < 30:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.to_thread(faulty.api.kill)
        ended = await asyncio.gather(*senders, return_exceptions=True)
        assert all(isinstance(each, httpx.TransportError) for each in ended)
        await asyncio.to_thread(faulty.start_api)
        listed: list[Any] = []
        while page := (
            await caller.http.get(f"/external/v1/signals?limit=100&offset={len(listed)}")
        ).json():
            listed += page
        assert {each["id"] for each in answered} <= {each["id"] for each in listed}
        await _assert_once(caller, listed)


@pytest.mark.parametrize("loss", ["flushed", "killed", "stopped"])
async def test_valkey_loses_its_memory(faulty: Stack, loss: str) -> None:
    async with tenant(faulty) as caller:
        faulty.worker.kill()
        created = [await caller.signal(TEXT, **TICKET) for _ in range(120)]
        faulty.worker.start()

        async def waiting_in_valkey() -> bool:
            states = await _states(faulty, caller)
            return states["done"] >= 5 and states["sent"] >= 2

        await eventually(waiting_in_valkey)
        if loss == "flushed":
            with redis.Redis.from_url(faulty.env["REDIS_URL"]) as client:
                client.flushall()
        else:
            if loss == "killed":
                pid = _valkey_pid(faulty)
                os.kill(pid, signal.SIGKILL)
            else:
                await asyncio.to_thread(faulty.valkey.stop)
            for aof in (faulty.folder / "valkey").glob("appendonlydir/*"):
                if loss == "stopped":
                    aof.unlink()
            await asyncio.to_thread(faulty.valkey.start)
        await _assert_once(caller, created)
        assert await _states(faulty, caller) == Counter(done=120)


def _valkey_pid(stack: Stack) -> int:
    with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
        info: Any = client.info("server")
        return int(info["process_id"])


async def test_valkey_is_away_when_the_signal_arrives(faulty: Stack) -> None:
    async with tenant(faulty) as caller:
        await asyncio.to_thread(faulty.valkey.stop)
        created = [await caller.signal(TEXT, **TICKET) for _ in range(3)]
        await asyncio.to_thread(faulty.valkey.start)
        await _assert_once(caller, created)


async def test_postgres_is_killed_and_comes_back(faulty: Stack) -> None:
    async with tenant(faulty) as caller:
        created = [await caller.signal(LONG, **TICKET), await caller.signal(LONG, **TICKET)]
        await _when_running(faulty, caller)
        await asyncio.to_thread(faulty.postgres.stop, hard=True)
        refused = await caller.http.post("/external/v1/signals", json={"text": "x"} | TICKET)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert "postgres" not in refused.json()["detail"].lower()
        await asyncio.to_thread(faulty.postgres.start)

        async def serves() -> bool:
            return (await caller.http.get("/readyz")).status_code == 200

        await eventually(serves)
        await _assert_once(caller, created, LONG)


async def test_a_worker_told_to_stop_ends_in_order(faulty: Stack) -> None:
    async with tenant(faulty) as caller:
        created = [await caller.signal(TEXT, **TICKET) for _ in range(30)]
        assert await asyncio.to_thread(faulty.worker.kill, signal.SIGTERM) == 0
        assert (await _states(faulty, caller))["running"] == 0
        faulty.worker.start()
        await _assert_once(caller, created)
        assert (await _states(faulty, caller))["failed"] == 0


@pytest.fixture
async def doomed(faulty: Stack) -> AsyncIterator[None]:
    """A signal of the name `doomed` fails at its commit."""
    connection = await asyncpg.connect(faulty.database_url)
    await connection.execute(
        """
        create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'the commit fails'; end $$;
        create constraint trigger refuse after insert on signals
            deferrable initially deferred for each row
            when (new.name = 'doomed') execute function refuse();
        """
    )
    yield
    await connection.execute("drop function refuse() cascade")
    await connection.close()


def _texts(stack: Stack) -> set[Path]:
    return {each for each in (stack.folder / "blobs").rglob("*.txt") if each.is_file()}


@pytest.mark.usefixtures("doomed")
async def test_an_answer_is_sent_only_after_the_commit(faulty: Stack) -> None:
    """A commit that fails is an error, and nothing is stored: no row, no job, no text."""
    before = _texts(faulty), await _states(faulty)
    async with tenant(faulty) as caller:
        body = {"text": "x", "name": "doomed", "signalType": "review"}
        headers = {"Idempotency-Key": "k"}
        answer = await caller.http.post("/external/v1/signals", json=body, headers=headers)
        assert answer.status_code == 500
        assert "commit" not in answer.text
        assert (await caller.http.get("/external/v1/signals")).json() == []
        assert (_texts(faulty), await _states(faulty)) == before
        # The key is free again: the same request may succeed now.
        again = await caller.http.post(
            "/external/v1/signals", json=body | {"name": "fine"}, headers=headers
        )
        assert again.status_code == 201


async def test_a_text_that_is_gone_fails_readably_and_can_be_processed_again(
    faulty: Stack,
) -> None:
    faulty.worker.kill()
    async with tenant(faulty) as caller:
        created = await caller.signal(TEXT, **TICKET)
        stored = faulty.folder / "blobs" / created["data"]["s3Key"]
        text = stored.read_bytes()
        stored.unlink()
        faulty.worker.start()
        failed = await caller.processed(created["id"])
        assert failed["status"] == "failed"
        assert failed["processing"]["lastError"] == "The stored text of this signal is missing."
        assert failed["processing"]["failedAt"] is not None
        assert failed["processing"]["processedAt"] is None
        stored.write_bytes(text)
        path = f"/external/v1/signals/{created['id']}"
        assert (await caller.http.post(f"{path}/process")).status_code == 201
        # Waiting or done, but no longer failed.
        now = (await caller.http.get(path)).json()
        assert now["status"] in ("processing", "processed")
        assert now["processing"]["lastError"] is None
        await _assert_once(caller, [created])
