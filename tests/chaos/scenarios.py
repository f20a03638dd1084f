"""Faults that must be survived: a table of them, and how each is brought about."""

import asyncio
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import msgspec

from domains.kernel.db.database import Database
from gateway.embedded import runfile
from tests.chaos.clock import Clock, NoClock
from tests.chaos.load import KINDS, LONG, Load
from tests.chaos.processes import Seen, belonging, children
from tests.chaos.site import MARK, PARTING, QUICK, Part, Site, mounted
from tests.chaos.table import Row
from tests.fakes.fake_endpoint import FakeResponse
from tests.fakes.speech_server import BEHAVIOURS, SpeechRequest, speech_server
from tests.fakes.web_server import CannedResponse, running_web_server
from tests.revenue.push_records import create_source
from tests.stack import Stack, eventually, new_tenant

# Seconds for all jobs to end after the last fault.
PATIENCE: Final = 60.0
# Seconds that a scenario may take, apart from that.
_LONGEST: Final = 270.0

HOUR: Final = 3600


class NotRun(Exception):
    """The machine does not allow this one; the message says why."""


class Scenario(msgspec.Struct, frozen=True):
    """Breaks the site while the load is on it.

    `play` looks what became of that, unless `act` answers with a row of its own. `quick`: takes
    less than ten seconds, and so belongs to `make test`.
    """

    name: str
    act: Callable[[Site, Load], Awaitable[Row | None]]
    quick: bool = False
    workers: int = 1


async def play(scenario: Scenario, site: Site) -> Row:
    """Act, then look: what was accepted is there once, and everything ended."""
    row = Row(scenario=scenario.name)
    began = time.monotonic()
    await site.repair(scenario.workers)
    site.faults = 0
    async with (
        Database.open(site.database_url) as database,
        new_tenant(site, database=database) as caller,
    ):
        load = Load(caller, await create_source(caller))
        own: Row | None = None
        try:
            async with asyncio.timeout(_LONGEST):
                own = await scenario.act(site, load)
        except NotRun as reason:
            row.not_run = str(reason)
        except Exception as error:  # noqa: BLE001 - a row says what went wrong
            row.failed = _told(error)
        if own is not None:
            row = own
            row.scenario = scenario.name
        elif not row.not_run:
            with contextlib.suppress(Exception):
                await site.repair(scenario.workers)
            await audit(row, site, load)
    row.faults = site.faults
    row.seconds = time.monotonic() - began
    return row


async def audit(row: Row, site: Site, load: Load) -> None:
    """Write down what became of the load."""
    try:
        # How long an attempt waits after a failure is another matter.
        async with site.connected() as connection, _hurried(site):
            await _look(row, connection, load, site.blobs)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        row.failed = row.failed or _told(error)
    row.orphans = await _orphans(site.strangers)


async def _look(row: Row, connection: asyncpg.Connection, load: Load, blobs: Path) -> None:
    tally = await load.tally(connection, blobs, PATIENCE)
    row.accepted, row.unfinished = tally.accepted, tally.unfinished
    row.once, row.lost, row.doubled = (tally.outcomes[each] for each in ("once", "lost", "doubled"))
    if tally.wrong and not row.failed:
        row.failed = ", ".join(tally.wrong[:3])
    row.open_transactions = await _left_open(connection)


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


async def _left_open(connection: asyncpg.Connection) -> int:
    """Transactions that wait for their client for more than a second."""
    idle = (
        "select pid, xact_start from pg_stat_activity"
        " where datname = current_database() and state like 'idle in transaction%'"
    )
    before = {tuple(each) for each in await connection.fetch(idle)}
    deadline = time.monotonic() + 1.0
    while before and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        before &= {tuple(each) for each in await connection.fetch(idle)}
    return len(before)


async def _orphans(look: Callable[[], list[Seen]]) -> int:
    deadline = time.monotonic() + PARTING
    while (left := look()) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return len(left)


# --- processes are killed ---------------------------------------------------------------------


async def _when(
    site: Site, load: Load, condition: Callable[[Counter[str]], bool], patience: float = 30
) -> None:
    """Wait for a condition on the numbers of jobs in each state."""
    async with site.connected() as connection:

        async def met() -> bool:
            return condition(await load.states(connection))

        await eventually(met, patience)


async def _worker_in_the_middle(site: Site, load: Load) -> None:
    await load.send(text=LONG)
    await _when(site, load, lambda states: states["running"] > 0)
    await site.kill(site.workers[0])
    async with site.connected() as connection:
        assert (await load.states(connection))["running"] == 1


