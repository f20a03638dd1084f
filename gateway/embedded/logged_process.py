"""Processes whose output goes to a log file in the data directory."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from domains.kernel.core.problems import FULL_DISK_ERRORS
from gateway.embedded.directories import private_directory
from gateway.embedded.errors import EmbeddedError

# Bytes. A larger log is moved to `<name>.log.1`, replacing the one there.
LOG_LIMIT = 8 * 1024 * 1024
# Maximum bytes of a log that are read for a message.
_TAIL = 16_000


class LoggedProcess(NamedTuple):
    """A process that appends to `log`; its own output begins at byte `offset`."""

    process: subprocess.Popen[bytes]
    log: Path
    offset: int

    def running(self) -> bool:
        """True until the process has ended. Reaps an ended process."""
        return self.process.poll() is None

    def output(self) -> str:
        """Output of the process, at most the last 16,000 bytes."""
        try:
            with self.log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                # A log that was moved aside begins anew.
                log.seek(max(self.offset if self.offset <= end else 0, end - _TAIL))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def last_line(self) -> str:
        """Last line of the output that is not blank, without a final full stop."""
        return last_line(self.output()).rstrip(".")


def start_logged(
    data: Path, name: str, argv: Sequence[str], env: Mapping[str, str], **options: Any
) -> LoggedProcess:
    """Start a process in a session of its own, so that the terminal's Ctrl-C does not reach it.

    Its output is appended to `<data>/logs/<name>.log`, or dropped if a full disk prevents the
    creation of that file. `options` are more arguments of Popen.

    Raises:
        EmbeddedError: the program cannot be started, or the log cannot be written.
    """
    path = log_path(data, name)
    log = _open_log(path)
    try:
        offset = os.fstat(log).st_size
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **options,
        )
    except OSError as error:
        raise EmbeddedError(f"{argv[0]} cannot be started: {error.strerror}.") from None
    finally:
        os.close(log)
    return LoggedProcess(process, path, offset)


def _open_log(path: Path) -> int:
    """Descriptor to append to the log, or to /dev/null if the disk is full."""
    try:
        private_directory(path.parent)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > LOG_LIMIT:
                path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno in FULL_DISK_ERRORS:
            return os.open(os.devnull, os.O_WRONLY)
        raise EmbeddedError(f"The log file {path} cannot be written: {error.strerror}.") from None


def log_path(data: Path, name: str) -> Path:
    """The log file of a process of this data directory."""
    return data / "logs" / f"{name}.log"


def trim_logs(data: Path) -> None:
    """Move the content of large logs to `.log.1` files. Processes may continue to append."""
    for path in (data / "logs").glob("*.log"):
        try:
            if path.stat().st_size > LOG_LIMIT:
                _copy_or_remove(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)
        except OSError:
            continue  # no room for the copy: the next call tries again


def _copy_or_remove(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError:
        target.unlink(missing_ok=True)  # half a copy would keep the disk full
        raise


def last_line(text: str) -> str:
    """The last line that is not blank."""
    return next(
        (line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing"
    )
