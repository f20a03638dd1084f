"""Outages of dependencies that last longer than all attempts of a job."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.workload import KINDS, Workload
from tests.fakes.recordings import make_wav
from tests.fakes.speech_server import speech_server
from tests.fakes.web_server import CannedResponse, running_web_server
from tests.stack import eventually

# Attempts of a job during an outage: more than the failures that a job may have.
_ATTEMPTS: Final = 8

# Seconds after the outage within which all jobs must have ended.
_RECOVERY: Final = 30.0


async def lose_store(stack: ChaosStack, workload: Workload) -> None:
    """Replace the object store's directory by a file while jobs need it."""
    await stack.restart({"GATEWAY_OUTAGE_BACKOFF": "0.5"})
    async with stack.connected() as connection:
        await workload.send("documents")
        assert not await workload.wait_for_jobs(connection, 60)
        with _frozen(stack):
            for kind in ("signals", "documents", "documents"):
                await workload.send(kind)
            hidden = _hide(stack.blobs)
        stack.faults += 1
        await _attempted(connection, workload, _ATTEMPTS)
        item = await workload.send("signals", patience=0.5)
        assert not item.accepted
        assert set(workload.refused) == {503}
        # Its record needs no bytes.
        await workload.send("conversations")
        stack.blobs.unlink()
        hidden.rename(stack.blobs)
        assert not await workload.wait_for_jobs(connection, _RECOVERY)
        await workload.resend(item, 20)
        await _assert_no_failures(connection, workload)


async def lose_speech_service(stack: ChaosStack, workload: Workload) -> None:
    """Send recordings while nothing listens at the address of the speech service."""
    await stack.restart({"GATEWAY_OUTAGE_BACKOFF": "0.5"})
    async with running_web_server() as web, stack.connected() as connection:
        web.responses["/call.wav"] = CannedResponse(make_wav((1, 0.4)), "audio/wav")
        stack.faults += 1
        for _ in range(5):
            await workload.send(
                "conversations", recordingUrl=f"{web.url}/call.wav", transcript=None
            )
        for kind in KINDS:
            await workload.send(kind)
        await _attempted(connection, workload, _ATTEMPTS)
        async with speech_server("words", port=stack.speech_port):
            assert not await workload.wait_for_jobs(connection, _RECOVERY)
        await _assert_no_failures(connection, workload)


async def start_before_valkey(stack: ChaosStack, workload: Workload) -> None:
    """Start the worker while Valkey is stopped."""
    await asyncio.to_thread(stack.workers[0].kill)
    await asyncio.to_thread(stack.valkey.stop)
    stack.faults += 1
    stack.workers[0].start()
    async with stack.connected() as connection:
        await workload.enqueue(connection, 20)
        for kind in KINDS:
            await workload.send(kind)
        log = stack.workers[0].log
        before = log.read_text().count('"redis"')
        # Several attempts to reach Valkey.
        await asyncio.sleep(5)
        assert log.read_text().count('"redis"') <= before + 1
        assert stack.workers[0].alive
        assert (await workload.states(connection))["done"] == 0
        await asyncio.to_thread(stack.valkey.start)
        assert not await workload.wait_for_jobs(connection, _RECOVERY)


@contextlib.contextmanager
def _frozen(stack: ChaosStack) -> Iterator[None]:
    """Stop the worker within the block, so that jobs start after it."""
    stack.workers[0].send(signal.SIGSTOP)
    try:
        yield
    finally:
        stack.workers[0].send(signal.SIGCONT)


def _hide(directory: Path) -> Path:
    """Replace a directory by a file. Returns the new place of the directory."""
    hidden = directory.with_name("hidden")
    directory.rename(hidden)
    directory.write_text("")
    return hidden


async def _attempted(connection: asyncpg.Connection, workload: Workload, count: int) -> None:
    """Wait until a job has made `count` vain attempts."""
    seen: set[Any] = set()

    async def attempted() -> bool:
        rows = await connection.fetch(
            "select id, tried_at from jobs where workspace_id = $1 and tried_at is not null"
            " order by id limit 1",
            workload.tenant.workspace,
        )
        seen.update(row["tried_at"] for row in rows)
        return len(seen) >= count

    await eventually(attempted, 60)


async def _assert_no_failures(connection: asyncpg.Connection, workload: Workload) -> None:
    failures = await connection.fetchval(
        "select sum(failures) from jobs where workspace_id = $1", workload.tenant.workspace
    )
    assert failures == 0
