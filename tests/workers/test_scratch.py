"""Folders for temporary files: those of killed workers are removed, those in use are not."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from workers.scratch import scratch

WORKER = """
import time
from workers.scratch import scratch
with scratch() as folder:
    (folder / "recording").write_bytes(b"large")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of this process and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@asynccontextmanager
async def worker() -> AsyncIterator[Path]:
    """A process that uses a folder, killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield Path((await process.stdout.readline()).decode().strip())
    finally:
        process.kill()
        await process.wait()


def of_this_number(folder: Path) -> Path:
    """As a worker would have named it that has our number, in another container or before us."""
    return folder.rename(folder.with_name(f"gateway-worker-{os.getpid()}-other"))


def inside(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def test_a_folder_is_for_temporary_files_and_goes_when_it_is_left(shared: Path) -> None:
    with scratch() as folder:
        assert Path(tempfile.mkdtemp()).parent == folder
        assert inside(shared) == {folder}
    assert tempfile.gettempdir() == str(shared)
    assert inside(shared) == set()


async def test_the_folder_of_a_killed_process_is_removed_by_the_next(shared: Path) -> None:
    async with worker() as folder:
        pass
    assert (folder / "recording").exists()
    # A process of that number lives, and it is not the one that left this.
    left = of_this_number(folder)
    with scratch() as mine:
        assert inside(shared) == {mine}
    assert not left.exists()


async def test_the_folder_of_a_living_process_stays(shared: Path) -> None:
    async with worker() as folder:
        used = of_this_number(folder)
        with scratch() as mine:
            assert inside(shared) == {mine, used}
        dead = used.rename(used.with_name("gateway-worker-4194305-x"))
        with scratch():
            assert (dead / "recording").exists()


def test_what_only_has_the_name_stays(shared: Path) -> None:
    elsewhere = shared / "elsewhere"
    elsewhere.mkdir()
    (shared / "gateway-worker-1-link").symlink_to(elsewhere)
    (shared / "gateway-worker-1-file").touch()
    with scratch():
        pass
    assert {each.name for each in inside(shared)} == {
        "elsewhere",
        "gateway-worker-1-file",
        "gateway-worker-1-link",
    }
    assert inside(elsewhere) == set()
