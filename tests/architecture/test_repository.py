"""The house itself: what its pages say is there, its pins are clean, its schema is at head."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from packaging.requirements import Requirement
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from domains.discovery import tables as _discovery  # noqa: F401 - fills the metadata
from domains.kernel.db.tables import SCHEMA_REVISION, metadata
from domains.revenue import tables as _revenue  # noqa: F401 - fills the metadata
from tests.stack import Stack

ROOT = Path(__file__).parents[2]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_every_path_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = re.search(r"```\n(.*?)```", text, re.DOTALL)
    assert tree is not None
    missing: list[str] = []
    folder = ROOT
    for line in tree[1].splitlines():
        name = line.split()[0]
        path = ROOT / name if not line.startswith(" ") else folder / name
        if not line.startswith(" "):
            folder = path
        if not path.exists():
            missing.append(name)
        # Other files of the same folder named in the description.
        missing += [
            each
            for each in re.findall(r"\b[\w/]+\.py\b", line.partition(name)[2])
            if not any((base / each).exists() for base in (folder, path, ROOT))
        ]
    prose = text.replace(tree[0], "")
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?|[\w-]+\.(?:toml|md|py))`", prose)
    missing += [each for each in named if not (ROOT / each).exists()]
    assert missing == []


def test_the_code_speaks_to_the_newest_schema() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_REVISION


async def test_migrations_make_the_tables_that_the_code_declares(stack: Stack) -> None:
    url = stack.database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url)

    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


@pytest.mark.parametrize("name", ["build.txt", "model.txt", "run.txt", "test.txt"])
def test_requirements_are_pinned_with_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[\w.\[\]-]+==[\w.]+( ;.*)? \\\n", block), block[:80]
        assert "--hash=sha256:" in block


def test_every_declared_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", text, re.MULTILINE))

    run, test = pins("run.txt"), pins("test.txt")
    for declared, pinned in (
        (project["dependencies"], run),
        (project["optional-dependencies"]["test"], test),
    ):
        for line in declared:
            wanted = Requirement(line)
            assert wanted.specifier.contains(pinned[wanted.name.lower()]), line
    # What runs is what was tested.
    assert {name: test[name] for name in run} == run


def test_project_files_name_no_package_host_and_no_machine_path() -> None:
    # Written so that the pattern does not find itself.
    hosts = "p[y]pi[.]org|p[y]thonhosted|registry[.]n[p]mjs|deb[.]d[e]bian"
    pattern = re.compile(rf"{hosts}|(?<![\w.-])/(?:w[o]rk|r[o]ot|h[o]me)/")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked()
        for number, line in enumerate(path.read_text("utf-8", errors="ignore").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_nothing_is_imported_inside_a_function_or_for_types_only() -> None:
    """Imports of our own code stand at the top, where a reader and import-linter see them."""
    ours = re.compile(r"^\s+(?:from|import) (?:gateway|domains|workers|migrations)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked()
        if path.suffix == ".py" and path.parts[len(ROOT.parts)] != "tests"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "TYPE_CHECKING" in line or ours.match(line)
    ]
    # Child processes import these modules again and shall load nothing of them.
    assert found == ["gateway/serve.py:7", "workers/__main__.py:7"]


def test_intelligence_asks_no_clock() -> None:
    """Dates are given to it; the same text says the same tomorrow."""
    asks = re.compile(r"\.(?:now|today|utcnow|fromtimestamp|monotonic|perf_counter)\(")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "domains" / "intelligence")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert found == []


def test_importing_the_product_opens_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import gateway.app, workers.main, gateway.cli.main, threading\n"
        "assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PATH": ""})
