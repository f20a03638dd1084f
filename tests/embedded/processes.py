"""What these tests share: real processes, waited for and never left behind."""

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
def _shelf() -> Path:
    """Where databases wait for their next test: making one, even copying one, costs a second."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def prepare(data: Path) -> Path:
    """The same folder, with a database of an earlier test in it if there is one."""
    data.mkdir(mode=0o711 if AS_ROOT else 0o700, parents=True, exist_ok=True)
    for cluster in _shelf().iterdir():
        shutil.move(cluster, data / "pg18")
        break
    return data


def reclaim(data: Path) -> None:
    """Keep the stopped database of a folder for a later test, if it is whole; remove the folder."""
    cluster = data / "pg18"
    if not cluster.is_symlink() and (cluster / "global" / "pg_control").exists():
        shutil.move(cluster, _shelf() / data.parent.name)
    shutil.rmtree(data, ignore_errors=True)


def until(condition: Callable[[], T], *, seconds: float = 20.0) -> T:
    """The first true value of the condition; an assertion error if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still waiting for {condition} after {seconds} s"
        time.sleep(0.01)
    return value


def sql(url: str, *statements: str) -> Any:
    """The first value of the last statement's answer."""

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
    """A Python process running the code, with pipes; killed at the end if it still runs."""
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
    """The next line that the process prints; what it said to standard error if it ended instead."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        assert process.stderr is not None
        raise AssertionError(f"the process ended: {process.stderr.read()}")
    return line
