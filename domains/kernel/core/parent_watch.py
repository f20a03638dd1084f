"""A child's side of the pipe that tells it when its supervisor is gone, however that ended."""

import os
import signal
import stat
import threading
import time

SUPERVISOR_FD = "GATEWAY_SUPERVISOR_FD"


def exit_with_supervisor(grace: float = 8.0) -> None:
    """End this process when its supervisor ends: by SIGTERM, after `grace` seconds the hard way.

    Does nothing in a process that no supervisor started. Call it once, early, from any thread.
    """
    # Taken out of the environment: in a grandchild it might stand for another descriptor.
    value = os.environ.pop(SUPERVISOR_FD, "")
    try:
        descriptor = int(value)
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return
    except (ValueError, OSError):
        return
    os.set_inheritable(descriptor, False)
    watch = threading.Thread(target=_watch, args=(descriptor, grace), name="lifeline", daemon=True)
    watch.start()


def _watch(descriptor: int, grace: float) -> None:
    while os.read(
        descriptor, 1
    ):  # nothing is ever written: this returns when the last writer is gone
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # the grandchildren too
    os._exit(1)