def _more_done(than: int, states: Counter[str]) -> bool:
    return states["done"] > than


async def _worker_again_and_again(site: Site, load: Load) -> None:
    async with site.supervised(), site.connected() as connection:
        for _ in range(2):
            await load.enqueue(connection, 25, seconds=0.05)
            for kind in KINDS[:2]:
                await load.send(kind)
            done = (await load.states(connection))["done"]
            # Long enough for the new one to have begun.
            await _when(site, load, partial(_more_done, done))
            await site.kill(site.workers[0])


async def _api_under_load(site: Site, load: Load) -> None:
    async with site.supervised(), load.flowing(pause=0.0, senders=6):
        for _ in range(2):
            await load.until_accepted(25)
            await site.kill(site.api)
        await load.until_accepted(10)


async def _at_random(
    site: Site, victims: Callable[[], list[Part]], *, seconds: float, pause: tuple[float, float]
) -> None:
    chance = random.Random(1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(chance.uniform(*pause))
        await site.kill(chance.choice(victims()))


async def _everything_for_a_minute(site: Site, load: Load) -> None:
    async with site.supervised(), site.connected() as connection:

        async def jobs() -> None:
            while True:
                await load.enqueue(connection, 40, seconds=0.02)
                await asyncio.sleep(1)

        async with load.flowing(senders=4, pause=0.1):
            queueing = asyncio.create_task(jobs())
            await _at_random(site, lambda: site.parts, seconds=60, pause=(0.3, 2.5))
            queueing.cancel()
            await asyncio.gather(queueing, return_exceptions=True)
        # Those of which no answer came may be sent again as soon as their key is free.
        await asyncio.gather(*(load.again(each, 5) for each in load.items))
        await _keys_are_free(connection, load)
        await asyncio.gather(*(load.again(each, 20) for each in load.items))
    assert all(each.accepted for each in load.items)


async def _keys_are_free(connection: asyncpg.Connection, load: Load) -> None:
    """Wait until no request of a killed process holds its Idempotency-Key any more."""

    async def free() -> bool:
        held = await connection.fetchval(
            "select count(*) from idempotency where workspace_id = $1 and status is null"
            " and created_at > now() - interval '60 seconds'",
            load.tenant.workspace,
        )
        return not held

    await eventually(free, 90)


async def _ten_thousand(site: Site, load: Load) -> None:
    async with site.connected() as connection:
        await load.enqueue(connection, 10_000, seconds=0.05)
        async with site.supervised():
            killing = asyncio.create_task(_workers_killed(site))
            await load.ended(connection, 240)
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)


async def _workers_killed(site: Site, every: float = 2.0) -> None:
    """One of those that work; on a machine that is slow, none would ever get so far otherwise."""
    chance = random.Random(5)
    async with site.connected() as connection:
        while True:
            await asyncio.sleep(every)
            begun = {each["pid"] for each in await connection.fetch("select pid from workers")}
            working = [each for each in site.workers if each.alive and each.pid in begun]
            if working:
                await site.kill(chance.choice(working))


async def _supervised_children(site: Site, _load: Load) -> Row:
    """`gateway up` itself starts again what dies: API, worker, PostgreSQL, Valkey."""
    data, log, mark = site.folder / "up", site.folder / "up.log", f"{site.mark}-up"
    env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "up", "--data", str(data), "--port", "0"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**env, **QUICK, MARK: mark},
        )
    row = Row()
    try:

        async def ready() -> bool:
            assert process.returncode is None, log.read_text()
            return "READY " in log.read_text()

        await eventually(ready)
        await _killed_below(process.pid, data, site, row)
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 60)
    row.orphans = await _orphans(lambda: belonging(mark, data))
    return row


async def _killed_below(pid: int, data: Path, site: Site, row: Row) -> None:
    note = runfile.running(data)
    assert note is not None
    place = Stack(site.folder, {})
    place.env["DATABASE_URL"] = note["database_url"]
    place.base_url = note["api_url"]
    chance = random.Random(4)
    deadline = time.monotonic() + 30
    async with new_tenant(place) as caller:
        load = Load(caller, await create_source(caller))
        async with load.flowing(pause=0.2):
            while time.monotonic() < deadline:
                await asyncio.sleep(chance.uniform(1, 3))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(children(pid)).pid, signal.SIGKILL)
                    site.faults += 1
        connection = await eventually(partial(_reached, place.database_url))
        try:
            await _look(row, connection, load, data / "blobs")
        finally:
            await connection.close()


