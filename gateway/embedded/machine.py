"""What the servers need of this machine: private folders, socket paths, logs, process facts."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from io import BufferedWriter
from pathlib import Path

from gateway.embedded.errors import LocalError

# A socket's path has at most 107 bytes (Linux) or 103 (macOS); the longest name we add has 16.
SOCKET_DIRECTORY_LIMIT = 86
# A comma splits PostgreSQL's list of directories and a blank splits an old Redis' options.
SOCKET_DIRECTORY_SAFE = re.compile(r"[A-Za-z0-9/._-]+")
LOG_LIMIT = 8 * 1024 * 1024
_HAS_PROC = Path("/proc/self/stat").exists()

# A library path or PostgreSQL's own variables in our environment would redirect the servers.
_SERVER_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT")


def short_hash(path: Path) -> str:
    """Twelve letters that stand for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def user_name(uid: int) -> str:
    """The account's name, or its number where it has none."""
    if sys.platform == "win32":
        return str(uid)
    import pwd  # noqa: PLC0415 - does not exist on the platform that is refused in a sentence

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def server_environment() -> dict[str, str]:
    """The environment of an embedded server: nothing that changes what it loads."""
    kept = {name: os.environ[name] for name in _SERVER_ENVIRONMENT if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


# --- directories ---------------------------------------------------------------------------------


def data_directory(path: Path) -> Path:
    """The folder that holds everything of one installation, made if need be; absolute, writable.

    Made closed to other users. Only root's is enterable (not listable), because PostgreSQL must run
    as another user there; all that lies in it is closed.
    """
    path = path.absolute()
    try:
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        path = path.resolve()
    except (FileExistsError, NotADirectoryError):
        raise LocalError(f"{path} is not a directory: give another folder with --data.") from None
    except OSError as error:
        raise LocalError(
            f"The data directory {path} cannot be made ({error.strerror}): give another folder"
            " with --data."
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise LocalError(
            f"The data directory {path} belongs to user {user_name(path.stat().st_uid)} and is"
            f" not writable for user {user_name(os.geteuid())}: start as that user, or give"
            " another folder with --data."
        )
    return path


def private_directory(path: Path) -> Path:
    """A directory of ours inside the data directory that no other user may enter."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LocalError(f"The directory {path} cannot be made: {error.strerror}.") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise LocalError(
            f"{path} belongs to user {user_name(path.stat().st_uid)}: start as that user, give"
            f" the files to user {user_name(os.geteuid())} with chown -R, or give another folder"
            " with --data."
        )
    return path


def enterable(path: Path, uid: int, gid: int) -> bool:
    """Whether that account, in no further group, may pass through every directory to path."""
    for directory in (path, *path.parents):
        facts = directory.stat()
        if facts.st_uid == uid:
            bit = stat.S_IXUSR
        elif facts.st_gid == gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not facts.st_mode & bit:
            return False
    return True


def socket_directory(home: Path, name: str, account: tuple[int, int] | None = None) -> Path | None:
    """A private directory for the sockets of this home's server; None if there can be none.

    It lies in home where the path allows it, else in the temporary directory, named by a hash.
    A directory that somebody else made first, or a symbolic link, is passed over.
    """
    owner = account if account is not None else (os.geteuid(), os.getegid())
    for candidate in _socket_candidates(home, name):
        if len(os.fsencode(candidate)) > SOCKET_DIRECTORY_LIMIT:
            continue
        if not SOCKET_DIRECTORY_SAFE.fullmatch(str(candidate)):
            continue
        if account is not None and not enterable(candidate.parent, *account):
            continue
        if _claim(candidate, *owner) and _takes_sockets(candidate):
            return candidate
    return None


def _socket_candidates(home: Path, name: str) -> Iterator[Path]:
    yield home / f"{name}-socket"
    short = "/tmp"  # noqa: S108 - claimed with care
    for temporary in dict.fromkeys((Path(tempfile.gettempdir()).resolve(), Path(short).resolve())):
        stem = f"gateway-{name}-{short_hash(home)}"
        yield temporary / stem
        for attempt in range(1, 10):
            yield temporary / f"{stem}-{attempt}"


def _claim(directory: Path, uid: int, gid: int) -> bool:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError:
        return False
    facts = directory.lstat()
    if (
        not stat.S_ISDIR(facts.st_mode)
        or facts.st_uid not in {uid, os.geteuid()}
        or facts.st_mode & 0o077
    ):
        return False
    if facts.st_uid != uid:
        os.chown(directory, uid, gid, follow_symlinks=False)
    return True


def _takes_sockets(directory: Path) -> bool:
    probe = directory / f".probe-{os.getpid()}"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(probe))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def open_lock(path: Path) -> BufferedWriter:
    """The file to take a lock on."""
    try:
        return path.open("ab")
    except OSError as error:
        raise LocalError(
            f"{path} cannot be written ({error.strerror}), another user made it: start as that"
            " user, or give another folder with --data."
        ) from None


# --- logs ----------------------------------------------------------------------------------------


def open_log(data: Path, name: str) -> tuple[Path, int]:
    """Path and descriptor of `<data>/logs/<name>.log`; a large one is put aside first."""
    path = private_directory(data / "logs") / f"{name}.log"
    try:
        if path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
    except FileNotFoundError:
        pass
    try:
        return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LocalError(f"The log file {path} cannot be written: {error.strerror}.") from None


def trim_log(path: Path) -> None:
    """Put a log that grew too large aside while its process goes on appending to it."""
    try:
        if path.stat().st_size > LOG_LIMIT:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
    except OSError:
        return  # no room for the copy: the next round tries again


def log_since(path: Path, offset: int) -> str:
    """What was written after offset, at most its last 16,000 bytes."""
    try:
        with path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(offset if offset <= end else 0, end - 16_000))
            return log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


# --- processes -----------------------------------------------------------------------------------


def process_state(pid: int) -> str | None:
    """The letter that ps shows for a process (Z: dead, not yet collected); None if it is gone."""
    if _HAS_PROC:
        try:
            return (
                Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            )
        except (OSError, IndexError):
            return None
    return _shown_by_ps("stat", pid)[:1] or None


def process_birth(pid: int) -> str:
    """When a process began, only good for comparing; empty where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def process_alive(pid: int) -> bool:
    """Whether a process of that number runs (a zombie does not)."""
    return process_state(pid) not in {None, "Z", "X"}


def works_in(pid: int, directory: Path) -> bool:
    """Whether that process is the directory's server, not a stranger with its old number."""
    if _HAS_PROC:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            try:
                return Path(f"/proc/{pid}/cwd").readlink() == directory
            except PermissionError:
                # Root in a container may not look there, but everybody sees the arguments.
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                return b"-D\0" + os.fsencode(directory) + b"\0" in words
        return False
    return f"-D {directory} " in f"{_shown_by_ps('command', pid)} "


def _shown_by_ps(column: str, pid: int) -> str:
    words = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


def end_process(pid: int, steps: Mapping[signal.Signals, float], gone: Callable[[], bool]) -> bool:
    """Send each signal in turn, waiting its seconds for `gone`; whether it is gone in the end."""
    for number, patience in steps.items():
        if gone():
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if wait_until(gone, patience):
            return True
    return gone()


def wait_until(condition: Callable[[], bool], seconds: float, *, step: float = 0.02) -> bool:
    """Whether the condition came true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def last_line(text: str) -> str:
    """The last line that says something."""
    return next(
        (line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing"
    )
