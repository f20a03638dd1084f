"""Fixtures that run the `gateway` command."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.gateway_command import ForkServer, Gateway
from tests.cli.run_import import Importer
from tests.stack import Stack


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    with ForkServer() as started:
        yield started


@pytest.fixture
def gateway(stack: Stack, fork_server: ForkServer, tmp_path: Path) -> Gateway:
    """Runs the command on the stack, in an empty directory."""
    return Gateway(fork_server, stack, tmp_path)


@pytest.fixture
def importer(gateway: Gateway) -> Importer:
    """Runs `gateway import` in an empty directory."""
    return Importer(gateway)


@pytest.fixture
async def workspace(gateway: Gateway) -> Any:
    """A workspace created by the command."""
    name = f"cli-{secrets.token_hex(6)}"
    return (await gateway("workspaces", "create", name, "--json")).json()
