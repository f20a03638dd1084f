"""Find the processes of a stack, and those of them whose parent has died."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")


class ProcessInfo(NamedTuple):
    """A running process."""

    pid: int
    parent: int
    command: str


def stack_processes(mark: str, folder: Path) -> list[ProcessInfo]:
    """Processes with the mark in their environment, or with a working directory in the folder.

    The embedded servers have an environment of their own, but work in the folder.
    """
    return [
        process
        for path, process in _running()
        if _has_mark(path, mark.encode()) or _works_in(path, folder)
    ]


def children(pid: int) -> list[ProcessInfo]:
    """The direct children of a process."""
    return [process for _, process in _running() if process.parent == pid]


def descendants(pid: int) -> list[ProcessInfo]:
    """The children of a process, their children, and so on."""
    found = children(pid)
    for child in found:
        found += children(child.pid)  # the loop visits these, too
    return found


def listening_sockets(port: int) -> int:
    """Number of IPv4 sockets that listen on a port: one for each process that shares it (Linux)."""
    lines = (_PROC / "net/tcp").read_text().splitlines()[1:]
    sockets = (line.split() for line in lines)
    return sum(at.endswith(f":{port:04X}") and state == "0A" for _, at, _, state, *_ in sockets)


def orphans(candidates: Iterable[ProcessInfo]) -> list[ProcessInfo]:
    """Processes that do not descend from this one, because their parent has died."""
    processes = {process.pid: process for process in candidates}

    def descends_from_us(process: ProcessInfo | None) -> bool:
        while process is not None:
            if process.parent == os.getpid():
                return True
            process = processes.get(process.parent)
        return False

    return [process for process in processes.values() if not descends_from_us(process)]


def _running() -> Iterator[tuple[Path, ProcessInfo]]:
    """All running processes but this one; none on systems without /proc."""
    for path in _PROC.iterdir() if _PROC.exists() else ():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        # A process may end while it is inspected.
        with contextlib.suppress(OSError):
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if state not in ("Z", "X"):
                yield path, ProcessInfo(int(path.name), int(parent), command)


def _has_mark(process: Path, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        return mark in (process / "environ").read_bytes()
    return False


def _works_in(process: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (process / "cwd").readlink().is_relative_to(folder)
    return False
