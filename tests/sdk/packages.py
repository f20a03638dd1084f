"""Builds the packages of `sdks/`, installs them into fresh folders, and uses them.

`make sdk` runs this file. The wheel and the npm tarball are left in `build/sdk/dist`.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.nodejs import NPM
from tests.sdk import toolbox
from tests.sdk.scenarios import CLIENTS, environment, generate_types
from tests.stack import Stack, Tenant

SDKS = toolbox.ROOT / "sdks"
DIST = toolbox.OUTPUT / "dist"
MAX_LINES = 300


@pytest.fixture(scope="module")
def document() -> Path:
    """The OpenAPI document as the command line prints it."""
    toolbox.OUTPUT.mkdir(parents=True, exist_ok=True)
    file = toolbox.OUTPUT / "packages.json"
    file.write_text(toolbox.run("gateway", "openapi"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def python_environment(document: Path) -> Path:
    """A new environment with the wheel, as the path of its interpreter."""
    source = toolbox.new_folder("python-package")
    typed = source / "openapi.json"
    typed.write_text(json.dumps(without_not_modified(document)), encoding="utf-8")
    toolbox.run(
        *("openapi-python-client", "generate", "--path", typed, "--meta", "none"),
        *("--output-path", source / "evidence_gateway_client", "--fail-on-warning"),
    )
    wheel = build(
        source,
        "python",
        "*.whl",
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        DIST,
    )
    fresh = toolbox.new_folder("python-environment")
    toolbox.run(sys.executable, "-m", "venv", fresh)
    constraints = fresh / "constraints.txt"
    constraints.write_text(toolbox.pinned_versions(), encoding="utf-8")
    python = fresh / "bin" / "python"
    toolbox.run(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel)
    return python


def without_not_modified(document: Path) -> Any:
    """The document without 304, which openapi-python-client types as Any.

    `ok` could not narrow the results of operations that may return it.
    """
    described = json.loads(document.read_text("utf-8"))
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("304", None)
    return described


def build(source: Path, language: str, pattern: str, *command: str | Path) -> Path:
    """Add the hand-written files to the generated ones, and build the package."""
    shutil.copytree(SDKS / language, source, dirs_exist_ok=True)
    shutil.copy(toolbox.ROOT / "LICENSE", source)
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob(pattern):
        old.unlink()
    toolbox.run(*command, cwd=source)
    (package,) = DIST.glob(pattern)
    return package


def test_the_python_package(python_environment: Path, stack: Stack, acme: Tenant) -> None:
    toolbox.check_types(toolbox.OUTPUT / "python-package", "evidence_gateway_client")
    folder = toolbox.new_folder("python-package-programs")
    for program in ("python_package.py", "python_retries.py", "scenario.py"):
        shutil.copy(CLIENTS / program, folder)
    toolbox.check_types(folder, ".", "--python-executable", python_environment)
    toolbox.run(python_environment, "python_retries.py", cwd=folder)
    toolbox.run(python_environment, "python_package.py", cwd=folder, env=environment(stack, acme))


@pytest.fixture(scope="module")
def node_folder(document: Path) -> Path:
    """A new folder with the npm package installed from its tarball."""
    toolbox.install_node_packages()
    source = toolbox.new_folder("typescript-package")
    generate_types(document, source / "src" / "schema.ts")
    shutil.copytree(SDKS / "typescript", source, dirs_exist_ok=True)
    toolbox.node(toolbox.tool("typescript", "bin/tsc"), "--project", source)
    tarball = build(source, "typescript", "*.tgz", *NPM, "pack", "--pack-destination", DIST)
    fresh = toolbox.new_folder("typescript-package-programs")
    (fresh / "package.json").write_text('{"private": true}')
    toolbox.npm("install", tarball, cwd=fresh)
    return fresh


@pytest.mark.parametrize("program", ["typescript_retries.ts", "typescript_package.ts"])
def test_the_npm_package(program: str, node_folder: Path, stack: Stack, acme: Tenant) -> None:
    for name in (program, "scenario.ts"):
        shutil.copy(CLIENTS / name, node_folder)
    compiled = toolbox.compile_typescript(node_folder, program)
    toolbox.node(compiled / program.replace(".ts", ".js"), env=environment(stack, acme))


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_the_hand_written_layer_is_thin(language: str) -> None:
    files = [*(SDKS / language).rglob("*.py"), *(SDKS / language).rglob("*.ts")]
    assert 0 < sum(len(file.read_text("utf-8").splitlines()) for file in files) <= MAX_LINES


def test_both_packages_have_the_version_of_the_service() -> None:
    files = [toolbox.ROOT / "pyproject.toml", SDKS / "python" / "pyproject.toml"]
    files.append(SDKS / "typescript" / "package.json")
    pattern = re.compile(r'^ *"?version"?(?: =|:) "(.*)"', re.MULTILINE)
    versions = {tuple(pattern.findall(file.read_text("utf-8"))) for file in files}
    assert len(versions) == 1
