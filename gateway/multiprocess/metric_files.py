"""Metrics of several API processes: each writes files, and any of them adds all files up."""

import os
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from domains.kernel.core.problems import Unavailable
from gateway.multiprocess.process_group import METRICS_DIRECTORY

# The metrics that requests change, by prometheus_client's names of their files.
_KINDS: Final = ("counter", "histogram")
# Bytes of each file. The histogram of all routes needs half of them.
_RESERVED: Final = 1024 * 1024


def write_files(number: int) -> None:
    """Keep the metrics of this process in the files of this number. Call it before any metric.

    A process that is restarted continues the counts of its predecessor. With file names by process
    id, the default, each restart would leave more files behind.

    Raises Unavailable if there is no room for the files.
    """
    for kind in _KINDS:
        _reserve(Path(os.environ[METRICS_DIRECTORY], f"{kind}_{number}.db"))
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


def _reserve(file: Path) -> None:
    """Allocate the file in full: it is mapped, and on a full disk a hole in it is a SIGBUS."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(descriptor, 0, _RESERVED)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error
    finally:
        os.close(descriptor)


def all_processes(registry: CollectorRegistry) -> CollectorRegistry:
    """The metrics of all API processes: `registry` if this is the only one."""
    if METRICS_DIRECTORY not in os.environ:
        return registry
    summed = CollectorRegistry()
    MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
    return summed
