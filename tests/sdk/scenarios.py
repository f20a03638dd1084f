"""Each generated client does the same on both APIs of a running server.

`make sdk` runs this file; it is no part of `make test`, since it needs the generators.
"""

import shutil
import sys
from pathlib import Path

import httpx
import pytest

from tests.sdk import toolbox
from tests.stack import Stack, Tenant

CLIENTS = toolbox.HERE / "clients"


@pytest.fixture(scope="session")
def document(stack: Stack) -> Path:
    """The published OpenAPI document of both APIs."""
    toolbox.OUTPUT.mkdir(parents=True, exist_ok=True)
    file = toolbox.OUTPUT / "openapi.json"
    file.write_text(httpx.get(f"{stack.base_url}/openapi.json").text, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def node_packages() -> None:
    toolbox.install_node_packages()


def environment(stack: Stack, tenant: Tenant) -> dict[str, str]:
    """The variables that tell a program where the server is and with which key to call it."""
    return {"API_URL": stack.base_url, "API_KEY": tenant.key}


def run_typescript(folder: Path, program: str, env: dict[str, str]) -> None:
    for name in (program, "scenario.ts"):
        shutil.copy(CLIENTS / name, folder)
    compiled = toolbox.compile_typescript(folder, program)
    toolbox.node(compiled / program.replace(".ts", ".js"), env=env)


@pytest.mark.usefixtures("node_packages")
def test_openapi_typescript_with_openapi_fetch(document: Path, stack: Stack, acme: Tenant) -> None:
    folder = toolbox.new_folder("openapi-fetch")
    generate_types(document, folder / "generated" / "schema.ts")
    run_typescript(folder, "openapi_fetch.ts", environment(stack, acme))


def generate_types(document: Path, output: Path) -> None:
    """Run openapi-typescript with its default options."""
    toolbox.node(toolbox.tool("openapi-typescript", "bin/cli.js"), document, "-o", output)


@pytest.mark.usefixtures("node_packages")
def test_hey_api(document: Path, stack: Stack, acme: Tenant) -> None:
    folder = toolbox.new_folder("hey-api")
    generator = toolbox.tool("@hey-api/openapi-ts", "bin/run.js")
    toolbox.node(generator, "-i", document, "-o", folder / "generated", cwd=folder)
    run_typescript(folder, "hey_api.ts", environment(stack, acme))


@pytest.mark.usefixtures("node_packages")
def test_openapi_generator_for_typescript(document: Path, stack: Stack, acme: Tenant) -> None:
    folder = toolbox.new_folder("typescript-fetch")
    toolbox.openapi_generator("typescript-fetch", document, folder / "generated")
    run_typescript(folder, "typescript_fetch.ts", environment(stack, acme))


def test_openapi_python_client(document: Path, stack: Stack, acme: Tenant) -> None:
    folder = toolbox.new_folder("openapi-python-client")
    toolbox.run(
        *("openapi-python-client", "generate", "--path", document, "--meta", "none"),
        *("--output-path", folder / "generated", "--fail-on-warning"),
    )
    run_python(folder, "openapi_python_client.py", environment(stack, acme))
    toolbox.check_types(folder)


def test_openapi_generator_for_python(document: Path, stack: Stack, acme: Tenant) -> None:
    folder = toolbox.new_folder("python")
    toolbox.openapi_generator("python", document, folder / "generated")
    (folder / "generated" / "openapi_client").rename(folder / "openapi_client")
    run_python(folder, "openapi_generator_python.py", environment(stack, acme))


def run_python(folder: Path, program: str, env: dict[str, str]) -> None:
    for name in (program, "scenario.py"):
        shutil.copy(CLIENTS / name, folder)
    toolbox.run(sys.executable, program, cwd=folder, env=env)


def test_openapi_generator_for_go(document: Path, stack: Stack, acme: Tenant) -> None:
    folder = toolbox.new_folder("go")
    # Enums share names of constants, and Go has no scopes for them: hence the prefix.
    toolbox.openapi_generator(
        *("go", document, folder / "generated"),
        *("--additional-properties", "withGoMod=false,enumClassPrefix=true"),
        *("--global-property", "apis,models,supportingFiles,apiTests=false,modelTests=false"),
    )
    shutil.copytree(CLIENTS / "go", folder, dirs_exist_ok=True)
    toolbox.go_command("vet", "./...", folder=folder)
    toolbox.go_command("run", ".", folder=folder, env=environment(stack, acme))