async def _reached(url: str) -> asyncpg.Connection | None:
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        return await asyncpg.connect(url)
    return None


async def _relay_between_mark_and_send(site: Site, load: Load) -> None:
    """Redis takes the ids and never answers: the rows say sent, and no queue has them."""
    valkey = site.valkey_pid()
    async with site.connected() as connection:
        before = await load.states(connection)
        assert not before
        os.kill(valkey, signal.SIGSTOP)
        try:
            await load.enqueue(connection, 40)
            for kind in KINDS:
                await load.send(kind)
            await _when(site, load, lambda states: states["sent"] > 10)
            await site.kill(site.workers[0])
        finally:
            os.kill(valkey, signal.SIGCONT)


async def _crashing_job(site: Site, load: Load, *, losses: int, hurry: bool) -> None:
    async with site.supervised(), site.connected() as connection:
        await load.enqueue(connection, 1, kind="chaos.crash", wanted="failed", losses=losses)
        await load.enqueue(connection, 20, seconds=0.02)
        async with _hurried(site) if hurry else contextlib.nullcontext():
            site.faults += 10 - losses
            assert not await load.ended(connection, 120)
        row = await connection.fetchrow("select losses, error from jobs where kind = 'chaos.crash'")
        assert row["losses"] == 10
        assert "abnormally" in row["error"]


@contextlib.asynccontextmanager
async def _hurried(site: Site) -> AsyncIterator[None]:
    """Nothing waits for its next attempt."""

    async def hurry() -> None:
        async with site.connected() as connection:
            while True:
                await connection.execute(
                    "update jobs set run_after = now() where state = 'queued' and run_after > now()"
                )
                await asyncio.sleep(0.1)

    hurrying = asyncio.create_task(hurry())
    try:
        yield
    finally:
        hurrying.cancel()
        await asyncio.gather(hurrying, return_exceptions=True)


# --- Valkey -----------------------------------------------------------------------------------


async def _valkey_loses(site: Site, load: Load, loss: str) -> None:
    """Ids wait in it, and are gone."""
    worker = site.workers[0]
    async with site.connected() as connection:
        await load.enqueue(connection, 300, seconds=0.1)
        for kind in KINDS:
            await load.send(kind)
        await _when(site, load, lambda states: states["done"] >= 5 and states["sent"] >= 2)
    site.faults += 1
    if loss == "flushed":
        with site.redis() as client:
            client.flushall()
    elif loss == "killed":
        os.kill(site.valkey_pid(), signal.SIGKILL)
        await asyncio.to_thread(site.valkey.start)
    else:
        await asyncio.to_thread(site.valkey.stop)
        for file in (site.folder / "valkey").glob("appendonlydir/*"):
            file.unlink()
        await asyncio.to_thread(site.valkey.start)
    assert worker.alive


async def _valkey_away(site: Site, load: Load) -> None:
    await asyncio.to_thread(site.valkey.stop)
    site.faults += 1
    async with site.connected() as connection:
        await load.enqueue(connection, 10)
    for kind in KINDS:
        await load.send(kind)
    await asyncio.to_thread(site.valkey.start)


async def _valkey_hangs(site: Site, load: Load) -> None:
    """It is there, and silent, for longer than a lease."""
    valkey = site.valkey_pid()
    async with site.connected() as connection, load.flowing():
        await load.enqueue(connection, 100, seconds=0.05)
        await _when(site, load, lambda states: states["done"] >= 5)
        site.faults += 1
        os.kill(valkey, signal.SIGSTOP)
        try:
            await load.until_accepted(5)
            await asyncio.sleep(2.5)
        finally:
            os.kill(valkey, signal.SIGCONT)


async def _valkey_at_random(site: Site, load: Load) -> None:
    chance = random.Random(2)
    deadline = time.monotonic() + 30
    async with site.connected() as connection, load.flowing():
        while time.monotonic() < deadline:
            await load.enqueue(connection, 60, seconds=0.02)
            await asyncio.sleep(chance.uniform(0.3, 2))
            site.faults += 1
            match chance.choice(["flush", "kill", "restart"]):
                case "flush":
                    with site.redis() as client:
                        client.flushall()
                case "kill":
                    os.kill(site.valkey_pid(), signal.SIGKILL)
                    await asyncio.sleep(chance.uniform(0, 1))
                case "restart":
                    await asyncio.to_thread(site.valkey.stop)
            await asyncio.to_thread(site.valkey.start)


