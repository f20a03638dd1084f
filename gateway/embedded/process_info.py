"""State, start time and end of processes on this machine."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_HAS_PROC = Path("/proc/self/stat").exists()


def process_state(pid: int) -> str | None:
    """The state letter that ps shows (Z: ended, not yet reaped); None if there is no process."""
    if _HAS_PROC:
        return next(iter(_stat_fields(pid)), None)
    return _query_ps("stat", pid)[:1] or None


def process_start_time(pid: int) -> str:
    """Start time of a process, to be compared only; empty where the system does not show it."""
    return "".join(_stat_fields(pid)[19:20])


def process_alive(pid: int) -> bool:
    """True if a process with this number runs. A zombie does not count."""
    return process_state(pid) not in {None, "Z", "X"}


def serves_directory(pid: int, directory: Path) -> bool:
    """True if the process is the server of `directory`: another one may have its old pid."""
    if _HAS_PROC:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            try:
                return Path(f"/proc/{pid}/cwd").readlink() == directory
            except PermissionError:
                # Root in a container may not read this link, but the arguments are public.
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                return b"-D\0" + os.fsencode(directory) + b"\0" in arguments
        return False
    return f"-D {directory} " in f"{_query_ps('command', pid)} "


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty if there is no such file."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _query_ps(column: str, pid: int) -> str:
    argv = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(argv, capture_output=True, text=True).stdout.strip()


def end_process(
    pid: int, signals: Mapping[signal.Signals, float], ended: Callable[[], bool]
) -> bool:
    """Send signals in turn, waiting the seconds of each, until `ended`. False if it survives."""
    for number, seconds in signals.items():
        if ended():
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if wait_until(ended, seconds):
            return True
    return ended()


def wait_until(condition: Callable[[], bool], seconds: float, *, step: float = 0.02) -> bool:
    """Poll a condition every `step` seconds. Returns False if it is still false after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True
