"""API and worker processes whose standard error cannot be written."""

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.chaos.process_tree import children
from tests.stack import TIMEOUT, Stack, eventually, new_tenant

# Shell commands that start a process without a usable standard error.
_FULL_DISK: Final = 'exec "$@" 2>/dev/full'
_ALL_CLOSED: Final = 'exec "$@" 0<&- 1>&- 2>&-'


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and /proc")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and Valkey; the tests start API and worker."""
    stack = Stack(tmp_path_factory.mktemp("lost-logs"), {})
    try:
        stack.start_servers()
        yield stack
    finally:
        stack.stop()


@contextlib.asynccontextmanager
async def _running(
    stack: Stack, redirection: str, *commands: Sequence[str], stderr: int | None = None
) -> AsyncIterator[list[subprocess.Popen[bytes]]]:
    """Run modules with arguments. Kills them on exit if they still run."""
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 - returns at once
            ["sh", "-c", redirection, "-", sys.executable, "-m", *command],
            env={**os.environ, **stack.env},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        for command in commands
    ]
    try:
        await eventually(lambda: _answers(stack))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def _answers(stack: Stack) -> bool:
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        with contextlib.suppress(httpx.TransportError):
            return (await client.get("/livez")).status_code == 200
    return False


async def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Stop the processes. Returns their exit codes."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    return [await asyncio.to_thread(process.wait, TIMEOUT) for process in processes]


async def test_requests_and_jobs_are_served_while_the_disk_of_the_log_is_full(
    servers: Stack,
) -> None:
    async with (
        _running(servers, _FULL_DISK, ["gateway.serve"], ["workers"]) as processes,
        new_tenant(servers) as tenant,
    ):
        assert (await tenant.process_text())["status"] == "processed"
        assert (await tenant.http.post("/external/v1/signals", json={})).status_code == 400
        assert await _stop(processes) == [0, 0]


async def test_several_api_processes_are_served_with_closed_descriptors(servers: Stack) -> None:
    command = ["gateway", "serve", "--processes", "2"]
    async with _running(servers, _ALL_CLOSED, command) as processes:
        for process in [processes[0].pid, *(child.pid for child in children(processes[0].pid))]:
            descriptors = Path(f"/proc/{process}/fd")
            assert {str((descriptors / number).readlink()) for number in "012"} == {"/dev/null"}
        assert await _stop(processes) == [0]


def _collect(reader: io.FileIO, output: bytearray) -> bytearray:
    """Append what can be read now. Returns the output."""
    while part := reader.read(1 << 16):
        output += part
    return output


async def test_lines_appear_again_with_the_number_of_dropped_ones(servers: Stack) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    with os.fdopen(read_end, "rb", 0) as reader, os.fdopen(write_end, "wb", 0) as writer:
        command = ["gateway.serve"]
        async with _running(servers, 'exec "$@"', command, stderr=write_end) as processes:
            # The line of the request that found the API ready may come after its response.
            output = bytearray()
            await eventually(lambda: b"request_completed" in _collect(reader, output))
            for size in (1000, 1):
                while writer.write(b"-" * size) is not None:
                    pass
            async with httpx.AsyncClient(base_url=servers.base_url) as client:
                for _ in range(5):
                    assert (await client.get("/livez")).status_code == 200
                while reader.read(1 << 16):
                    pass

                async def lines() -> list[str]:
                    assert (await client.get("/livez")).status_code == 200
                    return (reader.read(1 << 16) or b"").decode().splitlines()

                report, *others = await eventually(lines)
            line = json.loads(report)
            assert (line["event"], line["level"]) == ("log_lines_dropped", "warning")
            # A line follows its response: the last one may come when the pipe is empty again.
            assert line["lines"] in (4, 5)
            assert all(json.loads(other)["event"] == "request_completed" for other in others)
            assert await _stop(processes) == [0]
