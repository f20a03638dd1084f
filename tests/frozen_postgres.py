"""Freeze a PostgreSQL server: it accepts connections, as the kernel does, and never answers."""

import contextlib
import os
import signal
from collections.abc import Iterator

from gateway.embedded.postgres import Postgres
from tests.chaos.process_tree import children


@contextlib.contextmanager
def frozen_postgres(server: Postgres) -> Iterator[None]:
    """Stop all processes of the server by SIGSTOP within the block."""
    postmaster = server.pid()
    assert postmaster is not None
    stopped = [postmaster]
    try:
        # First, so that it starts no further process.
        os.kill(postmaster, signal.SIGSTOP)
        for backend in children(postmaster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(backend.pid, signal.SIGSTOP)
                stopped.append(backend.pid)
        yield
    finally:
        # The postmaster last: it must not see a backend that has ended before it continues.
        for pid in reversed(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
