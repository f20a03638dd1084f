"""Whatever dies, what was accepted is done, and its effect exists once.

The quick ones of the faults that `make chaos` plays, and what no kill has a part in. Real
processes, real signals; the run ends with a table.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.chaos.load import TEXT
from tests.chaos.scenarios import SCENARIOS, Scenario, play
from tests.chaos.site import Site
from tests.chaos.table import as_property
from tests.stack import eventually, new_tenant

TICKET = {"signalType": "support_ticket"}


class Rack:
    """Holds the site that is broken, since a new one takes seconds."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._site: Site | None = None

    async def take(self) -> Site:
        if self._site is None:
            self._site = Site(self._folders.mktemp("broken"))
            await self._site.begin()
        return self._site

    def drop(self) -> None:
        site, self._site = self._site, None
        if site is not None:
            site.stop()
            assert site.remains() == []


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    made = Rack(tmp_path_factory)
    yield made
    made.drop()


@pytest.fixture
async def site(rack: Rack) -> AsyncIterator[Site]:
    """A site to be broken. A test that does not leave it whole leaves it to no other."""
    taken = await rack.take()
    yield taken
    try:
        await eventually(partial(_whole, taken), patience=5)
    except (AssertionError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        rack.drop()


async def _whole(site: Site) -> bool:
    """Whether every part runs and every job has ended."""
    try:
        async with httpx.AsyncClient(base_url=site.base_url, timeout=30) as client:
            health = (await client.get("/health")).json()
    except httpx.TransportError:
        return False
    states = await _states(site)
    return (
        health["status"] == "ok"
        and all(each.alive for each in site.parts)
        and not any(states[each] for each in ("queued", "sent", "running"))
    )


async def _states(site: Site) -> Counter[str]:
    """How many jobs are in each state."""
    async with site.connected() as connection:
        rows = await connection.fetch("select state, count(*) as n from jobs group by 1")
        return Counter({row["state"]: row["n"] for row in rows})


@pytest.mark.parametrize(
    "scenario", [pytest.param(each, id=each.name) for each in SCENARIOS if each.quick]
)
async def test_survives(
    site: Site, scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    row = await play(scenario, site)
    record_property(*as_property(row))
    if row.not_run:
        pytest.skip(row.not_run)
    assert not row.bad, row.verdict
    assert row.once == row.accepted


async def test_a_worker_told_to_stop_ends_in_order(site: Site) -> None:
    await site.repair(1)
    async with new_tenant(site) as caller:
        created = [await caller.create_signal(TEXT, **TICKET) for _ in range(30)]
        assert await asyncio.to_thread(site.workers[0].kill, signal.SIGTERM) == 0
        assert (await _states(site))["running"] == 0
        site.workers[0].start()
        for each in created:
            assert (await caller.wait_until_processed(each["id"]))["status"] == "processed"


@pytest.fixture
async def doomed(site: Site) -> AsyncIterator[None]:
    """A signal of the name `doomed` fails at its commit."""
    async with site.connected() as connection:
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


def _texts(site: Site) -> set[Path]:
    return {each for each in site.blobs.rglob("*.txt") if each.is_file()}


@pytest.mark.usefixtures("doomed")
async def test_an_answer_is_sent_only_after_the_commit(site: Site) -> None:
    """A commit that fails is an error, and nothing is stored: no row, no job, no text."""
    before = _texts(site), await _states(site)
    async with new_tenant(site) as caller:
        body = {"text": "x", "name": "doomed", "signalType": "review"}
        headers = {"Idempotency-Key": "k"}
        answer = await caller.http.post("/external/v1/signals", json=body, headers=headers)
        assert answer.status_code == 500
        assert "commit" not in answer.text
        assert (await caller.http.get("/external/v1/signals")).json() == []
        assert (_texts(site), await _states(site)) == before
        # The key is free again: the same request may succeed now.
        again = await caller.http.post(
            "/external/v1/signals", json=body | {"name": "fine"}, headers=headers
        )
        assert again.status_code == 201


async def test_a_text_that_is_gone_fails_readably_and_can_be_processed_again(site: Site) -> None:
    await site.repair(1)
    await asyncio.to_thread(site.workers[0].kill)
    async with new_tenant(site) as caller:
        created = await caller.create_signal(TEXT, **TICKET)
        stored = site.blobs / created["data"]["s3Key"]
        text = stored.read_bytes()
        stored.unlink()
        site.workers[0].start()
        failed = await caller.wait_until_processed(created["id"])
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
        done = await caller.wait_until_processed(created["id"])
        assert done["status"] == "processed"
        assert done["insightIds"]
