"""Confines this process, then becomes the command that was given: the first step of a sandbox.

Run by its path with an interpreter of its own: setting limits between fork and exec is not safe
in a process that has threads.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

_SET_DEATH_SIGNAL = 1
_DROP_CAPABILITY = 24
_SET_NO_NEW_PRIVILEGES = 38

_NEW_USERS = 0x10000000
_NEW_NETWORK = 0x40000000

# Reading files of others, all that root keeps; there are no more than so many.
_KEPT_CAPABILITIES = (1, 2)
_CAPABILITIES = 64


def main(arguments: Sequence[str]) -> None:
    """Process id of the parent, then memory, CPU seconds, bytes of a file, descriptors, command."""
    parent, memory, cpu, written, files = map(int, arguments[:5])
    command = list(arguments[5:])
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _write("oom_score_adj", "1000")
        _withdraw(libc)
        _die_with(parent, libc)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, files)
    _limit(resource.RLIMIT_FSIZE, written)
    # The soft limit is a signal that says what happened; the hard one kills who ignores it.
    _limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    _limit(resource.RLIMIT_AS, memory)
    os.nice(10)
    # The interpreter ignores these two, and what is ignored stays so after exec.
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606  # no shell is meant


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    _, highest = resource.getrlimit(which)
    hard = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        hard = min(hard, highest)
    # Not every system has every limit.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (min(soft, hard), hard))


def _withdraw(libc: ctypes.CDLL) -> None:
    """No network, and no look into other processes, where the system allows to give them up."""
    libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        # Root in users of its own could not read the files of others.
        libc.unshare(_NEW_NETWORK)
        for each in set(range(_CAPABILITIES)).difference(_KEPT_CAPABILITIES):
            libc.prctl(_DROP_CAPABILITY, each, 0, 0, 0)
    elif libc.unshare(_NEW_USERS | _NEW_NETWORK) == 0:
        _write("setgroups", "deny")
        _write("uid_map", f"{user} {user} 1")
        _write("gid_map", f"{group} {group} 1")


def _write(name: str, text: str) -> None:
    path = f"/proc/self/{name}"
    # Some systems refuse it, and what was given up stays so. pathlib would take long to load.
    with contextlib.suppress(OSError), open(path, "w") as file:  # noqa: PTH123
        file.write(text)


def _die_with(parent: int, libc: ctypes.CDLL) -> None:
    # Meant is the death of the thread that started this process: it runs the loop that waits.
    libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