# --- PostgreSQL -------------------------------------------------------------------------------


async def _postgres_killed(site: Site, load: Load) -> None:
    await load.send(text=LONG)
    await _when(site, load, lambda states: states["running"] > 0)
    await asyncio.to_thread(site.postgres.stop, hard=True)
    site.faults += 1
    refused = await load.tenant.http.post(
        "/external/v1/signals", json={"text": "x", "signalType": "review"}
    )
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "postgres" not in refused.json()["detail"].lower()
    await asyncio.to_thread(site.postgres.start)


async def _postgres_at_random(site: Site, load: Load) -> None:
    chance = random.Random(3)
    deadline = time.monotonic() + 30
    async with load.flowing():
        while time.monotonic() < deadline:
            async with site.connected() as connection:
                await load.enqueue(connection, 60, seconds=0.02)
            await asyncio.sleep(chance.uniform(1, 3))
            site.faults += 1
            # Hard: as `pg_ctl stop -m immediate`.
            await asyncio.to_thread(site.postgres.stop, hard=chance.random() < 0.7)
            await asyncio.sleep(chance.uniform(0, 1))
            await asyncio.to_thread(site.postgres.start)


# Connections with a transaction come first.
_CUT: Final = """
    select count(*) filter (where busy and pg_terminate_backend(pid)),
        count(*) filter (where not busy and pg_terminate_backend(pid))
    from (
        select pid, backend_xid is not null or state like 'idle in transaction%' as busy
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
            and application_name <> 'chaos'
        order by 2 desc, random() limit $1
    ) victims
"""


async def _connections_cut(site: Site, load: Load, seconds: float) -> None:
    connection = await asyncpg.connect(
        site.database_url, server_settings={"application_name": "chaos"}
    )
    deadline = time.monotonic() + seconds
    in_transactions = 0
    try:
        async with load.flowing():
            while time.monotonic() < deadline or not in_transactions:
                assert time.monotonic() < deadline + 30
                await load.enqueue(connection, 20, seconds=0.01)
                for _ in range(10):
                    cut = await connection.fetchrow(_CUT, 2)
                    in_transactions += cut[0]
                    site.faults += cut[0] + cut[1]
                    await asyncio.sleep(0.03)
    finally:
        await connection.close()


# --- clocks and disks -------------------------------------------------------------------------


async def _clock_jumps(site: Site, load: Load) -> None:
    try:
        clock = Clock(site.folder)
    except NoClock as reason:
        raise NotRun(str(reason)) from None
    await site.restart(clock.environment)
    try:
        async with site.connected() as connection, load.flowing():
            for hours in (1, -1, 0):
                await load.enqueue(connection, 40, seconds=0.05)
                await load.until_accepted(2)
                clock.shift(hours * HOUR)
                site.faults += 1
                assert abs(await _hours_off(site) - hours) < 0.1
                await load.until_accepted(6)
    finally:
        # Those that run keep the library; a clock that is right does no harm.
        clock.shift(0)
        for name in clock.environment:
            del site.env[name]


async def _hours_off(site: Site) -> float:
    """How far from the real time the API's clock is, by the Date of its answers."""
    told: list[float] = []
    async with httpx.AsyncClient(base_url=site.base_url) as client:

        async def changed() -> bool:
            # The server makes this header once a second.
            answer = await client.get("/livez")
            date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            told.append(date)
            return len(told) > 1 and told[-1] != told[-2]

        await eventually(changed, 5)
    return (told[-1] - time.time()) / HOUR


async def _disk_full(site: Site, load: Load) -> Row:
    with contextlib.ExitStack() as opened:
        site.blobs.mkdir(exist_ok=True)
        try:
            opened.enter_context(mounted(site.blobs, "3m"))
        except OSError as reason:
            raise NotRun(str(reason)) from None
        for kind in KINDS:
            await load.send(kind)
        site.held.add(site.workers[0])
        await asyncio.to_thread(site.workers[0].stop)
        # Accepted, and their texts must be written when there is no room.
        for _ in range(3):
            await load.send("documents")
        filler = site.blobs / "filler"
        _fill(filler)
        site.faults += 1
        async with site.connected() as connection:
            before = await _stored(site, connection)
            for kind in ("signals", "documents"):
                item = await load.send(kind, patience=0.5)
                assert not item.accepted
            assert set(load.refused) == {503}
            assert await _stored(site, connection) == before
            site.held.clear()
            site.workers[0].start()
            # They are tried, and have to wait.
            await _when(site, load, lambda states: states["queued"] == 3)
            filler.unlink()
            await asyncio.gather(*(load.again(each, 20) for each in load.items))
            async with _hurried(site):
                assert not await load.ended(connection, 30)
        # Before their bytes go with the file system.
        row = Row()
        await audit(row, site, load)
        return row


