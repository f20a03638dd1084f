"""Load by `wrk`: one thread and 16 connections that repeat a request as fast as it is served."""

import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.processes import cpu_seconds

CONNECTIONS: Final = 16
MISSING: Final = "wrk is missing: install the Debian package `wrk` (apt-get install wrk)."

_SCRIPT: Final = Path(__file__).with_name("post.lua")
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class BadRun(Exception):
    """A run with an error of a connection or a response that is not 2xx."""


class Server(NamedTuple):
    """A server under load, and its process."""

    name: str
    base_url: str
    pid: int


class Load(NamedTuple):
    """A request to repeat. With `bodies`, a file of one JSON body per line, it is a POST.

    `@ID@` in a body becomes a text that is unique, `@TIME@` a time of the year 2024.
    """

    target: str
    key: str
    bodies: Path | None = None


class Run(NamedTuple):
    """Figures of a run: latencies in ms, CPU time in ms per request."""

    requests: int
    rps: float
    p50: float
    p99: float
    cpu: float
    postgres_cpu: float


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def run(
    server: Server, postgres: int, load: Load, seconds: int, *, connections: int = CONNECTIONS
) -> Run:
    """Load a server for `seconds`. `postgres`: the process id of its PostgreSQL.

    Raises BadRun if any request failed.
    """
    command = _command(server.base_url + load.target, load, seconds, connections)
    before = cpu_seconds(server.pid), cpu_seconds(postgres)
    result = subprocess.run(command, capture_output=True, text=True)
    after = cpu_seconds(server.pid), cpu_seconds(postgres)
    output = result.stdout
    failed = re.search(r"Non-2xx.*|Socket errors.*", output)
    counted = re.search(r"(\d+) requests in", output)
    if result.returncode or failed or counted is None or not int(counted[1]):
        reason = failed[0] if failed else output + result.stderr
        raise BadRun(f"{server.name} {load.target}: {reason.strip()}")
    requests = int(counted[1])
    return Run(
        requests,
        _number(r"Requests/sec:\s+([\d.]+)", output),
        _latency(50, output),
        _latency(99, output),
        (after[0] - before[0]) / requests * 1000,
        (after[1] - before[1]) / requests * 1000,
    )


def _command(url: str, load: Load, seconds: int, connections: int) -> Sequence[str]:
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    key = f"Authorization: Bearer {load.key}"
    command = ["wrk", *options, "-H", key]
    if load.bodies is None:
        return [*command, url]
    return [*command, "-s", str(_SCRIPT), url, "--", str(load.bodies), secrets.token_hex(6)]


def _latency(percentile: int, output: str) -> float:
    match = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)\b", output)
    assert match is not None, output
    return float(match[1]) * _MILLISECONDS[match[2]]


def _number(pattern: str, output: str) -> float:
    match = re.search(pattern, output)
    assert match is not None, output
    return float(match[1])
