"""Directories of the embedded servers: data, private and socket directories, and lock files."""

import hashlib
import os
import re
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path

from gateway.embedded.disk_space import full_disk_errors
from gateway.embedded.errors import EmbeddedError

# A socket's path has at most 107 bytes (Linux) or 103 (macOS). Our longest file name has 16.
SOCKET_DIRECTORY_LIMIT = 86
# A comma splits PostgreSQL's list of directories, a space splits the options of an old Redis.
SOCKET_DIRECTORY_SAFE = re.compile(r"[A-Za-z0-9/._-]+")


def short_hash(path: Path) -> str:
    """Twelve hexadecimal digits that identify a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def user_name(uid: int) -> str:
    """The name of an account, or its number if it has no name."""
    if sys.platform == "win32":
        return str(uid)
    import pwd  # noqa: PLC0415 - does not exist on Windows, which `up` refuses with a message

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def data_directory(path: Path) -> Path:
    """Create the data directory of an installation if needed. Returns its absolute path.

    It is created with mode 0700, or 0711 as root: PostgreSQL then runs as another user, who must
    enter the directory but not list it. Everything inside is private.

    Raises:
        EmbeddedError: it is not a directory, cannot be created or is not writable.
    """
    path = path.absolute()
    try:
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        path = path.resolve()
    except (FileExistsError, NotADirectoryError):
        raise EmbeddedError(
            f"{path} is not a directory: give another folder with --data."
        ) from None
    except OSError as error:
        raise EmbeddedError(
            f"The data directory {path} cannot be created ({error.strerror}): give another folder"
            " with --data."
        ) from None
    _require_writable(path)
    return path


def private_directory(path: Path) -> Path:
    """Create a directory that no other user may enter, inside the data directory."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"The directory {path} cannot be created: {error.strerror}.") from None
    _require_writable(path)
    return path


def _require_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise EmbeddedError(
            f"{path} belongs to user {user_name(path.stat().st_uid)} and is not writable for user"
            f" {user_name(os.geteuid())}: start as that user, give the files to this user with"
            " chown -R, or give another folder with --data."
        )


def enterable(path: Path, uid: int, gid: int) -> bool:
    """True if an account without supplementary groups may enter `path` and all its parents."""
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
    """Create the private socket directory of a server. Returns None if no place is suitable.

    It lies in `home` if the path is short and plain enough, else in the temporary directory under
    a name with a hash of `home`. Symbolic links and directories of other users are never used.
    `account` is the (uid, gid) that the server runs as, if not this process' own.
    """
    owner = account if account is not None else (os.geteuid(), os.getegid())
    for candidate in socket_candidates(home, name):
        if len(os.fsencode(candidate)) > SOCKET_DIRECTORY_LIMIT:
            continue
        if not SOCKET_DIRECTORY_SAFE.fullmatch(str(candidate)):
            continue
        if account is not None and not enterable(candidate.parent, *account):
            continue
        if _claim(candidate, *owner) and _accepts_sockets(candidate):
            return candidate
    return None


def socket_candidates(home: Path, name: str) -> Iterator[Path]:
    """Possible socket directories of a server, the best first."""
    yield home / f"{name}-socket"
    short = "/tmp"  # noqa: S108 - _claim checks the owner and the mode
    for temporary in dict.fromkeys((Path(tempfile.gettempdir()).resolve(), Path(short).resolve())):
        stem = f"gateway-{name}-{short_hash(home)}"
        yield temporary / stem
        for attempt in range(1, 10):
            yield temporary / f"{stem}-{attempt}"


def _claim(directory: Path, uid: int, gid: int) -> bool:
    """Create or reuse the directory for the account. Returns False if another user owns it."""
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


def _accepts_sockets(directory: Path) -> bool:
    """Try to bind a socket, which some file systems do not support."""
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
    """Open a file to lock, and make it private. Raises EmbeddedError if another user created it.

    A user who may open the file could lock it, and so prevent the start.
    """
    try:
        with full_disk_errors(path.parent):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise _not_writable(path, error) from None
    lock = os.fdopen(descriptor, "ab")
    try:
        # The file may have been created by an earlier version, with the default mode.
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        lock.close()
        raise _not_writable(path, error) from None
    return lock


def _not_writable(path: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(
        f"{path} cannot be written ({error.strerror}); another user created it: start as that"
        " user, or give another folder with --data."
    )
