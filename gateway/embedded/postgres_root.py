"""Run PostgreSQL although this process is root, which PostgreSQL refuses to run as."""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

from gateway.embedded.directories import enterable, short_hash
from gateway.embedded.postgres_programs import Binaries, RunAs

if sys.platform != "win32":
    import pwd

# Another account that may enter the data directory; a user namespace in which root has another
# number; or a copy of programs and data in a place that another account may enter.
RootMethod = Literal["account", "namespace", "copy"]
ROOT_METHODS: Final[tuple[RootMethod, ...]] = ("account", "namespace", "copy")

_ACCOUNTS = ("postgres", "nobody")
# The kernel's overflow user: any number but 0 would do, and this one exists everywhere.
_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


class _Installation:
    """The programs and the data directory to run them for."""

    def __init__(self, binaries: Binaries, data: Path, *, durable: bool) -> None:
        self.binaries = binaries
        self.data = data
        self.cluster = data / f"pg{binaries.major}"
        parent = Path("/var/lib") if durable else Path(tempfile.gettempdir()).resolve()
        # Home of programs and database for the method "copy"; the data directory links to it.
        self.copy_home = parent / f"gateway-{short_hash(data)}"


def run_as_other_user(
    binaries: Binaries, data: Path, methods: tuple[RootMethod, ...], *, durable: bool
) -> RunAs | None:
    """Return the settings of the first method that works on this machine, or None."""
    installation = _Installation(binaries, data, durable=durable)
    return next(
        (run for method in methods if (run := _METHODS[method](installation)) is not None), None
    )


def _try_account(installation: _Installation) -> RunAs | None:
    """Run as an account that may enter the directories of data and programs.

    Tries the owner of an existing database first.
    """
    data, cluster, binaries = installation.data, installation.cluster, installation.binaries
    owner = cluster.stat().st_uid if os.path.lexists(cluster) else 0
    names: list[int | str] = [owner, *_ACCOUNTS] if owner else [*_ACCOUNTS]
    for name in names:
        account = account_ids(name)
        places = (data, cluster.resolve().parent, binaries.directory)
        if account is not None and all(enterable(place, *account) for place in places):
            run = RunAs(binaries, data, account)
            if run.works():
                return run
    return None


def _try_namespace(installation: _Installation) -> RunAs | None:
    """Run in a user namespace, where the process keeps root's access to files."""
    in_copy = installation.cluster.resolve().parent == installation.copy_home
    if in_copy or shutil.which(_NAMESPACE[0]) is None:
        return None
    run = RunAs(installation.binaries, installation.data, prefix=_NAMESPACE)
    return run if run.works() else None


def _try_copy(installation: _Installation) -> RunAs | None:
    """Run a copy of the programs, with the database beside it.

    Returns None if the database already exists elsewhere.
    """
    account = next((ids for name in _ACCOUNTS if (ids := account_ids(name)) is not None), None)
    cluster, home = installation.cluster, installation.copy_home
    if account is None or (os.path.lexists(cluster) and cluster.resolve().parent != home):
        return None
    try:
        with contextlib.suppress(FileExistsError):
            home.mkdir(mode=0o700)
            home.chmod(0o711)
        if not _exclusively_owned(home):
            return None
        copy = Binaries(_copy(installation.binaries, home), installation.binaries.version)
        run = RunAs(copy, home, account)
    except OSError:
        return None
    return run if enterable(home, *account) and run.works() else None


_METHODS: Final[Mapping[RootMethod, Callable[[_Installation], RunAs | None]]] = {
    "account": _try_account,
    "namespace": _try_namespace,
    "copy": _try_copy,
}


def account_ids(name: str | int) -> tuple[int, int] | None:
    """The (uid, gid) of an account by name or number; None if it does not exist or is root."""
    try:
        entry = pwd.getpwuid(name) if isinstance(name, int) else pwd.getpwnam(name)
    except KeyError:
        return None
    return (entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _exclusively_owned(directory: Path) -> bool:
    """True for a directory (not a link) that this user owns and only this user can write to."""
    facts = directory.lstat()
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
    return ours and not facts.st_mode & 0o022


def _copy(binaries: Binaries, home: Path) -> Path:
    """Copy the programs and their libraries into `home`. Returns the bin directory."""
    package = binaries.directory.parent.parent
    target = home / f"programs-{binaries.version}-{short_hash(binaries.directory)}"
    if not target.exists():
        partial = home / f"{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o755)
        partial.chmod(0o755)
        for source in (binaries.directory.parent, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, partial / source.relative_to(package.parent), symlinks=True)
        for parent, directories, files in os.walk(partial):
            for name in (*directories, *files):
                path = Path(parent, name)
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))
        partial.rename(target)
    return target / package.name / binaries.directory.parent.name / binaries.directory.name
