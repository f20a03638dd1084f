"""Fixtures that run `gateway import`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.run_import import Importer
from tests.stack import Stack
from tests.surfaces.forked import Forks


@pytest.fixture(scope="module")
def import_forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.fixture
def importer(stack: Stack, import_forks: Forks, tmp_path: Path) -> Importer:
    """`gateway import` in an empty directory."""
    return Importer(stack, import_forks, tmp_path)
