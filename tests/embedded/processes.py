"""Helpers: child processes that always end, polling, SQL, and databases reused between tests."""

import asyncio
import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0


@functools.cache
def _spare_databases() -> Path:
    """Folder of stopped databases to reuse. Creating or copying a database takes a second."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def with_database(data: Path) -> Path:
    """Create a data directory, with the database of an earlier test if one is left."""
    data.mkdir(mode=0o711 if AS_ROOT else 0o700, parents=True, exist_ok=True)
    if (cluster := next(_spare_databases().iterdir(), None)) is not None:
        shutil.move(cluster, data / "pg18")
    return data


def discard(data: Path) -> None:
    """Remove a data directory. Keeps its stopped database for a later test if it is complete."""
    cluster = data / "pg18"
    if not cluster.is_symlink() and (cluster / "global" / "pg_control").exists():
        shutil.move(cluster, _spare_databases() / data.parent.name)
    shutil.rmtree(data, ignore_errors=True)


def until(condition: Callable[[], T], *, pause: float = 0.01) -> T:
    """Poll a condition until it returns a true value, and return it. Fails after 60 s."""
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still waiting for {condition}"
        time.sleep(pause)
    return value


def sql(url: str, *statements: str) -> Any:
    """Execute statements. Returns the first value of the last result."""

    async def fetch() -> Any:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(fetch())


@contextmanager
def python(code: str, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run code in a Python process with pipes. Kills it on exit if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    """Read a line of standard output. Fails with the standard error if the process has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(f"the process ended: {process.stderr.read()}")
    return line.strip()