def _fill(path: Path) -> None:
    """Write until there is no room, not even for a byte."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def _stored(site: Site, connection: asyncpg.Connection) -> Any:
    rows = await connection.fetchrow(
        "select (select count(*) from signals), (select count(*) from documents),"
        " (select count(*) from jobs)"
    )
    files = sorted(each for each in site.blobs.rglob("*") if each.is_file())
    return tuple(rows), files


# --- a provider -------------------------------------------------------------------------------


async def _provider_misbehaves(site: Site, load: Load) -> None:
    """One service, asked about recordings of different lengths; by these it tells what to do."""
    asked: Counter[str] = Counter()
    plans = {1: "hang", 2: "nonsense", 3: "late", 4: "late, then words"}

    def answer(about: SpeechRequest) -> FakeResponse:
        plan = plans[round(len(about.file) / len(_sound(1)))]
        asked[plan] += 1
        first, _, then = plan.partition(", then ")
        return BEHAVIOURS[then if then and asked[plan] > 1 else first](about)

    async with (
        running_web_server() as web,
        speech_server(answer, port=site.speech_port),
        site.connected() as connection,
        _hurried(site),
    ):
        for seconds, plan in plans.items():
            web.responses[f"/{seconds}.wav"] = CannedResponse(_sound(seconds), "audio/wav")
            await load.send(
                "conversations",
                wanted="processed" if "then" in plan else "failed",
                recordingUrl=f"{web.url}/{seconds}.wav",
                transcript=None,
            )
        # Nobody else waits for the service.
        await load.enqueue(connection, 20)
        for kind in KINDS:
            await load.send(kind)
        site.faults += len(plans)
        assert not await load.ended(connection, 60)
    assert asked["late, then words"] == 2
    assert asked["hang"] == asked["late"] == 5


def _sound(seconds: int) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        period = b"".join(
            (12_000 if n < 10 else -12_000).to_bytes(2, "little", signed=True) for n in range(20)
        )
        out.writeframes(period * (seconds * 400))
    return made.getvalue()


SCENARIOS: Final = (
    Scenario("worker killed in the middle of a job", _worker_in_the_middle, quick=True),
    Scenario("worker killed again and again", _worker_again_and_again, quick=True),
    Scenario("API killed under load", _api_under_load, quick=True),
    Scenario("relay killed between mark and send", _relay_between_mark_and_send, quick=True),
    Scenario("Valkey flushed", partial(_valkey_loses, loss="flushed"), quick=True),
    Scenario("Valkey killed", partial(_valkey_loses, loss="killed"), quick=True),
    Scenario("Valkey restarted empty", partial(_valkey_loses, loss="emptied"), quick=True),
    Scenario("Valkey away", _valkey_away, quick=True),
    Scenario("Valkey hangs", _valkey_hangs, quick=True),
    Scenario("PostgreSQL stopped at once", _postgres_killed, quick=True),
    Scenario("connections cut", partial(_connections_cut, seconds=2), quick=True),
    Scenario("clock jumps by an hour", _clock_jumps, quick=True),
    Scenario("disk of the store full", _disk_full, quick=True),
    Scenario("provider hangs, talks nonsense, is late", _provider_misbehaves, quick=True),
    Scenario(
        "job that kills its process, last attempts",
        partial(_crashing_job, losses=8, hurry=True),
        quick=True,
    ),
    Scenario("job that kills its process", partial(_crashing_job, losses=0, hurry=False)),
    Scenario("Valkey broken at random, 30 s", _valkey_at_random),
    Scenario("PostgreSQL restarted at random, 30 s", _postgres_at_random),
    Scenario("connections cut, 30 s", partial(_connections_cut, seconds=30)),
    Scenario("everything killed at random, 60 s", _everything_for_a_minute, workers=2),
    Scenario("what gateway up started, killed, 30 s", _supervised_children),
    Scenario("10,000 jobs, a kill every 2 s", _ten_thousand, workers=2),
)
