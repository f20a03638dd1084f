"""Create `.venv` and install pinned packages into it.

`python requirements/install.py run|test|lint|bench|ui|sdk` installs one of the sets. It uses the
standard library only, because it runs before any package is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

# Free disk space that each set needs in a new environment, in bytes, including pip's own copies.
DISK_SPACE = {
    "run": 600_000_000,
    "test": 1_200_000_000,
    "lint": 800_000_000,
    "bench": 100_000_000,
    "ui": 200_000_000,
    "sdk": 1_500_000_000,
}
REQUIREMENT_FILES = {
    "run": ("build", "run"),
    "test": ("test",),
    "lint": ("lint",),
    "bench": ("bench",),
    "ui": ("ui",),
    "sdk": ("sdk",),
}


class InstallError(Exception):
    """The installation cannot continue. The message says why and what to do."""


def main(target: str) -> None:
    """Install a set of packages. Those that are already installed are left unchanged."""
    if sys.version_info < (3, 11):  # noqa: UP036 - older versions can run this file up to here
        version = sys.version.split()[0]
        raise InstallError(
            f"Python 3.11 or later is required, this is {version}. Choose one: make PYTHON=..."
        )
    free = shutil.disk_usage(ROOT).free
    if free < DISK_SPACE[target]:
        raise InstallError(
            f"{ROOT} has {free // 1_000_000} MB of free disk space. The installation needs "
            f"{DISK_SPACE[target] // 1_000_000} MB."
        )
    if not PYTHON.exists():
        say("Creating .venv")
        result = subprocess.run(
            [sys.executable, "-m", "venv", VENV], capture_output=True, text=True
        )
        if result.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            raise InstallError(
                "this Python cannot create an environment. On Debian, install python3-venv. "
                f"The error is: {last_line(result.stdout + result.stderr)}"
            )
    files = [HERE / f"{name}.txt" for name in REQUIREMENT_FILES[target]]
    total = sum(count_pinned(file.read_text(encoding="utf-8")) for file in files)
    requirements = [argument for file in files for argument in ("-r", str(file))]
    pip_install(["--require-hashes", *requirements], f"Installing {total} packages", total)
    if target == "run":
        editable = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
        pip_install(editable, "Installing gateway", 1)
        compile_packages()
        build_sentence_encoders()


def compile_packages() -> None:
    """Compile the installed packages on all cores. The children of workers store no byte code.

    The packages of the other sets are compiled when they are imported: few of their modules are.
    """
    say("Compiling")
    # Some packages contain files that do not compile, on purpose. pip ignores them, too.
    command = [PYTHON, "-m", "compileall", "-q", "-q", "-j", "0", VENV / "lib"]
    subprocess.run(command, stdout=subprocess.DEVNULL)


def build_sentence_encoders() -> None:
    """Build the sentence encoders. Without one the product compares words instead."""
    result = subprocess.run([PYTHON, HERE / "model.py"], stderr=subprocess.PIPE, text=True)
    if result.returncode:
        reason = last_line(result.stderr)
        say(f"A sentence encoder is missing, words are compared instead: {reason}")


def count_pinned(text: str) -> int:
    """Approximate number of packages that a requirements file pins for this platform."""
    lines = [line for line in text.splitlines() if "==" in line and not line.startswith(" ")]
    return sum("win32'" not in line or "!= 'win32'" in line for line in lines)


def pip_install(arguments: list[str], title: str, total: int) -> None:
    """Run pip install without compiling; show how many of `total` packages it has collected."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    output: list[str] = []
    say(title)
    with subprocess.Popen(
        [*command, "--no-compile", "--progress-bar", "off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        collected = 0
        for line in process.stdout or ():
            output.append(line)
            word, _, rest = line.partition(" ")
            if word in ("Collecting", "Requirement"):
                collected += 1
                name = rest.removeprefix("already satisfied: ").split("==")[0].split(" ")[0]
                show_progress(f"  {min(collected, total)}/{total} {name.strip()}")
            elif line.startswith("Installing collected"):
                show_progress("  unpacking")
    show_progress("")
    if process.returncode:
        errors = [line for line in output if line.startswith("ERROR")]
        raise InstallError(f"pip failed: {last_line(''.join(errors or output))}")


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show_progress(text: str) -> None:
    """Replace the progress line on a terminal; print nothing to a file or pipe."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main(sys.argv[1])
    except InstallError as error:
        sys.exit(f"make: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
