"""Some of the scenarios of `make chaos`, failed commits, and texts missing from the store."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from gateway.embedded.errors import EmbeddedError
from tests.chaos.__main__ import main
from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.play import Scenario, play
from tests.chaos.results import as_property
from tests.chaos.scenarios import SCENARIOS, TEST_SCENARIOS
from tests.chaos.workload import TEXT, Workload
from tests.stack import eventually, new_tenant

TICKET = {"signalType": "support_ticket"}


class SharedStack:
    """A stack for several tests, since starting one takes seconds."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stack: ChaosStack | None = None

    async def get(self) -> ChaosStack:
        """The stack with everything running and no job left; a new one if it cannot be repaired."""
        if self._stack is not None:
            try:
                await self._stack.repair(1)
                await eventually(partial(_is_idle, self._stack))
            except (AssertionError, OSError, asyncpg.PostgresError, EmbeddedError):
                self.discard()
        if self._stack is None:
            self._stack = ChaosStack(self._folders.mktemp("chaos"))
            await self._stack.start()
        return self._stack

    def discard(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.stop()
            assert stack.leftovers() == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedStack]:
    created = SharedStack(tmp_path_factory)
    yield created
    created.discard()


@pytest.fixture
async def chaos_stack(shared: SharedStack) -> ChaosStack:
    return await shared.get()


async def _is_idle(stack: ChaosStack) -> bool:
    states = await _states(stack)
    return not any(states[state] for state in ("queued", "sent", "running"))


async def _states(stack: ChaosStack) -> Counter[str]:
    """Number of jobs by state."""
    async with stack.connected() as connection:
        rows = await connection.fetch("select state, count(*) as n from jobs group by 1")
        return Counter({row["state"]: row["n"] for row in rows})


@pytest.mark.parametrize(
    "scenario", [pytest.param(scenario, id=scenario.name) for scenario in TEST_SCENARIOS]
)
async def test_nothing_is_lost_or_doubled(
    chaos_stack: ChaosStack, scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    result = await play(scenario, chaos_stack)
    record_property(*as_property(result))
    if result.not_run:
        pytest.skip(result.not_run)
    assert not result.bad, "\n".join([result.verdict, *result.evidence])
    assert result.once == result.accepted


async def test_a_failure_comes_with_log_lines_and_jobs_but_no_text(
    chaos_stack: ChaosStack,
) -> None:
    async def fail(stack: ChaosStack, workload: Workload) -> None:
        await workload.send(text=f"{TEXT} It is about Quetzalcoatl.")
        await asyncio.to_thread(stack.postgres.stop, hard=True)
        assert (await workload.tenant.http.get("/external/v1/signals")).status_code == 200

    result = await play(Scenario("a failure", fail), chaos_stack)
    assert result.failed.startswith("AssertionError")
    evidence = "\n".join(result.evidence)
    assert "api.log" in evidence
    assert '"status":503' in evidence
    assert "logs/postgres.log" in evidence
    assert "jobs:\n    id=" in evidence
    assert "Quetzalcoatl" not in evidence


@pytest.mark.parametrize(
    ("words", "names", "code"),
    [
        (["valkey KILLED"], ["Valkey killed"], 0),
        ([], [scenario.name for scenario in SCENARIOS], 0),
        (["no such word"], [], 2),
    ],
)
def test_scenarios_are_listed_by_words(words: list[str], names: list[str], code: int) -> None:
    listed = CliRunner().invoke(main, ["--list", *words])
    assert listed.exit_code == code
    assert listed.stdout.splitlines() == names


async def test_sigterm_stops_a_worker_in_order(chaos_stack: ChaosStack) -> None:
    async with new_tenant(chaos_stack) as tenant:
        created = [await tenant.create_signal(TEXT, **TICKET) for _ in range(30)]
        assert await asyncio.to_thread(chaos_stack.workers[0].kill, signal.SIGTERM) == 0
        assert (await _states(chaos_stack))["running"] == 0
        chaos_stack.workers[0].start()
        for signal_ in created:
            processed = await tenant.wait_until_processed(signal_["id"])
            assert processed["status"] == "processed"


@pytest.fixture
async def failing_commit(chaos_stack: ChaosStack) -> AsyncIterator[None]:
    """The commit of a signal with the name `doomed` fails."""
    async with chaos_stack.connected() as connection:
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


def _stored_texts(stack: ChaosStack) -> set[Path]:
    return {path for path in stack.blobs.rglob("*.txt") if path.is_file()}


@pytest.mark.usefixtures("failing_commit")
async def test_a_response_is_sent_after_the_commit(chaos_stack: ChaosStack) -> None:
    """After a failed commit the status is 500 and nothing is stored: no row, no job, no text."""
    before = _stored_texts(chaos_stack), await _states(chaos_stack)
    async with new_tenant(chaos_stack) as tenant:
        body = {"text": "x", "name": "doomed", "signalType": "review"}
        headers = {"Idempotency-Key": "k"}
        answer = await tenant.http.post("/external/v1/signals", json=body, headers=headers)
        assert answer.status_code == 500
        assert "commit" not in answer.text
        assert (await tenant.http.get("/external/v1/signals")).json() == []
        assert (_stored_texts(chaos_stack), await _states(chaos_stack)) == before
        # The Idempotency-Key is released.
        again = await tenant.http.post(
            "/external/v1/signals", json=body | {"name": "fine"}, headers=headers
        )
        assert again.status_code == 201


async def test_a_missing_text_fails_with_a_message_and_can_be_reprocessed(
    chaos_stack: ChaosStack,
) -> None:
    async with new_tenant(chaos_stack) as tenant:
        # The frozen worker starts the job only after the text has been deleted.
        chaos_stack.workers[0].send(signal.SIGSTOP)
        created = await tenant.create_signal(TEXT, **TICKET)
        stored = chaos_stack.blobs / created["data"]["s3Key"]
        text = stored.read_bytes()
        stored.unlink()
        chaos_stack.workers[0].send(signal.SIGCONT)
        failed = await tenant.wait_until_processed(created["id"])
        assert failed["status"] == "failed"
        assert failed["processing"]["lastError"] == "The stored text of this signal is missing."
        assert failed["processing"]["failedAt"] is not None
        assert failed["processing"]["processedAt"] is None
        stored.write_bytes(text)
        path = f"/external/v1/signals/{created['id']}"
        assert (await tenant.http.post(f"{path}/process")).status_code == 201
        now = (await tenant.http.get(path)).json()
        assert now["status"] in ("processing", "processed")
        assert now["processing"]["lastError"] is None
        done = await tenant.wait_until_processed(created["id"])
        assert done["status"] == "processed"
        assert done["insightIds"]
