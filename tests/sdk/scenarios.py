"""Each generated client does the same on both APIs of a running server.

`make sdk` runs this file; it is no part of `make test`, since it needs the generators.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeTenant
from tests.sdk import toolbox
from tests.stack import Stack, Tenant

CLIENTS = toolbox.HERE / "clients"


@pytest.fixture(scope="session")
def document(stack: Stack) -> Path:
    """The published OpenAPI document of both APIs."""
    return download(stack, "/openapi.json", "openapi.json")


def download(stack: Stack, path: str, name: str) -> Path:
    toolbox.OUTPUT.mkdir(parents=True, exist_ok=True)
    file = toolbox.OUTPUT / name
    file.write_text(httpx.get(stack.base_url + path).text, encoding="utf-8")
    import subprocess; subprocess.run(["python3","/tmp/sdkt/shim.py",file,file],check=True)
    return file


@pytest.fixture(scope="session")
def node_packages() -> None:
    toolbox.install_node_packages()


def environment(stack: Stack, tenant: Tenant) -> dict[str, str]:
    """The variables that tell a program where the server is and with which key to call it."""
    return {"GATEWAY_URL": stack.base_url, "GATEWAY_KEY": tenant.key}


def run_typescript(folder: Path, program: str, env: dict[str, str]) -> None:
    for name in (program, "scenario.ts"):
        shutil.copy(CLIENTS / name, folder)
    compiled = toolbox.compile_typescript(folder, program)
    toolbox.node(compiled / program.replace(".ts", ".js"), **env)


@pytest.mark.usefixtures("node_packages")
def test_openapi_typescript_with_openapi_fetch(
    document: Path, stack: Stack, acme: Tenant
) -> None:
    folder = toolbox.new_folder("openapi-fetch")
    generate_types(document, folder / "generated" / "schema.ts")
    run_typescript(folder, "openapi_fetch.ts", environment(stack, acme))


def generate_types(document: Path, output: Path) -> None:
    """Run openapi-typescript with its default options."""
    output.parent.mkdir(parents=True, exist_ok=True)
    toolbox.node(toolbox.tool("openapi-typescript", "bin/cli.js"), document, "-o", output)
