"""Temporary directory of a worker process, removed on exit or, after a crash, by a later worker."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PREFIX: Final = "gateway-worker-"
_LOCK: Final = "lock"


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """Create a directory for all temporary files of this process; remove it on exit.

    First removes the directories of killed workers, which may hold large recordings. A live worker
    holds a file lock in its directory. Process ids are ambiguous: containers that share a temporary
    directory number their processes separately.
    """
    parent = Path(tempfile.gettempdir())
    for path in parent.glob(f"{_PREFIX}*"):
        if _is_own_directory(path):
            with contextlib.suppress(OSError), _locked(path):
                shutil.rmtree(path, ignore_errors=True)
    created = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}"))
    with _locked(created):
        # Renamed only once it is locked, because other workers find it by its new name.
        suffix = created.name.rpartition("-")[2]
        folder = created.rename(parent / f"{_PREFIX}{os.getpid()}-{suffix}")
        tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = None
            shutil.rmtree(folder, ignore_errors=True)


def _is_own_directory(path: Path) -> bool:
    """True for a directory of this user. Other users may use the same name in a shared place."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the directory. Raises OSError if another process holds the lock.

    The lock ends with this process. Child processes, which may outlive it, do not inherit the lock.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
