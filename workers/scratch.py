"""Where this process puts files for a while: a folder that goes with it, or with its successor."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_OURS: Final = "gateway-worker-"
_LOCK: Final = "lock"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Temporary files of this process lie in here until it is left.

    What killed workers left behind is removed at first: recordings may be large. Who uses a folder
    holds the lock of a file in it, for numbers of processes mean nothing in another container.
    """
    shared = Path(tempfile.gettempdir())
    for left in shared.glob(f"{_OURS}*"):
        if _mine(left):
            with contextlib.suppress(OSError), _locked(left):
                shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"new-{_OURS}"))
    with _locked(made):
        # Others find it by its name, so it gets that when it is locked.
        folder = made.rename(shared / f"{_OURS}{os.getpid()}-{made.name.rpartition('-')[2]}")
        tempfile.tempdir = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = None
            shutil.rmtree(folder, ignore_errors=True)


def _mine(path: Path) -> bool:
    """Whether it is a folder of this user: in a shared place others may name theirs alike."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder, which ends with the process; OSError if another holds it."""
    # Not inherited by programs that are started: they may live a little longer.
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
