"""Launcher of the sandbox: drops privileges, sets resource limits, then executes the command.

Run by path in an interpreter of its own: a process that has threads cannot safely set limits
between fork and exec.
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

_NEW_USER_NAMESPACE = 0x10000000
_NEW_NETWORK_NAMESPACE = 0x40000000

# Root keeps CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: it still reads and writes files of all users.
# Without them it could not read an input file that belongs to another user.
_KEPT_CAPABILITIES = (1, 2)
# Above the highest capability of any kernel.
_MAX_CAPABILITIES = 64


def main(arguments: Sequence[str]) -> None:
    """Arguments: parent's process id, memory, CPU seconds, file size, open files, command."""
    parent, memory, cpu, file_size, open_files = map(int, arguments[:5])
    command = list(arguments[5:])
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _write_proc("oom_score_adj", "1000")
        _drop_privileges(libc)
        _die_with_parent(parent, libc)
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_NOFILE, open_files)
    _set_limit(resource.RLIMIT_FSIZE, file_size)
    # The soft limit sends SIGXCPU, by which the cause is recognised. The hard limit sends SIGKILL.
    _set_limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    _set_limit(resource.RLIMIT_AS, memory)
    os.nice(10)
    # Python ignores these signals, and the command would inherit that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606  # without a shell


def _set_limit(limit: int, soft: int, hard: int | None = None) -> None:
    _, current_hard = resource.getrlimit(limit)
    hard = soft if hard is None else hard
    if current_hard != resource.RLIM_INFINITY:
        hard = min(hard, current_hard)
    # Some systems lack some limits.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(limit, (min(soft, hard), hard))


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """Drop network access and the right to inspect other processes, where the system permits."""
    libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        # In a user namespace, root could not read files of other users.
        libc.unshare(_NEW_NETWORK_NAMESPACE)
        for capability in set(range(_MAX_CAPABILITIES)).difference(_KEPT_CAPABILITIES):
            libc.prctl(_DROP_CAPABILITY, capability, 0, 0, 0)
    elif libc.unshare(_NEW_USER_NAMESPACE | _NEW_NETWORK_NAMESPACE) == 0:
        _write_proc("setgroups", "deny")
        _write_proc("uid_map", f"{user} {user} 1")
        _write_proc("gid_map", f"{group} {group} 1")


def _write_proc(name: str, text: str) -> None:
    path = f"/proc/self/{name}"
    # Some systems refuse the write. pathlib would take long to import.
    with contextlib.suppress(OSError), open(path, "w") as file:  # noqa: PTH123
        file.write(text)


def _die_with_parent(parent: int, libc: ctypes.CDLL) -> None:
    # The kernel sends the signal when the thread that started this process ends. That thread runs
    # the event loop that waits for this process.
    libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
