"""Exit of a child process when its supervisor has exited."""

import os
import signal
import stat
import threading
import time

# Environment variable with the file descriptor of a pipe whose write end the supervisor holds.
SUPERVISOR_FD = "GATEWAY_SUPERVISOR_FD"


def exit_with_supervisor(grace: float = 8.0) -> None:
    """Watch the supervisor, and end this process when the supervisor has exited or was killed.

    Sends SIGTERM to this process and, `grace` seconds later, SIGKILL to its process group. Does
    nothing if no supervisor started this process. Call it once, early, from any thread.
    """
    # Removed from the environment: in a grandchild the number may mean another descriptor.
    value = os.environ.pop(SUPERVISOR_FD, "")
    try:
        descriptor = int(value)
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return
    except (ValueError, OSError):
        return
    os.set_inheritable(descriptor, False)
    threading.Thread(
        target=_watch, args=(descriptor, grace), name="parent-watch", daemon=True
    ).start()


def _watch(descriptor: int, grace: float) -> None:
    # Nothing is ever written to the pipe: `read` returns when its last writer is gone.
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # ends the grandchildren too
    os._exit(1)
