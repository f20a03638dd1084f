"""CPU time and memory of processes, read from `/proc`."""

import os
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024

# Fields of /proc/PID/stat after the name of the program: user and system time of the process, and
# of its children that have ended.
_CPU_FIELDS: Final = slice(11, 15)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its descendants, also of those that have ended."""
    ticks = sum(sum(map(int, _stat(process)[_CPU_FIELDS])) for process in _with_descendants(pid))
    return ticks / _TICKS_PER_SECOND


def proportional_bytes(pid: int) -> int:
    """Memory of a process and its descendants: their own pages, and their share of shared ones."""
    return sum(
        _kib_of(Path(f"/proc/{process}/smaps_rollup"), "Pss:") * _KIB
        for process in _with_descendants(pid)
    )


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants."""
    return sum(_status(process, "VmRSS:") for process in _with_descendants(pid))


def peak_resident_bytes(pid: int) -> int:
    """Sum of the peaks of resident memory since `reset_peak`."""
    return sum(_status(process, "VmHWM:") for process in _with_descendants(pid))


def reset_peak(pid: int) -> None:
    """Set the peaks of resident memory of a process and its descendants to their current values."""
    for process in _with_descendants(pid):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


def _stat(pid: int) -> list[str]:
    # The name is in parentheses, and may contain spaces and parentheses.
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _status(pid: int, name: str) -> int:
    return _kib_of(Path(f"/proc/{pid}/status"), name) * _KIB


def _kib_of(path: Path, name: str) -> int:
    lines = (line.split() for line in _read(path).splitlines())
    return next((int(words[1]) for words in lines if words[:1] == [name]), 0)


def _read(path: Path) -> str:
    """Text of a file of `/proc`. Empty if the process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
