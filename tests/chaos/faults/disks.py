"""Full disks of `gateway up`: that of PostgreSQL, of the logs, and one disk for everything."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx

from domains.kernel.core.tasks import background_task
from gateway.embedded.postgres import Postgres
from tests.chaos.chaos_stack import ChaosStack, mounted_tmpfs
from tests.chaos.faults.processes import RunningUp, play_with_up
from tests.chaos.play import NotRun
from tests.chaos.process_tree import children
from tests.chaos.results import ScenarioResult
from tests.chaos.workload import Workload
from tests.stack import eventually

# Seconds within which everything serves after space was freed. The promise is 10 on a machine that
# is not busy with other tests.
_RECOVERY: Final = 20.0


async def fill_disk_of_postgres(stack: ChaosStack, _workload: Workload) -> ScenarioResult:
    """Fill the disk of PostgreSQL, and kill the server: it cannot start without room."""
    return await _fill_disk(stack, "pg18", kill=("postgres",))


async def fill_disk_of_logs(stack: ChaosStack, _workload: Workload) -> ScenarioResult:
    """Fill the disk of the logs, and kill a worker: it starts without a log."""
    return await _fill_disk(stack, "logs", kill=("workers",))


async def fill_all_disks(stack: ChaosStack, _workload: Workload) -> ScenarioResult:
    """Fill the one disk of everything, and kill everything."""
    return await _fill_disk(stack, "", kill=("postgres", "valkey-server", "workers"))


async def _fill_disk(stack: ChaosStack, folder: str, kill: tuple[str, ...]) -> ScenarioResult:
    """Fill the disk of a folder of the data directory, then free it."""
    data = stack.folder / f"up-on-small-disk-{folder or 'data'}"
    mounted = data / folder
    data.mkdir(mode=0o711)
    if folder == "pg18":
        await asyncio.to_thread(_create_database, data)
    mounted.mkdir(exist_ok=True)

    async def fill(up: RunningUp, workload: Workload) -> None:
        async with workload.sending_in_background():
            await workload.until_accepted(5)
            async with _full(mounted):
                stack.faults += 1
                await eventually(lambda: "Disk full" in up.log.read_text())
                for name in kill:
                    _kill(up, name)
                    stack.faults += 1
                if folder == "logs":
                    await workload.until_accepted(20)
                else:
                    # Longer than a process that fails at once may be restarted without it.
                    await asyncio.sleep(15)
            freed_at = time.monotonic()
            await workload.until_accepted(5)
            await eventually(lambda: _is_ready(workload))
            seconds = time.monotonic() - freed_at
            assert seconds < _RECOVERY, f"recovered after {seconds:.1f} s"
        assert set(workload.refused) <= {503}, f"refused with {set(workload.refused)}"
        await eventually(lambda: "Room again on the disk" in up.log.read_text())

    with contextlib.ExitStack() as opened:
        try:
            opened.enter_context(mounted_tmpfs(mounted, "400m"))
        except OSError as reason:
            raise NotRun(str(reason)) from None
        mounted.chmod(0o711)
        if folder == "pg18":
            copy = ("cp", "-a", f"{data / 'moved'}/.", str(mounted))
            await asyncio.to_thread(subprocess.run, copy, check=True, timeout=60)
        return await play_with_up(stack, fill, data=data)


@contextlib.asynccontextmanager
async def _full(folder: Path) -> AsyncIterator[None]:
    """Keep the disk of a folder full within the block, also when other files are removed."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:

        async def keep_full() -> None:
            while True:
                for size in (1 << 16, 1 << 12):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(bytes(size))
                await asyncio.sleep(0.1)

        # Closing the file frees the space.
        async with background_task(keep_full()):
            yield


def _create_database(data: Path) -> None:
    """Create the database, and move its directory away, so that a disk can be mounted there."""
    server = Postgres(data)
    server.start()
    server.stop()
    (data / "pg18").rename(data / "moved")
    (data / "pg18").mkdir()


def _kill(up: RunningUp, program: str) -> None:
    """Kill the server or child of this name, if it still runs."""
    for process in children(up.pid):
        if program in process.command:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


async def _is_ready(workload: Workload) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return (await workload.tenant.http.get("/readyz")).status_code == 200
    return False
