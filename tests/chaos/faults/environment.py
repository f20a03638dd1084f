"""Faults of the environment: wall clock, disk and speech provider."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from domains.kernel.jobs import leases
from tests.chaos.chaos_stack import ChaosStack, mounted_tmpfs
from tests.chaos.fake_clock import ClockUnavailable, FakeClock
from tests.chaos.play import NotRun, check_stack, without_retry_delays
from tests.chaos.results import ScenarioResult
from tests.chaos.workload import KINDS, Workload
from tests.fakes.fake_endpoint import FakeResponse
from tests.fakes.recordings import make_wav
from tests.fakes.speech_server import BEHAVIOURS, SpeechRequest, speech_server
from tests.fakes.web_server import CannedResponse, running_web_server
from tests.stack import eventually

_HOUR: Final = 3600

# --- the clock --------------------------------------------------------------------------------


async def shift_clock(stack: ChaosStack, workload: Workload) -> None:
    """Shift the wall clock of API and worker by an hour, forwards and back."""
    try:
        clock = FakeClock(stack.folder)
    except ClockUnavailable as reason:
        raise NotRun(str(reason)) from None
    await stack.restart(clock.environment)
    try:
        async with stack.connected() as connection, workload.sending_in_background():
            for hours in (1, -1, 0):
                await workload.enqueue(connection, 40, seconds=0.05)
                await workload.until_accepted(2)
                clock.shift(hours * _HOUR)
                stack.faults += 1
                assert abs(await _api_clock_offset(stack) - hours) < 0.1
                await workload.until_accepted(6)
    finally:
        # Running processes keep the library, without an offset.
        clock.shift(0)
        for name in clock.environment:
            del stack.env[name]


async def _api_clock_offset(stack: ChaosStack) -> float:
    """Hours between the real time and the API's clock, from its Date header."""
    dates: list[float] = []
    async with httpx.AsyncClient(base_url=stack.base_url) as client:

        async def changed() -> bool:
            # The server updates this header once a second.
            response = await client.get("/livez")
            dates.append(parsedate_to_datetime(response.headers["Date"]).timestamp())
            return len(dates) > 1 and dates[-1] != dates[-2]

        await eventually(changed, 5)
    return (dates[-1] - time.time()) / _HOUR


# --- the disk ---------------------------------------------------------------------------------


async def fill_disk(stack: ChaosStack, workload: Workload) -> ScenarioResult:
    """Fill the object store's disk: requests get 503, jobs wait until there is space."""
    with contextlib.ExitStack() as opened:
        stack.blobs.mkdir(exist_ok=True)
        try:
            opened.enter_context(mounted_tmpfs(stack.blobs, "3m"))
        except OSError as reason:
            raise NotRun(str(reason)) from None
        for kind in KINDS:
            await workload.send(kind)
        async with stack.connected() as connection:
            assert not await workload.wait_for_jobs(connection, 60)
            # Accepted by the API, while the frozen worker does not write their texts yet.
            stack.workers[0].send(signal.SIGSTOP)
            for _ in range(3):
                await workload.send("documents")
            filler = stack.blobs / "filler"
            _fill(filler)
            stack.faults += 1
            before = await _stored(stack, connection)
            for kind in ("signals", "documents"):
                item = await workload.send(kind, patience=0.5)
                assert not item.accepted
            assert set(workload.refused) == {503}
            assert await _store_status(stack) == "degraded"
            assert await _stored(stack, connection) == before
            stack.workers[0].send(signal.SIGCONT)
            await eventually(lambda: _attempted_and_queued(connection, workload, 3))
            filler.unlink()
            assert await _store_status(stack) == "ok"
            await asyncio.gather(*(workload.resend(item, 20) for item in workload.items))
            async with without_retry_delays(stack):
                assert not await workload.wait_for_jobs(connection, 60)
        # Checked before the file system is unmounted.
        result = ScenarioResult()
        await check_stack(result, stack, workload)
        return result


async def _attempted_and_queued(
    connection: asyncpg.Connection, workload: Workload, count: int
) -> bool:
    """True if this number of jobs wait for another attempt."""
    waiting = await connection.fetchval(
        "select count(*) from jobs where workspace_id = $1 and state = 'queued'"
        " and started_at is not null",
        workload.tenant.workspace,
    )
    return bool(waiting == count)


async def _store_status(stack: ChaosStack) -> str:
    """Status of the object store in `/health`."""
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        return str((await client.get("/health")).json()["parts"]["blobs"]["status"])


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def _stored(stack: ChaosStack, connection: asyncpg.Connection) -> Any:
    """Numbers of stored records and jobs, and the files of the object store."""
    counts = await connection.fetchrow(
        "select (select count(*) from signals), (select count(*) from documents),"
        " (select count(*) from jobs)"
    )
    files = sorted(path for path in stack.blobs.rglob("*") if path.is_file())
    return tuple(counts), files


# --- the provider -----------------------------------------------------------------------------


async def break_provider(stack: ChaosStack, workload: Workload) -> None:
    """Use a speech service that hangs, is slow or answers invalid data. Other jobs do not wait."""
    # Behaviours by the length of the recording in seconds.
    behaviours = {1: "hang", 2: "nonsense", 3: "late", 4: "late, then words", 5: "words"}
    recordings = {seconds: make_wav((seconds, 0.4)) for seconds in behaviours}
    requests: Counter[str] = Counter()

    def answer(request: SpeechRequest) -> FakeResponse:
        behaviour = behaviours[round(len(request.file) / len(recordings[1]))]
        requests[behaviour] += 1
        first, _, then = behaviour.partition(", then ")
        return BEHAVIOURS[then if then and requests[behaviour] > 1 else first](request)

    async with (
        running_web_server() as web,
        speech_server(answer, port=stack.speech_port),
        stack.connected() as connection,
        without_retry_delays(stack),
    ):
        for seconds, behaviour in behaviours.items():
            web.responses[f"/{seconds}.wav"] = CannedResponse(recordings[seconds], "audio/wav")
            await workload.send(
                "conversations",
                expected="processed" if "words" in behaviour else "failed",
                recordingUrl=f"{web.url}/{seconds}.wav",
                transcript=None,
            )
        await workload.enqueue(connection, 20)
        for kind in KINDS:
            await workload.send(kind)
        stack.faults += len(behaviours) - 1
        deadline = time.monotonic() + 120
        # A timeout counts as a failure of its recording while the service serves others.
        while await workload.wait_for_jobs(connection, 1):
            assert time.monotonic() < deadline
            url = f"{web.url}/{len(behaviours)}.wav"
            await workload.send("conversations", recordingUrl=url, transcript=None)
    assert requests["late, then words"] >= 2
    assert min(requests["hang"], requests["late"]) > leases.MAX_FAILURES
