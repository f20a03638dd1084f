"""CPU time and memory of processes, read from `/proc`."""

import os
import time
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")

# Fields of /proc/PID/stat after the name of the program: user and system time of the children that
# have ended.
_ENDED_CHILDREN: Final = slice(13, 15)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its descendants, also of those that have ended."""
    return sum(map(_cpu_seconds, _with_descendants(pid)))


def _cpu_seconds(pid: int) -> float:
    ended = sum(map(int, _stat(pid)[_ENDED_CHILDREN])) / _TICKS_PER_SECOND
    try:
        # The CPU clock of the process (clock_getcpuclockid in C): in ns, not in ticks of 10 ms.
        return ended + time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return ended


def proportional_bytes(pid: int) -> int:
    """Memory of a process: its own pages, and its share of those that it shares with others."""
    return _bytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return _bytes(Path(f"/proc/{pid}/status"), "VmRSS:")


def peak_resident_bytes(pid: int) -> int:
    """Peak of the resident memory of a process since `reset_peak`."""
    return _bytes(Path(f"/proc/{pid}/status"), "VmHWM:")


def reset_peak(pid: int) -> None:
    """Set the peak of the resident memory of a process to the current value."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


def _stat(pid: int) -> list[str]:
    # The name is in parentheses, and may contain spaces and parentheses.
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _bytes(path: Path, name: str) -> int:
    """Value of a line such as `VmRSS:   1024 kB`. 0 if the process has ended."""
    lines = (line.split() for line in _read(path).splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[:1] == [name]), 0)


def _read(path: Path) -> str:
    """Text of a file of `/proc`. Empty if the process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
