"""Full disks: recognized by errors, by the output of programs and by free space, and reported."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from domains.kernel.core.problems import FULL_DISK_ERRORS
from gateway.embedded.errors import DiskFull

# Bytes. Programs on a disk with less than this may fail without writing the reason to their log.
NEARLY_NOTHING: Final = 1_000_000
# PostgreSQL writes its log of changes in files of 16 MB, and stops if it cannot create the next.
NEARLY_NOTHING_FOR_POSTGRES: Final = 20_000_000
# A full disk counts as full until this multiple of the limit is free.
_HYSTERESIS: Final = 2
# Seconds between two reports about a disk that is still full.
_REMINDER_INTERVAL: Final = 60.0


def free_space(folder: Path) -> int:
    """Free bytes on the disk of a folder; 0 if it cannot hold one more file."""
    facts = os.statvfs(folder)
    # Some file systems do not limit the number of files. They report 0 of 0.
    if facts.f_files and not facts.f_favail:
        return 0
    return facts.f_bavail * facts.f_frsize


@contextlib.contextmanager
def full_disk_errors(folder: Path) -> Iterator[None]:
    """Raise DiskFull in place of an OSError of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK_ERRORS:
            raise
        raise DiskFull(f"No room on the disk of {folder}.", folder) from error


class DiskWatch:
    """Watches the free space of the disks that the data directory is on.

    `report` gets lines for the operator: when a disk becomes full, once a minute while it is, and
    when there is room again.
    """

    def __init__(
        self,
        data: Path,
        report: Callable[[str], None],
        free: Callable[[Path], int] = free_space,
    ) -> None:
        self._data = data
        self._report = report
        self._free = free
        # By measurement, and by that or the failure of a server.
        self._measured: Path | None = None
        self._full: Path | None = None
        self._next_reminder = 0.0

    @property
    def full(self) -> bool:
        """True if a disk was full at the latest `check`."""
        return self._full is not None

    def check(self, now: float, failed: Path | None = None) -> bool:
        """Measure the free space. Returns True if it has just become enough.

        `failed` is a folder in which a server found no room, even if there is some now.
        """
        before, had_room = self._full, self._measured is None
        self._measured = self._find_full()
        self._full = failed or self._measured
        self._report_state(before, now)
        return self._measured is None and not had_room

    def _report_state(self, before: Path | None, now: float) -> None:
        if self._full is None:
            if before is not None:
                self._report(f"Room again on the disk of {before}: continuing.")
        elif before is None or now >= self._next_reminder:
            self._next_reminder = now + _REMINDER_INTERVAL
            free, needed = self._measure(self._full), self._needed(self._full)
            # A server may find no room although there is enough, such as under a quota.
            needs = f", at least {needed // 1_000_000} MB are needed" if free < needed else ""
            self._report(
                f"Disk full: {free // 1_000_000} MB are free on the disk of {self._full}{needs}."
                " Free some; everything continues by itself then."
            )

    def _find_full(self) -> Path | None:
        factor = 1 if self._measured is None else _HYSTERESIS
        return next(
            (
                folder
                for folder, needed in self._folders()
                if self._measure(folder) < needed * factor
            ),
            None,
        )

    def _needed(self, folder: Path) -> int:
        """Free bytes at which a full disk of the folder counts as full no longer."""
        limits = {known.resolve(): limit for known, limit in self._folders()}
        return limits.get(folder.resolve(), NEARLY_NOTHING) * _HYSTERESIS

    def _folders(self) -> Iterator[tuple[Path, int]]:
        """Folders that may be on disks of their own, each with the bytes that it needs."""
        for cluster in self._data.glob("pg[0-9]*"):
            yield cluster.resolve(), NEARLY_NOTHING_FOR_POSTGRES
        for folder in (self._data, *(self._data / name for name in ("logs", "valkey", "blobs"))):
            yield folder, NEARLY_NOTHING
        if tempfile.tempdir is not None:
            yield Path(tempfile.tempdir), NEARLY_NOTHING

    def _measure(self, folder: Path) -> int:
        try:
            return self._free(folder)
        except OSError:  # there is no such folder (yet), or its disk is unmounted
            return NEARLY_NOTHING_FOR_POSTGRES * _HYSTERESIS
