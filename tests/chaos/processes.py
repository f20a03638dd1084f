"""Which processes belong to a stack, and which of them nobody looks after any more."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")

# Whether this machine tells about its processes.
KNOWN: Final = (_PROC / "self" / "environ").exists()


class Seen(NamedTuple):
    """A running process."""

    pid: int
    parent: int
    command: str


def belonging(mark: str, folder: Path) -> list[Seen]:
    """Processes with the mark in their environment, or at work in the folder.

    Servers start with an environment of their own; their working directory tells where they belong.
    """
    return [
        seen
        for each, seen in _running()
        if _marked(each, mark.encode()) or _works_below(each, folder)
    ]


def children(pid: int) -> list[Seen]:
    """The processes that a process started itself."""
    return [seen for _, seen in _running() if seen.parent == pid]


def unattended(found: Iterable[Seen]) -> list[Seen]:
    """Those that do not descend from this process: whoever started them has died."""
    processes = {each.pid: each for each in found}

    def attended(process: Seen | None) -> bool:
        while process is not None:
            if process.parent == os.getpid():
                return True
            process = processes.get(process.parent)
        return False

    return [each for each in processes.values() if not attended(each)]


def _running() -> Iterator[tuple[Path, Seen]]:
    for each in _PROC.iterdir() if KNOWN else ():
        if not each.name.isdigit() or int(each.name) == os.getpid():
            continue
        # It may end while it is looked at.
        with contextlib.suppress(OSError):
            state, parent = (each / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if state not in ("Z", "X"):
                yield each, Seen(int(each.name), int(parent), command)


def _marked(process: Path, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        return mark in (process / "environ").read_bytes()
    return False


def _works_below(process: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (process / "cwd").readlink().is_relative_to(folder)
    return False
