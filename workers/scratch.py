"""Where this process puts files for a while: a folder that goes with it, or with its successor."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_OURS: Final = re.compile(r"gateway-worker-([0-9]+)-")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Temporary files of this process lie in here until it is left.

    What killed workers left behind is removed at first: recordings may be large.
    """
    shared = Path(tempfile.gettempdir())
    for left in shared.glob("gateway-worker-*"):
        found = _OURS.match(left.name)
        if found and not _alive(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"gateway-worker-{os.getpid()}-") as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
