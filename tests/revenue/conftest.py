"""What several tests of the revenue record start with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.revenue.imports import Importer
from tests.stack import Stack
from tests.surfaces.forked import Forks


@pytest.fixture(scope="module")
def import_forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.fixture
def importer(stack: Stack, import_forks: Forks, tmp_path: Path) -> Importer:
    """Runs `gateway import` in an empty directory."""
    return Importer(stack, import_forks, tmp_path)
