"""Metrics of several API processes: each writes files, and any of them adds all files up."""

import os

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.multiprocess.process_group import METRICS_DIRECTORY


def write_files(number: int) -> None:
    """Keep the metrics of this process in the files of this number. Call it before any metric.

    A process that is restarted continues the counts of its predecessor. With file names by process
    id, the default, each restart would leave more files behind.
    """
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


def all_processes(registry: CollectorRegistry) -> CollectorRegistry:
    """The metrics of all API processes: `registry` if this is the only one."""
    if METRICS_DIRECTORY not in os.environ:
        return registry
    summed = CollectorRegistry()
    MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
    return summed
