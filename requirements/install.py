"""Make `.venv` and install pinned packages into it: `python requirements/install.py run|test`.

Standard library only: it runs before anything is installed.
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

# What each set takes in a fresh environment, with room for pip's own copies.
ROOM = {"run": 600_000_000, "test": 1_200_000_000}
PARTS = {"run": ("build", "run"), "test": ("test",)}


class InstallError(Exception):
    """One sentence: what is missing and what to do."""


def main(wanted: str) -> None:
    """Install a set; a second run of the same does nothing but look."""
    if sys.version_info < (3, 11):  # noqa: UP036 - older ones get this far
        version = sys.version.split()[0]
        raise InstallError(f"Python 3.11 or later is needed, this is {version}: make PYTHON=...")
    free = shutil.disk_usage(ROOT).free
    if free < ROOM[wanted]:
        raise InstallError(
            f"{ROOT} has {free // 1_000_000} MB left, {ROOM[wanted] // 1_000_000} MB are needed"
        )
    if not PYTHON.exists():
        say("Making .venv")
        made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
        if made.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            raise InstallError(
                "this Python cannot make an environment (on Debian: install python3-venv): "
                + last_line(made.stdout + made.stderr)
            )
    files = [HERE / f"{part}.txt" for part in PARTS[wanted]]
    total = sum(pinned(file.read_text(encoding="utf-8")) for file in files)
    requirements = [argument for file in files for argument in ("-r", str(file))]
    pip(["--require-hashes", *requirements], f"Installing {total} packages", total)
    if wanted == "run":
        pip(["--no-deps", "--no-build-isolation", "--editable", str(ROOT)], "Installing gateway", 1)
        sentence_model()


def sentence_model() -> None:
    """Make the sentence model, without which the product works and compares words."""
    made = subprocess.run([PYTHON, HERE / "model.py"], stderr=subprocess.PIPE, text=True)
    if made.returncode:
        say(f"No sentence model: {last_line(made.stderr)}; similar texts are found by their words")


def pinned(text: str) -> int:
    """How many packages a requirements file pins for this platform, roughly."""
    lines = [line for line in text.splitlines() if "==" in line and not line.startswith(" ")]
    return sum("win32'" not in line or "!= 'win32'" in line for line in lines)


def pip(arguments: list[str], what: str, total: int) -> None:
    """Run pip install, counting the packages that it collects."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    output: list[str] = []
    say(what)
    with subprocess.Popen(
        [*command, "--progress-bar", "off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        done = 0
        for line in process.stdout or ():
            output.append(line)
            word, _, rest = line.partition(" ")
            if word in ("Collecting", "Requirement"):
                done += 1
                name = rest.removeprefix("already satisfied: ").split("==")[0].split(" ")[0]
                show(f"  {min(done, total)}/{total} {name.strip()}")
            elif line.startswith("Installing collected"):
                show("  unpacking")
    show("")
    if process.returncode:
        errors = [line for line in output if line.startswith("ERROR")]
        raise InstallError(f"pip failed: {last_line(''.join(errors or output))}")


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(text: str) -> None:
    """A line that the next one replaces; nothing where nobody watches."""
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
