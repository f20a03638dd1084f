"""The errors that the embedded servers and `gateway up` show to the operator."""

from pathlib import Path


class EmbeddedError(Exception):
    """One sentence for the operator: what is wrong, where, and what to do about it."""


class DiskFull(EmbeddedError):
    """There is no room on the disk of `folder`. The same step succeeds once there is."""

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder
