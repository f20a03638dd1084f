"""Scratch directories: those of killed workers are removed, those in use are not."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from workers.scratch import scratch_directory

WORKER = """
import signal
from workers.scratch import scratch_directory
with scratch_directory() as folder:
    (folder / "recording").write_bytes(b"large")
    print(folder, flush=True)
    signal.pause()
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of this process and its children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@asynccontextmanager
async def running_worker() -> AsyncIterator[Path]:
    """The scratch directory of a process, which is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield Path((await process.stdout.readline()).decode().strip())
    finally:
        process.kill()
        await process.wait()


def rename_to_own_pid(folder: Path) -> Path:
    """Rename a directory as if another process with the id of this one had created it."""
    return folder.rename(folder.with_name(f"gateway-worker-{os.getpid()}-other"))


def list_folder(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def test_temporary_files_are_created_in_the_directory_and_removed_with_it(parent: Path) -> None:
    with scratch_directory() as folder:
        assert Path(tempfile.mkdtemp()).parent == folder
        assert list_folder(parent) == {folder}
    assert tempfile.gettempdir() == str(parent)
    assert list_folder(parent) == set()


async def test_directory_of_a_killed_process_is_removed_even_if_its_id_is_in_use(
    parent: Path,
) -> None:
    async with running_worker() as folder:
        pass
    assert (folder / "recording").exists()
    left = rename_to_own_pid(folder)
    with scratch_directory() as own:
        assert list_folder(parent) == {own}
    assert not left.exists()


async def test_directory_of_a_running_process_stays_even_if_its_id_is_unknown(
    parent: Path,
) -> None:
    async with running_worker() as folder:
        used = rename_to_own_pid(folder)
        with scratch_directory() as own:
            assert list_folder(parent) == {own, used}
        unknown = used.rename(used.with_name("gateway-worker-4194305-x"))
        with scratch_directory():
            assert (unknown / "recording").exists()


def test_files_and_links_with_the_name_of_a_directory_stay(parent: Path) -> None:
    elsewhere = parent / "elsewhere"
    elsewhere.mkdir()
    (parent / "gateway-worker-1-link").symlink_to(elsewhere)
    (parent / "gateway-worker-1-file").touch()
    with scratch_directory():
        pass
    assert {path.name for path in list_folder(parent)} == {
        "elsewhere",
        "gateway-worker-1-file",
        "gateway-worker-1-link",
    }
    assert list_folder(elsewhere) == set()
